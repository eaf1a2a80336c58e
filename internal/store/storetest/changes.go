package storetest

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/ondemand"
)

func testChanges(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("enrolments and scan requests are changes", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ctx := t.Context()
		if last := must(b.LastChange(ctx))(t); last != 0 {
			t.Errorf("a new database has change %d", last)
		}
		one, two := enrol(t, b.Store, 1), enrol(t, b.Store, 2)
		select {
		case <-b.Hint():
		default:
			t.Error("no hint after an enrolment")
		}
		enrol(t, b.Store, 1) // known: nothing changed
		launch(t, b.Store, agentwire.InventoryScan, two.HostID, one.HostID)
		launch(t, b.Store, agentwire.InventoryScan, one.HostID) // joined: nothing changed
		var got []int64
		changes := must(b.ChangesSince(ctx, 0, 100))(t)
		for _, c := range changes {
			got = append(got, c.HostID)
		}
		if diff := cmp.Diff([]int64{one.HostID, two.HostID, one.HostID, two.HostID}, got); diff != "" {
			t.Error(diff)
		}
		if changes[0].AgentID != one.AgentID {
			t.Errorf("got agent %q, want %q", changes[0].AgentID, one.AgentID)
		}
		last := must(b.LastChange(ctx))(t)
		if rest := must(b.ChangesSince(ctx, changes[1].Seq, 1))(t); len(rest) != 1 || rest[0] != changes[2] || last != changes[3].Seq {
			t.Errorf("after %d: got %v and last %d, all are %v", changes[1].Seq, rest, last, changes)
		}
	})
	t.Run("a tail that follows numbers misses nothing", func(t *testing.T) {
		t.Parallel()
		testTail(t, setup(t, create))
	})
}

// testTail reads while others write: a number that became visible late would be
// passed over.
func testTail(t *testing.T, b *bundle) {
	const writers, each = 4, 10
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				if _, err := b.EnrolAgent(t.Context(), enrolment(w*each+i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writing.Wait(); close(done) }()
	seen := make(map[int64]bool)
	var seq int64
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-b.Hint():
		}
		changes, err := b.ChangesSince(t.Context(), seq, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			seen[c.HostID], seq = true, c.Seq
		}
	}
	if len(seen) != writers*each {
		t.Errorf("the tail saw %d hosts, want %d", len(seen), writers*each)
	}
}

func launch(tb testing.TB, s ondemand.Requests, scan agentwire.ScanType, hosts ...int64) []ondemand.Request {
	tb.Helper()
	return must(s.CreateScanRequests(tb.Context(), ondemand.Launch{HostIDs: hosts, Type: scan, RequestedBy: "admin", At: Start}))(tb)
}
