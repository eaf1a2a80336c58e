package engine

import (
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// view is what an expression sees of a run: for the same step it stays the same,
// however often and whenever the expression is evaluated.
type view struct {
	step int
	at   int  // the clock; steps that were finished later are pending
	all  bool // of the run as a whole, at its end
	item *any
	self *single
}

// single is a step, or one of its executions, that looks at itself.
type single struct {
	step, item int
	whole      bool
}

// plain is the view of a step's expressions.
func (w *work) plain(i int) view { return view{step: i, at: w.s.Steps[i].Began} }

// values loads what an expression refers to.
func (w *work) values(x playbook.Expression, v view) (expression.Values, error) {
	values := expression.Values{}
	steps := map[string]any{}
	var err error
	x.References(func(r expression.Reference) {
		if err != nil {
			return
		}
		switch r.Variable {
		case "inputs":
			values["inputs"], err = w.memory.Inputs(w.ctx)
		case "trigger":
			values["trigger"], err = w.memory.Trigger(w.ctx)
		case "run":
			values["run"] = map[string]any{
				"id": w.s.Run, "name": w.program.Definition.Name, "startedAt": w.s.StartedAt, "startedBy": w.s.StartedBy,
			}
		case "error":
			values["error"] = w.cause(v).values()
		case "item":
			if v.item != nil {
				values["item"] = *v.item
			}
		case "self":
			if v.self != nil && values["self"] == nil {
				values["self"], err = w.self(v.self)
			}
		case "steps":
			seen, _ := steps[r.Name].(map[string]any)
			steps[r.Name], err = w.seen(v, r.Name, r.Field, seen)
		}
	})
	values["steps"] = steps
	return values, err
}

// cause is the error that a step of onError, or one that a branch leads to, is
// about.
func (w *work) cause(v view) *Error {
	n := w.node(v.step)
	if n.Handler {
		return w.s.Error
	}
	var first *Error
	earliest := 0
	for _, need := range n.Needs {
		if w.branch(need) != n.Step.ID || w.s.Steps[need].Error == nil {
			continue
		}
		if done := w.s.Steps[need].Done; done <= v.at && (first == nil || done < earliest) {
			first, earliest = w.s.Steps[need].Error, done
		}
	}
	return first
}

// values returns an error as expressions see it.
func (e *Error) values() map[string]any {
	if e == nil {
		return map[string]any{}
	}
	return map[string]any{
		"step": e.Step, "failureIndicator": e.Indicator, "statusCode": int64(e.StatusCode), "message": e.Message, "resolution": e.Resolution,
	}
}

// seen returns what a view sees of a step, with what it has of it already. Only
// the state is there without loading anything.
func (w *work) seen(v view, id, field string, seen map[string]any) (map[string]any, error) {
	i := w.index(id)
	if i < 0 {
		return seen, nil
	}
	step := &w.s.Steps[i]
	if !w.visible(v, i) {
		return map[string]any{"state": playbook.Pending}, nil
	}
	if seen == nil {
		seen = map[string]any{"state": step.state(), "by": step.By, "comment": step.Comment}
	}
	if field == "state" || field == "by" || field == "comment" || seen["errors"] != nil {
		return seen, nil
	}
	return seen, w.whole(seen, i)
}

func (w *work) index(id string) int {
	for i := range w.s.Steps {
		if w.s.Steps[i].ID == id {
			return i
		}
	}
	return -1
}

// visible reports whether a view sees that a step is finished.
func (w *work) visible(v view, i int) bool {
	if v.all || w.node(v.step).Handler {
		return finished(w.s.Steps[i].State)
	}
	since, over := w.final(i, v.step)
	return over && since <= v.at
}

// self returns the step, or the execution, that looks at itself.
func (w *work) self(s *single) (map[string]any, error) {
	step := &w.s.Steps[s.step]
	if !s.whole {
		return w.one(&step.Executions[s.item])
	}
	values := map[string]any{"state": step.state(), "by": step.By, "comment": step.Comment}
	return values, w.whole(values, s.step)
}

// whole adds what all executions of a step have left.
func (w *work) whole(values map[string]any, i int) error {
	step, n := &w.s.Steps[i], w.node(i)
	if n.Step.ForEach == nil && n.Step.Join != playbook.JoinAnyEach {
		values["errors"] = []any{}
		if len(step.Executions) > 0 {
			one, err := w.one(&step.Executions[0])
			if err != nil {
				return err
			}
			for name, value := range one {
				if name != "state" {
					values[name] = value
				}
			}
		} else if step.Error != nil {
			values["errors"] = []any{step.Error.values()}
		}
		return nil
	}
	var items, raw, errors, rows []any
	columns := []any{}
	keys := map[string]any{}
	for item := range step.Executions {
		one, err := w.one(&step.Executions[item])
		if err != nil {
			return err
		}
		items, raw = append(items, one), append(raw, one["rawData"])
		if list, ok := one["errors"].([]any); ok {
			errors = append(errors, list...)
		}
		if table, ok := one["result"].(map[string]any); ok {
			columns, _ = table["columns"].([]any)
			list, _ := table["rows"].([]any)
			rows = append(rows, list...)
		}
		if fields, ok := one["keyFields"].(map[string]any); ok {
			for name, ids := range fields {
				list, _ := ids.([]any)
				before, _ := keys[name].([]any)
				keys[name] = append(before[:len(before):len(before)], list...)
			}
		}
	}
	values["items"], values["rawData"], values["errors"], values["keyFields"] = list(items), list(raw), list(errors), keys
	values["result"] = map[string]any{"columns": columns, "rows": list(rows)}
	if finished(step.State) && len(step.Executions) > 0 {
		values["returnData"] = step.State
	}
	return nil
}

// list is never nil.
func list(items []any) []any {
	if items == nil {
		return []any{}
	}
	return items
}

// one returns what an execution has left.
func (w *work) one(x *Execution) (map[string]any, error) {
	values := map[string]any{}
	if x.Outcome != "" {
		outcome, err := w.outcome(x.Outcome)
		if err != nil {
			return nil, err
		}
		for name, value := range outcome {
			values[name] = value
		}
	}
	values["state"] = x.State
	if x.Error != nil {
		values["errors"] = []any{x.Error.values()}
	}
	if values["returnData"] == nil {
		values["returnData"] = x.State
	}
	return values, nil
}
