package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

func testQueueRun(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := c.connector(t, "edge", withRole())
	wantCalls(t, c)
	_, _, _, err := c.BeginRun(ctx, made.ID, Start)
	wantSuperseded(t, err)
	queued := must(c.Run(ctx, all, made.ID, "ana"))(t)
	if queued.State != connector.Queued || !queued.NextSync.IsZero() {
		t.Errorf("it is %s and due %s", queued.State, queued.NextSync)
	}
	if diff := cmp.Diff(queued, must(c.Get(ctx, all, made.ID))(t)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	*c.now = Start.Add(time.Minute)
	if joined := must(c.Run(ctx, all, made.ID, "bob"))(t); joined.State != connector.Queued {
		t.Errorf("the joined run is %s", joined.State)
	}
	wantCalls(t, c, fmt.Sprintf("enqueue connector-run %d", made.ID))
	runs := must(c.Runs(ctx, all, made.ID))(t)
	want := []connector.Run{{ID: runs[0].ID, ConnectorID: made.ID, StartedBy: "ana", Queued: Start, State: connector.Queued, Regions: []connector.RegionResult{}}}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	if active := must(c.ActiveRuns(ctx, 0, 10))(t); !cmp.Equal(active, []int64{made.ID}) {
		t.Errorf("active are %v", active)
	}
	if active := must(c.ActiveRuns(ctx, made.ID, 10))(t); len(active) > 0 {
		t.Errorf("active after it are %v", active)
	}
	c.begin(t, made.ID)
	if joined := must(c.Run(ctx, all, made.ID, "bob"))(t); joined.State != connector.Running {
		t.Errorf("the joined run is %s", joined.State)
	}
	wantCalls(t, c)
}

func testQueueMany(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	for n := range 120 {
		change := withRole()
		change.Disabled = new(n < 10)
		c.connector(t, fmt.Sprintf("edge %d", n), change)
	}
	edges := []qps.Criterion{{Field: "name", Operator: qps.OpContains, Value: "edge"}}
	queued := must(c.RunMatching(ctx, all, edges, "ana"))(t)
	if len(queued) != 110 || queued[0].Name != "edge 10" || queued[109].State != connector.Queued {
		t.Errorf("%d were queued", len(queued))
	}
	enqueued := 0
	for _, n := range c.queue.sizes {
		if enqueued += n; n > 50 {
			t.Errorf("a transaction held up others for %d jobs", n)
		}
	}
	if enqueued != 110 {
		t.Errorf("%d jobs were enqueued", enqueued)
	}
}

func testQueueDue(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	var due []connector.Connector
	for i := range 3 {
		due = append(due, c.connector(t, fmt.Sprintf("due %d", i), withRole()))
	}
	disabled := withRole()
	disabled.Disabled = new(true)
	c.connector(t, "disabled", disabled)
	c.connector(t, "incomplete", qps.AwsAssetDataConnectorChange{AllRegions: new(true)})
	must(c.Run(ctx, all, due[0].ID, "ana"))(t)
	wantCalls(t, c, fmt.Sprintf("enqueue connector-run %d", due[0].ID))
	for _, step := range []struct {
		at    time.Time
		limit int
		want  int
	}{{Start.Add(-time.Second), 10, 0}, {Start, 1, 1}, {Start, 10, 1}, {Start, 10, 0}} {
		if got := must(c.QueueDue(ctx, step.at, step.limit))(t); got != step.want {
			t.Errorf("at %s of %d at most %d were queued, want %d", step.at, step.limit, got, step.want)
		}
	}
	wantCalls(t, c, fmt.Sprintf("enqueue connector-run %d", due[1].ID), fmt.Sprintf("enqueue connector-run %d", due[2].ID))
	if runs := must(c.Runs(ctx, all, due[1].ID))(t); len(runs) != 1 || runs[0].StartedBy != "" {
		t.Errorf("runs %+v", runs)
	}
}

func testRunLife(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	record := c.authRecord(t, "")
	made := c.connector(t, "edge", qps.AwsAssetDataConnectorChange{AuthRecordID: &record, AllRegions: new(true)})
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	*c.now = Start.Add(time.Minute)
	run, begun, credentials, err := c.BeginRun(ctx, made.ID, *c.now)
	if err != nil {
		t.Fatal(err)
	}
	if run.State != connector.Running || !run.Started.Equal(*c.now) || run.StartedBy != "ana" || begun.State != connector.Running || !begun.AllRegions {
		t.Errorf("began %+v of %+v", run, begun)
	}
	if credentials != (connector.Credentials{AccessKeyID: plainAccessKey, SecretKey: plainSecretKey}) {
		t.Error("the run gets other credentials than those of its record")
	}
	if err := c.AccountOpened(ctx, run, "000011112222", []string{"eu-west-1", "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	run.State = connector.Processing
	run.Regions = []connector.RegionResult{{Region: "eu-west-1", Listed: 7, Created: 7, Complete: true}, {Region: "us-east-1"}}
	if err := c.Progress(ctx, run); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Get(ctx, all, made.ID))(t); got.State != connector.Processing || got.AccountID != "000011112222" || !got.LastSync.IsZero() {
		t.Errorf("at work it is %+v", got)
	}
	if diff := cmp.Diff([]connector.Run{run}, must(c.Runs(ctx, all, made.ID))(t)); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
	run.State, run.Error, run.Ended = connector.FinishedErrors, "us-east-1: throttled", Start.Add(2*time.Minute)
	run.Regions[1].Error = "throttled"
	if err := c.FinishRun(ctx, run); err != nil {
		t.Fatal(err)
	}
	got := must(c.Get(ctx, all, made.ID))(t)
	if got.State != connector.FinishedErrors || got.LastError != "us-east-1: throttled" || !got.LastSync.Equal(run.Ended) || !got.NextSync.Equal(run.Ended.Add(4*time.Hour)) {
		t.Errorf("finished it is %+v", got)
	}
	wantErrors := []connector.RunError{{ConnectorID: made.ID, RunID: run.ID, Region: "us-east-1", Message: "throttled", Created: run.Ended}}
	if diff := cmp.Diff(wantErrors, must(c.Errors(ctx, all, nil))(t)); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
	if latest := must(c.FailedRuns(ctx, []int64{made.ID}, 1))(t); len(latest) != 1 || latest[0].ID != run.ID {
		t.Errorf("the last one that failed is %+v", latest)
	}
	wantSuperseded(t, c.FinishRun(ctx, run))
	wantSuperseded(t, c.Progress(ctx, run))
	wantSuperseded(t, c.AccountOpened(ctx, run, "000011112222", nil))

	// One that lists nothing leaves the time of the last sync.
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	failed := c.begin(t, made.ID)
	failed.State, failed.Error, failed.Ended = connector.Failed, "denied", Start.Add(time.Hour)
	if err := c.FinishRun(ctx, failed); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Get(ctx, all, made.ID))(t); got.State != connector.Failed || !got.LastSync.Equal(run.Ended) || !got.NextSync.Equal(Start.Add(5*time.Hour)) {
		t.Errorf("failed it is %+v", got)
	}
}

func testChangeDuringRun(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := c.connector(t, "edge", withRole())
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	run := c.begin(t, made.ID)
	*c.now = Start.Add(time.Minute)
	change := qps.AwsAssetDataConnectorChange{ARN: new("arn:aws:iam::999900001111:role/other")}
	change.Activation.Set = []string{"VM"}
	if got := must(c.Update(ctx, all, made.ID, change))(t); got.State != connector.Running {
		t.Errorf("changed at work it is %s", got.State)
	}
	if n := must(c.QueueDue(ctx, *c.now, 10))(t); n != 0 {
		t.Errorf("%d were queued beside a run", n)
	}
	if err := c.AccountOpened(ctx, run, "012345678901", nil); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Get(ctx, all, made.ID))(t); got.AccountID != "999900001111" {
		t.Errorf("with the role of another account it is of %s", got.AccountID)
	}
	run.State, run.Ended = connector.FinishedSuccess, Start.Add(time.Hour)
	if err := c.FinishRun(ctx, run); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Get(ctx, all, made.ID))(t); !got.NextSync.Equal(Start.Add(time.Minute)) {
		t.Errorf("it is due %s", got.NextSync)
	}
	if n := must(c.QueueDue(ctx, run.Ended, 10))(t); n != 1 {
		t.Errorf("%d were queued after it", n)
	}
}

