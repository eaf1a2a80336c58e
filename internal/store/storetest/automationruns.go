package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

func testAutomationRuns(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, l *layer){
		"a run is kept with everything it did":                 testRunRoundTrip,
		"one key is one run of a user":                         testRunKey,
		"one key is one request":                               testRunKeyOfAnother,
		"a secret input of a key is told from another one":     testRunKeySecrets,
		"a run waits, goes on and ends":                        testRunPauses,
		"no run is hidden behind those that stay open":         testPendingInTurn,
		"no more runs of a connection are at work than may be": testRunsAtOnce,
		"a run that was cut off says so":                       testRunCutOff,
		"a cancelled run stores nothing any more":              testRunCancelled,
		"secret inputs are sealed until the run ends":          testRunSecrets,
		"runs of a connection that is gone stay and end":       testRunOutlivesConnection,
		"runs are listed by what they are":                     testRunList,
		"health checks are queued once each time":              testHealthChecks,
		"a connection that is full keeps no other one waiting": testFullConnection,
		"an outage is told once, and its end":                  testHealthTold,
		"old runs are removed":                                 testPruneRuns,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setupLayer(t, create))
		})
	}
}

func launchClaim(key string, ids ...int64) integration.LaunchClaim {
	return integration.LaunchClaim{Key: key, ScanType: "Inventory_Scan", AssetIDs: ids, At: Start, Since: Start.Add(-10 * time.Minute)}
}

func search(c connection.Connection) run.Run {
	return run.Run{
		ConnectionID: c.ID, ConnectionName: c.Name, SiteID: c.SiteID, Integration: c.Integration, Command: "search-cloud-agents",
		Inputs: integration.Values{"os": "Windows"}, Origin: run.ByCommand, StartedBy: "ana", UserID: 41, Address: "203.0.113.9", State: run.Queued, Queued: Start,
	}
}

func (l *layer) queued(tb testing.TB, r run.Run, secrets map[string]string) run.Run {
	tb.Helper()
	made, created, err := l.CreateRun(tb.Context(), r, secrets)
	if err != nil || !created {
		tb.Fatalf("created %t: %v", created, err)
	}
	return made
}

func testRunRoundTrip(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	r := search(c)
	r.Wait, r.Passdown, r.DryRun, r.Force, r.RerunOf, r.Key = &integration.Wait{Interval: time.Minute, Timeout: time.Hour}, json.RawMessage(`{"last":1}`), true, true, 12, "k-1"
	r = l.queued(t, r, nil)
	wantCalls(t, l.clouds, fmt.Sprintf("enqueue automation-run %d", r.ID))
	if diff := cmp.Diff(r, must(l.Run(ctx, r.ID))(t)); diff != "" {
		t.Errorf("queued (-want +got):\n%s", diff)
	}
	b := must(l.BeginCommand(ctx, r.ID, Start.Add(time.Second)))(t)
	if b.Run.State != run.Running || b.CutOff || b.NoConnection || b.Secrets["password"] != plainPassword || b.Connection.Name != "lab" || !b.Run.Started.Equal(Start.Add(time.Second)) {
		t.Errorf("it begins with %+v", b)
	}
	r = b.Run
	r.State, r.Ended = run.Partial, Start.Add(time.Minute)
	r.Outcome = automation.Outcome{
		State: automation.PartiallySuccessful, Result: automation.Table{Columns: []string{"ID"}, Rows: [][]string{{"1"}}},
		RawData: json.RawMessage(`{"ServiceResponse":{}}`), ContextData: json.RawMessage(`[]`), Passdown: json.RawMessage(`{"last":2}`),
		KeyFields: map[string][]int64{"cloudAgentIds": {1}}, Notes: []string{"more"},
		Errors: []automation.Error{{Indicator: "Search Cloud Agents failed.", StatusCode: 401, Message: "Authentication failed.", AgentIDs: []int64{2}}},
	}
	if err := l.EndCommand(ctx, r, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, must(l.Run(ctx, r.ID))(t)); diff != "" {
		t.Errorf("ended (-want +got):\n%s", diff)
	}
	if err := l.EndCommand(ctx, r, nil); !errors.Is(err, run.ErrOver) {
		t.Errorf("it ends again: %v", err)
	}
	if _, err := l.BeginCommand(ctx, r.ID, Start); !errors.Is(err, run.ErrOver) {
		t.Errorf("it begins again: %v", err)
	}
	_, err := l.Run(ctx, 999)
	wantCode(t, err, fault.NotFound)
}

