package storetest

import (
	"fmt"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testSoftware(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, b *bundle){
		"what no host has is swept from the dictionary":     testSweep,
		"a sweep while hosts change their packages":         testSweepRace,
		"a large baseline is learnt before it is committed": testLearnAhead,
		"packages that no host has are not found":           testUnreferenced,
		"hosts of many packages each are few hosts":         testManyPackagesEach,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, setup(t, create))
		})
	}
}

func debs(n int, format string) []agentwire.Software {
	software := make([]agentwire.Software, n)
	for i := range software {
		software[i] = deb(fmt.Sprintf(format, i), "1")
	}
	return software
}

// dictionary returns how many entries there are.
func dictionary(tb testing.TB, s *store.Store) (n int) {
	tb.Helper()
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(tb.Context(), "SELECT count(*) FROM software").Scan(&n)
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func testSweep(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	old := snapshot("web", append(debs(2500, "gone-%d"), deb("kept", "1"))...)
	send(t, b.Store, pack(host, nil, old), Start)
	next := snapshot("web", append(debs(2500, "new-%d"), deb("kept", "1"))...)
	send(t, b.Store, pack(host, old, next), Start)
	var after, deleted int64
	calls := 0
	for {
		n, gone, err := b.SweepSoftware(ctx, after)
		if err != nil {
			t.Fatal(err)
		}
		deleted, after, calls = deleted+gone, n, calls+1
		if after == 0 {
			break
		}
	}
	if n := dictionary(t, b.Store); deleted != 2500 || n != 2501 || calls < 2 {
		t.Errorf("%d deleted in %d calls and %d left, want 2500 in several and 2501", deleted, calls, n)
	}
	if h := must(b.Host(ctx, fleet.WholeFleet(), host))(t); len(h.Software) != 2501 {
		t.Errorf("the host has %d packages, want 2501", len(h.Software))
	}
	if _, deleted, err := b.SweepSoftware(ctx, 0); err != nil || deleted != 0 {
		t.Errorf("again: %d deleted, %v", deleted, err)
	}
}

// testSweepRace sweeps what a host is about to have again.
func testSweepRace(t *testing.T, b *bundle) {
	host := enrol(t, b.Store, 1).HostID
	full, empty := snapshot("web", debs(20, "p-%d")...), snapshot("web")
	held := empty
	send(t, b.Store, pack(host, nil, empty), Start)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			if _, _, err := b.SweepSoftware(t.Context(), 0); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for sweeping := true; sweeping; {
		for _, next := range []*agentwire.Snapshot{full, empty} {
			send(t, b.Store, pack(host, held, next), Start)
			held = next
			if h := must(b.Host(t.Context(), fleet.WholeFleet(), host))(t); len(h.Software) != len(next.Software) {
				t.Fatalf("the host has %d packages, want %d", len(h.Software), len(next.Software))
			}
		}
		select {
		case <-done:
			sweeping = false
		default:
		}
	}
}

// testLearnAhead commits a baseline that is refused at its end: what the
// transaction did is undone, what was learnt before it stays until it is swept.
func testLearnAhead(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	small, large := debs(500, "small-%d"), debs(1200, "large-%d")
	for _, c := range []struct {
		software []agentwire.Software
		learnt   int
	}{{small, 0}, {large, 1200}} {
		p := pack(host, nil, snapshot("web", c.software...))
		must(b.start(ctx, p))(t)
		if _, _, err := b.CommitUpload(ctx, host, p.upload.Digest, p.delta, Start); err == nil || dictionary(t, b.Store) != 0 {
			t.Errorf("a commit without its bytes: %v, %d entries learnt", err, dictionary(t, b.Store))
		}
		must(b.AppendFragment(ctx, host, p.upload.Digest, 0, p.content))(t)
		p.delta.Result = "another than announced"
		if _, _, err := b.CommitUpload(ctx, host, p.upload.Digest, p.delta, Start); err == nil {
			t.Error("a delta to another result was committed")
		}
		if n := dictionary(t, b.Store); n != c.learnt {
			t.Errorf("%d packages: %d entries are learnt, want %d", len(c.software), n, c.learnt)
		}
	}
	send(t, b.Store, pack(host, nil, snapshot("web", large...)), Start)
	if n := dictionary(t, b.Store); n != 1200 {
		t.Errorf("%d entries, want 1200", n)
	}
	if h := must(b.Host(ctx, fleet.WholeFleet(), host))(t); len(h.Software) != 1200 {
		t.Errorf("the host has %d packages, want 1200", len(h.Software))
	}
}

func testUnreferenced(t *testing.T, b *bundle) {
	host, bare := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	old := snapshot("web", append(debs(600, "gone-lib-%d"), deb("rare-lib", "1"))...)
	send(t, b.Store, pack(host, nil, old), Start)
	send(t, b.Store, pack(host, old, snapshot("web", deb("rare-lib", "1"))), Start)
	for _, c := range []struct {
		op    qps.Operator
		value string
		want  int64
	}{
		{qps.OpContains, "lib", 1}, {qps.OpContains, "gone-lib", 0}, {qps.OpEquals, "rare-lib", 1}, {qps.OpNotEquals, "rare-lib", 1}, {qps.OpNotEquals, "gone-lib-7", 2},
	} {
		if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "installedSoftware", c.op, c.value)))(t); n != c.want {
			t.Errorf("%s %s: counted %d, want %d (hosts %d and %d)", c.op, c.value, n, c.want, host, bare)
		}
	}
}

// testManyPackagesEach has more matching packages than maxPackages, and more
// pairs of host and package than maxCandidates, on two hosts.
func testManyPackagesEach(t *testing.T, b *bundle) {
	for n, software := range [][]agentwire.Software{debs(2600, "lib-%d"), debs(2600, "lib-0%d"), nil} {
		send(t, b.Store, pack(enrol(t, b.Store, n).HostID, nil, snapshot("web", software...)), Start)
	}
	for value, want := range map[string]int64{"lib-": 2, "lib-2": 1, "lib-0": 2, "lib-00 1": 1} {
		if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "installedSoftware", qps.OpContains, value)))(t); n != want {
			t.Errorf("%s: counted %d, want %d", value, n, want)
		}
	}
}
