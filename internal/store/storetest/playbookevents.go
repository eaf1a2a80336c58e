package storetest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/store"
)

func testPlaybookEvents(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, a *alert){
		"each scan that comes to an end starts a playbook once":                testScanEvents,
		"only scans of the types and states in the text start a playbook":      testScanEventsNarrowed,
		"each run of a connector that ends in error starts a playbook":         testConnectorEvents,
		"agents that fall silent are told of once, and again when they return": testAgentEvents,
		"more agents than one run is told of are told to several":              testManyAgentEvents,
		"agents are not missed because the platform was away":                  testAgentEventsAfterAnOutage,
		"a key is told of when it becomes nearly used up":                      testKeyEvents,
		"a percentage says when a key is nearly used up":                       testKeyEventsByPercentage,
		"a publisher is told of what is in scope":                              testEventsInScope,
		"a publisher who may not run or see any more starts nothing":           testEventsOfPublisherGone,
		"another version goes on with the events it says the same of":          testEventsStay,
		"an event that gives a playbook what it does not take is a failed run": testEventUnfit,
		"an event waits for a playbook with too many runs, and not for ever":   testEventWaits,
		"a playbook is published while scans end, and none is missed":          testPublishBesideEvents,
		"what happens while too much waits is left out and told of":            testEventsLeftOut,
		"live playbooks have no more events than a platform may have":          testManyEvents,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &alert{playbill: &playbill{stage: setupStage(t, create)}}
			a.events = &trigger.Events{
				Live: trigger.Live{Shelf: a.Store, Programs: a.Programs}, Publishers: trigger.Publishers{Sites: a.desk.Sites, Owners: a.Store},
				Occurrences: a.Store, Hosts: a.Store, Keys: &fleet.Keyring{Keys: a.Store}, Now: a.clock,
			}
			test(t, a)
		})
	}
}

// alert is a stage with somebody who looks what has happened.
type alert struct {
	*playbill
	events *trigger.Events
}

const (
	scanEvent      = "inputs: {scan: {type: integer, required: true}, what: {type: text}}\non: {scan-finished: {with: {scan: '${{ trigger.data.scanId }}', what: '${{ trigger.data.scanType + \" \" + trigger.data.state + \" \" + string(trigger.data.agentId) }}'}}}\nsteps:\n" + searchStep
	agentEvent     = "inputs: {agents: {type: ids}, days: {type: integer}}\non: {agent-inactive: {days: 1, with: {agents: '${{ trigger.data.agentIds }}', days: '${{ trigger.data.days }}'}}}\nsteps:\n" + searchStep
	connectorEvent = "inputs: {what: {type: text}}\non: {connector-failed: {with: {what: '${{ string(trigger.data.connectorId) + \" \" + trigger.data.name + \": \" + trigger.data.message }}'}}}\nsteps:\n" + searchStep
	keyEvent       = "inputs: {what: {type: text}}\non: {key-nearly-used-up: {left: 2, with: {what: '${{ trigger.data.title + \" \" + string(trigger.data.keyId) + \": \" + string(trigger.data.used) + \" of \" + string(trigger.data.max) }}'}}}\nsteps:\n" + searchStep
)

// happen has everything started that is due, by several replicas at once, and returns
// the runs that are new, the oldest first.
func (a *alert) happen(tb testing.TB) []conductor.Run {
	tb.Helper()
	before := a.all(tb)
	for range 5 {
		due := must(a.DuePlaybookEvents(tb.Context(), a.clock(), 0, 100))(tb)
		var replicas sync.WaitGroup
		for range 3 {
			replicas.Go(func() {
				for _, id := range due {
					if err := a.events.Start(tb.Context(), id); err != nil {
						tb.Error(err)
					}
				}
			})
		}
		replicas.Wait()
	}
	return a.all(tb)[len(before):]
}

// all returns all runs, the oldest first.
func (a *alert) all(tb testing.TB) []conductor.Run {
	tb.Helper()
	var all []conductor.Run
	for _, listed := range must(a.PlaybookRuns(tb.Context(), conductor.Filter{Limit: 1000}))(tb) {
		all = append([]conductor.Run{must(a.PlaybookRun(tb.Context(), listed.ID))(tb)}, all...)
	}
	return all
}

// told returns the input "what" of runs.
func told(runs []conductor.Run) []string {
	var texts []string
	for i := range runs {
		text, _ := runs[i].Inputs["what"].(string)
		texts = append(texts, text)
	}
	return texts
}

// wantNothing fails if something starts.
func (a *alert) wantNothing(tb testing.TB, when string) {
	tb.Helper()
	if runs := a.happen(tb); len(runs) != 0 {
		tb.Errorf("%s: %d runs, the first is %+v", when, len(runs), runs[0])
	}
}

