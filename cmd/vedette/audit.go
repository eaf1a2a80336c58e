package main

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// maxAuditLimit is the most that one call lists.
const maxAuditLimit = 1000

func newAuditCommand(a *app) *cobra.Command {
	cmd, f := newClientGroup(a, "audit", "Search the audit log",
		`Lists rows of the audit log that meet all filters, newest first: everything that was
changed or tried, sign-ins, and what was refused. For managers.

Times are RFC 3339, MM/DD/YYYY hh:mm AM/PM in UTC, or how long ago, such as 24h or
7d.`)
	cmd.Example = `  vedette audit --since 24h
  vedette audit --outcome refused --actor soar
  vedette audit --action "sign in" --since 7d -o csv`
	var q qpsclient.AuditQuery
	var since, until, outcome string
	cmd.Args = noArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q.Outcome = qpsclient.AuditOutcome(outcome)
		var err error
		if q.Since, err = a.pointInTime(f, "--since", since); err != nil {
			return err
		}
		if q.Until, err = a.pointInTime(f, "--until", until); err != nil {
			return err
		}
		return a.listAudit(cmd, f, q)
	}
	flags := cmd.Flags()
	flags.StringVar(&q.Actor, "actor", "", "only rows of this `user`name")
	flags.StringVar(&q.Action, "action", "", "only rows whose action contains this `text`, such as \"sign in\" or user")
	flags.StringVar(&q.Object, "object", "", "only rows whose object contains this `text`")
	outcomes := []string{string(qpsclient.AuditDone), string(qpsclient.AuditRefused), string(qpsclient.AuditFailed)}
	flags.Var(oneOf{&outcome, outcomes}, "outcome", "only rows with this outcome")
	completeOneOf(cmd, "outcome", outcomes)
	flags.StringVar(&since, "since", "", "only rows of this `time` or later")
	flags.StringVar(&until, "until", "", "only rows of before this `time`")
	numberFlag(flags, &q.Limit, "limit", 100, 1, maxAuditLimit, "list at most this `number`")
	numberFlag(flags, &q.Before, "before", 0, 0, math.MaxInt64, "only rows with a lower `ID`, to see what came before")
	return cmd
}

// pointInTime reads a time, or how long ago it was.
func (a *app) pointInTime(f *clientFlags, flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := parseDays(text); err == nil {
		return a.now().Add(-ago), nil
	}
	at, err := f.times.ReadTime(text, false)
	if err != nil {
		return time.Time{}, usagef("%s: %w, or how long ago such as 24h or 7d", flag, err)
	}
	return at, nil
}

func (a *app) listAudit(cmd *cobra.Command, f *clientFlags, q qpsclient.AuditQuery) error {
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	entries, err := client.Audit(cmd.Context(), q)
	if err != nil {
		return accessFailure("Search Audit Log failed.", err)
	}
	if f.format() == formatJSON {
		return writeJSON(a.stdout, map[string]any{"entries": append([]qpsclient.AuditEntry{}, entries...)})
	}
	if f.format() == formatTable && len(entries) == 0 {
		fmt.Fprintln(a.stderr, "There is no such row.")
	}
	t := automation.Table{Columns: []string{"ID", "TIME", "ACTOR", "ADDRESS", "ACTION", "OBJECT", "OUTCOME", "DETAIL"}, TimeColumns: []string{"TIME"}}
	for _, e := range entries {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(e.ID, 10), qps.FormatTime(e.Time), e.Actor, e.Address, e.Action, e.Object, string(e.Outcome), e.Detail,
		})
	}
	if f.format() == formatTable && len(entries) == q.Limit {
		fmt.Fprintf(a.stderr, "There may be more: --before %d shows what came before.\n", entries[len(entries)-1].ID)
	}
	return f.writeRows(a.stdout, "audit", "entry", t)
}
