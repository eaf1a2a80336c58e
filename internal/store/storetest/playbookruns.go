package storetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

func testPlaybookRuns(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, s *stage){
		"a run goes from step to step to its outputs":                 testPlaybookToItsEnd,
		"what a step leaves is kept as a run of its own":              testStepRecords,
		"a wait holds no worker":                                      testPlaybookWaits,
		"a command that asks to wait is continued":                    testCommandContinued,
		"a failed command is retried, and then stops the run":         testPlaybookRetry,
		"no more commands of a connection are at work than may be":    testPlaybookCrowded,
		"a person approves, another may not":                          testApproval,
		"a command that was cut off is sent again with its key":       testCutOffRepeats,
		"a command that must not be repeated is asked about":          testCutOffUnknown,
		"the connections of a turn are held in one order":             testConnectionsHeld,
		"commands that were cut off give their places back":           testCutOffPlaces,
		"a platform that stops waits for answers, and begins nothing": testStopWaits,
		"what is answered too late is known, and the rest is not":     testStopGivesUp,
		"an answer outlives a turn that fails":                        testAnswerOutlivesTurn,
		"what a turn has begun unheard is begun again":                testTurnUnheard,
		"a command under way outlives a turn that fails":              testFlightOutlivesTurn,
		"an answer outlives a stop while turns fail":                  testStopDuringFailure,
		"who has lost a run stores nothing of it":                     testLostRun,
		"each look of a wait sees what is there by then":              testLooks,
		"the end of a called playbook outlives a pause of its run":    testNestedPause,
		"two who conduct one run do nothing twice":                    testTwoConductors,
		"a playbook calls another one and uses what it leaves":        testNested,
		"a cancelled run stops what is under way":                     testPlaybookCancel,
		"who cancels a run cancels what it began":                     testNestedCancel,
		"a paused run begins nothing":                                 testPlaybookPause,
		"a run goes on from the step that failed":                     testPlaybookAgain,
		"failed items are gone on with if they stopped the run":       testPartialAgain,
		"runs are pinned to their version":                            testPinned,
		"what a run calls is pinned when it is queued":                testCallsPinned,
		"what is gone on with calls what is live":                     testAgainCallsLive,
		"a run that is pinned to nothing calls what is live":          testUnpinnedCallsLive,
		"what a run calls is pinned however the text writes it":       testEscapedCallPinned,
		"only the topmost run has pins":                               testPinsOfTopmost,
		"who published is asked of what runs call":                    testPublishers,
		"who published is asked of what is gone on with":              testPublishersAgain,
		"one key is one run of a user, with the same inputs":          testPlaybookKey,
		"a run of a playbook that does not fit any more says so":      testUnfit,
		"a run that is given up leaves nothing at work":               testGivenUp,
		"a playbook with runs that have not ended stays":              testDeletePlaybook,
		"old runs are removed with their steps":                       testPrunePlaybookRuns,
		"a run that somebody must not see is not there":               testPlaybookRunHidden,
		"a run of a step is cancelled with the run of its playbook":   testStepRunBelongs,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setupStage(t, create))
		})
	}
}

const (
	searchStep = "  - {id: find, uses: qualys-cloud-agent/search-cloud-agents}\n"
	scanStep   = "  - {id: scan, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: \"${{ steps.find.keyFields.cloudAgentIds }}\", scanType: Inventory Scan}}\n"
	keyStep    = "  - {id: make, uses: qualys-cloud-agent/create-activation-key, with: {title: lab}}\n"
)

func wantState(t *testing.T, r conductor.Run, want conductor.State) {
	t.Helper()
	if r.State != want {
		t.Fatalf("run %d is %s (%+v), want %s\n%s", r.ID, r.State, r.Error, want, r.Progress)
	}
}