func (a *alert) reject(tb testing.TB, r ondemand.Request) {
	tb.Helper()
	if err := a.ReportScanRequest(tb.Context(), r.HostID, r.ID, agentwire.ScanReport{State: agentwire.ScanRejected, Reason: "no"}, a.clock()); err != nil {
		tb.Fatal(err)
	}
}

func testScanEvents(t *testing.T, a *alert) {
	one, two := enrol(t, a.bundle.Store, 1).HostID, enrol(t, a.bundle.Store, 2).HostID
	early := launch(t, a.bundle.Store, agentwire.InventoryScan, one)[0]
	a.reject(t, early)
	p := a.publish(t, library.Playbook{}, "after-scans", scanEvent)
	a.wantNothing(t, "a scan that ended before")

	scans := launch(t, a.bundle.Store, agentwire.InventoryScan, one, two)
	scans = append(scans, launch(t, a.bundle.Store, agentwire.SCAScan, two)...)
	if err := a.ReportScanRequest(t.Context(), one, scans[0].ID, agentwire.ScanReport{State: agentwire.ScanRunning}, a.clock()); err != nil {
		t.Fatal(err)
	}
	a.wantNothing(t, "a scan that runs")
	a.reject(t, scans[2])
	a.reject(t, scans[2]) // again
	if n := must(a.ExpireScanRequests(t.Context(), a.clock().Add(time.Hour), a.clock().Add(time.Hour), a.clock()))(t); n != 2 {
		t.Fatalf("%d scans expired", n)
	}
	runs := a.happen(t)
	want := []string{fmt.Sprintf("sca rejected %d", two), fmt.Sprintf("inventory expired %d", two), fmt.Sprintf("inventory failed %d", one)}
	if diff := cmp.Diff(want, told(runs)); diff != "" {
		t.Fatal(diff)
	}
	r := runs[0]
	if r.PlaybookID != p.ID || r.Version != 1 || r.StartedBy != "ana" || r.UserID != a.ana.User.ID || r.Trigger.Kind != "scan-finished" || r.Inputs["scan"] != scans[2].ID {
		t.Errorf("the run is %+v", r)
	}
	wantState(t, a.conduct(t, r.ID), conductor.Succeeded)
	a.wantNothing(t, "when all were told")
}

func testScanEventsNarrowed(t *testing.T, a *alert) {
	host := enrol(t, a.bundle.Store, 1).HostID
	a.publish(t, library.Playbook{}, "narrow", "inputs: {what: {type: text}}\non:\n  scan-finished:\n    - {type: inventory, state: [failed, expired], with: {what: inventory}}\n    - {state: rejected, with: {what: rejected}}\nsteps:\n"+searchStep)
	for _, scanType := range []agentwire.ScanType{agentwire.InventoryScan, agentwire.SCAScan} {
		r := launch(t, a.bundle.Store, scanType, host)[0]
		if err := a.ReportScanRequest(t.Context(), host, r.ID, agentwire.ScanReport{State: agentwire.ScanFailed}, a.clock()); err != nil {
			t.Fatal(err)
		}
		a.reject(t, launch(t, a.bundle.Store, scanType, host)[0])
	}
	if diff := cmp.Diff([]string{"inventory", "rejected", "rejected"}, told(a.happen(t))); diff != "" {
		t.Error(diff)
	}
}

func testConnectorEvents(t *testing.T, a *alert) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := a.clouds.connector(t, "edge", withRole())
	a.publish(t, library.Playbook{}, "watch", connectorEvent)
	for _, message := range []string{"", "AccessDenied", ""} {
		must(a.clouds.Run(ctx, all, made.ID, "ana"))(t)
		run := a.clouds.begin(t, made.ID)
		run.State, run.Ended, run.Error = connector.FinishedSuccess, a.clock(), message
		if err := a.FinishRun(ctx, run); err != nil {
			t.Fatal(err)
		}
	}
	must(a.clouds.Run(ctx, all, made.ID, "ana"))(t)
	if err := a.GiveUpRun(ctx, made.ID, a.clock(), "the database was away"); err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf("%d edge: AccessDenied", made.ID), fmt.Sprintf("%d edge: the database was away", made.ID)}
	if diff := cmp.Diff(want, told(a.happen(t))); diff != "" {
		t.Error(diff)
	}
}

