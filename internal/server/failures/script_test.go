package failures

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fault"
)

// fired returns which of n requests fail, from 1.
func fired(t *testing.T, rule string, n int) []int {
	t.Helper()
	s, err := ReadScript(strings.NewReader("rules: [{failure: drop, " + rule + "}]"))
	if err != nil {
		t.Fatal(err)
	}
	var failed []int
	for i := range n {
		if _, found := s.next("POST", search, "admin"); found {
			failed = append(failed, i+1)
		}
	}
	return failed
}

func TestRulesCountTheirHits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rule string
		want []int // of ten
	}{
		{"user: admin", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{"first: 2", []int{1, 2}},
		{"every: 3", []int{3, 6, 9}},
		{"after: 7", []int{8, 9, 10}},
		{"after: 2, first: 3", []int{3, 4, 5}},
		{"after: 2, every: 3, first: 6", []int{5, 8}},
		{"user: scanner", nil},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			if got := fired(t, tc.rule, 10); !slices.Equal(got, tc.want) {
				t.Errorf("failed %v, want %v", got, tc.want)
			}
		})
	}
}

func TestEveryRuleARequestIsForCountsIt(t *testing.T) {
	t.Parallel()
	s, err := ReadScript(strings.NewReader(`
rules:
  - {endpoint: search/am/hostasset, first: 2, failure: status=503}
  - {endpoint: "*/am/*", first: 3, failure: rate-limit=1}
  - {user: scanner, every: 2, failure: drop}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, call := range []struct{ path, user string }{
		{search, "admin"}, {search, "admin"}, {search, "admin"}, {search, "admin"},
		{"/qps/rest/1.0/search/ca/agentconfig", "scanner"}, {"/automation/v1/scans", "scanner"},
	} {
		f, found := s.next("POST", call.path, call.user)
		got = append(got, fmt.Sprint(f.text, found))
	}
	want := []string{"status=503true", "status=503true", "rate-limit=1true", "false", "false", "droptrue"}
	if !slices.Equal(got, want) {
		t.Errorf("failures %q, want %q", got, want)
	}
}

func TestEndpointsMatchRequests(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		endpoint, method, path string
		want                   bool
	}{
		{"", "GET", "/anything", true},
		{"search/am/hostasset", "POST", "/qps/rest/2.0/search/am/hostasset", true},
		{"search/am/hostasset", "POST", "/qps/rest/1.0/search/am/hostasset", true},
		{"search/am/hostasset", "POST", "/qps/rest/2.0/search/am/asset", false},
		{"get/am/hostasset", "GET", "/qps/rest/2.0/get/am/hostasset/7", true},
		{"get/am/hostasset", "GET", "/qps/rest/2.0/get/am/hostasset/7/8", false},
		{"*/ca/*", "POST", "/qps/rest/1.0/ods/ca/agentasset/7", true},
		{"*/ca/*", "POST", "/qps/rest/2.0/ods/am/agentasset/7", false},
		{"s*/am/hostasset", "POST", "/qps/rest/2.0/count/am/hostasset", false},
		{"GET search/am/hostasset", "POST", "/qps/rest/2.0/search/am/hostasset", false},
		{"GET /automation/v1/scans", "GET", "/automation/v1/scans", true},
		{"GET /automation/v1/scans", "HEAD", "/automation/v1/scans", true},
		{"POST /automation/v1/scans", "GET", "/automation/v1/scans", false},
		{"/automation/v1/scans", "GET", "/automation/v1/scans/7", false},
		{"/automation/v1/*/7", "GET", "/automation/v1/scans/7", true},
		{"/automation/**", "GET", "/automation/v1/scans/7", true},
		{"/automation/**", "GET", "/qps/rest/portal/version", false},
		{"/**", "GET", "/", true},
		{"/qps/rest/portal/version", "GET", "/qps/rest/portal/version", true},
		{"/QPS/rest/portal/version", "GET", "/qps/rest/portal/version", false},
	} {
		t.Run(tc.endpoint+" "+tc.method+" "+tc.path, func(t *testing.T) {
			t.Parallel()
			e, err := parseEndpoint(tc.endpoint)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.matches(tc.method, tc.path); got != tc.want {
				t.Errorf("matches = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWrongScriptsAreRefusedWithTheLine(t *testing.T) {
	t.Parallel()
	rule := func(text string) string { return "rules:\n  - " + text + "\n" }
	for _, tc := range []struct{ name, script, want string }{
		{"nothing", "", "no rules"},
		{"only a comment", "# later\n", "no rules"},
		{"no rules", "rules: []", "no rules"},
		{"rules that are no list", "rules: drop", "no rules"},
		{"no YAML", "rules: [", "line 1"},
		{"two documents", rule("failure: drop") + "---\n" + rule("failure: drop"), "more than one document"},
		{"no mapping", "- drop", "line 1 is no mapping"},
		{"unknown key at the top", "rulez: []", "line 1 has the unknown key 'rulez'"},
		{"unknown key in a rule", rule("failure: drop\n    time: 3"), "line 3 has the unknown key 'time'"},
		{"merged key", rule("<<: {failure: drop}"), "unknown key '<<'"},
		{"key given twice", rule("failure: drop\n    failure: drop"), "already defined at line 2"},
		{"rule that is text", rule("drop"), "line 2 is no mapping"},
		{"no failure", rule("first: 3"), "line 2: failure is missing"},
		{"wrong failure", rule("failure: explode"), "line 2: Unknown failure directive 'explode'"},
		{"wrong number", rule("{failure: drop, first: many}"), "line 2"},
		{"nothing first", rule("{failure: drop, first: 0}"), "line 2: first: invalid value '0'"},
		{"negative", rule("{failure: drop, after: -1}"), "line 2: after: invalid value '-1'"},
		{"too large", rule("{failure: drop, every: 1000001}"), "line 2: every: invalid value '1000001'"},
		{"endpoint of two parts", rule("{failure: drop, endpoint: search/hostasset}"), "line 2: endpoint: invalid value 'search/hostasset'"},
		{"endpoint with an unknown method", rule("{failure: drop, endpoint: FETCH /x}"), "line 2: endpoint"},
		{"endpoint with a bad pattern", rule(`{failure: drop, endpoint: "/x/[a"}`), "line 2: endpoint"},
		{"endpoint with ** inside", rule(`{failure: drop, endpoint: "/x/**/y"}`), "line 2: endpoint"},
		{"long endpoint", rule("{failure: drop, endpoint: /" + strings.Repeat("x", maxEndpoint) + "}"), "line 2: endpoint"},
		{"too many rules", "rules:\n" + strings.Repeat("  - failure: drop\n", MaxRules+1), "101 rules"},
		{"too large a file", "#" + strings.Repeat("x", MaxScriptBytes), "larger than 65536 bytes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ReadScript(strings.NewReader(tc.script))
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != fault.Invalid || f.Resolution == "" || !strings.Contains(f.Message, tc.want) {
				t.Errorf("error %v, want fault.Invalid with %q and a next step", err, tc.want)
			}
		})
	}
}

// FuzzReadScript checks that no script makes the platform fall, that errors have
// both parts, and that a script that is read counts without falling.
func FuzzReadScript(f *testing.F) {
	for _, script := range []string{
		"rules:\n  - endpoint: search/am/hostasset\n    user: scanner\n    after: 2\n    every: 3\n    first: 6\n    failure: delay=2s; status=503\n",
		"rules: [{failure: drop}, {endpoint: '/**', failure: truncate=1}]", "a: &a [*a]", "rules: &x [{failure: &y drop}, *x]", "\xff\xfe", "%YAML 1.2\n---\n!!map {}",
	} {
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script string) {
		s, err := ReadScript(strings.NewReader(script))
		if err != nil {
			if f, ok := errors.AsType[*fault.Error](err); !ok || f.Message == "" || f.Resolution == "" {
				t.Fatalf("error %v lacks a part", err)
			}
			return
		}
		s.next("POST", search, "admin")
		s.next("GET", "/", "")
	})
}
