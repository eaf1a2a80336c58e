package integration

import (
	"context"
	"encoding/json"
	"strconv"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

// Key fields of a scan status.
const (
	keyPending  = "pending"
	keyComplete = "complete"
	keyFailed   = "failed"
)

// scanStatus says where the newest scan of one type of each agent stands.
func scanStatus(ctx context.Context, x *execution) automation.Outcome {
	v := x.call.Values
	scanType, err := automation.ParseScanType(v.Text("scanType"))
	if err != nil {
		return x.fail(err)
	}
	watcher := automation.Watcher{Platform: x.session.Client, States: x.session.Client, Now: x.session.Now}
	answered, err := watcher.Standings(ctx, automation.ScanQuestion{AgentIDs: v.IDs("cloudAgentIds"), Type: scanType, Since: v.Time("since")})
	if err != nil {
		return x.fail(err)
	}
	out := standingsOutcome(scanType, answered.Standings)
	out.Errors, out.State = answered.Errors, stateOf(len(answered.Standings), len(answered.Errors))
	if answered.Inferred {
		out.Notes = append(out.Notes, "The platform does not report scans. What is complete was inferred from the dates and last events of the agents.")
	}
	return out
}

func standingsOutcome(scanType automation.ScanType, standings []automation.Standing) automation.Outcome {
	out := automation.Outcome{
		Result:    automation.Table{Columns: []string{"ID", "SCAN", "SCAN TYPE", "STATE", "REASON"}, Rows: [][]string{}},
		KeyFields: map[string][]int64{automation.KeyAgentIDs: {}, keyPending: {}, keyComplete: {}, keyFailed: {}},
	}
	for _, s := range standings {
		scan := ""
		if s.ScanID != 0 {
			scan = strconv.FormatInt(s.ScanID, 10)
		}
		out.Result.Rows = append(out.Result.Rows, []string{strconv.FormatInt(s.AgentID, 10), scan, scanType.Name, s.State, s.Reason})
		fields := []string{automation.KeyAgentIDs}
		switch {
		case s.Pending:
			fields = append(fields, keyPending)
		case s.State == string(qpsclient.ScanComplete):
			fields = append(fields, keyComplete)
		case s.State != automation.NoScan:
			fields = append(fields, keyFailed)
		}
		for _, field := range fields {
			out.KeyFields[field] = append(out.KeyFields[field], s.AgentID)
		}
	}
	list, err := json.Marshal(append([]automation.Standing{}, standings...))
	if err != nil {
		out.Notes = append(out.Notes, "The scans cannot be shown as data: "+err.Error())
		return out
	}
	out.ContextData = list
	out.RawData, err = json.Marshal(map[string]any{"pending": len(out.KeyFields[keyPending]), "scans": json.RawMessage(list)})
	if err != nil {
		out.Notes = append(out.Notes, "The scans cannot be shown as data: "+err.Error())
	}
	return out
}
