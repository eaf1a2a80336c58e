package collect

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAllCollectorsCarryTheNamesOfManifests(t *testing.T) {
	t.Parallel()
	want := []string{"host", "software", "ports", "interfaces", "accounts", "processors", "volumes"}
	if diff := cmp.Diff(want, Names()); diff != "" {
		t.Errorf("Names (-want +got):\n%s", diff)
	}
	var got []string
	for _, c := range All() {
		got = append(got, c.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("names of All (-want +got):\n%s", diff)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, in, want string }{
		{"ordinary text stays", "Debian GNU/Linux 12 (bookworm)", "Debian GNU/Linux 12 (bookworm)"},
		{"letters of any script stay", "müller 東京", "müller 東京"},
		{"surrounding space goes", "  Standard PC \n", "Standard PC"},
		{"control characters go", "a\x00b\x1b[31mc\x7f", "ab[31mc"},
		{"bytes that are not UTF-8 are replaced", "caf\xe9", "caf\uFFFD"},
		{"noncharacters go, XML refuses them", "a\uFFFEb\uFFFFc", "abc"},
		{"overlong text is cut", strings.Repeat("x", 5000), strings.Repeat("x", maxTextBytes)},
		{"a cut never splits a letter", "x" + strings.Repeat("é", 600), "x" + strings.Repeat("é", (maxTextBytes-1)/2)},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := clean(test.in); got != test.want {
				t.Errorf("clean(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

// Text that changed on its way through JSON would change the digest of the
// snapshot between agent and platform.
func FuzzCleanTextSurvivesJSON(f *testing.F) {
	for _, seed := range []string{"", "plain", "\xff\xfe", "a\u2028b", "\x00", strings.Repeat("é", 600), " \u00a0x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cleaned := clean(s)
		if again := clean(cleaned); again != cleaned {
			t.Fatalf("clean(%q) = %q, cleaned again %q", s, cleaned, again)
		}
		doc, err := json.Marshal(cleaned)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		if err := json.Unmarshal(doc, &back); err != nil || back != cleaned {
			t.Fatalf("%q came back from JSON as %q (%v)", cleaned, back, err)
		}
		if len(cleaned) > maxTextBytes {
			t.Fatalf("%d bytes left of %d, at most %d are allowed", len(cleaned), len(s), maxTextBytes)
		}
	})
}