func testCutOffRun(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := c.connector(t, "edge", withRole())
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	first := c.begin(t, made.ID)
	*c.now = Start.Add(time.Hour)
	second := c.begin(t, made.ID)
	if second.ID <= first.ID || second.StartedBy != "ana" || !second.Queued.Equal(Start) || !second.Started.Equal(*c.now) {
		t.Errorf("after %+v began %+v", first, second)
	}
	first.Ended, first.State = *c.now, connector.FinishedSuccess
	wantSuperseded(t, c.Progress(ctx, first))
	wantSuperseded(t, c.FinishRun(ctx, first))
	second.Ended, second.State = *c.now, connector.FinishedSuccess
	if err := c.FinishRun(ctx, second); err != nil {
		t.Fatal(err)
	}
	runs := must(c.Runs(ctx, all, made.ID))(t)
	if len(runs) != 2 || runs[0].State != connector.FinishedSuccess || runs[1].State != connector.Failed || runs[1].Error != "The run was cut off and begun anew." {
		t.Errorf("runs %+v", runs)
	}
}

func testEndedRuns(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := c.connector(t, "edge", withRole())
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	run := c.begin(t, made.ID)
	disabled := qps.AwsAssetDataConnectorChange{}
	disabled.Disabled = new(true)
	must(c.Update(ctx, all, made.ID, disabled))(t)
	job := fmt.Sprintf("connector-run %d", made.ID)
	wantCalls(t, c, "enqueue "+job, "cancel "+job)
	wantSuperseded(t, c.Progress(ctx, run))
	if runs := must(c.Runs(ctx, all, made.ID))(t); runs[0].State != connector.Failed || runs[0].Error != "The connector became DISABLED." || runs[0].Ended.IsZero() {
		t.Errorf("the run is %+v", runs[0])
	}
	_, err := c.Run(ctx, all, made.ID, "ana")
	wantCode(t, err, fault.Conflict)
	disabled.Disabled = new(false)
	must(c.Update(ctx, all, made.ID, disabled))(t)
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	run = c.begin(t, made.ID)
	if err := c.Delete(ctx, all, made.ID); err != nil {
		t.Fatal(err)
	}
	wantCalls(t, c, "enqueue "+job, "cancel "+job)
	run.State, run.Ended = connector.FinishedSuccess, Start
	wantSuperseded(t, c.FinishRun(ctx, run))
	if n := c.count(t, "SELECT count(*) FROM connector_runs"); n != 0 {
		t.Errorf("%d runs outlive their connector", n)
	}
}

