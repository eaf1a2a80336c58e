package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/store"
)

// Backup is a database that is backed up by the means of its engine, for
// RunBackups.
type Backup struct {
	Original Database
	// Copy backs the database up and restores the copy, as it is, as another one.
	Copy func(tb testing.TB) (Database, Settle)
	// Tables is a query for the names of all tables that hold rows.
	Tables string
}

// Settle makes a restored copy fit agents that have gone on.
type Settle func(ctx context.Context, r store.Restoration) error

// RunBackups tests backups of an engine. create makes a new, empty database.
func RunBackups(t *testing.T, create func(tb testing.TB) Backup) {
	t.Run("a copy is the state at one moment, whoever writes", func(t *testing.T) {
		t.Parallel()
		testMoment(t, create(t))
	})
	t.Run("a restored database is ahead of what the lost one gave", func(t *testing.T) {
		t.Parallel()
		testSettled(t, create(t))
	})
}

// Key is an activation key that is different for every n.
func Key(n int) fleet.ActivationKey {
	return fleet.ActivationKey{Key: fmt.Sprintf("5d2f0000-0000-4000-8000-%012x", 0xc000+n), Title: "Edge key", Type: fleet.KeyUnlimited, Created: Start}
}

// contents is every row of every table, as text, in order.
type contents map[string][]string

