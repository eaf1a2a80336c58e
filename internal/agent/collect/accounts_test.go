package collect

import (
	"strings"
	"testing"
)

func FuzzParsePasswd(f *testing.F) {
	for _, seed := range []string{
		"root:x:0:0:root:/root:/bin/bash\n",
		"+::::::\n-@group\n#comment\n\n:::\n",
		"a:b:1:2\na:b:1:2",
		"\x00:x:0:0:\xff\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		seen := make(map[string]bool)
		for _, account := range parsePasswd(content) {
			if account.Username == "" || strings.ContainsAny(account.Username, ":\n") {
				t.Fatalf("%q is no account name", account.Username)
			}
			if seen[account.Username] {
				t.Fatalf("account %q is listed twice", account.Username)
			}
			seen[account.Username] = true
			if !strings.Contains(string(content), account.Username+":") {
				t.Fatalf("account %q is not in the file", account.Username)
			}
		}
	})
}