// limit makes ana somebody with a scope and permissions, and another one the manager.
func (a *alert) limit(tb testing.TB, scope access.Scope, permissions ...access.Permission) {
	tb.Helper()
	ctx := tb.Context()
	must(a.CreateUser(ctx, access.User{Username: "boss", PasswordHash: "x", Created: Start, Roles: a.ana.User.Roles}))(tb)
	role := must(a.CreateRole(ctx, access.Role{Name: "Limited", Permissions: permissions, Created: Start}))(tb)
	if err := a.ChangeMembers(ctx, a.main, []string{"ana"}, nil); err != nil {
		tb.Fatal(err)
	}
	must(a.UpdateUser(ctx, "ana", func(u *access.User) error { u.Roles, u.Scope = []access.Role{{ID: role.ID}}, scope; return nil }))(tb)
}

func testEventsOfPublisherGone(t *testing.T, a *alert) {
	host := enrol(t, a.bundle.Store, 1).HostID
	p := a.publish(t, library.Playbook{}, "after-scans", scanEvent)
	reject := func() { a.reject(t, launch(t, a.bundle.Store, agentwire.InventoryScan, host)[0]) }
	a.limit(t, access.Scope{All: true}, access.APIAccess, access.RunPlaybook, access.ReadAsset)
	for range 3 {
		reject()
	}
	runs := a.happen(t)
	if len(runs) != 1 || runs[0].State != conductor.Failed || runs[0].PlaybookID != p.ID || runs[0].Error.StatusCode != http.StatusForbidden || !strings.Contains(runs[0].Error.Message, "may not see what the event scan-finished") {
		t.Fatalf("runs are %+v", runs)
	}
	must(a.UpdateUser(t.Context(), "ana", func(u *access.User) error { u.Disabled = true; return nil }))(t)
	reject()
	a.wantNothing(t, "a second time in an hour")
	a.advance(time.Hour)
	reject()
	if runs = a.happen(t); len(runs) != 1 || !strings.Contains(runs[0].Error.Message, "'ana', who is gone or disabled") {
		t.Fatalf("runs are %+v", runs)
	}
	must(a.UpdateUser(t.Context(), "ana", func(u *access.User) error { u.Disabled, u.Roles = false, a.ana.User.Roles; return nil }))(t)
	a.wantNothing(t, "what happened without a publisher")
	reject()
	if runs = a.happen(t); len(runs) != 1 || runs[0].State != conductor.Queued {
		t.Errorf("with the publisher back the runs are %+v", runs)
	}
}

