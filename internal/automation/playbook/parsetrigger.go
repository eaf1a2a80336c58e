package playbook

import "time"

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
			for _, item := range e.list(maxList, true) {
				d.Triggers.Events = append(d.Triggers.Events, readEvent(kind, item))
			}
		}
	}
}

func readSchedule(v value) Schedule {
	s := Schedule{Place: v.place(), Overlap: "skip", CatchUp: "none"}
	o := v.object("every", "cron", "zone", "overlap", "catchUp", "with")
	every, hasEvery := o["every"]
	cron, hasCron := o["cron"]
	switch {
	case o == nil:
	case hasEvery == hasCron:
		v.report(`Write every: 6h, or cron: "0 3 * * *".`, "a schedule has either every or cron")
	case hasEvery:
		every.duration(time.Minute, 366*24*time.Hour)
		s.Every = every.node.Value
	default:
		s.Cron = cron.text(200)
	}
	if t, ok := o["zone"]; ok {
		s.Zone = t.text(100)
		if _, err := time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
			t.report("Use a name such as Europe/Berlin or UTC.", "%s is no time zone", t.shown())
		}
	}
	if t, ok := o["overlap"]; ok {
		s.Overlap = t.word("skip", "queue", "cancel")
	}
	if t, ok := o["catchUp"]; ok {
		s.CatchUp = t.word("none", "one")
	}
	if t, ok := o["with"]; ok {
		s.With = t.arguments()
	}
	return s
}

func readWebhook(v value) Webhook {
	w := Webhook{Place: v.place()}
	o := v.object("secret", "with")
	if t, ok := o["secret"]; ok {
		w.Secret = t.matching(secretName, "name of a secret: letters, digits, dots, hyphens and underscores, 64 at most")
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
