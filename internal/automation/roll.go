package automation

import (
	"encoding/json"
	"slices"
	"strconv"

	"vedette.dev/vedette/qps"
)

// KeySkippedIDs is the key field with the agents that a command left alone, since
// another run has done the same to them a short time ago.
const KeySkippedIDs = "skippedCloudAgentIds"

// skippedDuplicate is the result of such an agent.
const skippedDuplicate = "skipped-duplicate"

// roll is what a command that acts on many agents did to each of them.
type roll struct {
	done     map[int64]bool
	skipped  map[int64]bool
	failures map[int64]Error
	// stopped is the error that ended the command before every agent was tried,
	// and acting whether it was that of a call that acts.
	stopped error
	acting  bool
}

// newRoll begins with what an earlier attempt came to.
func newRoll(before Tally) *roll {
	r := &roll{done: map[int64]bool{}, skipped: map[int64]bool{}, failures: map[int64]Error{}}
	for _, id := range before.Done {
		r.done[id] = true
	}
	for _, id := range before.Skipped {
		r.skipped[id] = true
	}
	for _, e := range before.Errors {
		for _, id := range e.AgentIDs {
			r.failures[id] = e
		}
	}
	return r
}

// left returns the agents that nothing is known of.
func (r *roll) left(ids []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool {
		_, failed := r.failures[id]
		return failed || r.done[id] || r.skipped[id]
	})
}

// stop ends the command.
func (r *roll) stop(err error, acting bool) { r.stopped, r.acting = err, acting }

// accept records what a call has done and returns the agents it left open. A
// platform that gives neither ids nor a count is taken at its word: success.
func (r *roll) accept(ids []int64, named []int64, hasCount bool, count int64) (open []int64) {
	all := len(named) == 0 && (!hasCount || count == int64(len(ids)))
	for _, id := range ids {
		if all || slices.Contains(named, id) {
			r.done[id] = true
		} else {
			open = append(open, id)
		}
	}
	return open
}

// tally returns what a repetition need not do again.
func (r *roll) tally(ids []int64) Tally {
	var t Tally
	for _, id := range ids {
		switch failure, failed := r.failures[id]; {
		case r.done[id]:
			t.Done = append(t.Done, id)
		case r.skipped[id]:
			t.Skipped = append(t.Skipped, id)
		case failed:
			t.Errors = append(t.Errors, failure)
		}
	}
	return t
}

// words are what the results of a command are called.
type words struct {
	done, untried string
	// detail is a column between ID and result, with the same value for all;
	// without a heading there is none. field is its name in the context data.
	heading, detail, field string
}

// outcome sums up, in the order of the ids. stopped describes the error that
// ended the command, with the agents that were not tried.
func (r *roll) outcome(ids []int64, w words, stopped func(err error, untried []int64) Error) Outcome {
	out := Outcome{State: Successful, Result: Table{Columns: []string{"ID", "RESULT"}}}
	if w.heading != "" {
		out.Result.Columns = []string{"ID", w.heading, "RESULT"}
	}
	t := r.tally(ids)
	out.Errors = slices.Clone(t.Errors)
	var reached, untried []int64
	for _, id := range ids {
		result := r.word(id, w)
		switch result {
		case w.done, skippedDuplicate:
			reached = append(reached, id)
		case w.untried:
			untried = append(untried, id)
		}
		row := []string{strconv.FormatInt(id, 10), result}
		if w.heading != "" {
			row = slices.Insert(row, 1, w.detail)
		}
		out.Result.Rows = append(out.Result.Rows, row)
	}
	if r.stopped != nil {
		out.Errors = append(out.Errors, stopped(r.stopped, untried))
		out.Again = again(r.stopped, r.acting, t)
	}
	switch {
	case len(reached) == 0:
		out.State = Failed
		return out
	case len(out.Errors) > 0:
		out.State = PartiallySuccessful
	}
	out.RawData = reachedRawData(t.Done)
	out.ContextData = encoded(records(out.Result, w.field))
	out.KeyFields = map[string][]int64{KeyAgentIDs: reached}
	if len(t.Skipped) > 0 {
		out.KeyFields[KeySkippedIDs] = t.Skipped
	}
	return out
}

// records are the rows of such a table as context data; detail names the column
// in the middle, if there is one.
func records(t Table, detail string) []map[string]any {
	list := make([]map[string]any, len(t.Rows))
	for i, row := range t.Rows {
		id, _ := strconv.ParseInt(row[0], 10, 64) // as it was written
		list[i] = map[string]any{"id": id, "result": row[len(row)-1]}
		if detail != "" {
			list[i][detail] = row[1]
		}
	}
	return list
}

// word is the result of an agent.
func (r *roll) word(id int64, w words) string {
	_, failed := r.failures[id]
	switch {
	case r.done[id]:
		return w.done
	case r.skipped[id]:
		return skippedDuplicate
	case failed:
		return "failed"
	}
	return w.untried
}

func reachedRawData(ids []int64) []byte {
	records := make([]qps.Record, len(ids))
	for i, id := range ids {
		records[i] = &qps.AgentAsset{ID: id}
	}
	return qps.AppendRawData(nil, qps.NewResult(qps.SchemaAgentAsset, records...))
}

// encoded returns plain data, which nothing can keep from becoming JSON.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
