package relay_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
)

func allow(t *testing.T, entries ...string) relay.AllowList {
	t.Helper()
	l, err := relay.ParseAllowList(entries)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func target(t *testing.T, text string) relay.Target {
	t.Helper()
	parsed, err := relay.ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestAnEntryOfAnAllowListIsReadOrRefused(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"qualysapi.qualys.com:443":   "qualysapi.qualys.com:443",
		"QualysAPI.Qualys.COM.:8443": "qualysapi.qualys.com:8443",
		"host_1:1":                   "host_1:1",
		"10.1.2.3:443":               "10.1.2.3:443",
		"10.1.0.0/16:443":            "10.1.0.0/16:443",
		"0.0.0.0/0:443":              "0.0.0.0/0:443",
		"[2001:db8::7]:443":          "[2001:db8::7]:443",
		"[2001:db8::/32]:65535":      "[2001:db8::/32]:65535",
		"[::ffff:10.1.2.3]:443":      "10.1.2.3:443",
		"127.0.0.1:8443":             "127.0.0.1:8443",
	} {
		if diff := cmp.Diff([]string{want}, allow(t, entry).Entries()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", entry, diff)
		}
	}
	for _, entry := range []string{
		"", "host", ":443", "host:", "host:0", "host:65536", "host:0443", "host:+1", "host:https", "https://host:443", "host:443/path", "*.qualys.com:443",
		"ho st:443", "-host:443", "höst:443", "10.1.0.1/16:443", "10.1.0.0/33:443", "2001:db8::7:443", "[2001:db8::7]", "[::ffff:10.0.0.0/104]:443",
		strings.Repeat("a.", 127) + "aa:443", strings.Repeat("a", 64) + ".example:443", "a\x00b:443",
	} {
		if l, err := relay.ParseAllowList([]string{"good.example:443", entry}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q was read as %v: %v", entry, l.Entries(), err)
		}
	}
	if l, err := relay.ParseAllowList(make([]string, relay.MaxAllowed+1)); !fault.Is(err, fault.Invalid) || !l.Empty() {
		t.Errorf("a list that is too long: %v", err)
	}
	if !allow(t).Empty() || len(allow(t, "a:1", "a:1").Entries()) != 1 {
		t.Error("an empty list is not empty, or an entry counts twice")
	}
}

// TestThePlatformJudgesATargetByItsName asks what a platform asks, which resolves
// no names of other networks.
func TestThePlatformJudgesATargetByItsName(t *testing.T) {
	t.Parallel()
	l := allow(t, "api.example:443", "10.1.0.0/16:8443", "[2001:db8::/32]:443")
	for text, want := range map[string]bool{
		"api.example:443": true, "API.example.:443": true, "api.example:8443": false, "sub.api.example:443": false, "example:443": false,
		"10.1.2.3:8443": true, "10.1.2.3:443": false, "10.2.0.0:8443": false, "[::ffff:10.1.2.3]:8443": true,
		"[2001:db8:1::1]:443": true, "[2001:db9::1]:443": false,
	} {
		if got := l.Allows(target(t, text)); got != want {
			t.Errorf("%s is allowed: %t, want %t", text, got, want)
		}
	}
	if (relay.AllowList{}).Allows(target(t, "api.example:443")) {
		t.Error("the empty list allows something")
	}
}

// TestTheRelayJudgesATargetByItsAddress asks about addresses that a name was
// resolved to, by whoever answers for it.
func TestTheRelayJudgesATargetByItsAddress(t *testing.T) {
	t.Parallel()
	l := allow(t, "api.example:443", "0.0.0.0/0:8443", "[::/0]:8443", "localhost:443", "127.0.0.2:443")
	for _, tc := range []struct {
		target, address string
		want            bool
	}{
		{"api.example:443", "192.0.2.7", true},
		{"api.example:443", "10.0.0.1", true}, // a name in a closed network
		{"api.example:443", "2001:db8::7", true},
		{"api.example:443", "127.0.0.1", false},
		{"api.example:443", "127.0.0.2", true}, // an entry of its own
		{"api.example:443", "::1", false},
		{"api.example:443", "::ffff:127.0.0.1", false},
		{"localhost:443", "127.0.0.1", true},
		{"localhost:443", "::1", true},
		{"other.example:8443", "10.0.0.1", true}, // by its address
		{"other.example:8443", "127.0.0.1", false},
		{"other.example:443", "192.0.2.7", false},
	} {
		if got := l.AllowsAt(target(t, tc.target), netip.MustParseAddr(tc.address)); got != tc.want {
			t.Errorf("%s at %s is allowed: %t, want %t", tc.target, tc.address, got, tc.want)
		}
	}
	for text, want := range map[string]bool{"api.example:443": true, "other.example:8443": true, "other.example:22": false} {
		if got := l.Resolves(target(t, text)); got != want {
			t.Errorf("%s is worth a look-up: %t, want %t", text, got, want)
		}
	}
}

func TestTheTargetOfAURLHasTLS(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://qualysapi.qualys.com": "qualysapi.qualys.com:443", "https://QualysAPI.qualys.com:8443/": "qualysapi.qualys.com:8443",
		"https://[2001:db8::7]": "[2001:db8::7]:443", "https://10.1.2.3:444": "10.1.2.3:444",
	} {
		if got, err := relay.TargetOfURL(text); err != nil || got.String() != want {
			t.Errorf("%s leads to %v: %v", text, got, err)
		}
	}
	for _, text := range []string{"http://qualysapi.qualys.com", "qualysapi.qualys.com", "https://", "https://a:0", "https://%zz"} {
		if got, err := relay.TargetOfURL(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s leads to %v: %v", text, got, err)
		}
	}
}

// FuzzTarget reads targets as they come from the other end of a channel.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"api.example:443", "[2001:db8::7]:443", "10.1.2.3:1", "[fe80::1%eth0]:80", "::1:443", "\x00:1", "a..b:1"} {
		f.Add(seed)
	}
	l, err := relay.ParseAllowList([]string{"api.example:443", "10.0.0.0/8:443"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := relay.ParseTarget(text)
		if err != nil {
			return
		}
		again, err := relay.ParseTarget(parsed.String())
		if err != nil || again != parsed {
			t.Fatalf("%q is %v, which is %v: %v", text, parsed, again, err)
		}
		if l.Allows(parsed) && parsed.Port != 443 {
			t.Fatalf("%v is allowed", parsed)
		}
	})
}