func testRunPauses(t *testing.T, l *layer) {
	ctx := t.Context()
	r := l.queued(t, search(l.connection(t, "lab")), nil)
	b := must(l.BeginCommand(ctx, r.ID, Start))(t)
	b.Run.Cursor, b.Run.Resume = json.RawMessage(`{"page":2}`), Start.Add(time.Minute)
	b.Run.Outcome.Notes = []string{"waiting"}
	if err := l.PauseCommand(ctx, b.Run); err != nil {
		t.Fatal(err)
	}
	if got := must(l.Run(ctx, r.ID))(t); got.State != run.Waiting || string(got.Cursor) != `{"page":2}` || len(got.Outcome.Notes) != 1 {
		t.Errorf("it waits as %+v", got)
	}
	if due := must(l.PendingRuns(ctx, Start, 0, 10))(t); len(due) > 0 {
		t.Errorf("due before its time: %v", due)
	}
	if due := must(l.PendingRuns(ctx, Start.Add(time.Minute), 0, 10))(t); !cmp.Equal(due, []int64{r.ID}) {
		t.Errorf("due are %v", due)
	}
	on := must(l.BeginCommand(ctx, r.ID, Start.Add(time.Minute)))(t)
	if string(on.Run.Cursor) != `{"page":2}` || on.CutOff || on.Run.Attempts != 2 || !on.Run.Started.Equal(Start) {
		t.Errorf("it goes on with %+v", on.Run)
	}
}

func testRunsAtOnce(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	runs := make([]run.Run, 6)
	for i := range runs {
		runs[i] = l.queued(t, search(c), nil)
	}
	begun := make(chan int64, len(runs))
	var wait sync.WaitGroup
	for _, r := range runs {
		wait.Go(func() {
			_, err := l.BeginCommand(ctx, r.ID, Start)
			if _, crowded := errors.AsType[*run.CrowdedError](err); err != nil && !crowded {
				t.Error(err)
			} else if err == nil {
				begun <- r.ID
			}
		})
	}
	wait.Wait()
	if len(begun) != c.Limits.Concurrency {
		t.Fatalf("%d runs are at work, %d may be", len(begun), c.Limits.Concurrency)
	}
	first := <-begun
	if err := l.EndCommand(ctx, run.Run{ID: first, State: run.Succeeded, Ended: Start}, nil); err != nil {
		t.Fatal(err)
	}
	last := runs[len(runs)-1]
	if last.ID == first {
		last = runs[0]
	}
	for _, r := range runs {
		if _, err := l.BeginCommand(ctx, r.ID, Start); err == nil {
			return
		}
	}
	t.Errorf("a place is free and nobody gets it, such as %d", last.ID)
}

func testRunCutOff(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	first, second := l.queued(t, search(c), nil), l.queued(t, search(c), nil)
	must(l.BeginCommand(ctx, first.ID, Start))(t)
	must(l.BeginCommand(ctx, second.ID, Start))(t)
	// Its own place does not keep it away.
	again := must(l.BeginCommand(ctx, first.ID, Start.Add(time.Minute)))(t)
	if !again.CutOff || again.Run.Attempts != 2 {
		t.Errorf("it begins again with %+v", again.Run)
	}
}

func testRunCancelled(t *testing.T, l *layer) {
	ctx := t.Context()
	r := l.queued(t, search(l.connection(t, "lab")), nil)
	b := must(l.BeginCommand(ctx, r.ID, Start))(t)
	l.clouds.queue.calls = nil
	cancelled := b.Run
	cancelled.State, cancelled.Outcome.State = run.Cancelled, automation.Failed
	if err := l.CancelRun(ctx, cancelled, Start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, l.clouds, fmt.Sprintf("cancel automation-run %d", r.ID))
	b.Run.State = run.Succeeded
	if err := l.EndCommand(ctx, b.Run, nil); !errors.Is(err, run.ErrOver) {
		t.Errorf("it ends: %v", err)
	}
	if err := l.PauseCommand(ctx, b.Run); !errors.Is(err, run.ErrOver) {
		t.Errorf("it pauses: %v", err)
	}
	if got := must(l.Run(ctx, r.ID))(t); got.State != run.Cancelled || !got.Ended.Equal(Start.Add(time.Second)) {
		t.Errorf("it is %+v", got)
	}
	wantCode(t, l.CancelRun(ctx, cancelled, Start), fault.Conflict)
}