func testEventsStay(t *testing.T, a *alert) {
	host := enrol(t, a.bundle.Store, 1).HostID
	reject := func() { a.reject(t, launch(t, a.bundle.Store, agentwire.InventoryScan, host)[0]) }
	p := a.publish(t, library.Playbook{}, "after-scans", scanEvent)
	reject()
	p = a.publish(t, p, "after-scans", strings.Replace(scanEvent, "trigger.data.scanType +", "\"second \" + trigger.data.scanType +", 1))
	if runs := a.happen(t); len(runs) != 1 || runs[0].Version != 2 {
		t.Fatalf("the runs are %+v", runs)
	}
	reject()
	p = a.publish(t, p, "after-scans", strings.Replace(scanEvent, "{scan-finished: {", "{scan-finished: {state: rejected, ", 1))
	a.wantNothing(t, "an event that says something else")
	reject()
	if runs := a.happen(t); len(runs) != 1 || runs[0].Version != 3 {
		t.Fatalf("the runs are %+v", runs)
	}
	reject()
	p.Live = 0
	if err := a.Publish(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	reject()
	a.wantNothing(t, "a playbook that is not live")
	for _, r := range a.all(t) {
		a.play(t, r.ID)
	}
	if err := a.DeletePlaybook(t.Context(), p.ID); err != nil {
		t.Error(err)
	}
}

func testEventUnfit(t *testing.T, a *alert) {
	host := enrol(t, a.bundle.Store, 1).HostID
	a.publish(t, library.Playbook{}, "unfit", "inputs: {n: {type: integer}}\non: {scan-finished: {with: {n: '${{ 1 / (trigger.data.scanId - trigger.data.scanId) }}'}}}\nsteps:\n"+searchStep)
	a.reject(t, launch(t, a.bundle.Store, agentwire.InventoryScan, host)[0])
	if runs := a.happen(t); len(runs) != 1 || runs[0].State != conductor.Failed || !strings.Contains(runs[0].Error.Message, "on.scan-finished") {
		t.Errorf("the runs are %+v", runs)
	}
}

// full is a store in which the playbooks have too many runs.
type full struct{ trigger.Occurrences }

func (f full) StartOccurrence(ctx context.Context, id int64, r conductor.Run) error {
	if r.State.Ended() {
		return f.Occurrences.StartOccurrence(ctx, id, r)
	}
	return fault.New(fault.Busy, "There are too many.", "Wait.")
}

func testEventWaits(t *testing.T, a *alert) {
	host := enrol(t, a.bundle.Store, 1).HostID
	a.publish(t, library.Playbook{}, "after-scans", scanEvent)
	reject := func() { a.reject(t, launch(t, a.bundle.Store, agentwire.InventoryScan, host)[0]) }
	roomy := a.events.Occurrences
	a.events.Occurrences = full{roomy}
	reject()
	a.wantNothing(t, "with too many runs")
	a.events.Occurrences = roomy
	if runs := a.happen(t); len(runs) != 1 || runs[0].State != conductor.Queued {
		t.Fatalf("when there are fewer the runs are %+v", runs)
	}
	a.events.Occurrences = full{roomy}
	reject()
	a.advance(25 * time.Hour)
	if runs := a.happen(t); len(runs) != 1 || runs[0].State != conductor.Failed || runs[0].Error.Message != "There are too many." {
		t.Errorf("a day later the runs are %+v", runs)
	}
}

func testPublishBesideEvents(t *testing.T, a *alert) {
	host := enrol(t, a.bundle.Store, 1).HostID
	p := a.publish(t, library.Playbook{}, "after-scans", scanEvent)
	p = a.publish(t, p, "after-scans", scanEvent)
	var work sync.WaitGroup
	work.Go(func() {
		for n := range 20 {
			next := p
			next.Live = int64(1 + n%2)
			if err := a.Publish(t.Context(), next); err != nil {
				t.Error(err)
			}
		}
	})
	work.Go(func() {
		for range 10 {
			a.reject(t, launch(t, a.bundle.Store, agentwire.InventoryScan, host)[0])
		}
	})
	work.Go(func() { a.happen(t) })
	work.Wait()
	a.happen(t)
	runs := a.all(t)
	for _, r := range runs {
		if r.State != conductor.Queued {
			t.Errorf("run %+v with %+v", r, r.Error)
		}
	}
	if len(runs) != 10 {
		t.Errorf("10 scans started %d runs", len(runs))
	}
}

func testEventsLeftOut(t *testing.T, a *alert) {
	host := enrol(t, a.bundle.Store, 1).HostID
	a.publish(t, library.Playbook{}, "after-scans", scanEvent)
	event := must(a.DuePlaybookEvents(t.Context(), a.clock(), 0, 10))(t)
	if event != nil {
		t.Fatalf("due are %v", event)
	}
	waiting := make([][]any, trigger.MaxWaiting-1)
	for i := range waiting {
		waiting[i] = []any{i}
	}
	a.exec(t, func(d store.Dialect) string {
		return "INSERT INTO playbook_occurrences (event_id, data, happened) SELECT e.id, '{\"others\":1}', r.n FROM playbook_events AS e, " +
			d.Rows([]store.Column{{Name: "n", Type: store.Integer}}) + " AS r"
	}, must(store.RowsParam(waiting))(t))
	for range 3 {
		a.reject(t, launch(t, a.bundle.Store, agentwire.InventoryScan, host)[0])
	}
	a.exec(t, func(store.Dialect) string { return `DELETE FROM playbook_occurrences WHERE data = '{"others":1}'` })
	runs := a.happen(t)
	if len(runs) != 2 || runs[0].State != conductor.Failed || !strings.Contains(runs[0].Error.Message, "scan-finished, 2 times") || runs[1].State != conductor.Queued {
		t.Fatalf("the runs are %+v", runs)
	}
	if due := must(a.DuePlaybookEvents(t.Context(), a.clock(), 0, 10))(t); due != nil {
		t.Errorf("due stay %v", due)
	}
}

func (a *alert) exec(tb testing.TB, query func(store.Dialect) string, args ...any) {
	tb.Helper()
	err := a.InTx(tb.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(tb.Context(), query(tx.Dialect()), args...)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func testManyEvents(t *testing.T, a *alert) {
	const ten = "on: {connector-failed: [{}, {}, {}, {}, {}, {}, {}, {}, {}, {}]}\nsteps:\n" + searchStep
	var last library.Playbook
	for n := range trigger.MaxEvents / 10 {
		last = a.publish(t, library.Playbook{}, fmt.Sprint("p", n), ten)
	}
	p := must(a.CreatePlaybook(t.Context(), library.Playbook{SiteID: a.main, Name: "more"}, library.Version{Source: "kind: Playbook\nname: more\non: {connector-failed: {}}\nsteps:\n" + searchStep, Author: "ana", Created: Start}))(t)
	p.Live, p.Publisher, p.PublisherID, p.Modified = 1, "ana", a.ana.User.ID, Start
	wantCode(t, a.Publish(t.Context(), p), fault.Conflict)
	a.publish(t, last, last.Name, ten)
	last.Live = 0
	if err := a.Publish(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if err := a.Publish(t.Context(), p); err != nil {
		t.Error(err)
	}
}
