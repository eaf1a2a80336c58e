package playbook

import (
	"fmt"
	"strings"
	"time"
)

// stepKeys are the keys of a step in the order in which they are usually written.
func stepKeys() []string {
	return []string{
		"id", "name", "needs", "join", "if", "forEach", "uses", "with", "connection", "approval",
		"wait", "until", "loop", "retry", "timeout", "onPartial", "onError",
	}
}

// handlerKeys are the keys of a step of onError.
func handlerKeys() []string {
	return []string{"id", "name", "if", "uses", "with", "connection", "retry", "timeout"}
}

func (d *Definition) readSteps(v value, defaults Step) {
	items := v.list(10*MaxSteps, false)
	if items != nil && len(items) == 0 {
		v.report("Add a step.", "there is no step")
	}
	for _, item := range items {
		s, ok := readStep(item, defaults, stepKeys())
		if ok {
			d.Steps = append(d.Steps, s)
		}
	}
}

func (d *Definition) readHandlers(v value, defaults Step) {
	for i, item := range v.list(10*MaxSteps, false) {
		s, ok := readStep(item, defaults, handlerKeys())
		if !ok {
			continue
		}
		if s.ID == "" {
			s.ID = fmt.Sprintf("on_error_%d", i+1)
		}
		d.Handlers = append(d.Handlers, s)
	}
}

// readStep reads a step with these keys.
func readStep(v value, defaults Step, keys []string) (Step, bool) {
	s := Step{
		Place: v.place(), Join: JoinAll, Connection: defaults.Connection, Timeout: defaults.Timeout, Retry: defaults.Retry,
		OnPartial: Reaction{Act: Continue}, OnError: Reaction{Act: Stop},
	}
	before := len(v.r.found)
	o := v.object(keys...)
	if o == nil {
		return s, false
	}
	misspelt := len(v.r.found) > before
	s.readNames(v, o, len(keys) == len(stepKeys()))
	s.readCommand(o)
	s.readOrder(o)
	s.readWaits(o)
	if t, ok := o["if"]; ok {
		s.If = t.condition()
	}
	if t, ok := o["onPartial"]; ok {
		s.OnPartial = t.reaction("fail")
	}
	if t, ok := o["onError"]; ok {
		s.OnError = t.reaction(string(Stop))
	}
	s.checkKind(v, o, misspelt)
	return s, true
}

func (s *Step) readNames(v value, o map[string]value, needed bool) {
	if t, ok := o["id"]; ok {
		s.ID = t.matching(stepID, "id: small letters, digits and underscores, a letter first, 64 at most")
	} else if needed {
		v.report("Add id: find, of small letters, digits and underscores.", "the key id is missing")
	}
	if t, ok := o["name"]; ok {
		s.Name = t.text(200)
	}
}

func (s *Step) readCommand(o map[string]value) {
	if t, ok := o["uses"]; ok {
		s.Uses, s.uses = t.matching(commandName, "command or playbook: write integration/command, core/email, core/webhook or playbook/NAME"), t.place()
	}
	if t, ok := o["with"]; ok {
		s.With = t.arguments()
	}
	if t, ok := o["connection"]; ok {
		s.Connection = t.template(200)
	}
	if t, ok := o["retry"]; ok {
		s.Retry = readRetry(t)
	}
	if t, ok := o["timeout"]; ok {
		s.Timeout = t.duration(time.Second, MaxTimeout)
	} else if strings.HasPrefix(s.Uses, PlaybookPrefix) {
		s.Timeout = MaxWait // its steps have their own
	}
	if t, ok := o["forEach"]; ok {
		s.ForEach = readForEach(t)
	}
}

func readForEach(v value) *ForEach {
	f := &ForEach{Place: v.place(), Parallel: DefaultParallel, Max: DefaultItems}
	list := v
	if v.hasKey("in") {
		o := v.object("in", "parallel", "max")
		list = o["in"]
		if t, ok := o["parallel"]; ok {
			f.Parallel = t.integer(1, MaxParallel)
		}
		if t, ok := o["max"]; ok {
			f.Max = t.integer(1, MaxItems)
		}
	}
	f.In = list.free()
	if f.In.text == "" && f.In.items == nil {
		v.report("Write forEach: ${{ … }}, or in: below it.", "%s is given, and an expression or a list is expected", v.shown())
		return nil
	}
	return f
}

func (s *Step) readOrder(o map[string]value) {
	if t, ok := o["needs"]; ok {
		s.needsGiven = true
		for _, item := range t.list(MaxSteps, true) {
			if id := item.matching(stepID, "id of a step"); id != "" {
				s.needs = append(s.needs, reference{item.place(), id})
			}
		}
	}
	if t, ok := o["join"]; ok {
		s.Join = Join(t.word(string(JoinAll), string(JoinAnyOnce), string(JoinAnyEach)))
	}
	if t, ok := o["loop"]; ok {
		s.Loop = readLoop(t)
	}
}

