package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// silent is agents by the time at which they checked in last.
func (a *alert) silent(tb testing.TB, first int64, since ...time.Time) {
	tb.Helper()
	profile := must(a.Profiles(tb.Context()))(tb)[0].ID
	hosts := make([]Synthetic, len(since))
	for i, at := range since {
		id := first + int64(i)
		hosts[i] = Synthetic{ID: id, Name: fmt.Sprint("host-", id), OS: "Debian", Tracking: "QAGENT", Created: Start, Modified: Start, Agent: true, AgentVersion: "2.0.0", ProfileID: profile, CheckedIn: at}
	}
	Fill(tb, a.bundle.Store, hosts)
}

// agentsTold returns the input "agents" of runs.
func agentsTold(runs []conductor.Run) []string {
	var texts []string
	for i := range runs {
		texts = append(texts, fmt.Sprint(runs[i].Inputs["agents"], " ", runs[i].Inputs["days"]))
	}
	return texts
}

// pass lets time pass as an hourly look sees it, and returns what started.
func (a *alert) pass(tb testing.TB, hours int) []conductor.Run {
	tb.Helper()
	var runs []conductor.Run
	for range hours {
		a.advance(time.Hour)
		runs = append(runs, a.happen(tb)...)
	}
	return runs
}

func testAgentEvents(t *testing.T, a *alert) {
	day := Start.Add(-24 * time.Hour)
	a.silent(t, 101, day, day.Add(30*time.Minute), day.Add(30*time.Minute), day.Add(90*time.Minute), Start)
	a.publish(t, library.Playbook{}, "silent", agentEvent)
	a.wantNothing(t, "agents that were silent before")
	if diff := cmp.Diff([]string{"[102 103] 1", "[104] 1"}, agentsTold(a.pass(t, 4))); diff != "" {
		t.Fatal(diff)
	}
	save(t, a.bundle.Store, fleet.Heartbeat{HostID: 102, At: a.clock()})
	if diff := cmp.Diff([]string{"[105] 1", "[102] 1"}, agentsTold(a.pass(t, 24))); diff != "" {
		t.Error(diff)
	}
}

func testManyAgentEvents(t *testing.T, a *alert) {
	at := make([]time.Time, trigger.MaxAgents+2)
	for i := range at {
		at[i] = Start.AddDate(0, 0, -1).Add(time.Minute)
	}
	at[len(at)-1] = at[0].Add(time.Minute)
	a.silent(t, 1, at...)
	a.publish(t, library.Playbook{}, "silent", agentEvent)
	a.advance(time.Hour)
	runs := a.happen(t)
	if len(runs) != 2 {
		t.Fatalf("%d runs", len(runs))
	}
	first, rest := runs[0].Inputs["agents"].([]any), agentsTold(runs[1:])
	if len(first) != trigger.MaxAgents || first[0] != int64(1) || !cmp.Equal(rest, []string{"[1001 1002] 1"}) {
		t.Errorf("the first is told of %d, the second of %v", len(first), rest)
	}
	a.wantNothing(t, "when all were told")
}

func testAgentEventsAfterAnOutage(t *testing.T, a *alert) {
	a.silent(t, 101, Start, Start)
	a.publish(t, library.Playbook{}, "silent", agentEvent)
	a.advance(2 * 24 * time.Hour) // nobody was there to check in with
	a.wantNothing(t, "before agents could check in")
	save(t, a.bundle.Store, fleet.Heartbeat{HostID: 102, At: a.clock().Add(time.Minute)})
	if diff := cmp.Diff([]string{"[101] 1"}, agentsTold(a.pass(t, 3))); diff != "" {
		t.Error(diff)
	}
}

