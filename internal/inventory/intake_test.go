package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// memory is an Uploads that holds one upload and remembers what was applied.
type memory struct {
	upload  Upload
	content []byte
	applied *agentwire.Delta
}

func (m *memory) StartUpload(_ context.Context, u Upload, _ time.Time) (Upload, string, error) {
	m.upload = u
	return u, "", nil
}

func (m *memory) AppendFragment(_ context.Context, _ int64, _ string, offset int64, data []byte) (int64, error) {
	m.content = append(m.content[:offset], data...)
	m.upload.Offset = int64(len(m.content))
	return m.upload.Offset, nil
}

func (m *memory) UploadContent(context.Context, int64, string) (Upload, []byte, error) {
	return m.upload, m.content, nil
}

func (m *memory) CommitUpload(_ context.Context, _ int64, _ string, delta *agentwire.Delta, _ time.Time) (agentwire.UploadState, string, error) {
	if m.upload.State != agentwire.UploadCommitted {
		m.applied, m.upload.State, m.content = delta, agentwire.UploadCommitted, nil
	}
	return agentwire.UploadCommitted, m.upload.Start.Result, nil
}

func compress(t testing.TB, doc []byte) []byte {
	t.Helper()
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return encoder.EncodeAll(doc, nil)
}

func encoded(t testing.TB, d *agentwire.Delta) []byte {
	t.Helper()
	doc, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return compress(t, doc)
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func baseline() *agentwire.Delta {
	s := &agentwire.Snapshot{
		Host:     agentwire.Host{Name: "edge-1", OS: "Debian GNU/Linux 12 (bookworm)"},
		Software: []agentwire.Software{{Kind: "deb", Name: "bash", Version: "5.2.15-2+b2", Architecture: "amd64"}},
		Ports:    []agentwire.Port{{Protocol: "TCP", Address: "0.0.0.0", Port: 22}},
	}
	s.Normalize()
	return agentwire.Diff(nil, s)
}

// send takes a delta through start, fragments of the given size and commit.
func send(t *testing.T, in *Intake, delta *agentwire.Delta, content []byte, fragment int) (agentwire.UploadAnswer, error) {
	t.Helper()
	digest := digestOf(content)
	start := agentwire.UploadStart{Module: agentwire.ModuleInventory, Base: delta.Base, Result: delta.Result, Size: int64(len(content))}
	if _, err := in.Start(t.Context(), 7, digest, start); err != nil {
		return agentwire.UploadAnswer{}, err
	}
	for offset := 0; offset < len(content); offset += fragment {
		end := min(offset+fragment, len(content))
		if _, err := in.Fragment(t.Context(), 7, digest, int64(offset), content[offset:end]); err != nil {
			return agentwire.UploadAnswer{}, err
		}
	}
	return in.Commit(t.Context(), 7, digest)
}

func TestAnUploadIsAppliedAndMayBeCommittedAgain(t *testing.T) {
	t.Parallel()
	store := &memory{}
	in := NewIntake(store, time.Now)
	delta := baseline()
	content := encoded(t, delta)
	for range 2 {
		answer, err := send(t, in, delta, content, 16)
		if err != nil {
			t.Fatal(err)
		}
		if answer.State != agentwire.UploadCommitted || answer.Confirmed != delta.Result {
			t.Errorf("got %+v", answer)
		}
	}
	if store.applied == nil || len(store.applied.Software.Put) != 1 {
		t.Errorf("applied %+v", store.applied)
	}
	again, err := in.Commit(t.Context(), 7, digestOf(content))
	if err != nil || again.State != agentwire.UploadCommitted {
		t.Errorf("second commit: %+v, %v", again, err)
	}
}

func TestStartsThatNoAgentMakesAreRefused(t *testing.T) {
	t.Parallel()
	digest := strings.Repeat("ab", 32)
	good := agentwire.UploadStart{Module: agentwire.ModuleInventory, Result: digest, Size: 10}
	for _, test := range []struct {
		name   string
		digest string
		change func(*agentwire.UploadStart)
		want   string
	}{
		{"no digest", "", func(*agentwire.UploadStart) {}, "upload digest"},
		{"upper-case digest", strings.ToUpper(digest), func(*agentwire.UploadStart) {}, "lower-case"},
		{"no result", digest, func(s *agentwire.UploadStart) { s.Result = "" }, "result digest"},
		{"odd base", digest, func(s *agentwire.UploadStart) { s.Base = "../../etc" }, "base digest"},
		{"other module", digest, func(s *agentwire.UploadStart) { s.Module = "vm" }, `module "vm"`},
		{"empty", digest, func(s *agentwire.UploadStart) { s.Size = 0 }, "at least 1 byte"},
		{"too large", digest, func(s *agentwire.UploadStart) { s.Size = agentwire.MaxUploadBytes + 1 }, "above the limit"},
		{"too many scans", digest, func(s *agentwire.UploadStart) { s.Scans = make([]int64, agentwire.MaxDemands+1) }, "scans in one upload"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			start := good
			test.change(&start)
			_, err := NewIntake(&memory{}, time.Now).Start(t.Context(), 7, test.digest, start)
			if err == nil || !strings.Contains(err.Error(), test.want) || fault.CodeOf(err) == fault.Internal {
				t.Errorf("got %v, want one that says %q", err, test.want)
			}
		})
	}
}