func testPlaybookToItsEnd(t *testing.T, s *stage) {
	p := s.save(t, "tour", "inputs:\n  days: {type: integer, default: 3}\nsteps:\n"+searchStep+scanStep+`  - id: mail
    uses: core/email
    with: {to: [soc@example.net], subject: "${{ string(inputs.days) }} days, ${{ string(size(steps.scan.keyFields.cloudAgentIds)) }} hosts, by ${{ run.startedBy }}"}
outputs: {hosts: "${{ steps.find.keyFields.cloudAgentIds }}"}
`)
	s.answer = func(_ context.Context, b *run.Beginning) integration.Answer {
		if b.Secrets["password"] != plainPassword || b.Connection.Name != "lab" {
			t.Errorf("%s begins with %+v", b.Run.Command, b)
		}
		return succeeded(9007199254740993, 4)
	}
	r := s.start(t, p, nil)
	wantCalls(t, s.clouds, fmt.Sprintf("enqueue playbook-run %d", r.ID))
	r = s.conduct(t, r.ID)
	wantState(t, r, conductor.Succeeded)
	if string(r.Outputs) != `{"hosts":[9007199254740993,4]}` || r.Ended.IsZero() || !r.Due.IsZero() {
		t.Errorf("it left %s, ended %s, due %s", r.Outputs, r.Ended, r.Due)
	}
	key := fmt.Sprintf("playbook-%d/", r.ID)
	want := []string{key + "find/0/0", key + "scan/0/0", "core/email 3 days, 2 hosts, by user:ana " + key + "mail/0/0"}
	if diff := cmp.Diff(want, s.called()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func testStepRecords(t *testing.T, s *stage) {
	p := s.save(t, "tour", "steps:\n"+searchStep+scanStep)
	r := s.conduct(t, s.start(t, p, nil).ID)
	found := s.commands(t, r.ID)
	if len(found) != 2 {
		t.Fatalf("there are %d records: %+v", len(found), found)
	}
	first, more, err := s.desk.Commands(t.Context(), s.ana, r.ID, 0, 1)
	if err != nil || len(first) != 1 || first[0].ID != found[0].ID || !more {
		t.Errorf("the first page is %+v, more %t: %v", first, more, err)
	}
	last, more, err := s.desk.Commands(t.Context(), s.ana, r.ID, first[0].ID, 1)
	if err != nil || len(last) != 1 || last[0].ID != found[1].ID || more {
		t.Errorf("the last page is %+v, more %t: %v", last, more, err)
	}
	scan := must(s.Store.Run(t.Context(), found[1].ID))(t)
	if scan.Step != "scan" || scan.PlaybookRunID != r.ID || scan.State != run.Succeeded || scan.Origin != run.ByPlaybook || scan.StartedBy != "ana" ||
		scan.ConnectionName != "lab" || scan.Inputs["scanType"] != "Inventory Scan" || scan.Outcome.KeyFields["cloudAgentIds"][0] != 7 || scan.Attempts != 1 {
		t.Errorf("its record is %+v", scan)
	}
	if pending := must(s.PendingRuns(t.Context(), s.now, 0, 10))(t); len(pending) != 0 {
		t.Errorf("runs of steps get jobs: %v", pending)
	}
}

func testPlaybookWaits(t *testing.T, s *stage) {
	p := s.save(t, "nap", "steps:\n"+searchStep+"  - {id: nap, wait: {for: 1h}}\n  - {id: after, uses: qualys-cloud-agent/search-cloud-agents}\n")
	r := s.conduct(t, s.start(t, p, nil).ID)
	wantState(t, r, conductor.Waiting)
	if !r.Due.Equal(Start.Add(time.Hour)) {
		t.Errorf("it is due at %s", r.Due)
	}
	if due := must(s.DuePlaybookRuns(t.Context(), Start.Add(59*time.Minute), 0, 10))(t); len(due) != 0 {
		t.Errorf("%v are due before their time", due)
	}
	s.advance(time.Hour)
	if due := must(s.DuePlaybookRuns(t.Context(), s.now, 0, 10))(t); !slices.Equal(due, []int64{r.ID}) {
		t.Errorf("%v are due", due)
	}
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
}

func testCommandContinued(t *testing.T, s *stage) {
	p := s.save(t, "wait", "steps:\n"+searchStep+"  - {id: scan, uses: qualys-cloud-agent/launch-on-demand-scans, with: {cloudAgentIds: [7], scanType: Inventory Scan}, wait: {interval: 1m, timeout: 1h}}\n")
	s.answer = func(_ context.Context, b *run.Beginning) integration.Answer {
		if b.Run.Command == "search-cloud-agents" || string(b.Run.Cursor) == `{"n":1}` {
			return succeeded(7)
		}
		if b.Run.Wait == nil || b.Run.Wait.Interval != time.Minute {
			t.Errorf("it waits %+v", b.Run.Wait)
		}
		return integration.Answer{Outcome: automation.Outcome{State: automation.Successful}, Continue: &integration.Continuation{Cursor: []byte(`{"n":1}`), After: time.Minute, Reason: "Scans go on."}}
	}
	r := s.conduct(t, s.start(t, p, nil).ID)
	wantState(t, r, conductor.Waiting)
	if record := s.commands(t, r.ID)[1]; record.State != run.Waiting || !record.Ended.IsZero() {
		t.Errorf("its record is %+v", record)
	}
	s.advance(time.Minute)
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
	if record := s.commands(t, r.ID)[1]; record.State != run.Succeeded || record.Attempts != 2 {
		t.Errorf("its record is %+v", record)
	}
}

func testPlaybookRetry(t *testing.T, s *stage) {
	p := s.save(t, "again", "steps:\n  - {id: find, uses: qualys-cloud-agent/search-cloud-agents, retry: {max: 2, on: [503], backoff: fixed, base: 10m}}\n"+
		"onError:\n  - {id: told, uses: core/email, with: {to: [a@example.net], subject: \"${{ error.step }} ${{ string(error.statusCode) }}\"}}\n")
	s.answer = func(context.Context, *run.Beginning) integration.Answer { return failing(503) }
	r := s.start(t, p, nil)
	for range 2 {
		wantState(t, s.conduct(t, r.ID), conductor.Waiting)
		s.advance(10 * time.Minute)
	}
	r = s.conduct(t, r.ID)
	wantState(t, r, conductor.Failed)
	if r.Error == nil || r.Error.StatusCode != http.StatusServiceUnavailable || r.Error.Step != "find" {
		t.Errorf("it failed with %+v", r.Error)
	}
	if calls := s.called(); len(calls) != 4 || !strings.HasPrefix(calls[3], "core/email find 503 ") {
		t.Errorf("calls %q", calls)
	}
}

func testPlaybookCrowded(t *testing.T, s *stage) {
	p := s.save(t, "many", "steps:\n  - {id: find, forEach: {in: \"${{ [1, 2, 3, 4, 5, 6] }}\", parallel: 6}, uses: qualys-cloud-agent/search-cloud-agents}\n")
	var calls atomic.Int32
	both := make(chan struct{})
	s.answer = func(context.Context, *run.Beginning) integration.Answer {
		switch calls.Add(1) {
		case 1:
			<-both // the second one is called while the first is at work
		case 2:
			close(both)
		}
		return succeeded(7)
	}
	r := s.play(t, s.start(t, p, nil).ID)
	wantState(t, r, conductor.Succeeded)
	if s.most != 2 || calls.Load() != 6 {
		t.Errorf("%d were at work at once on a connection for two, of %d", s.most, calls.Load())
	}
}

func testApproval(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "gate", "steps:\n  - {id: gate, approval: {to: [\"user:ana\"], due: 4h, message: Go on?}}\n"+searchStep)
	r := s.conduct(t, s.start(t, p, nil).ID)
	wantState(t, r, conductor.Waiting)
	open := must(s.desk.Questions(ctx, s.ana, r.ID, true, true, 10))(t)
	if len(open) != 1 || open[0].Message != "Go on?" || !open[0].Due.Equal(Start.Add(4*time.Hour)) || open[0].Playbook != "gate" {
		t.Fatalf("it asks %+v", open)
	}
	bob := s.ana
	bob.User.Username = "bob"
	if _, err := s.desk.Answer(ctx, bob, open[0].ID, conductor.Approved, ""); !fault.Is(err, fault.Forbidden) {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := s.desk.Answer(ctx, s.ana, open[0].ID, "perhaps", ""); !fault.Is(err, fault.Invalid) {
		t.Errorf("no answer: %v", err)
	}
	q := must(s.desk.Answer(ctx, s.ana, open[0].ID, conductor.Approved, "fine"))(t)
	if q.By != "ana" || q.Comment != "fine" || q.Closed.IsZero() {
		t.Errorf("it was answered %+v", q)
	}
	if _, err := s.desk.Answer(ctx, s.ana, open[0].ID, conductor.Rejected, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second answer: %v", err)
	}
	if due := must(s.DuePlaybookRuns(ctx, s.now, 0, 10))(t); !slices.Equal(due, []int64{r.ID}) {
		t.Errorf("%v are due after the answer", due)
	}
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
}

func testPlaybookCancel(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "long", "steps:\n"+searchStep+scanStep)
	r := s.start(t, p, nil)
	called := make(chan struct{})
	s.answer = func(ctx context.Context, _ *run.Beginning) integration.Answer {
		close(called)
		<-ctx.Done()
		return failing(504)
	}
	conducted := make(chan error, 1)
	go func() { conducted <- s.Conduct(ctx, r.ID) }()
	<-called
	must(s.desk.Cancel(ctx, s.ana, r.ID))(t)
	if err := <-conducted; err != nil {
		t.Fatal(err)
	}
	r = must(s.PlaybookRun(ctx, r.ID))(t)
	wantState(t, r, conductor.Cancelled)
	if records := s.commands(t, r.ID); len(records) != 1 || records[0].State != run.Cancelled || records[0].Ended.IsZero() {
		t.Errorf("records %+v", records)
	}
	if _, err := s.desk.Cancel(ctx, s.ana, r.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("cancelled again: %v", err)
	}
}

func testPlaybookPause(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "pause", "steps:\n  - {id: nap, wait: {for: 1m}}\n"+searchStep)
	r := s.start(t, p, nil)
	s.conduct(t, r.ID)
	wantState(t, must(s.desk.Pause(ctx, s.ana, r.ID))(t), conductor.Paused)
	if _, err := s.desk.Pause(ctx, s.ana, r.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("paused twice: %v", err)
	}
	s.advance(time.Hour)
	wantState(t, s.conduct(t, r.ID), conductor.Paused)
	if calls := s.called(); len(calls) != 0 {
		t.Errorf("calls %q while it is paused", calls)
	}
	must(s.desk.Resume(ctx, s.ana, r.ID))(t)
	wantState(t, s.conduct(t, r.ID), conductor.Succeeded)
}

