package schedule

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// MaxSchedules bounds the schedules of a platform: they are listed in one answer.
const MaxSchedules = 2000

// Directory is where schedules are made, changed and found, by the rights of who
// asks. The users of a site see its schedules. A schedule runs with the rights of its
// owner, and whoever changes it becomes that: nobody has something done with the
// rights of somebody else. It is safe for concurrent use.
type Directory struct {
	Schedules   Schedules
	Connections *connection.Directory
	Desk        Desk
	Playbooks   Playbooks
	Now         func() time.Time
}

// Draft is what a schedule is made of.
type Draft struct {
	Name   string
	SiteID int64 // zero: that of the connection or of the playbook
	Target Target
	Times  integration.TimeReader // how times among the inputs are written
	Spec   Spec
	Paused bool
}

// Change is what to change of a schedule; nil leaves it as it is.
type Change struct {
	Name         *string
	Command      *string
	ConnectionID *int64
	Inputs       *map[string]any
	Times        integration.TimeReader
	Spec         func(Spec) Spec // may be called several times
	Active       *bool
}

// List returns the schedules that a principal sees, in ascending order of id.
func (d *Directory) List(ctx context.Context, p access.Principal) ([]Schedule, error) {
	visible, err := d.Connections.VisibleSites(ctx, p)
	if err != nil || visible.None() {
		return nil, err
	}
	return d.Schedules.Schedules(ctx, Filter{SiteIDs: visible.IDs()})
}

