package playbook

import (
	"errors"
	"strings"

	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

// readTriggers reads on, or its alias triggers. A playbook that does not say is
// started by people alone.
func (d *Definition) readTriggers(o map[string]value) {
	v, on := o["on"]
	alias, triggers := o["triggers"]
	switch {
	case on && triggers:
		alias.report("Leave out one of the two.", "triggers is another word for on, and both are given")
	case triggers:
		v = alias
	case !on:
		d.Triggers.Manual = true
		return
	}
	keys := []string{TriggerManual, TriggerSchedule, TriggerWebhook}
	for _, kind := range eventKinds() {
		keys = append(keys, string(kind))
	}
	t := v.object(keys...)
	if m, ok := t[TriggerManual]; ok {
		d.Triggers.Manual = true
		m.object()
	}
	if s, ok := t[TriggerSchedule]; ok {
		for _, item := range s.list(maxList, true) {
			d.Triggers.Schedules = append(d.Triggers.Schedules, readSchedule(item))
		}
	}
	if w, ok := t[TriggerWebhook]; ok {
		for _, item := range w.list(maxList, true) {
			d.Triggers.Webhooks = append(d.Triggers.Webhooks, readWebhook(item))
		}
	}
	for _, kind := range eventKinds() {
		if e, ok := t[string(kind)]; ok {
			for _, item := range e.list(maxEvents, true) {
				d.Triggers.Events = append(d.Triggers.Events, readEvent(kind, item))
			}
		}
	}
}

func readSchedule(v value) Schedule {
	s := Schedule{Place: v.place()}
	o := v.object("every", "cron", "timeZone", "overlap", "catchUp", "with")
	if o == nil {
		return s
	}
	if t, ok := o["with"]; ok {
		s.With = t.arguments()
	}
	text := func(key string) string {
		if t, ok := o[key]; ok {
			return t.text(200)
		}
		return ""
	}
	s.Spec = schedule.Spec{
		Cron: text("cron"), Zone: text("timeZone"),
		Overlap: schedule.Overlap(text("overlap")), CatchUp: schedule.CatchUp(text("catchUp")),
	}
	every, err := schedule.Interval(0), error(nil)
	if has(o, "every") {
		every, err = schedule.ParseInterval(text("every"))
	}
	if s.Spec.Every = every; err == nil {
		err = s.Spec.Check()
	}
	if err != nil {
		v.refuse(o, err)
	}
	return s
}

// refuse reports an error of package schedule at the key that it names.
func (v value) refuse(o map[string]value, err error) {
	message, hint := err.Error(), ""
	if f, ok := errors.AsType[*fault.Error](err); ok {
		message, hint = f.Message, f.Resolution
	}
	message = strings.TrimSuffix(message, ".")
	if key, rest, found := strings.Cut(message, ": "); found && has(o, key) {
		o[key].report(hint, "%s", rest)
		return
	}
	v.report(hint, "%s", message)
}

func readWebhook(v value) Webhook {
	w := Webhook{Place: v.place()}
	o := v.object("secret", "with")
	if t, ok := o["secret"]; ok {
		w.Secret = t.matching(secretName, "name of a secret: "+secretNameForm)
	} else if o != nil {
		v.report("Add secret: NAME, the secret that the sender signs with.", "a webhook without a secret would let anybody start the playbook")
	}
	if t, ok := o["with"]; ok {
		w.With = t.arguments()
	}
	return w
}

func readEvent(kind EventKind, v value) Event {
	e := Event{Place: v.place(), Kind: kind}
	keys := map[EventKind][]string{
		AgentInactive: {"days"}, ScanFinished: {"type", "state"}, ConnectorFailed: {}, KeyNearlyUsedUp: {"left", "percent"},
	}[kind]
	o := v.object(append(keys, "with")...)
	if o == nil {
		return e
	}
	if t, ok := o["with"]; ok {
		e.With = t.arguments()
	}
	switch kind {
	case AgentInactive:
		if t, ok := o["days"]; ok {
			e.Days = t.integer(1, 3650)
		} else {
			v.report("Add days: 7.", "the key days is missing")
		}
	case ScanFinished:
		if t, ok := o["type"]; ok {
			e.ScanTypes = t.words(scanTypes()...)
		}
		if t, ok := o["state"]; ok {
			e.ScanStates = t.words(scanStates()...)
		}
	case KeyNearlyUsedUp:
		left, hasLeft := o["left"]
		percent, hasPercent := o["percent"]
		switch {
		case hasLeft == hasPercent:
			v.report("Write left: 10, the units left, or percent: 90, the part used.", "either left or percent is expected")
		case hasLeft:
			e.Left = left.integer(1, 1_000_000)
		default:
			e.Percent = percent.integer(1, 100)
		}
	}
	return e
}

// words reads one or several of some words.
func (v value) words(words ...string) []string {
	var list []string
	for _, item := range v.list(maxList, true) {
		list = append(list, item.word(words...))
	}
	return list
}