func testRunSecrets(t *testing.T, l *layer) {
	ctx := t.Context()
	r := search(l.connection(t, "lab"))
	r.Inputs["secretKey"] = connection.Kept
	r = l.queued(t, r, map[string]string{"secretKey": "planted-secret-88"})
	b := must(l.BeginCommand(ctx, r.ID, Start))(t)
	if b.Inputs["secretKey"] != "planted-secret-88" {
		t.Errorf("the run gets %v", b.Inputs)
	}
	b.Run.State, b.Run.Ended = run.Succeeded, Start
	if err := l.EndCommand(ctx, b.Run, nil); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := l.InTx(ctx, func(tx *store.Tx) error { return dumpTable(ctx, tx, "secrets", &text) }); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "secretKey") || !strings.Contains(text.String(), "password") {
		t.Errorf("secrets after the end: %s", text.String())
	}
}

func testRunOutlivesConnection(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	r := l.queued(t, search(c), nil)
	if err := l.DeleteConnection(ctx, c.ID); err != nil {
		t.Fatal(err)
	}
	b := must(l.BeginCommand(ctx, r.ID, Start))(t)
	if !b.NoConnection || b.Run.ConnectionID != 0 || b.Run.ConnectionName != "lab" {
		t.Errorf("it begins with %+v", b)
	}
	b.Run.State, b.Run.Ended = run.Failed, Start
	if err := l.EndCommand(ctx, b.Run, nil); err != nil {
		t.Error(err)
	}
}

