package fleet_test

import (
	"net/netip"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

func TestRulesMatchTheHostsTheyDescribe(t *testing.T) {
	t.Parallel()
	host := &fleet.HostFacts{
		Name: "edge-cache-04.example.net", OS: "Rocky Linux 9.3",
		Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.14"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("fe80::1%eth0")},
		Ports:     []int64{22, 8443},
		Software:  []string{"openssl", "openssl 3.0.7-24.el9", "g++", "g++ 13"},
	}
	for _, tc := range []struct {
		kind fleet.RuleType
		text string
		want bool
	}{
		{fleet.RuleNameContains, "cache", true},
		{fleet.RuleNameContains, "Cache", false},
		{fleet.RuleNameContains, "(?i)CACHE", true},
		{fleet.RuleNameContains, "^edge-.*-0[1-5]", true},
		{fleet.RuleNameContains, "^cache", false},
		{fleet.RuleNameContains, "example.net", true},
		{fleet.RuleNameContains, "(", false},  // no expression, but a text
		{fleet.RuleNameContains, "*-", false}, // the same
		{fleet.RuleOS, `^Rocky Linux (8|9)\b`, true},
		{fleet.RuleOS, "Debian", false},
		{fleet.RuleNetwork, "192.0.2.14", true},
		{fleet.RuleNetwork, "198.51.100.1, 192.0.2.0-192.0.2.14,", true},
		{fleet.RuleNetwork, "192.0.2.15-192.0.2.31", false},
		{fleet.RuleNetwork, "192.0.2.8/29", true},
		{fleet.RuleNetwork, "192.0.2.8/30", false},
		{fleet.RuleNetwork, "0.0.0.0/0", true},
		{fleet.RuleNetwork, "2001:db8::/64", true},
		{fleet.RuleNetwork, "::ffff:192.0.2.14", true},
		{fleet.RuleNetwork, "fe80::1", true},
		{fleet.RuleNetwork, "::", false},
		{fleet.RuleSoftware, `^openssl$`, true},
		{fleet.RuleSoftware, `^openssl 3\.0\.`, true},
		{fleet.RuleSoftware, `^g\+\+ 14`, false},
		{fleet.RulePorts, "80,443, 22", true},
		{fleet.RulePorts, "8000-9000", true},
		{fleet.RulePorts, "23-8442", false},
		{"ASSET_SEARCH", "<x/>", false},
		{fleet.RuleStatic, "", false},
	} {
		t.Run(string(tc.kind)+" "+tc.text, func(t *testing.T) {
			t.Parallel()
			rule, err := fleet.CompileRule(tc.kind, tc.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := rule.Match(host); got != tc.want {
				t.Errorf("matches: %t, want %t", got, tc.want)
			}
			if rule.Match(&fleet.HostFacts{}) {
				t.Error("matches a host of which nothing is known")
			}
		})
	}
}

func TestWrongRulesAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		kind       fleet.RuleType
		name, text string
		says       string
	}{
		{fleet.RuleOS, "unbalanced", "(a", "missing closing )"},
		{fleet.RuleOS, "back reference", `(a)\1`, `\1`},
		{fleet.RuleOS, "too long", strings.Repeat("a", 1025), "1025 bytes"},
		{fleet.RuleOS, "repetitions that explode", "((a{100}){100}){100}", "repeat"},
		{fleet.RuleSoftware, "repetitions that are many", "(abc){1000}", "at most 2000"},
		{fleet.RuleNameContains, "repetitions in a name", "(abc){1000}", "at most 2000"},
		{fleet.RuleNetwork, "no address", "192.0.2.256", "'192.0.2.256' is no entry"},
		{fleet.RuleNetwork, "range backwards", "192.0.2.9-192.0.2.1", "'192.0.2.9-192.0.2.1'"},
		{fleet.RuleNetwork, "range across families", "192.0.2.1-2001:db8::1", "is no entry"},
		{fleet.RuleNetwork, "range of prefixes", "192.0.2.0/24-192.0.3.0/24", "is no entry"},
		{fleet.RuleNetwork, "zone", "fe80::1%eth0", "is no entry"},
		{fleet.RuleNetwork, "only commas", ",,", "no entry"},
		{fleet.RuleNetwork, "too many", strings.Repeat("192.0.2.1,", 1001), "more than 1000"},
		{fleet.RulePorts, "port zero", "0", "'0' is no entry"},
		{fleet.RulePorts, "port beyond 16 bits", "65536", "'65536'"},
		{fleet.RulePorts, "negative port", "-1", "'-1'"},
		{fleet.RulePorts, "range backwards", "90-80", "'90-80'"},
		{fleet.RulePorts, "word", "ssh", "'ssh'"},
	} {
		t.Run(string(tc.kind)+" "+tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := fleet.CompileRule(tc.kind, tc.text)
			wantFault(t, err, fault.Invalid, tc.says)
		})
	}
}

func FuzzRules(f *testing.F) {
	for _, text := range []string{"(a+)+$", "192.0.2.0/24,1-2", "22,80-90", "[", "(?i)x{2,}", "::/0"} {
		f.Add(text)
	}
	kinds := []fleet.RuleType{fleet.RuleNameContains, fleet.RuleOS, fleet.RuleNetwork, fleet.RuleSoftware, fleet.RulePorts}
	f.Fuzz(func(t *testing.T, text string) {
		host := &fleet.HostFacts{
			Name: strings.Repeat("a", 300) + "!", OS: text, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, Ports: []int64{22},
			Software: []string{text, strings.Repeat("a", 300)},
		}
		for _, kind := range kinds {
			rule, err := fleet.CompileRule(kind, text)
			if err == nil {
				rule.Match(host)
			} else if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s %q: %v is no fault of the text", kind, text, err)
			}
		}
	})
}