func testPlaybookAgain(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "twice", "steps:\n"+searchStep+scanStep)
	s.answer = func(_ context.Context, b *run.Beginning) integration.Answer {
		if b.Run.Step == "scan" {
			return failing(401)
		}
		return succeeded(3, 5)
	}
	r := s.conduct(t, s.start(t, p, nil).ID)
	wantState(t, r, conductor.Failed)
	s.called()
	s.answer = func(_ context.Context, b *run.Beginning) integration.Answer {
		if ids := fmt.Sprint(b.Run.Inputs["cloudAgentIds"]); ids != "[3 5]" {
			t.Errorf("the scan is of %s", ids)
		}
		return succeeded(3, 5)
	}
	again := must(s.desk.Again(ctx, s.ana, r.ID, "203.0.113.9"))(t)
	again = s.conduct(t, again.ID)
	wantState(t, again, conductor.Succeeded)
	if calls := s.called(); !slices.Equal(calls, []string{fmt.Sprintf("playbook-%d/scan/0/0", again.ID)}) || again.RerunOf != r.ID {
		t.Errorf("calls %q of %+v", calls, again)
	}
	if _, err := s.desk.Again(ctx, s.ana, again.ID, ""); !fault.Is(err, fault.Conflict) {
		t.Errorf("after a success: %v", err)
	}
}