func testRunList(t *testing.T, l *layer) {
	ctx := t.Context()
	lab, prod := l.connection(t, "lab"), l.connection(t, "prod")
	first := l.queued(t, search(lab), nil)
	other := search(prod)
	other.Command, other.Origin, other.StartedBy = "test-connection", run.ByTest, "bob"
	second := l.queued(t, other, nil)
	third := l.queued(t, search(lab), nil)
	must(l.BeginCommand(ctx, third.ID, Start))(t)
	for _, tt := range []struct {
		name string
		give run.Filter
		want []int64
	}{
		{"all", run.Filter{Limit: 10}, []int64{third.ID, second.ID, first.ID}},
		{"limit", run.Filter{Limit: 2}, []int64{third.ID, second.ID}},
		{"before", run.Filter{Limit: 10, Before: third.ID}, []int64{second.ID, first.ID}},
		{"connection", run.Filter{Limit: 10, ConnectionIDs: []int64{lab.ID}}, []int64{third.ID, first.ID}},
		{"no connection", run.Filter{Limit: 10, ConnectionIDs: []int64{}}, nil},
		{"command", run.Filter{Limit: 10, Command: "test-connection"}, []int64{second.ID}},
		{"state", run.Filter{Limit: 10, State: run.Running}, []int64{third.ID}},
		{"origin", run.Filter{Limit: 10, Origin: run.ByTest}, []int64{second.ID}},
		{"starter", run.Filter{Limit: 10, StartedBy: "bob"}, []int64{second.ID}},
		{"hostile", run.Filter{Limit: 10, Command: "a\x00b' OR 1=1 --"}, nil},
	} {
		var got []int64
		for _, r := range must(l.Runs(ctx, tt.give))(t) {
			got = append(got, r.ID)
		}
		if !cmp.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func half() float64 { return 0.5 }

func testHealthChecks(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	sleeping := l.connection(t, "sleeping")
	must(l.UpdateConnection(ctx, sleeping.ID, func(c *connection.Connection) (map[string]string, error) {
		c.Active = false
		c.Plan(Start, 0)
		return nil, nil
	}))(t)
	due := Start.Add(5 * time.Minute)
	counts := make(chan int, 4)
	var wait sync.WaitGroup
	for range cap(counts) {
		wait.Go(func() { counts <- must(l.QueueChecks(ctx, due, half, 10))(t) })
	}
	wait.Wait()
	total := 0
	for range cap(counts) {
		total += <-counts
	}
	runs := must(l.Runs(ctx, run.Filter{Limit: 10}))(t)
	if total != 1 || len(runs) != 1 || runs[0].Origin != run.ByHealth || runs[0].Command != "test-connection" || runs[0].ConnectionID != c.ID {
		t.Fatalf("%d checks were queued: %+v", total, runs)
	}
	if next := must(l.Connection(ctx, c.ID))(t).Health.Next; !next.Equal(due.Add(5*time.Minute + 15*time.Second)) {
		t.Errorf("the next one is due %s", next)
	}
	if n := must(l.QueueChecks(ctx, due.Add(time.Hour), half, 10))(t); n != 0 {
		t.Errorf("%d checks beside one that has not ended", n)
	}
}

// testFullConnection has a connection with as many runs as it may have.
func testFullConnection(t *testing.T, l *layer) {
	ctx := t.Context()
	full, other := l.connection(t, "full"), l.connection(t, "other")
	err := l.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO automation_runs (connection_id, connection_name, site_id, integration, command, inputs, origin, started_by, address, dry_run, force,
			state, attempts, return_data, failures, queued)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			SELECT c.id, c.name, c.site_id, c.integration, 'search-cloud-agents', '{}', 'command', 'ana', '', c.health_told AND NOT c.health_told, c.health_told AND NOT c.health_told,
			'queued', 0, '', '[]', 0 FROM n CROSS JOIN connections AS c WHERE c.id = ?`, run.MaxPending, full.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = l.CreateRun(ctx, search(full), nil)
	wantCode(t, err, fault.Busy)
	due := Start.Add(time.Hour)
	if n := must(l.QueueChecks(ctx, due, half, 10))(t); n != 1 {
		t.Errorf("%d checks were queued beside a connection that is full", n)
	}
	if runs := must(l.Runs(ctx, run.Filter{Origin: run.ByHealth, Limit: 10}))(t); len(runs) != 1 || runs[0].ConnectionID != other.ID {
		t.Errorf("checks are %+v", runs)
	}
	if next := must(l.Connection(ctx, full.ID))(t).Health.Next; !next.After(due) {
		t.Errorf("the full one is looked at again %s", next)
	}
}

func testHealthTold(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	end := func(ok bool) connection.Health {
		r := search(c)
		r.Origin = run.ByHealth
		r = l.queued(t, r, nil)
		b := must(l.BeginCommand(ctx, r.ID, Start))(t)
		b.Run.State, b.Run.Ended = run.Failed, Start.Add(time.Hour)
		err := l.EndCommand(ctx, b.Run, func(c connection.Connection) (connection.Health, notice.Event) {
			h, event := c.Health.After(ok, b.Run.Ended, c.Check)
			if event == connection.Recovered {
				return h, notice.HealthCheckRecovered{Subject: notice.Subject{Connection: c.Name}, Failures: c.Health.Failures}
			}
			return h, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return must(l.Connection(ctx, c.ID))(t).Health
	}
	if h := end(false); h.Failures != 3 || h.Status != connection.Failing || !h.Told {
		t.Errorf("after a failure: %+v", h)
	}
	if h := end(true); h.Failures != 0 || h.Status != connection.Healthy || h.Told || !h.Next.Equal(c.Health.Next) {
		t.Errorf("after a success: %+v", h)
	}
	var text strings.Builder
	if err := l.InTx(ctx, func(tx *store.Tx) error { return dumpTable(ctx, tx, "notices", &text) }); err != nil {
		t.Fatal(err)
	}
	if strings.Count(text.String(), "health_check.recovered") != 1 || !strings.Contains(text.String(), "soc@example.net") {
		t.Errorf("notices: %s", text.String())
	}
}

func testPruneRuns(t *testing.T, l *layer) {
	ctx := t.Context()
	c := l.connection(t, "lab")
	for n := range 3 {
		r := l.queued(t, search(c), nil)
		b := must(l.BeginCommand(ctx, r.ID, Start))(t)
		b.Run.State, b.Run.Ended = run.Succeeded, Start.Add(time.Duration(n)*time.Hour)
		if err := l.EndCommand(ctx, b.Run, nil); err != nil {
			t.Fatal(err)
		}
	}
	open := l.queued(t, search(c), nil)
	if n := must(l.PruneRuns(ctx, Start.Add(90*time.Minute)))(t); n != 2 {
		t.Errorf("%d were removed", n)
	}
	left := must(l.Runs(ctx, run.Filter{Limit: 10}))(t)
	if len(left) != 2 || left[0].ID != open.ID {
		t.Errorf("left are %+v", left)
	}
}
