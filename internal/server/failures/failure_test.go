package failures

import (
	"errors"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fault"
)

func TestDirectivesAreRead(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, want string }{
		{"status=503", "status=503"},
		{" status = 503 ;code=OTHER_ERROR", "status=503; code=OTHER_ERROR"},
		{"code=STILL_PROCESSING", "code=STILL_PROCESSING"},
		{"delay=3", "delay=3"},
		{"delay=5m", "delay=5m"},
		{"delay=2s;truncate=0", "delay=2s; truncate=0"},
		{"drop", "drop"},
		{"delay=1ms; drop-after=1048576", "delay=1ms; drop-after=1048576"},
		{"rate-limit=24h", "rate-limit=24h"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			f, err := Parse(tc.text)
			if err != nil || f.String() != tc.want {
				t.Errorf("Parse = %q, %v; want %q", f, err, tc.want)
			}
		})
	}
}

func TestWrongDirectivesNameWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, message, resolution string }{
		{"unknown", "explode", "'explode'", "drop-after=512"},
		{"nothing", "", "''", "status=503"},
		{"nothing after a semicolon", "drop;", "''", "status=503"},
		{"other case", "Status=503", "'Status'", "status=503"},
		{"twice", "status=500; status=503", "given twice", "status=503"},
		{"two ends", "status=503; drop", "more than one end", "delay goes with any other"},
		{"rate limit with a code", "rate-limit=3; code=OTHER_ERROR", "more than one end", "delay"},
		{"status of success", "status=200", "status: invalid value '200'", "400 to 599"},
		{"status without a value", "status", "status: invalid value ''", "400 to 599"},
		{"unknown code", "code=OOPS", "code: invalid value 'OOPS'", "INVALID_REQUEST"},
		{"code of success", "code=SUCCESS", "'SUCCESS'", "INVALID_REQUEST"},
		{"delay of nothing", "delay=0", "delay: invalid value '0'", "1ms to 5m"},
		{"negative delay", "delay=-3s", "'-3s'", "1ms to 5m"},
		{"delay that is too long", "delay=301", "'301'", "5m0s"},
		{"delay that overflows", "delay=9999999999999999999", "delay", "5m0s"},
		{"truncate of much", "truncate=1048577", "truncate", "0 to 1048576"},
		{"truncate below nothing", "truncate=-1", "'-1'", "0 to 1048576"},
		{"drop with a value", "drop=5", "drop: invalid value '5'", "no value"},
		{"rate limit of nothing", "rate-limit=0", "rate-limit", "1s to 24h"},
		{"long", strings.Repeat("delay=1s;", 100), "longer than 256 bytes", "status=503"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tc.text)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != fault.Invalid {
				t.Fatalf("error %v, want fault.Invalid", err)
			}
			if !strings.Contains(f.Message, tc.message) || !strings.Contains(f.Resolution, tc.resolution) {
				t.Errorf("error %q, %q; want %q and %q in it", f.Message, f.Resolution, tc.message, tc.resolution)
			}
		})
	}
}

// FuzzParse checks that what is read is what is said to have been read, and that
// what is not is refused with both parts of an error.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"delay=2s; status=503", "drop", "code=NOT_FOUND;delay=1", "truncate=1;drop", "rate-limit=\xff", ";;=="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err != nil {
			if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != fault.Invalid || f.Message == "" || f.Resolution == "" {
				t.Fatalf("error %v lacks a part", err)
			}
			return
		}
		again, err := Parse(got.String())
		if err != nil || again != got {
			t.Errorf("%q was read as %+v, and that as %+v, %v", text, got, again, err)
		}
		if got.delay > MaxDelay || got.bytes > MaxCut {
			t.Errorf("%+v is out of bounds", got)
		}
	})
}
