package plan

import (
	"context"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// NoTime says of a schedule that it has no start, or no end.
const NoTime = "none"

// Schedule is what somebody says about a schedule. nil is not said and stays as it
// is. It runs with the rights of whoever applied it last.
type Schedule struct {
	Name, Site         *string
	Playbook           *string // in place of a connection and a command
	Connection         *string
	Command            *string
	Inputs             *map[string]any // all there are to be
	Every, Cron        *string         // one of them
	TimeZone           *string         // empty for UTC
	Start, End         *time.Time      // the zero time for none
	CatchUp, Overlap   *string
	JitterPercent      *int
	PauseAfterFailures *int
	Active             *bool
}

// ScheduleWriter changes schedules.
type ScheduleWriter interface {
	CreateAutomationSchedule(ctx context.Context, n qpsclient.NewAutomationSchedule) (qpsclient.AutomationSchedule, error)
	UpdateAutomationSchedule(ctx context.Context, id int64, change qpsclient.AutomationScheduleChange) (qpsclient.AutomationSchedule, error)
	DeleteAutomationSchedule(ctx context.Context, id int64) error
}

func (s *Schedule) fields() []field {
	return []field{
		{"name", nameInto(&s.Name)},
		{"site", nameInto(&s.Site)},
		{"playbook", nameInto(&s.Playbook)},
		{"connection", nameInto(&s.Connection)},
		{"command", nameInto(&s.Command)},
		{"inputs", inputsInto(&s.Inputs)},
		{"every", nameInto(&s.Every)},
		{"cron", nameInto(&s.Cron)},
		{"timeZone", textInto(&s.TimeZone)},
		{"start", timeInto(&s.Start)},
		{"end", timeInto(&s.End)},
		{"catchUp", wordInto(&s.CatchUp, string(schedule.CatchUpNone), string(schedule.CatchUpOne))},
		{"overlap", wordInto(&s.Overlap, string(schedule.OverlapSkip), string(schedule.OverlapQueue), string(schedule.OverlapCancelPrevious))},
		{"jitterPercent", integerInto(&s.JitterPercent, 0, schedule.MaxJitter)},
		{"pauseAfterFailures", integerInto(&s.PauseAfterFailures, 0, schedule.MaxPauseAfter)},
		{"active", booleanInto(&s.Active)},
	}
}

func timeInto(target **time.Time) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		if text == NoTime {
			*target = new(time.Time)
			return nil
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || at.IsZero() {
			return v.refuse("Use YYYY-MM-DDTHH:MM:SSZ or "+NoTime+".", "%s is no time", quote(text))
		}
		*target = new(at.UTC())
		return nil
	}
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return NoTime
	}
	return qps.FormatTime(t)
}

// plannedSchedule is a schedule that is made or changed.
type plannedSchedule struct {
	*item[qpsclient.AutomationSchedule]
	said       *Schedule
	now        qpsclient.AutomationSchedule
	differ     differences
	change     qpsclient.AutomationScheduleChange // without the connection
	connection *item[qpsclient.Connection]        // nil where it is not said, or stays
	playbook   *item[keptPlaybook]                // of a new one, nil for a command
}