func TestContentThatNoAgentMakesIsRefused(t *testing.T) {
	t.Parallel()
	with := func(change func(*agentwire.Delta)) []byte {
		d := baseline()
		change(d)
		return encoded(t, d)
	}
	bomb := compress(t, []byte(`{"result":"`+strings.Repeat("x", agentwire.MaxDeltaBytes)+`"}`))
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"not compressed", []byte(`{"result":"x"}`), "not a valid zstd stream"},
		{"not JSON", compress(t, []byte("<delta/>")), "not a delta"},
		{"a bomb", bomb, ""},
		{"another result than announced", with(func(d *agentwire.Delta) { d.Result = strings.Repeat("0", 64) }), "announced was"},
		{"no host", with(func(d *agentwire.Delta) { d.Host = nil }), "no host facts"},
		{"no host name", with(func(d *agentwire.Delta) { d.Host.Name = "" }), "name is empty"},
		{"negative memory", with(func(d *agentwire.Delta) { d.Host.MemoryMB = -5 }), "below 0"},
		{"no instance of a cloud", with(func(d *agentwire.Delta) { d.Host.Cloud = &agentwire.Cloud{Provider: agentwire.CloudAWS} }), "cloud account id"},
		{"a volume of less than nothing", with(func(d *agentwire.Delta) { d.Volumes.Put = []agentwire.Volume{{Name: "/", Size: -1}} }), "below 0"},
		{"one key twice", with(func(d *agentwire.Delta) { d.Software.Put = append(d.Software.Put, d.Software.Put[0]) }), "occurs twice"},
		{"put and dropped", with(func(d *agentwire.Delta) { d.Software.Drop = []string{d.Software.Put[0].Key()} }), "occurs twice"},
		{"no such port", with(func(d *agentwire.Delta) { d.Ports.Put[0].Port = 65536 }), "65535"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := &memory{}
			_, err := send(t, NewIntake(store, time.Now), baseline(), test.content, agentwire.MaxFragmentBytes)
			code := fault.CodeOf(err)
			if err == nil || !strings.Contains(err.Error(), test.want) || (code != fault.Invalid && code != fault.TooLarge) {
				t.Errorf("got %v (%s), want one that says %q", err, code, test.want)
			}
			if store.applied != nil {
				t.Error("it was applied")
			}
		})
	}
}

// TestAFewBytesCannotAskForGigabytes sends what a rogue agent would: a list of
// millions of empty entries, which compresses to nearly nothing.
func TestAFewBytesCannotAskForGigabytes(t *testing.T) {
	result := strings.Repeat("ab", 32)
	content := compress(t, []byte(`{"result":"`+result+`","host":{"name":"h"},"software":{"put":[`+strings.Repeat("{},", 8_000_000)+`{}]}}`))
	upload := Upload{Digest: digestOf(content), Start: agentwire.UploadStart{Result: result, Size: int64(len(content))}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := decode(upload, content)
	runtime.ReadMemStats(&after)
	if !fault.Is(err, fault.TooLarge) {
		t.Errorf("got %v, want too large", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8*agentwire.MaxDeltaBytes {
		t.Errorf("decoding %d bytes took %d MiB", len(content), used>>20)
	}
}

func TestACommitBeforeTheLastFragmentIsAConflict(t *testing.T) {
	t.Parallel()
	store := &memory{}
	in := NewIntake(store, time.Now)
	delta := baseline()
	content := encoded(t, delta)
	digest := digestOf(content)
	start := agentwire.UploadStart{Module: agentwire.ModuleInventory, Result: delta.Result, Size: int64(len(content))}
	if _, err := in.Start(t.Context(), 7, digest, start); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Fragment(t.Context(), 7, digest, 0, content[:10]); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Commit(t.Context(), 7, digest); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v, want a conflict", err)
	}
}

func TestFragmentsOutsideTheLimitsAreRefused(t *testing.T) {
	t.Parallel()
	in := NewIntake(&memory{}, time.Now)
	for name, call := range map[string]struct {
		offset int64
		size   int
	}{"negative offset": {-1, 1}, "no bytes": {0, 0}, "too many bytes": {0, agentwire.MaxFragmentBytes + 1}} {
		if _, err := in.Fragment(t.Context(), 7, digestOf(nil), call.offset, make([]byte, call.size)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"result":"x"}`))
	f.Add([]byte(`{"base":"","result":"x","host":{"name":"h"},"software":{"put":[{"kind":"deb","name":"n"}],"drop":["a"]}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		content := compress(t, doc)
		upload := Upload{Digest: digestOf(content), Start: agentwire.UploadStart{Result: "x", Size: int64(len(content))}}
		delta, err := decode(upload, content)
		if err == nil && delta.Result != "x" {
			t.Errorf("a delta to %q was taken for one to x", delta.Result)
		}
		upload = Upload{Digest: digestOf(doc), Start: agentwire.UploadStart{Result: "x", Size: int64(len(doc))}}
		if delta, err := decode(upload, doc); err == nil && delta.Result != "x" {
			t.Errorf("a raw delta to %q was taken for one to x", delta.Result)
		}
	})
}