func testGivenUpRun(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := c.connector(t, "edge", withRole())
	if err := c.GiveUpRun(ctx, made.ID, Start, "no reason"); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Get(ctx, all, made.ID))(t); got.State != connector.Pending || got.LastError != "" {
		t.Errorf("without a run it became %+v", got)
	}
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	run := c.begin(t, made.ID)
	if err := c.GiveUpRun(ctx, made.ID, Start, "the database was away"); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Get(ctx, all, made.ID))(t); got.State != connector.Failed || got.LastError != "the database was away" || !got.NextSync.Equal(Start.Add(4*time.Hour)) {
		t.Errorf("given up it is %+v", got)
	}
	wantSuperseded(t, c.Progress(ctx, run))
	if active := must(c.ActiveRuns(ctx, 0, 10))(t); active != nil {
		t.Errorf("active are %v", active)
	}
}

func testKeptRuns(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made, other := c.connector(t, "edge", withRole()), c.connector(t, "other", withRole())
	must(c.Run(ctx, all, other.ID, "ana"))(t)
	var last int64
	for range 103 {
		must(c.Run(ctx, all, made.ID, "ana"))(t)
		run := c.begin(t, made.ID)
		run.State, run.Ended = connector.FinishedSuccess, Start
		if err := c.FinishRun(ctx, run); err != nil {
			t.Fatal(err)
		}
		last = run.ID
	}
	if runs := must(c.Runs(ctx, all, made.ID))(t); len(runs) != 100 || runs[0].ID != last {
		t.Errorf("%d runs are kept, the newest is %d; want 100 and %d", len(runs), runs[0].ID, last)
	}
	if runs := must(c.Runs(ctx, all, other.ID))(t); len(runs) != 1 {
		t.Errorf("the other connector has %d runs", len(runs))
	}
}

// testRunRace lets several replicas begin one run and finish it: all get a number
// of their own, and one may finish.
func testRunRace(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := c.connector(t, "edge", withRole())
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	var finished atomic.Int32
	var replicas sync.WaitGroup
	for range 6 {
		replicas.Go(func() {
			run, _, _, err := c.BeginRun(ctx, made.ID, Start)
			if err == nil {
				run.State, run.Ended = connector.FinishedSuccess, Start
				err = c.FinishRun(ctx, run)
			}
			switch {
			case err == nil:
				finished.Add(1)
			case !errors.Is(err, connector.ErrSuperseded):
				t.Error(err)
			}
		})
	}
	replicas.Wait()
	if n := finished.Load(); n != 1 {
		t.Errorf("%d replicas finished the run, want 1", n)
	}
}