func testPinned(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "pin", "steps:\n  - {id: nap, wait: {for: 1m}}\n"+searchStep)
	r := s.start(t, p, nil)
	s.conduct(t, r.ID)
	v := must(s.Version(ctx, p.ID, 1))(t)
	v.Source = "kind: Playbook\nname: pin\nsteps:\n  - {id: other, wait: {for: 1m}}\n"
	p = must(s.AddVersion(ctx, p, 1, v))(t)
	if _, err := s.AddVersion(ctx, p, 1, v); !fault.Is(err, fault.Conflict) {
		t.Errorf("a change to an old version: %v", err)
	}
	p.Live = 2
	if err := s.Publish(ctx, p); err != nil {
		t.Fatal(err)
	}
	r = s.play(t, r.ID)
	if r.Version != 1 || steps(t, r)["find"] != "Successful" {
		t.Errorf("it ran version %d: %v", r.Version, steps(t, r))
	}
	if next := s.start(t, p, nil); next.Version != 2 {
		t.Errorf("the next one is of version %d", next.Version)
	}
}

func testPlaybookKey(t *testing.T, s *stage) {
	p := s.save(t, "key", "inputs: {n: {type: integer}}\nsteps:\n"+searchStep)
	ask := func(n int64) (conductor.Run, bool, error) {
		return s.desk.Start(t.Context(), s.ana, conductor.Request{PlaybookID: p.ID, Inputs: map[string]any{"n": n}, Key: "k-1"})
	}
	first, created, err := ask(1)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	second, created, err := ask(1)
	if err != nil || created || second.ID != first.ID {
		t.Errorf("the second is %d, created %t, %v", second.ID, created, err)
	}
	if _, _, err := ask(2); !fault.Is(err, fault.Conflict) {
		t.Errorf("other inputs: %v", err)
	}
}

