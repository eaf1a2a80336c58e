package schedule_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/fault"
)

var now = time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)

// unneeded is what firing does not need.
type unneeded = schedule.Schedules

// office is a schedule of ana's that has a firing, with everybody who has to do with
// it.
type office struct {
	unneeded
	schedule schedule.Schedule
	users    map[int64]access.User
	refusal  error // of the desk
	started  []run.Run
	entries  []access.Entry
	journal  error
	away     error // of the users
}

func newOffice() *office {
	runs := access.Role{ID: 2, Name: "Engineer", Permissions: []access.Permission{access.RunCommand}}
	return &office{
		schedule: schedule.Schedule{ID: 5, Name: "hourly", SiteID: 1, OwnerID: 41, Owner: "ana", Target: schedule.Target{Command: "search-cloud-agents", ConnectionID: 3}},
		users:    map[int64]access.User{41: {ID: 41, Username: "ana", Roles: []access.Role{runs}}},
	}
}

func (o *office) Fire(context.Context, int64, time.Time) (schedule.Firing, error) {
	return schedule.Firing{ScheduleID: 5, At: now, Action: schedule.Start}, nil
}

func (o *office) OwedFirings(context.Context, int64) (schedule.Schedule, []schedule.Firing, error) {
	return o.schedule, []schedule.Firing{{ScheduleID: 5, At: now, Action: schedule.Start}}, nil
}

func (o *office) StartFiring(_ context.Context, _ schedule.Firing, r run.Run, _ map[string]string) error {
	o.started = append(o.started, r)
	return nil
}

func (o *office) UserByID(_ context.Context, id int64) (access.User, error) {
	u, there := o.users[id]
	if o.away != nil {
		return u, o.away
	}
	if !there {
		return u, fault.Newf(fault.NotFound, "There is no user %d.", id)
	}
	return u, nil
}

func (o *office) Prepare(_ context.Context, p access.Principal, req run.Request) (run.Run, map[string]string, error) {
	return run.Run{ConnectionID: req.ConnectionID, Command: req.Command, State: run.Queued, StartedBy: p.User.Username}, nil, o.refusal
}

func (o *office) Append(_ context.Context, e access.Entry) error {
	o.entries = append(o.entries, e)
	return o.journal
}

func (o *office) firer() *schedule.Firer {
	return &schedule.Firer{Schedules: o, Desk: o, Owners: o, Journal: o, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
}

func (o *office) fire(t *testing.T) run.Run {
	t.Helper()
	if err := o.firer().Fire(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	if len(o.started) != 1 {
		t.Fatalf("%d runs were started", len(o.started))
	}
	return o.started[0]
}

func TestAFiringRunsAsItsOwner(t *testing.T) {
	t.Parallel()
	o := newOffice()
	if r := o.fire(t); r.State != run.Queued || r.UserID != 41 || r.StartedBy != "ana" || r.ScheduleID != 5 || len(o.entries) > 0 {
		t.Errorf("it is %+v, and the audit log has %+v", r, o.entries)
	}
}

func TestAFiringThatItsOwnersRightsDoNotAllowFailsAndIsAudited(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(o *office)
		want   string
	}{
		"an owner who is gone": {func(o *office) { delete(o.users, 41) }, "user 'ana', who is gone or disabled."},
		"somebody new with the name of one who is gone": {func(o *office) {
			anew := o.users[41]
			anew.ID = 52
			o.users = map[int64]access.User{52: anew}
		}, "user 'ana', who is gone or disabled."},
		"an owner who never had an id": {func(o *office) { o.schedule.OwnerID = 0 }, "user 'ana', who is gone or disabled."},
		"an owner who is disabled": {func(o *office) {
			u := o.users[41]
			u.Disabled = true
			o.users[41] = u
		}, "user 'ana', who is gone or disabled."},
		"an owner without the permission": {func(o *office) { o.users[41] = access.User{ID: 41, Username: "ana"} }, "may not run commands, it needs"},
		"an owner from whom the connection is hidden": {func(o *office) {
			o.refusal = access.Hidden(fault.New(fault.NotFound, "There is no connection 3.", ""))
		}, "User 'ana', with whose rights the schedule runs, may not use its connection any more."},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			o := newOffice()
			tt.change(o)
			r := o.fire(t)
			if r.State != run.Failed || len(r.Outcome.Errors) != 1 || r.Outcome.Errors[0].StatusCode != 403 || !strings.Contains(r.Outcome.Errors[0].Message, tt.want) || r.Outcome.Errors[0].Resolution == "" {
				t.Fatalf("the run is %+v", r)
			}
			want := access.Entry{
				Time: now, Actor: "ana", Action: "fire automation schedule", Object: "5 hourly", Outcome: access.Refused, Detail: r.Outcome.Errors[0].Message,
			}
			if len(o.entries) != 1 || o.entries[0] != want {
				t.Errorf("the audit log has %+v", o.entries)
			}
		})
	}
}

func TestAFiringThatFailsForAnotherReasonIsNoRefusal(t *testing.T) {
	t.Parallel()
	o := newOffice()
	o.refusal = fault.New(fault.Conflict, "Connection 'lab' is inactive.", "")
	if r := o.fire(t); r.State != run.Failed || len(o.entries) > 0 {
		t.Errorf("it is %+v, and the audit log has %+v", r, o.entries)
	}
}

func TestAnAuditLogThatIsAwayKeepsNoFiringFromFailing(t *testing.T) {
	t.Parallel()
	o := newOffice()
	o.users, o.journal = nil, errors.New("the disk is full")
	if r := o.fire(t); r.State != run.Failed {
		t.Errorf("it is %+v", r)
	}
}

func TestAFiringWhoseOwnerCannotBeLookedUpIsTriedAgain(t *testing.T) {
	t.Parallel()
	o := newOffice()
	o.away = errors.New("the database is away")
	if err := o.firer().Fire(t.Context(), 5); !errors.Is(err, o.away) || len(o.started) > 0 {
		t.Errorf("it returned %v and started %+v", err, o.started)
	}
}