// Get returns a schedule that the principal sees; any other is fault.NotFound,
// whether it exists or not.
func (d *Directory) Get(ctx context.Context, p access.Principal, id int64) (Schedule, error) {
	s, err := d.Schedules.Schedule(ctx, id)
	if err != nil {
		return Schedule{}, err
	}
	visible, err := d.Connections.VisibleSites(ctx, p)
	if err == nil && !visible.Has(s.SiteID) {
		err = access.Hidden(NoSchedule(id))
	}
	if err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// NoSchedule is the error for a schedule that does not exist, or that who asks does
// not see.
func NoSchedule(id int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no schedule %d.", id), "List the schedules there are.")
}

// Create makes a schedule, which runs with the rights of its maker.
func (d *Directory) Create(ctx context.Context, p access.Principal, draft Draft) (Schedule, error) {
	s := Schedule{Name: draft.Name, SiteID: draft.SiteID, Target: draft.Target}
	if err := d.settle(ctx, p, &s, draft.Times); err != nil {
		return Schedule{}, err
	}
	now := d.Now().UTC()
	if s.Spec = draft.Spec; draft.Paused {
		s = s.Paused(pausedByHand(p))
	} else {
		s = s.Resumed(now)
	}
	if err := s.Check(); err != nil {
		return Schedule{}, err
	}
	return d.Schedules.CreateSchedule(ctx, s)
}

func pausedByHand(p access.Principal) string { return fmt.Sprintf("'%s' paused it.", p.User.Username) }

// settle fills in what a schedule is to run and with whose rights, and refuses what
// these do not allow now.
func (d *Directory) settle(ctx context.Context, p access.Principal, s *Schedule, times integration.TimeReader) error {
	s.OwnerID, s.Owner = p.User.ID, p.User.Username
	switch {
	case s.Target.Command == "" && s.Target.PlaybookID == 0, s.Target.Command != "" && (s.Target.ConnectionID == 0 || s.Target.PlaybookID != 0):
		return nil // Check says it better
	case s.Target.PlaybookID != 0:
		return d.settlePlaybook(ctx, p, s)
	}
	if err := mayRun(p, s); err != nil {
		return err
	}
	r, secrets, err := d.Desk.Prepare(ctx, p, run.Request{ConnectionID: s.Target.ConnectionID, Command: s.Target.Command, Inputs: s.Target.Inputs, Times: times, Origin: run.BySchedule, Planned: true})
	if err != nil {
		return err
	}
	for name := range secrets {
		return fault.New(fault.Invalid, fmt.Sprintf("inputs: %s is secret, and a schedule keeps its inputs where people read them.", name), "Use a command without secret inputs, or a connection that has the secret.")
	}
	s.Target.Inputs = r.Inputs // as they were understood, whatever format the next reader has
	if s.SiteID == 0 {
		s.SiteID = r.SiteID
	}
	_, err = d.Connections.SiteFor(ctx, p, "site", s.SiteID, "")
	return err
}

// settlePlaybook is settle for a schedule of a playbook, which belongs to its site.
func (d *Directory) settlePlaybook(ctx context.Context, p access.Principal, s *Schedule) error {
	if err := mayRun(p, s); err != nil {
		return err
	}
	site, err := d.Playbooks.Startable(ctx, p, s.Target.PlaybookID, s.Target.Inputs)
	if err != nil {
		return err
	}
	if s.SiteID != 0 && s.SiteID != site {
		return fault.New(fault.Invalid, fmt.Sprintf("site: playbook %d belongs to site %d.", s.Target.PlaybookID, site), "Leave the site out.")
	}
	s.SiteID = site
	return nil
}

// Update changes a schedule. Who changes more than whether it is active becomes its
// owner.
func (d *Directory) Update(ctx context.Context, p access.Principal, id int64, change Change) (Schedule, error) {
	if _, err := d.Get(ctx, p, id); err != nil {
		return Schedule{}, err
	}
	now := d.Now().UTC()
	return d.Schedules.UpdateSchedule(ctx, id, func(s Schedule) (Schedule, error) {
		if err := change.check(&s); err != nil {
			return s, err
		}
		put(&s.Name, change.Name)
		put(&s.Target.Command, change.Command)
		put(&s.Target.ConnectionID, change.ConnectionID)
		put(&s.Target.Inputs, change.Inputs)
		if change.settings() {
			if err := d.settle(ctx, p, &s, change.Times); err != nil {
				return s, err
			}
		}
		if change.Spec != nil {
			s = s.Respecified(change.Spec(s.Spec), now)
		}
		switch {
		case change.Active == nil || *change.Active == s.Active:
		case *change.Active:
			if err := d.mayStart(ctx, p, &s); err != nil {
				return s, err
			}
			s = s.Resumed(now)
		default:
			s = s.Paused(pausedByHand(p))
		}
		return s, s.Check()
	})
}

// settings reports whether a change is about more than whether a schedule is active.
func (c *Change) settings() bool {
	return c.Name != nil || c.Command != nil || c.ConnectionID != nil || c.Inputs != nil || c.Spec != nil
}

// check refuses a change that is not for this kind of schedule.
func (c *Change) check(s *Schedule) error {
	switch {
	case s.Target.Trigger != 0 && c.settings():
		return ofPlaybook(s)
	case s.Target.PlaybookID != 0 && (c.Command != nil || c.ConnectionID != nil):
		return fault.New(fault.Conflict, fmt.Sprintf("Schedule '%s' runs a playbook.", s.Name), "Make another schedule for the command.")
	}
	return nil
}

// ofPlaybook says that a schedule is part of a playbook.
func ofPlaybook(s *Schedule) error {
	return fault.New(fault.Conflict, fmt.Sprintf("Schedule '%s' is in the text of playbook %d.", s.Name, s.Target.PlaybookID), "Change the text and publish it. To have it fire no more until then, pause the schedule.")
}

func put[T any](to *T, value *T) {
	if value != nil {
		*to = *value
	}
}

// Delete removes a schedule. Its runs stay.
func (d *Directory) Delete(ctx context.Context, p access.Principal, id int64) error {
	s, err := d.Get(ctx, p, id)
	if err != nil {
		return err
	}
	if s.Target.Trigger != 0 {
		return ofPlaybook(&s)
	}
	return d.Schedules.DeleteSchedule(ctx, id)
}

// RunNow has a schedule run beside its firings, with the rights of its owner, who
// chose what it does. Who has it run must have the right to do so as well.
func (d *Directory) RunNow(ctx context.Context, p access.Principal, id int64) (Firing, error) {
	s, err := d.Get(ctx, p, id)
	if err != nil {
		return Firing{}, err
	}
	if err := d.mayStart(ctx, p, &s); err != nil {
		return Firing{}, err
	}
	return d.Schedules.FireNow(ctx, id, d.Now().UTC())
}

// mayStart refuses somebody who could not run what a schedule runs: its owner's
// rights are not theirs to use.
func (d *Directory) mayStart(ctx context.Context, p access.Principal, s *Schedule) error {
	if right, _ := s.needs(); !p.May(right) {
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s' may not run a schedule, it needs %s.", p.User.Username, right.Label()),
			"Ask a manager to check the permission settings of this account.")
	}
	if s.Target.ConnectionID == 0 {
		return nil // the users of its site see a playbook, and who asks is one
	}
	_, err := d.Connections.ToUse(ctx, p, s.Target.ConnectionID)
	return err
}

// Firings returns the firings of a schedule, newest first, at most limit.
func (d *Directory) Firings(ctx context.Context, p access.Principal, id int64, limit int) ([]Firing, error) {
	if _, err := d.Get(ctx, p, id); err != nil {
		return nil, err
	}
	return d.Schedules.Firings(ctx, id, limit)
}