func (m *maker) planSchedules() error {
	for _, i := range m.layer.schedules.items {
		if i.described == nil {
			continue
		}
		if err := m.planSchedule(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) planSchedule(i *item[qpsclient.AutomationSchedule]) error {
	p := &plannedSchedule{item: i, said: i.described.Schedule, now: qpsclient.AutomationSchedule{CatchUp: "none", Overlap: "skip", Active: true}}
	if i.current != nil {
		p.now = *i.current
	}
	if of, taken := m.layer.inTexts[i.text()]; taken {
		return i.described.refuse("Change the text, or give the one in the file another name.", "the schedule %s is in the text of playbook %s", quote(i.text()), quote(of))
	}
	site, err := m.siteOf(i.described, "site", i.site)
	if err != nil {
		return err
	}
	for _, step := range []func(*plannedSchedule) error{m.compareTarget, p.compareRule, p.comparePolicies} {
		if err := step(p); err != nil {
			return err
		}
	}
	c := i.change(KindSchedule)
	if i.current != nil && len(p.differ) == 0 {
		return nil
	}
	onlyActive := len(p.differ) == 1 && p.change.Active != nil
	if me := m.layer.me.User.Username; i.current != nil && !onlyActive {
		compare(&p.differ, "owner", p.now.Owner, &me)
	}
	c.Properties = p.differ
	c.make = func(ctx context.Context, a *applier, c *Change) error { return a.writeSchedule(ctx, p, site, c) }
	m.changes[KindSchedule] = append(m.changes[KindSchedule], c)
	return nil
}

func (p *plannedSchedule) compareRule(*plannedSchedule) error {
	d, said := p.described, p.said
	if said.Every != nil && said.Cron != nil {
		return d.refuseAt("cron", "Write one of them.", "every and cron exclude each other")
	}
	spec := specOf(p.now)
	every, cron := p.now.Every, p.now.Cron
	if said.Every != nil {
		interval, err := schedule.ParseInterval(*said.Every)
		if err != nil {
			return d.refuseAt("every", "Use whole days, hours, minutes and seconds such as 30m, 6h, 7d or 1h30m.", "%s is no interval", quote(*said.Every))
		}
		every, cron = interval.String(), ""
		spec.Every, spec.Cron = interval, ""
	}
	if said.Cron != nil {
		every, cron = "", strings.Join(strings.Fields(*said.Cron), " ")
		spec.Every, spec.Cron = 0, cron
	}
	if compare(&p.differ, "every", p.now.Every, &every) && every != "" {
		p.change.Every = &every
	}
	if compare(&p.differ, "cron", strings.Join(strings.Fields(p.now.Cron), " "), &cron) && cron != "" {
		p.change.Cron = &cron
	}
	propose(&p.differ, "timeZone", p.now.TimeZone, said.TimeZone, &p.change.TimeZone, p.current == nil)
	spec.Zone = valueOrNow(said.TimeZone, spec.Zone)
	for _, bound := range []struct {
		name   string
		now    time.Time
		said   *time.Time
		change **string
		spec   *time.Time
	}{{"start", p.now.Start, said.Start, &p.change.Start, &spec.Start}, {"end", p.now.End, said.End, &p.change.End, &spec.End}} {
		if bound.said == nil {
			continue
		}
		*bound.spec = *bound.said
		if compare(&p.differ, bound.name, timeText(bound.now), new(timeText(*bound.said))) {
			*bound.change = new(qps.FormatTime(*bound.said))
		}
	}
	spec.Jitter = valueOf(said.JitterPercent)
	if said.JitterPercent == nil {
		spec.Jitter = p.now.JitterPercent
	}
	if err := spec.Check(); err != nil {
		return asInvalidAt(d, "every", err)
	}
	return nil
}

// specOf is when a schedule fires now.
func specOf(s qpsclient.AutomationSchedule) schedule.Spec {
	every, _ := schedule.ParseInterval(s.Every) // empty of a cron
	return schedule.Spec{Every: every, Cron: s.Cron, Zone: s.TimeZone, Start: s.Start, End: s.End}
}

func (p *plannedSchedule) comparePolicies(*plannedSchedule) error {
	isNew, said := p.current == nil, p.said
	propose(&p.differ, "catchUp", p.now.CatchUp, said.CatchUp, &p.change.CatchUp, isNew)
	propose(&p.differ, "overlap", p.now.Overlap, said.Overlap, &p.change.Overlap, isNew)
	propose(&p.differ, "jitterPercent", p.now.JitterPercent, said.JitterPercent, &p.change.JitterPercent, isNew)
	propose(&p.differ, "pauseAfterFailures", p.now.PauseAfterFailures, said.PauseAfterFailures, &p.change.PauseAfterFailures, isNew)
	propose(&p.differ, "active", p.now.Active, said.Active, &p.change.Active, isNew)
	return nil
}

func (a *applier) writeSchedule(ctx context.Context, p *plannedSchedule, site *item[qpsclient.Site], c *Change) error {
	change := p.change
	if p.connection != nil {
		change.Connection = &qpsclient.Reference{ID: p.connection.id}
	}
	if p.id != 0 {
		_, err := a.to.UpdateAutomationSchedule(ctx, p.id, change)
		return a.wrote(err)
	}
	n := qpsclient.NewAutomationSchedule{
		Name: p.name, Site: &qpsclient.Reference{ID: site.id}, Command: valueOf(change.Command), Connection: valueOf(change.Connection), Inputs: change.Inputs,
		ScheduleRule: qpsclient.ScheduleRule{
			Every: valueOf(change.Every), Cron: valueOf(change.Cron), TimeZone: valueOf(change.TimeZone), Start: valueOf(p.said.Start), End: valueOf(p.said.End),
		},
		CatchUp: valueOf(change.CatchUp), Overlap: valueOf(change.Overlap), JitterPercent: valueOf(change.JitterPercent),
		PauseAfterFailures: valueOf(change.PauseAfterFailures), Active: change.Active,
	}
	if p.playbook != nil {
		n.Playbook = qpsclient.Reference{ID: p.playbook.id}
	}
	made, err := a.to.CreateAutomationSchedule(ctx, n)
	if err == nil {
		p.id, c.ID = made.ID, made.ID
	}
	return a.wrote(err)
}
