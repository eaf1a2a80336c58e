package engine

import (
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// open begins a step that executes a command.
func (w *work) open(i int) {
	step, n := &w.s.Steps[i], w.node(i)
	step.State, step.Items = playbook.Ready, 1
	switch {
	case n.Each.Given():
		list, err := w.list(i)
		if failure := w.failure(err); failure != "" {
			w.broken(i, failure)
			return
		}
		step.Items = len(list)
	case n.Step.Join == playbook.JoinAnyEach && len(n.Needs) > 0:
		step.Items = 0
	}
	w.executions(i)
}

// list returns the items of a forEach. It is evaluated anew by each call of
// Advance that needs it, with the same result.
func (w *work) list(i int) ([]any, error) {
	if list, ok := w.lists[i]; ok {
		return list, nil
	}
	n := w.node(i)
	value, err := w.evaluate(n.Each, w.plain(i), w.s.Steps[i].Begun)
	if err != nil {
		return nil, err
	}
	list, ok := value.([]any)
	switch {
	case !ok:
		return nil, n.Each.Refuse("forEach takes a list")
	case len(list) > n.Step.ForEach.Max:
		return nil, n.Each.Refuse("the list has %d items; the forEach has max: %d", len(list), n.Step.ForEach.Max)
	}
	w.lists[i] = list
	return list, nil
}

// executions begins what may begin of a step, and ends the step when all of it
// has come to an end.
func (w *work) executions(i int) bool {
	step, n := &w.s.Steps[i], w.node(i)
	changed := false
	complete := true
	if n.Step.Join == playbook.JoinAnyEach && len(n.Needs) > 0 {
		changed, complete = w.arrivals(i)
	}
	parallel := playbook.MaxParallel
	if n.Step.ForEach != nil {
		parallel = n.Step.ForEach.Parallel
	}
	under := 0
	for _, x := range step.Executions {
		if x.State != "" && !finished(x.State) {
			under++
		}
	}
	room := min(parallel-under, MaxInFlight-w.s.inFlight())
	for room > 0 && w.err == nil && !w.tired() {
		item := slices.IndexFunc(step.Executions, func(x Execution) bool { return x.State == "" })
		if item < 0 {
			if item = len(step.Executions); item >= step.Items {
				break
			}
			step.Executions = append(step.Executions, Execution{})
			if item > 0 && !w.count() {
				step.Executions[item] = Execution{State: playbook.Failed, Error: tooMany(n.Step)}
				step.Items = len(step.Executions)
				break
			}
		}
		w.send(i, item, &step.Executions[item])
		changed = true
		room--
	}
	if complete && ended(step) {
		w.sum(i)
		return true
	}
	w.show(i)
	return changed
}

// ended reports whether a step that has begun has all its executions behind it.
func ended(step *Step) bool {
	return step.State != "" && len(step.Executions) == step.Items && !slices.ContainsFunc(step.Executions, func(x Execution) bool { return !finished(x.State) })
}

// arrivals makes an execution for each step that is needed and has led here since,
// and reports whether all have come to an end.
func (w *work) arrivals(i int) (changed, complete bool) {
	step := &w.s.Steps[i]
	complete = true
	for _, need := range w.node(i).Needs {
		switch w.edge(need, i) {
		case open:
			complete = false
		case passes:
			if !slices.ContainsFunc(step.Executions, func(x Execution) bool { return x.Need == need }) {
				x := Execution{Need: need, Began: w.s.Clock}
				if len(step.Executions) > 0 && !w.count() {
					x.State, x.Error = playbook.Failed, tooMany(w.node(i).Step)
				}
				step.Executions = append(step.Executions, x)
				step.Items++
				changed = true
			}
		}
	}
	return changed, complete
}

// sum ends a step whose executions have all come to an end.
func (w *work) sum(i int) {
	step := &w.s.Steps[i]
	for item := range step.Executions {
		x := &step.Executions[item]
		if x.Cursor = nil; step.Error == nil {
			step.Error = x.Error
		}
	}
	w.done(i, sum(step.Executions))
}

// sum is the state that executions make together: partial success needs one that
// was not in vain, and one that was not a full success.
func sum(executions []Execution) string {
	counts := map[string]int{}
	for _, x := range executions {
		counts[x.State]++
	}
	switch {
	case counts[playbook.Successful] == len(executions):
		return playbook.Successful
	case counts[playbook.Successful] == 0 && counts[playbook.PartiallySuccessful] == 0:
		return playbook.Failed
	}
	return playbook.PartiallySuccessful
}

// show makes the state of a step out of those of its executions.
func (w *work) show(i int) {
	step := &w.s.Steps[i]
	if finished(step.State) || len(step.Executions) == 0 {
		return
	}
	for _, state := range []string{playbook.Running, playbook.Ready, playbook.Waiting, playbook.Unknown} {
		if slices.ContainsFunc(step.Executions, func(x Execution) bool { return x.State == state }) {
			step.State = state
			return
		}
	}
}

// send makes an execution ready, with its inputs.
func (w *work) send(i, item int, x *Execution) {
	if w.s.Paused {
		w.putOff(x)
		return
	}
	x.State, x.Wake, x.Error = playbook.Ready, time.Time{}, nil
	x.Send++
	if x.Since.IsZero() {
		x.Since = w.now
	}
	start, err := w.start(i, item)
	if failure := w.failure(err); failure != "" {
		x.State, x.Error = playbook.Failed, fail(w.node(i).Step, statusInvalid, "%s.", failure)
		return
	}
	w.actions = append(w.actions, start)
}

// putOff lets an execution be sent when the run is resumed.
func (w *work) putOff(x *Execution) { x.State, x.Wake = playbook.Waiting, w.now }

// start makes the action for an execution.
func (w *work) start(i, item int) (Start, error) {
	step, n := &w.s.Steps[i], w.node(i)
	x := &step.Executions[item]
	v := w.plain(i)
	switch {
	case n.Each.Given():
		list, err := w.list(i)
		if err != nil {
			return Start{}, err
		}
		if item >= len(list) {
			return Start{}, n.Each.Refuse("the list has only %d items", len(list))
		}
		v.item = &list[item]
	case n.Step.Join == playbook.JoinAnyEach:
		var from any = ""
		if len(n.Needs) > 0 {
			from, v.at = w.s.Steps[x.Need].ID, x.Began
		}
		v.item = &from
	}
	s := Start{
		Ref: Ref{step.ID, item, step.Round, x.Send}, Key: w.s.key(step.ID, item, step.Round),
		Uses: n.Step.Uses, Playbook: n.Playbook, Timeout: n.Step.Timeout, Cursor: x.Cursor, With: map[string]any{},
	}
	if n.Step.Wait != nil && n.Step.Until == nil {
		s.Wait = &Wait{n.Step.Wait.Interval, n.Step.Wait.Timeout}
	}
	if n.Playbook != "" {
		if err := w.chain(n, &s); err != nil {
			return Start{}, err
		}
	}
	if n.Connection.Given() && !n.Command.Local {
		value, err := w.evaluate(n.Connection, v, step.Begun)
		if err != nil {
			return Start{}, err
		}
		name, ok := value.(string)
		if !ok || name == "" {
			return Start{}, n.Connection.Refuse("the name of the connection is not given")
		}
		s.Connection = name
	}
	for _, a := range n.With {
		value, err := w.evaluate(a.Value, v, step.Begun)
		if err != nil {
			return Start{}, err
		}
		s.With[a.Name] = value
	}
	return s, nil
}

// chain tells a playbook that is called who called it, and refuses what the check
// could not see: other versions may be live now.
func (w *work) chain(n *playbook.Node, s *Start) error {
	s.Chain = append(slices.Clone(w.s.Chain), w.program.Definition.Name)
	refused := playbook.Failure{Place: n.Step.Place}
	switch {
	case slices.Contains(s.Chain, s.Playbook):
		refused.Message = "the playbook " + s.Playbook + " would call itself"
	case len(s.Chain) >= playbook.MaxDepth:
		refused.Message = "playbooks call each other too deep"
	default:
		return nil
	}
	return &refused
}

// answered takes in what a command came to.
func (w *work) answered(i, item int, x *Execution, e Answered) {
	n := w.node(i)
	x.Wake = time.Time{}
	switch {
	case e.Continue != nil:
		w.goOn(i, x, e.Continue)
		return
	case e.State == playbook.Failed && w.retry(i, x, e):
		return
	}
	x.State, x.Outcome, x.Cursor = e.State, e.Outcome, nil
	switch e.State {
	case playbook.Successful:
	case playbook.PartiallySuccessful, playbook.Failed:
		w.noteError(i, e)
	default:
		x.State, x.Error = playbook.Failed, fail(n.Step, statusUnknown, "The command ended with the state %q.", clip(e.State))
	}
	if n.Until.Given() && x.State != playbook.Failed {
		w.look(i, item, x)
	}
}

// noteError keeps the first error that a command of a step has told.
func (w *work) noteError(i int, e Answered) {
	step := &w.s.Steps[i]
	if step.Error != nil {
		return
	}
	if e.Error == nil {
		step.Error = fail(w.node(i).Step, statusUnknown, "The command ended %s.", e.State)
		return
	}
	step.Error = &Error{step.ID, clip(e.Error.Indicator), e.Error.StatusCode, clip(e.Error.Message), clip(e.Error.Resolution)}
}

// goOn puts off an execution that asks to be continued.
func (w *work) goOn(i int, x *Execution, c *Continue) {
	step := w.node(i).Step
	patience := maxPatience
	if step.Wait != nil {
		patience = step.Wait.Timeout + step.Timeout + grace // the command ends its wait by itself
	}
	if w.now.Sub(x.Since) > patience {
		x.State, x.Cursor = playbook.Failed, nil
		x.Error = fail(step, statusTimeout, "It was not finished within %s.", patience)
		return
	}
	x.State, x.Cursor = playbook.Waiting, c.Cursor
	x.Wake = w.now.Add(min(max(c.After, time.Second), playbook.MaxTimeout))
}

// look decides whether a wait for a condition is over.
func (w *work) look(i, item int, x *Execution) {
	n := w.node(i)
	v := w.plain(i)
	if n.Each.Given() {
		list, err := w.list(i)
		if failure := w.failure(err); failure != "" {
			x.State, x.Error = playbook.Failed, fail(n.Step, statusInvalid, "%s.", failure)
			return
		}
		v.item = &list[item]
	}
	v.self = &single{step: i, item: item}
	over, err := w.truth(n.Until, v, w.now)
	if failure := w.failure(err); failure != "" {
		x.State, x.Error = playbook.Failed, fail(n.Step, statusInvalid, "%s.", failure)
		return
	}
	if over {
		return
	}
	end := x.Since.Add(n.Step.Wait.Timeout)
	if !w.now.Before(end) {
		x.State = playbook.Failed
		x.Error = fail(n.Step, statusTimeout, "What it waits for has not come within %s.", n.Step.Wait.Timeout)
		return
	}
	x.State, x.Wake = playbook.Waiting, w.now.Add(n.Step.Wait.Interval)
	if x.Wake.After(end) {
		x.Wake = end // for a last look
	}
}

// lost decides what follows when nobody knows whether a command was carried out.
func (w *work) lost(i, item int, x *Execution) {
	n := w.node(i)
	if x.Lost++; x.Lost > MaxLost {
		x.State, x.Wake = playbook.Failed, time.Time{}
		x.Error = fail(n.Step, statusUnknown, "It was sent %d times and never answered.", x.Lost)
		return
	}
	if n.Command.Repeats {
		w.send(i, item, x)
		return
	}
	x.State, x.Wake = playbook.Unknown, w.now.Add(UnknownDue)
	w.askUnknown(i, item)
}

// outcome returns a field of what an execution left.
func (w *work) outcome(place, field string) (any, error) {
	at := kept{place, field}
	if value, ok := w.loaded[at]; ok {
		return value, nil
	}
	value, err := w.memory.Outcome(w.ctx, place, field)
	if err != nil {
		return nil, err
	}
	w.loaded[at] = value
	return value, nil
}