func testUnfit(t *testing.T, s *stage) {
	p := s.save(t, "fit", "steps:\n"+searchStep)
	r := s.start(t, p, nil)
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "UPDATE playbook_versions SET source = ? WHERE playbook_id = ?", "kind: Playbook\nname: fit\nsteps:\n  - {uses: gone/gone}\n", p.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Programs = &library.Programs{Shelf: s.Store}
	r = s.conduct(t, r.ID)
	wantState(t, r, conductor.Failed)
	if r.Error == nil || !strings.Contains(r.Error.Message, "does not fit") {
		t.Errorf("it failed with %+v", r.Error)
	}
}

func testGivenUp(t *testing.T, s *stage) {
	ctx := t.Context()
	s.save(t, "inner", "steps:\n  - {id: nap, wait: {for: 2h}}\n")
	p := s.save(t, "outer", "steps:\n  - {id: call, uses: playbook/inner, timeout: 5h}\n  - {id: find, needs: [], uses: qualys-cloud-agent/search-cloud-agents}\n")
	r := s.start(t, p, nil)
	s.cutOff(t, r.ID)
	if err := s.GiveUp(ctx, r.ID, errors.New("the disk is full")); err != nil {
		t.Fatal(err)
	}
	wantState(t, must(s.PlaybookRun(ctx, r.ID))(t), conductor.Failed)
	if record := s.commands(t, r.ID)[0]; record.State != run.Unknown || record.Ended.IsZero() {
		t.Errorf("the record of its command is %+v", record)
	}
	inner := must(s.PlaybookRuns(ctx, conductor.Filter{ParentID: r.ID, Limit: 1}))(t)[0]
	wantState(t, s.play(t, inner.ID), conductor.Cancelled)
	s.conduct(t, r.ID) // notes the end of what it began
	if due := must(s.DuePlaybookRuns(ctx, s.clock().Add(time.Hour), 0, 10))(t); len(due) != 0 {
		t.Errorf("%v are still due", due)
	}
}

