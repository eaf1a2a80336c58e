package collect

import (
	"bytes"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
)

// maxPasswdBytes bounds /etc/passwd; 100,000 accounts take about 8 MB.
const maxPasswdBytes = 16 << 20

// parsePasswd returns the accounts of a passwd file, each name once. Lines the C
// library would skip are skipped: blank ones, comments, NIS inclusions ("+" and
// "-", see passwd(5) of compat), and those without a numeric user and group id.
func parsePasswd(content []byte) []agentwire.Account {
	var found []agentwire.Account
	seen := make(map[string]bool)
	for line := range bytes.Lines(content) {
		fields := strings.Split(strings.TrimRight(string(line), "\r\n"), ":")
		if len(fields) < 4 {
			continue
		}
		name := strings.TrimLeft(fields[0], " \t")
		if name == "" || strings.ContainsAny(name[:1], "#+-") || seen[name] || !numeric(fields[2]) || !numeric(fields[3]) {
			continue
		}
		seen[name] = true
		found = append(found, agentwire.Account{Username: name})
	}
	return found
}

func numeric(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}