func readLoop(v value) *Loop {
	l := &Loop{Place: v.place()}
	o := v.object("goto", "while", "max")
	if o == nil {
		return nil
	}
	for _, key := range []string{"goto", "while", "max"} {
		t, ok := o[key]
		switch {
		case !ok:
			v.report("A loop has goto: ID, while: ${{ … }} and max: 10.", "the key %s is missing", key)
		case key == "goto":
			l.Goto = t.matching(stepID, "id of a step")
			l.target = reference{t.place(), l.Goto}
		case key == "while":
			if c := t.condition(); c != nil {
				l.While = *c
			}
		default:
			l.Max = t.integer(1, MaxTurns)
		}
	}
	return l
}

func (s *Step) readWaits(o map[string]value) {
	if t, ok := o["until"]; ok {
		s.Until = t.condition()
	}
	if t, ok := o["wait"]; ok {
		s.Wait = &Wait{Place: t.place(), Interval: DefaultInterval, Timeout: DefaultWait}
		w := t.object("for", "interval", "timeout")
		if f, ok := w["for"]; ok {
			s.Wait.For = f.span()
		}
		if f, ok := w["interval"]; ok {
			s.Wait.Interval = f.duration(MinInterval, MaxTimeout)
		}
		if f, ok := w["timeout"]; ok {
			s.Wait.Timeout = f.duration(MinInterval, MaxWait)
		}
	} else if s.Until != nil {
		s.Wait = &Wait{Place: s.Until.Place, Interval: DefaultInterval, Timeout: DefaultWait}
	}
	if t, ok := o["approval"]; ok {
		s.Approval = readApproval(t)
	}
}

func readApproval(v value) *Approval {
	a := &Approval{Place: v.place(), Due: DefaultDue}
	o := v.object("to", "message", "due", "onTimeout")
	if o == nil {
		return nil
	}
	if t, ok := o["to"]; ok {
		for _, item := range t.list(20, true) {
			if to := item.template(200); to.text != "" || item.matching(assignee, "person: write user:NAME, group:NAME or role:NAME") != "" {
				a.To = append(a.To, to)
			}
		}
	}
	if !has(o, "to") {
		v.report("Add to: [user:NAME, group:NAME, role:NAME].", "an approval needs somebody who is asked")
	}
	if t, ok := o["message"]; ok {
		a.Message = t.template(2000)
	}
	if t, ok := o["due"]; ok {
		a.Due = t.duration(time.Minute, MaxWait)
	}
	if t, ok := o["onTimeout"]; ok {
		a.Approve = t.word("reject", "approve") == "approve"
	}
	return a
}

// reaction reads onPartial or onError; end is the word that ends the run.
func (v value) reaction(end string) Reaction {
	r := Reaction{Place: v.place(), Act: Stop}
	if v.hasKey("branch") {
		if t, ok := v.object("branch")["branch"]; ok {
			r.Act, r.Branch, r.Place = Branch, t.matching(stepID, "id of a step"), t.place()
		}
		return r
	}
	if v.node.Value == string(Branch) {
		v.report("Write {branch: ID}.", "the step to branch to is missing")
		return r
	}
	if v.word(end, string(Continue), "{branch: ID}") == string(Continue) {
		r.Act = Continue
	}
	return r
}

// checkKind reports what a step of its kind needs, and what has no meaning there.
// With misspelt keys, one of them is probably what is missing.
func (s *Step) checkKind(v value, o map[string]value, misspelt bool) {
	kinds := 0
	for _, present := range []bool{s.Uses != "" || has(o, "uses"), s.Approval != nil || has(o, "approval"), s.Wait != nil && s.Wait.For.Given()} {
		if present {
			kinds++
		}
	}
	if kinds == 0 && misspelt {
		return
	}
	if kinds != 1 {
		v.report("", "a step does one thing: uses a command, asks for an approval, or waits with wait: {for: …}; here are %d of them", kinds)
		return
	}
	refuse := func(why string, keys ...string) {
		for _, key := range keys {
			if t, ok := o[key]; ok {
				t.report("Leave it out.", "%s has no meaning %s", key, why)
			}
		}
	}
	switch {
	case s.Approval != nil:
		refuse("in an approval", "with", "connection", "retry", "timeout", "wait", "until", "forEach", "onPartial", "onError")
		s.refuseEach(v, "asks for an approval")
	case s.Wait != nil && s.Wait.For.Given():
		refuse("in a step that waits for a time", "with", "connection", "retry", "timeout", "until", "forEach", "onPartial")
		refuseIn(o["wait"], "beside for", "interval", "timeout")
		s.refuseEach(v, "waits for a time")
	}
	if s.ForEach != nil && s.Join == JoinAnyEach {
		v.report("Put the forEach into a step of its own.", "join: any-each runs a step several times already, so it cannot have a forEach")
	}
}

func (s *Step) refuseEach(v value, does string) {
	if s.Join == JoinAnyEach {
		v.report("Use join: any-once or all.", "join: any-each is for commands, and this step %s", does)
	}
}

// refuseIn reports keys of a mapping that have no meaning.
func refuseIn(v value, why string, keys ...string) {
	for _, m := range v.members() {
		for _, key := range keys {
			if m.key == key {
				v.r.report(m.at, "Leave it out.", "%s has no meaning %s", key, why)
			}
		}
	}
}

func has(o map[string]value, key string) bool { _, ok := o[key]; return ok }
