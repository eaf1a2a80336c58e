package automation

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// State is the state word of a command, its Return Data.
type State string

// The states. Only a command that takes a list can be partially successful.
const (
	Successful          State = "Successful"
	PartiallySuccessful State = "Partially Successful"
	Failed              State = "Failed"
)

// Outcome is everything a command returns. Its JSON form is the machine-readable
// one of the command line and of command runs.
type Outcome struct {
	State   State           `json:"returnData"`
	Result  Table           `json:"result"`
	RawData json.RawMessage `json:"rawData,omitempty"`
	// ContextData is the raw data as a flat JSON array of records, for later
	// steps; names are those of the command's documentation.
	ContextData json.RawMessage `json:"contextData,omitempty"`
	// KeyFields are the identifiers that later steps use, by name.
	KeyFields map[string][]int64 `json:"keyFields,omitempty"`
	// Passdown is JSON for the next execution by the same schedule, opaque to it.
	Passdown json.RawMessage `json:"passdown,omitempty"`
	// Errors is empty exactly when State is Successful.
	Errors []Error `json:"errors,omitempty"`
	// Notes say what a reader of the result must know and which is no error,
	// such as a limit that was reached.
	Notes []string `json:"notes,omitempty"`
	// Again is set when the command may be repeated with success later.
	Again *Again `json:"-"`
}

// Table is a short summary for people: one row per item, as many cells as there
// are columns.
type Table struct {
	Columns []string   `json:"columns"`
	Rows    [][]string `json:"rows"`
	// TimeColumns are the columns with times, which are in RFC 3339 in UTC; see Shown.
	TimeColumns []string `json:"timeColumns,omitempty"`
}

// Shown returns the table with its times as a user reads them. What is no time in
// a column of times stays as it is.
func (t Table) Shown(times Times) Table {
	rows := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = slices.Clone(row)
		for j, cell := range row {
			if !slices.Contains(t.TimeColumns, t.Columns[j]) {
				continue
			}
			if at, err := time.Parse(time.RFC3339, cell); err == nil {
				rows[i][j] = times.Show(at)
			}
		}
	}
	return Table{Columns: t.Columns, Rows: rows}
}

// Error is one entry of the Error tab.
type Error struct {
	// Indicator says which command, and which input of it, failed:
	// "Launch On Demand Scans failed."
	Indicator string `json:"failureIndicator"`
	// StatusCode is the HTTP status of the platform's answer, or the one that
	// fits where the answer had 200 or there was none (StatusOf).
	StatusCode int `json:"statusCode"`
	// Message is the platform's message, or our own, with a full stop.
	Message string `json:"message"`
	// Resolution is the next step; it may be empty.
	Resolution string `json:"resolution,omitempty"`
	// ResponseCode is the platform's own code, such as INVALID_REQUEST; empty
	// when there was no envelope.
	ResponseCode string `json:"responseCode,omitempty"`
	// AgentIDs are the items the error is about; empty when it is about the
	// command as a whole.
	AgentIDs []int64 `json:"cloudAgentIds,omitempty"`
}

// Text returns the three lines of the error, each with a line feed, and the
// resolution on a fourth one when there is one.
func (e Error) Text() string {
	text := fmt.Sprintf("%s\nStatus Code: %d.\nMessage: %s\n", e.Indicator, e.StatusCode, e.Message)
	if e.Resolution != "" {
		text += e.Resolution + "\n"
	}
	return text
}

func failed(errs ...Error) Outcome { return Outcome{State: Failed, Errors: errs} }

// failedRead is the outcome of a command that only reads.
func (c command) failedRead(err error) Outcome {
	out := failed(c.failure(err))
	out.Again = again(err, false, Tally{})
	return out
}
