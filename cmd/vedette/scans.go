package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

const (
	defaultScanLimit = 50
	// maxScanLimit is the most that one call lists.
	maxScanLimit = 1000
)

func newScansCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "scans", "Launch and follow on-demand scans",
		`Launches on-demand scans and shows how they go on. A platform that does not report
the states of scans, such as Qualys, is asked for the agents' last events and scan
dates instead.`)
	group.Example = "  vedette scans launch --type inventory --wait 1\n  vedette scans list\n  vedette scans show 12"
	group.AddCommand(newScansLaunch(a, f), newScansList(a, f), newScansShow(a, f))
	return group
}

// scanTypeFlag adds --type. value holds the chosen token.
func scanTypeFlag(cmd *cobra.Command, value *string, usage string) {
	var tokens []string
	for _, t := range automation.ScanTypes() {
		tokens = append(tokens, t.Token)
	}
	cmd.Flags().Var(oneOf{value, tokens}, "type", usage)
	completeOneOf(cmd, "type", tokens)
}

func newScansList(a *app, f *clientFlags) *cobra.Command {
	var typeToken, state string
	var q qpsclient.ScanQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List on-demand scans, newest first", Args: noArgs,
		Example: "  vedette scans list\n  vedette scans list --agent 1 --state failed -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if typeToken != "" {
				t, err := automation.ParseScanType(typeToken)
				if err != nil {
					return usageError{err}
				}
				q.Type = t.Wire
			}
			q.State = qpsclient.ScanState(state)
			return a.listScans(cmd, f, q)
		},
	}
	scanTypeFlag(cmd, &typeToken, "only scans of this type")
	var states []string
	for _, s := range qpsclient.ScanStates() {
		states = append(states, string(s))
	}
	cmd.Flags().Var(oneOf{&state, states}, "state", "only scans in this state")
	completeOneOf(cmd, "state", states)
	numberFlag(cmd.Flags(), &q.AssetID, "agent", 0, 1, math.MaxInt64, "only scans of this Cloud Agent `ID`")
	numberFlag(cmd.Flags(), &q.Limit, "limit", defaultScanLimit, 1, maxScanLimit, "list at most this `number`")
	return cmd
}

func (a *app) listScans(cmd *cobra.Command, f *clientFlags, q qpsclient.ScanQuery) error {
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	scans, err := client.Scans(cmd.Context(), q)
	if errors.Is(err, qpsclient.ErrNoScanStates) {
		return a.listLastEvents(cmd, f, client, q)
	}
	if err != nil {
		return outcomeOf(automation.Failure("List Scans failed.", err))
	}
	if f.format() == formatJSON {
		return writeJSON(a.stdout, map[string]any{"scans": append([]qpsclient.Scan{}, scans...)})
	}
	if f.format() == formatTable && len(scans) == 0 {
		fmt.Fprintln(a.stderr, "There is no such scan.")
	}
	return f.writeRows(a.stdout, "scans", "scan", scanTable(scans))
}

func scanTable(scans []qpsclient.Scan) automation.Table {
	t := automation.Table{
		Columns:     []string{"ID", "AGENT", "TYPE", "STATE", "CREATED", "STARTED", "ENDED", "REQUESTED BY", "REASON"},
		TimeColumns: []string{"CREATED", "STARTED", "ENDED"},
	}
	for _, s := range scans {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(s.ID, 10), strconv.FormatInt(s.AssetID, 10), string(s.Type), string(s.State),
			qps.FormatTime(s.Created), qps.FormatTime(s.Started), qps.FormatTime(s.Ended), s.RequestedBy, s.Reason,
		})
	}
	return t
}

// noStatesNote says what is shown on a platform without scan states.
const noStatesNote = "This platform does not report the states of scans."

