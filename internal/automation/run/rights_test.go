package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// closed is a run that no call may be made for.
func closed(t *testing.T, rights error) *desk {
	t.Helper()
	d := newDesk(t, func(http.ResponseWriter, *http.Request) { t.Error("the platform was called") })
	d.rights = rights
	return d
}

var lost = fault.New(fault.Forbidden, "User 'ana', with whose rights it runs, is disabled.", "Ask a manager.")

func TestARunWhoseStarterLostTheRightToItFailsAndIsAudited(t *testing.T) {
	t.Parallel()
	d := closed(t, lost)
	d.begin.Run.Cursor = json.RawMessage(`{"page":2}`) // it has waited
	d.carry(t)
	want := "Test Connection failed. Failed to check the connector.\nStatus Code: 403.\nMessage: User 'ana', with whose rights it runs, is disabled."
	if got := triad(t, d.ended); !strings.HasPrefix(got, want) || d.ended.State != run.Failed || d.ended.Outcome.Errors[0].Resolution != "Ask a manager." {
		t.Errorf("it ended as %s:\n%s", d.ended.State, got)
	}
	entry := access.Entry{
		Time: start, Actor: "ana", Address: "203.0.113.9", Action: "run command", Object: "run 7, connection 3 lab", Outcome: access.Refused,
		Detail: "User 'ana', with whose rights it runs, is disabled.",
	}
	if len(d.entries) != 1 || d.entries[0] != entry {
		t.Errorf("the audit log has %+v", d.entries)
	}
}

func TestARunWhoseStarterCannotBeLookedUpAsksAgainLater(t *testing.T) {
	t.Parallel()
	d := closed(t, errors.New("the database is away"))
	d.begin.Run.Cursor = json.RawMessage(`{"page":2}`)
	again := d.carry(t)
	if again <= 0 || again > time.Minute || d.paused == nil || d.paused.State != run.Waiting || string(d.paused.Cursor) != `{"page":2}` || len(d.entries) > 0 {
		t.Errorf("it comes back after %s, paused as %+v, ended as %+v", again, d.paused, d.ended)
	}
}

func TestARunThatWasCutOffStaysUnknownWhoeverLostTheirRights(t *testing.T) {
	t.Parallel()
	for _, i := range integration.Integrations() {
		for _, command := range i.Commands {
			if command.Repeat != integration.Never {
				continue
			}
			d := closed(t, lost)
			d.begin.CutOff, d.begin.Run.Command, d.begin.Run.Inputs = true, command.Name, sampleInputs(command)
			d.carry(t)
			if d.ended.State != run.Unknown || len(d.entries) > 0 {
				t.Errorf("%s ended as %s", command.Name, d.ended.State)
			}
		}
	}
}

func TestAHealthCheckIsNobodysAndGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, answering(200, counted))
	d.rights = lost
	d.begin.Run.Origin, d.begin.Run.StartedBy, d.begin.Run.UserID = run.ByHealth, "", 0
	d.carry(t)
	if d.ended.State != run.Succeeded {
		t.Errorf("it ended as %s:\n%s", d.ended.State, triad(t, d.ended))
	}
}

func TestWhoChangesAConnectionMayTestIt(t *testing.T) {
	t.Parallel()
	for origin, want := range map[run.Origin]bool{run.ByTest: true, run.ByCommand: false, run.BySchedule: false} {
		d := newDesk(t, answering(200, counted))
		d.begin.Run.Origin = origin
		d.carry(t)
		may := len(d.asked) == 2 && d.asked[1] == access.EditConnection
		if may != want || d.asked[0] != access.RunCommand {
			t.Errorf("a run by %s needs one of %v", origin, d.asked)
		}
	}
}

// step makes the run one of a step whose text bob published, and ana the one that called it.
func (d *desk) step() {
	d.begin.Run.PlaybookRunID, d.begin.Run.ConnectionID = 9, 3
	d.begin.Publishers = []run.Publisher{{ID: 41, Name: "ana", Playbook: "outer"}, {ID: 42, Name: "bob", Playbook: "inner"}}
}

func TestAStepNeedsTheRightsOfItsPublisherToo(t *testing.T) {
	t.Parallel()
	missing := "There is no connection 'lab' that user 'ana' and user 'bob', who published playbook 'inner', may use."
	may := func(run.Publisher, int64) error { return nil }
	mayNot := func(run.Publisher, int64) error { return fault.New(fault.Forbidden, "bob may not.", "Publish.") }
	notWith := func(p run.Publisher, connectionID int64) error {
		if connectionID == 0 {
			return nil
		}
		return mayNot(p, connectionID)
	}
	for name, tt := range map[string]struct {
		vouch func(run.Publisher, int64) error
		gone  bool
		want  string
	}{
		"a permission that is missing":                 {mayNot, false, "bob may not."},
		"and a connection, too":                        {mayNot, true, "bob may not."},
		"a connection that the publisher may not use":  {notWith, false, missing},
		"a connection that is not there looks just so": {may, true, missing},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			d := closed(t, nil)
			d.step()
			d.vouch = tt.vouch
			if d.begin.NoConnection = tt.gone; tt.gone {
				d.begin.Run.ConnectionID, d.begin.Connection = 0, connection.Connection{}
			}
			d.carry(t)
			if got := triad(t, d.ended); !strings.Contains(got, "Status Code: 403.\nMessage: "+tt.want) || d.ended.ConnectionID != 0 {
				t.Errorf("it ended with connection %d:\n%s", d.ended.ConnectionID, got)
			}
			if len(d.entries) != 1 || d.entries[0].Detail != tt.want || d.entries[0].Actor != "ana" {
				t.Errorf("the audit log has %+v", d.entries)
			}
		})
	}
	d := newDesk(t, answering(200, counted))
	d.step()
	d.vouch = may
	if d.carry(t); d.ended.State != run.Succeeded || d.ended.ConnectionID != 3 {
		t.Errorf("what both may ended as %s:\n%s", d.ended.State, triad(t, d.ended))
	}
}