func read(tb testing.TB, s *store.Store, tables string) contents {
	tb.Helper()
	all := contents{}
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		clear(all)
		rows, err := tx.Query(tb.Context(), tables)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			all[name] = nil
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for name := range all {
			if all[name], err = readTable(tb.Context(), tx, name); err != nil {
				return fmt.Errorf("read table %s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

func readTable(ctx context.Context, tx *store.Tx, name string) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT * FROM "`+name+`"`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var found []string
	for rows.Next() {
		values, targets := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		var row strings.Builder
		for i, value := range values {
			fmt.Fprintf(&row, "%s=%v ", names[i], value)
		}
		found = append(found, row.String())
	}
	sort.Strings(found)
	return found, rows.Err()
}

// history is the states of a database after each of its transactions.
type history struct {
	mu     sync.Mutex
	longer sync.Cond // states has grown, or the writer has failed
	states []contents
	failed bool
}

func newHistory() *history {
	h := &history{}
	h.longer.L = &h.mu
	return h
}

func (h *history) add(c contents) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.states = append(h.states, c)
	h.longer.Broadcast()
}

// fail ends all waiting.
func (h *history) fail() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = true
	h.longer.Broadcast()
}

// await waits until the database has gone through more states.
func (h *history) await(more int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for target := len(h.states) + more; len(h.states) < target && !h.failed; {
		h.longer.Wait()
	}
}

func (h *history) length() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.states)
}

// testMoment copies a database while agents enrol, upload and are sent scans,
// one transaction after the other, and looks for the state that was copied among
// those that there were.
func testMoment(t *testing.T, b Backup) {
	s := b.Original(t, time.Now)
	Bootstrap(t, s)
	for n := range 30 {
		for _, step := range transactions(t, s, n) {
			step()
		}
	}

	past := newHistory()
	past.add(read(t, s, b.Tables))
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		defer past.fail() // a test that has failed in there waits no longer
		for n := 30; ; n++ {
			for _, step := range transactions(t, s, n) {
				if step(); t.Failed() {
					return
				}
				past.add(read(t, s, b.Tables))
				select {
				case <-stop:
					return
				default:
				}
			}
		}
	})
	past.await(5)
	before := past.length()
	copied, _ := b.Copy(t)
	after := past.length()
	past.await(3)
	close(stop)
	writer.Wait()
	if t.Failed() {
		return
	}

	got := read(t, copied(t, time.Now), b.Tables)
	if len(got) < 20 || len(got["hosts"]) < 30 || len(got["goose_db_version"]) == 0 {
		t.Fatalf("only tables %v were compared", slices.Sorted(maps.Keys(got)))
	}
	// The state that was current when the copy began may have been the last one
	// noted, and one may have been committed and not yet noted when it ended.
	for i := before - 1; i < min(after+1, len(past.states)); i++ {
		if cmp.Equal(past.states[i], got) {
			t.Logf("the copy is state %d; it was begun at %d, done at %d of %d", i, before-1, after, len(past.states))
			return
		}
	}
	t.Errorf("the copy is none of the states %d to %d; it differs from the first of them by (-want +got):\n%s", before-1, after, cmp.Diff(past.states[before-1], got))
}

// transactions are the steps of one new agent, each one transaction.
func transactions(tb testing.TB, s *store.Store, n int) []func() {
	ctx := tb.Context()
	check := func(err error) {
		if err != nil {
			tb.Error(err)
		}
	}
	at := Start.Add(time.Duration(n) * time.Second)
	var p parcel
	return []func(){
		func() {
			enrolled, err := s.EnrolAgent(ctx, enrolment(n))
			check(err)
			p = pack(enrolled.HostID, nil, snapshot(fmt.Sprint("web-", n), deb("curl", "8"), deb(fmt.Sprint("package-", n), "1")))
		},
		func() { _, _, err := s.StartUpload(ctx, p.upload, at); check(err) },
		func() { _, err := s.AppendFragment(ctx, p.upload.HostID, p.upload.Digest, 0, p.content); check(err) },
		func() {
			_, _, err := s.CommitUpload(ctx, p.upload.HostID, p.upload.Digest, p.delta, at)
			check(err)
		},
		func() {
			_, err := s.CreateScanRequests(ctx, ondemand.Launch{HostIDs: []int64{p.upload.HostID}, Type: agentwire.InventoryScan, RequestedBy: "admin", At: at})
			check(err)
		},
		func() {
			check(s.SaveHeartbeats(ctx, []fleet.Heartbeat{{HostID: p.upload.HostID, At: at, Sequence: 9}}))
		},
	}
}

func testSettled(t *testing.T, b Backup) {
	ctx := t.Context()
	s := b.Original(t, time.Now)
	Bootstrap(t, s)
	host, other := enrol(t, s, 1).HostID, enrol(t, s, 2).HostID
	launch := func(s *store.Store, host int64) ondemand.Request {
		t.Helper()
		return must(s.CreateScanRequests(ctx, ondemand.Launch{HostIDs: []int64{host}, Type: agentwire.InventoryScan, RequestedBy: "admin", At: Start}))(t)[0]
	}
	pending := launch(s, host)
	copied, settle := b.Copy(t)
	second, settleSecond := b.Copy(t)

	// The lost platform goes on.
	lost := launch(s, other).ID
	newcomer := enrol(t, s, 3).HostID
	if err := s.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE agents SET profile_version = profile_version + 7, manifest_version = manifest_version + 2")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	given := must(s.AgentState(ctx, AgentID(1)))(t)

	r := store.Restoration{Made: Start, At: Start.Add(24 * time.Hour)}
	if err := settle(ctx, r); err != nil {
		t.Fatal(err)
	}
	restored := copied(t, time.Now)
	state := must(restored.AgentState(ctx, AgentID(1)))(t)
	if state.ProfileVersion <= given.ProfileVersion || state.ManifestVersion <= given.ManifestVersion {
		t.Errorf("the agent is offered profile %d and manifest %d, it may hold %d and %d", state.ProfileVersion, state.ManifestVersion, given.ProfileVersion, given.ManifestVersion)
	}
	if state.DemandVersion != 0 {
		t.Errorf("request %d is still pending; its agent would not hear of it again", state.DemandVersion)
	}
	ended := must(restored.ScanRequest(ctx, fleet.WholeFleet(), pending.ID))(t)
	if ended.State != ondemand.Failed || !strings.Contains(ended.Reason, "restored from a backup") || !ended.Ended.Equal(r.At) {
		t.Errorf("the pending request is now %+v", ended)
	}
	next := launch(restored, host)
	if next.ID <= max(lost, pending.ID)+10_000_000 {
		t.Errorf("the next request has id %d, the lost database may have given it", next.ID)
	}
	if again := enrol(t, restored, 3).HostID; again <= newcomer+10_000_000 {
		t.Errorf("the next host has id %d, the lost database gave %d", again, newcomer)
	}
	// Tables that were empty when the copy was made have ids too.
	var rollout int64
	if err := restored.InTx(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, "INSERT INTO profile_rollouts (after_host) VALUES (0) RETURNING id").Scan(&rollout)
	}); err != nil || rollout <= 10_000_000 {
		t.Errorf("the first rollout has id %d, %v", rollout, err)
	}

	// The same backup once more, an hour later: beyond what the first restore gave.
	if err := settleSecond(ctx, store.Restoration{Made: Start, At: r.At.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	secondly := second(t, time.Now)
	if later := must(secondly.AgentState(ctx, AgentID(1)))(t); later.ProfileVersion <= state.ProfileVersion+1000 {
		t.Errorf("profile version %d after a second restore, %d after the first", later.ProfileVersion, state.ProfileVersion)
	}
	if later := launch(secondly, host); later.ID <= next.ID+1_000_000 {
		t.Errorf("request %d after a second restore, %d after the first", later.ID, next.ID)
	}
}