func testDeletePlaybook(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "gone", "steps:\n"+searchStep)
	r := s.start(t, p, nil)
	if err := s.DeletePlaybook(ctx, p.ID); !fault.Is(err, fault.Conflict) {
		t.Errorf("with an open run: %v", err)
	}
	s.conduct(t, r.ID)
	if err := s.DeletePlaybook(ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if r = must(s.PlaybookRun(ctx, r.ID))(t); r.PlaybookID != 0 || r.VersionID != 0 || r.Playbook != "gone" {
		t.Errorf("its run is %+v", r)
	}
}

// A tree of runs goes from its leaves to its root, some at a time: nobody waits for
// the removal of thousands.
func testPrunePlaybookRuns(t *testing.T, s *stage) {
	ctx := t.Context()
	s.save(t, "leaf", "steps: [{id: all, forEach: {in: \"${{ [1, 2, 3] }}\"}, uses: core/email, with: {to: [soc@example.net], subject: s, text: t}}]\n")
	s.save(t, "branch", "steps: [{id: all, forEach: {in: \"${{ [1, 2] }}\"}, uses: playbook/leaf}]\n")
	p := s.save(t, "tree", "steps: [{id: all, forEach: {in: \"${{ [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27] }}\", parallel: 30}, uses: playbook/branch}]\n")
	r := s.play(t, s.start(t, p, nil).ID)
	wantState(t, r, conductor.Succeeded)
	const runs, commands = 1 + 27 + 54, 54 * 3
	before := s.clock().Add(time.Hour)
	if n := must(s.PruneRuns(ctx, before))(t); n != 0 {
		t.Errorf("%d records of steps were removed alone", n)
	}
	removed := 0
	for transactions := 0; ; transactions++ {
		n := must(s.PrunePlaybookRuns(ctx, before))(t)
		if removed += n; n == 0 {
			if transactions < 3 {
				t.Errorf("it took %d transactions", transactions)
			}
			break
		}
		if n > 250 {
			t.Errorf("%d were removed at once", n)
		}
		if _, err := s.PlaybookRun(ctx, r.ID); removed < runs+commands && err != nil {
			t.Fatalf("the root went before its leaves: %v", err)
		}
	}
	if removed != runs+commands {
		t.Errorf("%d were removed, want %d", removed, runs+commands)
	}
	if left := must(s.PlaybookRuns(ctx, conductor.Filter{Limit: 10}))(t); len(left) != 0 {
		t.Errorf("%d runs are left", len(left))
	}
}

func testPlaybookRunHidden(t *testing.T, s *stage) {
	ctx := t.Context()
	p := s.save(t, "mine", "steps:\n  - {id: gate, approval: {to: [\"user:eve\"]}}\n")
	r := s.start(t, p, nil)
	s.conduct(t, r.ID)
	eve := must(s.desk.Questions(ctx, s.ana, 0, true, false, 10))(t)
	outsider := access.NewPrincipal(s.user(t, "eve"))
	for what, err := range map[string]error{
		"get":    second(s.desk.Get(ctx, outsider, r.ID)),
		"cancel": second(s.desk.Cancel(ctx, outsider, r.ID)),
		"again":  second(s.desk.Again(ctx, outsider, r.ID, "")),
		"answer": second(s.desk.Answer(ctx, outsider, eve[0].ID, conductor.Approved, "")),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if all := must(s.desk.List(ctx, outsider, conductor.Filter{Limit: 10}))(t); len(all) != 0 {
		t.Errorf("eve sees %+v", all)
	}
	if _, _, err := s.desk.Start(ctx, outsider, conductor.Request{PlaybookID: p.ID}); !fault.Is(err, fault.NotFound) {
		t.Errorf("start: %v", err)
	}
}

func testStepRunBelongs(t *testing.T, s *stage) {
	p := s.save(t, "own", "steps:\n"+searchStep)
	r := s.start(t, p, nil)
	s.cutOff(t, r.ID)
	record := s.commands(t, r.ID)[0]
	_, err := (&run.Desk{Records: s.Store, Connections: s.desk.Sites, Now: s.clock}).Cancel(t.Context(), s.ana, record.ID)
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("cancelled alone: %v", err)
	}
}

// second is the error of a call.
func second[T any](_ T, err error) error { return err }