// listLastEvents shows what can be read of scans on a platform without scan
// states: the agents' last events and scan dates. Type and state cannot be
// asked for there.
func (a *app) listLastEvents(cmd *cobra.Command, f *clientFlags, client *qpsclient.Client, q qpsclient.ScanQuery) error {
	fmt.Fprintln(a.stderr, noStatesNote+" These are the last events and scan dates of its agents; --type and --state have no effect.")
	s := qpsclient.HostAssetSearch{
		Criteria:   []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud Agent"}},
		Fields:     []string{"id", "name", "agentInfo.chirpStatus", "agentInfo.lastCheckedIn", "lastVulnScan", "lastComplianceScan"},
		MaxRecords: q.Limit,
	}
	if q.AssetID != 0 {
		s.Criteria = append(s.Criteria, qps.Criterion{Field: "id", Operator: qps.OpEquals, Value: strconv.FormatInt(q.AssetID, 10)})
	}
	t := automation.Table{
		Columns:     []string{"AGENT", "NAME", "LAST EVENT", "LAST CHECKED IN", "LAST VULN SCAN", "LAST COMPLIANCE SCAN"},
		TimeColumns: []string{"LAST CHECKED IN", "LAST VULN SCAN", "LAST COMPLIANCE SCAN"},
	}
	var found []*qps.HostAsset
	for page, err := range client.SearchHostAssets(cmd.Context(), s) {
		if err != nil {
			return outcomeOf(automation.Failure("List Scans failed.", err))
		}
		found = slices.Concat(found, page.Assets)
	}
	for _, h := range found {
		row := []string{strconv.FormatInt(h.ID, 10), h.Name, "", "", qps.FormatTime(h.LastVulnScan), qps.FormatTime(h.LastComplianceScan)}
		if i := h.AgentInfo; i != nil {
			row[2], row[3] = i.ChirpStatus, qps.FormatTime(i.LastCheckedIn)
		}
		t.Rows = append(t.Rows, row)
	}
	if f.format() == formatJSON {
		return writeJSON(a.stdout, map[string]any{"agents": rowObjects(t)})
	}
	return f.writeRows(a.stdout, "agents", "agent", t)
}

// rowObjects returns the rows of a table as objects, for JSON.
func rowObjects(t automation.Table) []map[string]string {
	objects := make([]map[string]string, len(t.Rows))
	for i, row := range t.Rows {
		objects[i] = make(map[string]string, len(row))
		for j, cell := range row {
			objects[i][camelCase(t.Columns[j])] = cell
		}
	}
	return objects
}

func newScansShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Aliases: []string{"get"}, Short: "Show one on-demand scan", Args: exactArgs("ID"),
		Long:    "Shows one on-demand scan by its own id, which 'vedette scans list' shows.",
		Example: "  vedette scans show 12",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("scan ID", args[0])
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			scan, err := client.Scan(cmd.Context(), id)
			if errors.Is(err, qpsclient.ErrNoScanStates) {
				return fmt.Errorf("%s Run 'vedette scans list' for the last events of its agents", noStatesNote)
			}
			if err != nil {
				return outcomeOf(automation.Failure("Show Scan failed.", err))
			}
			switch f.format() {
			case formatJSON:
				return writeJSON(a.stdout, scan)
			case formatTable:
				return writeTable(a.stdout, f.transposed(scanTable([]qpsclient.Scan{scan})))
			default:
				return f.writeRows(a.stdout, "scans", "scan", scanTable([]qpsclient.Scan{scan}))
			}
		},
	}
}

// transposed shows a table of one row with a line per column.
func (f *clientFlags) transposed(t automation.Table) automation.Table {
	t = t.Shown(f.times)
	out := automation.Table{Columns: []string{"FIELD", "VALUE"}}
	for i, column := range t.Columns {
		if column != "ID" {
			column = column[:1] + strings.ToLower(column[1:])
		}
		out.Rows = append(out.Rows, []string{column, t.Rows[0][i]})
	}
	return out
}

// seconds is a duration as progress shows it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
