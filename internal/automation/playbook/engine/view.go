package engine

import (
	"slices"

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
			if v.self != nil {
				err = w.merge(values, v.self, r.Name)
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
	if _, loaded := seen[field]; loaded {
		return seen, nil
	}
	return seen, w.whole(seen, i, fieldsOf(field))
}

// fieldsOf are the fields of outcomes that a field of a step is made of.
func fieldsOf(field string) []string {
	if field == "" || field == "items" {
		return []string{"returnData", "rawData", "contextData", "result", "keyFields", "errors", "outputs"}
	}
	return []string{field}
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

// merge adds a field of self to those that are loaded.
func (w *work) merge(values expression.Values, s *single, field string) error {
	loaded, err := w.self(s, field)
	if known, ok := values["self"].(map[string]any); ok {
		for name, value := range known {
			loaded[name] = value
		}
	}
	values["self"] = loaded
	return err
}

// self returns the step, or the execution, that looks at itself.
func (w *work) self(s *single, field string) (map[string]any, error) {
	step := &w.s.Steps[s.step]
	if !s.whole {
		return w.one(&step.Executions[s.item], fieldsOf(field))
	}
	values := map[string]any{"state": step.state(), "by": step.By, "comment": step.Comment}
	return values, w.whole(values, s.step, fieldsOf(field))
}

// whole adds fields of what all executions of a step have left.
func (w *work) whole(values map[string]any, i int, fields []string) error {
	step, n := &w.s.Steps[i], w.node(i)
	if n.Step.ForEach != nil || n.Step.Join == playbook.JoinAnyEach {
		return w.together(values, step, fields)
	}
	if len(step.Executions) == 0 {
		if step.Error != nil && slices.Contains(fields, "errors") {
			values["errors"] = []any{step.Error.values()}
		}
		return nil
	}
	one, err := w.one(&step.Executions[0], fields)
	for name, value := range one {
		if name != "state" {
			values[name] = value
		}
	}
	return err
}

// together puts fields of several executions together.
func (w *work) together(values map[string]any, step *Step, fields []string) error {
	items, raw, errs, columns, rows := []any{}, []any{}, []any{}, []any{}, []any{}
	keys := map[string]any{}
	for item := range step.Executions {
		one, err := w.one(&step.Executions[item], fields)
		if err != nil {
			return err
		}
		items, raw = append(items, one), append(raw, one["rawData"])
		errs = append(errs, list(one["errors"])...)
		if table, ok := one["result"].(map[string]any); ok {
			columns = list(table["columns"])
			rows = append(rows, list(table["rows"])...)
		}
		if ids, ok := one["keyFields"].(map[string]any); ok {
			for name := range ids {
				keys[name] = append(list(keys[name]), list(ids[name])...)
			}
		}
	}
	all := map[string]any{
		"rawData": raw, "errors": errs, "keyFields": keys, "result": map[string]any{"columns": columns, "rows": rows},
	}
	if len(items) > 0 {
		all["returnData"] = step.State
	}
	for _, field := range fields {
		values[field] = all[field]
	}
	if len(fields) > 1 {
		values["items"] = items
	}
	return nil
}

// list returns a list, and none for what is no list. It has no room, so that who
// appends to it makes one of their own.
func list(value any) []any {
	items, _ := value.([]any)
	return items[:len(items):len(items)]
}

// one returns fields of what an execution has left.
func (w *work) one(x *Execution, fields []string) (map[string]any, error) {
	values := map[string]any{"state": x.State}
	for _, field := range fields {
		switch {
		case field == "errors" && x.Error != nil:
			values[field] = []any{x.Error.values()}
		case x.Outcome != "" && field != "state":
			value, err := w.outcome(x.Outcome, field)
			if err != nil {
				return nil, err
			}
			values[field] = value
		}
		if field == "returnData" && values[field] == nil {
			values[field] = x.State
		}
	}
	return values, nil
}