func TestAStepWhosePublisherCannotBeLookedUpAsksAgainLater(t *testing.T) {
	t.Parallel()
	d := closed(t, nil)
	d.step()
	d.vouch = func(run.Publisher, int64) error { return errors.New("the database is away") }
	if again := d.carry(t); again <= 0 || d.paused == nil || len(d.entries) > 0 {
		t.Errorf("it comes back after %s, ended as %+v", again, d.ended)
	}
}

// unneeded and otherSites are what rights do not need.
type (
	unneeded   = connection.Connections
	otherSites = connection.Sites
)

// people are those with rights: connection 3 is of site 1, with a grant for ana.
type people struct {
	unneeded
	otherSites
	ana  access.User
	err  error
	site int64
}

func (p *people) UserByID(_ context.Context, id int64) (access.User, error) {
	if id != p.ana.ID {
		return access.User{}, fault.Newf(fault.NotFound, "There is no user %d.", id)
	}
	return p.ana, p.err
}

func (p *people) SitesOf(context.Context, int64) ([]connection.Site, error) {
	return []connection.Site{{ID: p.site}}, nil
}

func (p *people) Connection(_ context.Context, id int64) (connection.Connection, error) {
	if id != 3 {
		return connection.Connection{}, connection.NoConnection(id)
	}
	return connection.Connection{ID: 3, SiteID: 1, Grants: []connection.Grant{{Kind: connection.ToUser, ID: 41, Level: connection.Use}}}, nil
}

func TestRightsAreThoseOfTheMoment(t *testing.T) {
	t.Parallel()
	away := errors.New("the database is away")
	permissions := func(all ...access.Permission) []access.Role { return []access.Role{{ID: 2, Permissions: all}} }
	for name, tt := range map[string]struct {
		change func(p *people)
		user   int64
		with   int64
		anyOf  []access.Permission
		want   string // a part of the refusal; empty for none
	}{
		"all of them":                 {with: 3},
		"without a connection":        {change: func(p *people) { p.site = 2 }},
		"the other of two":            {change: func(p *people) { p.ana.Roles = permissions(access.EditConnection) }, with: 3, anyOf: []access.Permission{access.RunCommand, access.EditConnection}},
		"a user who is gone":          {user: 40, with: 3, want: "was deleted."},
		"nobody":                      {user: -1, want: "was deleted."},
		"a disabled user":             {change: func(p *people) { p.ana.Disabled = true }, with: 3, want: "User 'ana', with whose rights it runs, is disabled."},
		"a role without it":           {change: func(p *people) { p.ana.Roles = permissions(access.ViewConnection) }, with: 3, want: "may not run commands any more, it needs"},
		"another site":                {change: func(p *people) { p.site = 2 }, with: 3, want: "may not use the connection any more."},
		"a grant that was taken away": {change: func(p *people) { p.ana.ID = 42 }, user: 42, with: 3, want: "may not use the connection any more."},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			p := &people{ana: access.User{ID: 41, Username: "ana", Roles: permissions(access.RunCommand)}, site: 1}
			if tt.change != nil {
				tt.change(p)
			}
			user := int64(41)
			if tt.user != 0 {
				user = max(tt.user, 0)
			}
			rights := run.UserRights{Users: p, Connections: &connection.Directory{Connections: p, Sites: p}}
			err := rights.MayRun(t.Context(), user, tt.with, tt.anyOf...)
			if tt.want == "" && err != nil || tt.want != "" && (!fault.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			p.err = away
			if err := rights.MayRun(t.Context(), p.ana.ID, tt.with); !errors.Is(err, away) || fault.Is(err, fault.Forbidden) {
				t.Errorf("of a user who cannot be looked up: %v", err)
			}
		})
	}
}

func TestARefusalOfAPublisherSaysWhatTheyPublished(t *testing.T) {
	t.Parallel()
	p := &people{ana: access.User{ID: 41, Username: "ana", Roles: []access.Role{{ID: 2, Permissions: []access.Permission{access.RunPlaybook}}}}, site: 1}
	rights := run.UserRights{Users: p, Connections: &connection.Directory{Connections: p, Sites: p}}
	for id, want := range map[int64]string{
		41: "User 'ana', who published playbook 'inner', may not run commands, it needs " + access.RunCommand.Label() + ".",
		40: "User 'bob', who published playbook 'inner', was deleted.",
	} {
		err := rights.MayVouch(t.Context(), run.Publisher{ID: id, Name: "bob", Playbook: "inner"}, 3)
		refusal, _ := errors.AsType[*fault.Error](err)
		if refusal == nil || refusal.Code != fault.Forbidden || refusal.Message != want || refusal.Resolution != "Have somebody publish playbook 'inner' who may." {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := rights.MayVouch(t.Context(), run.Publisher{ID: 41}, 3, access.RunPlaybook); err != nil {
		t.Errorf("who may is refused: %v", err)
	}
}
