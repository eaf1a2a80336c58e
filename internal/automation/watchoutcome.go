package automation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"vedette.dev/vedette/qps/qpsclient"
)

// Outcome adds what became of the scans to launched, the outcome of their launch.
// stopped is what ended the looks while scans went on; nil means that the time to
// wait is over, where there are any.
func (w *Watch) Outcome(launched Outcome, stopped error) Outcome {
	out, completed := launched, 0
	out.Errors = slices.Clone(launched.Errors)
	for _, id := range w.Followed {
		if failure, bad := w.Failures[id]; bad {
			out.Errors = append(out.Errors, failure)
			continue
		}
		end, ended := w.Ends[id]
		switch {
		case ended && end.State == string(qpsclient.ScanComplete):
			completed++
		case ended:
			out.Errors = append(out.Errors, w.endError(end))
		}
	}
	if open := w.Open(); len(open) > 0 {
		if stopped == nil {
			stopped = context.DeadlineExceeded
		}
		out.Again = again(stopped, false, Tally{})
		out.Errors = append(out.Errors, openError(open, stopped))
	}
	out.Result = w.table(out.Result)
	out.ContextData = encoded(records(out.Result, "scanType"))
	out.State = Successful
	switch {
	case completed == 0:
		out.State = Failed
	case len(out.Errors) > 0:
		out.State = PartiallySuccessful
	}
	return out
}

// table puts the state of each scan in the place of "launched".
func (w *Watch) table(t Table) Table {
	states := make(map[string]string, len(w.Last))
	for id, state := range w.Last {
		states[strconv.FormatInt(id, 10)] = state
	}
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = slices.Clone(row)
		if state, followed := states[row[0]]; followed {
			rows[i][len(row)-1] = state
		}
	}
	return Table{Columns: t.Columns, Rows: rows}
}

// endError describes a scan that ended without being complete.
func (w *Watch) endError(end Progress) Error {
	e := Error{
		Indicator: fmt.Sprintf("%s The %s of Cloud Agent ID %d is %s.", launchScans.indicator, w.typeName(), end.AgentID, end.State),
		Message:   sentence(upperFirst(end.Reason)),
		AgentIDs:  []int64{end.AgentID},
	}
	switch qpsclient.ScanState(end.State) {
	case qpsclient.ScanRejected:
		e.StatusCode = http.StatusConflict
	case qpsclient.ScanExpired:
		e.StatusCode = http.StatusGatewayTimeout
		e.Resolution = "Check that the agent is running and can reach the platform, then launch the scan again."
	default:
		e.StatusCode = http.StatusInternalServerError
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("The scan is %s.", end.State)
	}
	return e
}

// openError describes scans that go on after the wait has ended.
func openError(open []int64, stopped error) Error {
	e := launchScans.failure(stopped)
	e.AgentIDs = open
	e.Indicator += fmt.Sprintf(" Not known to be finished: Cloud Agent ID %s.", joinIDs(open, ", "))
	switch {
	case errors.Is(stopped, context.DeadlineExceeded):
		e.StatusCode = http.StatusGatewayTimeout
		e.Message = "The time to wait is over. The scan goes on."
	case errors.Is(stopped, context.Canceled):
		e.Message = "Stopped waiting. The scan goes on."
	}
	return e
}