func testKeyEvents(t *testing.T, a *alert) {
	createKey(t, a.bundle.Store, fleet.ActivationKey{Key: "old", Title: "old", Type: fleet.KeyCountLimited, CountPurchased: 2})
	made := createKey(t, a.bundle.Store, fleet.ActivationKey{Key: "k", Title: "lab", Type: fleet.KeyCountLimited, CountPurchased: 4})
	createKey(t, a.bundle.Store, fleet.ActivationKey{Key: "off", Title: "off", Type: fleet.KeyCountLimited, CountPurchased: 3})
	a.publish(t, library.Playbook{}, "keys", keyEvent)
	look := func() []string {
		t.Helper()
		a.advance(time.Minute)
		return told(a.happen(t))
	}
	must(update(t, a.bundle.Store, "off", fleet.KeyChange{Disabled: new(true), CountPurchased: new(int64(1))}))(t)
	enrolWith(t, a.bundle.Store, 1, "k")
	if got := look(); got != nil {
		t.Errorf("with three left: %q", got)
	}
	enrolWith(t, a.bundle.Store, 2, "k")
	if got := look(); !cmp.Equal(got, []string{fmt.Sprintf("lab %d: 2 of 4", made.ID)}) {
		t.Errorf("with two left: %q", got)
	}
	enrolWith(t, a.bundle.Store, 3, "k")
	if got := look(); got != nil {
		t.Errorf("it is told of again: %q", got)
	}
	must(update(t, a.bundle.Store, "k", fleet.KeyChange{CountPurchased: new(int64(10))}))(t)
	if got := look(); got != nil {
		t.Errorf("with seven left: %q", got)
	}
	must(update(t, a.bundle.Store, "k", fleet.KeyChange{CountPurchased: new(int64(5))}))(t)
	must(update(t, a.bundle.Store, "off", fleet.KeyChange{Disabled: new(false)}))(t)
	if got := look(); len(got) != 2 || got[0] != fmt.Sprintf("lab %d: 3 of 5", made.ID) || !strings.HasPrefix(got[1], "off ") {
		t.Errorf("nearly used up again, and one enabled: %q", got)
	}
}

func testKeyEventsByPercentage(t *testing.T, a *alert) {
	createKey(t, a.bundle.Store, fleet.ActivationKey{Key: "k", Title: "lab", Type: fleet.KeyCountLimited, CountPurchased: 3})
	a.publish(t, library.Playbook{}, "keys", strings.Replace(keyEvent, "left: 2", "percent: 67", 1))
	var got []int
	for n := range 3 {
		enrolWith(t, a.bundle.Store, n+1, "k")
		a.advance(time.Minute)
		got = append(got, len(a.happen(t)))
	}
	if want := []int{0, 0, 1}; !cmp.Equal(got, want) {
		t.Errorf("runs by units used are %v, want %v", got, want)
	}
}

func testEventsInScope(t *testing.T, a *alert) {
	ctx := t.Context()
	tags := MakeTags(t, a.bundle.Store, "Edge", "West")
	a.silent(t, 101, Start.AddDate(0, 0, -1).Add(time.Minute), Start.AddDate(0, 0, -1).Add(time.Minute), Start.AddDate(0, 0, -1).Add(2*time.Minute))
	tagHost(t, a.bundle.Store, 102, tags[0])
	createKey(t, a.bundle.Store, fleet.ActivationKey{Key: "theirs", Title: "theirs", Type: fleet.KeyCountLimited, CountPurchased: 3, Tags: []qps.TagSimple{{ID: tags[1]}}})
	createKey(t, a.bundle.Store, fleet.ActivationKey{Key: "ours", Title: "ours", Type: fleet.KeyCountLimited, CountPurchased: 3, Tags: []qps.TagSimple{{ID: tags[0]}}})
	a.limit(t, access.Scope{TagIDs: tags[:1]}, access.APIAccess, access.RunPlaybook, access.CAAPIAccess, access.ViewActivationKey)
	a.publish(t, library.Playbook{}, "silent", agentEvent)
	a.publish(t, library.Playbook{}, "keys", keyEvent)
	a.publish(t, library.Playbook{}, "scans", scanEvent)
	for n, key := range []string{"theirs", "ours"} {
		enrolWith(t, a.bundle.Store, n+1, key)
	}
	for _, r := range launch(t, a.bundle.Store, agentwire.InventoryScan, 101, 102) {
		a.reject(t, r)
	}
	a.advance(time.Hour)
	var got []string
	for _, r := range a.happen(t) {
		got = append(got, fmt.Sprint(r.Playbook, " ", r.Inputs["agents"], " ", r.Inputs["what"]))
	}
	want := []string{"silent [102] <nil>", fmt.Sprintf("keys <nil> ours %d: 1 of 3", keyOf(t, a.bundle.Store, "ours").ID), "scans <nil> inventory rejected 102"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if due := must(a.DuePlaybookEvents(ctx, a.clock(), 0, 10))(t); due != nil {
		t.Errorf("due stay %v", due)
	}
}
