package storetest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/inventory"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/store"
)

// parcel is a delta with content that stands for its compressed bytes.
type parcel struct {
	upload  inventory.Upload
	delta   *agentwire.Delta
	content []byte
}

func pack(hostID int64, base, next *agentwire.Snapshot, scans ...int64) parcel {
	delta := agentwire.Diff(base, next)
	content := []byte("delta " + delta.Base + " to " + delta.Result)
	return parcel{
		upload: inventory.Upload{
			HostID: hostID, Digest: "digest of " + delta.Base + delta.Result,
			Start: agentwire.UploadStart{Module: agentwire.ModuleInventory, Base: delta.Base, Result: delta.Result, Size: int64(len(content)), Scans: scans},
		},
		delta: delta, content: content,
	}
}

func snapshot(name string, software ...agentwire.Software) *agentwire.Snapshot {
	s := &agentwire.Snapshot{Host: agentwire.Host{Name: name}, Software: software}
	s.Normalize()
	return s
}

func deb(name, version string) agentwire.Software {
	return agentwire.Software{Kind: "deb", Name: name, Version: version, Architecture: "amd64"}
}

// send brings a parcel all the way in.
func send(tb testing.TB, s *store.Store, p parcel, at time.Time) {
	tb.Helper()
	ctx := tb.Context()
	start := func() (inventory.Upload, error) {
		u, _, err := s.StartUpload(ctx, p.upload, at)
		return u, err
	}
	if u := must(start())(tb); u.State != agentwire.UploadOpen {
		tb.Fatalf("upload is %s", u.State)
	}
	must(s.AppendFragment(ctx, p.upload.HostID, p.upload.Digest, 0, p.content))(tb)
	if state := commit(tb, s, p, at); state != agentwire.UploadCommitted {
		tb.Fatalf("commit says %s", state)
	}
}

func commit(tb testing.TB, s *store.Store, p parcel, at time.Time) agentwire.UploadState {
	tb.Helper()
	state, _, err := s.CommitUpload(tb.Context(), p.upload.HostID, p.upload.Digest, p.delta, at)
	if err != nil {
		tb.Fatal(err)
	}
	return state
}

func testUploads(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, b *bundle){
		"fragments arrive once, in order, and again":             testFragments,
		"a commit is done once":                                  testCommitOnce,
		"a delta on another base is stale and changes nothing":   testStale,
		"a result that is held already needs no upload":          testHeldResult,
		"an agent has one open upload":                           testOneOpen,
		"what cannot be stored is refused":                       testRefusedDeltas,
		"commits at once: one delta of a base wins":              testCommitRace,
		"a committed upload answers its scan requests and more":  testAnsweredScans,
		"uploads of unknown hosts and unknown uploads are named": testUnknownUploads,
		"a commit repeated through the intake is answered alike": testRepeatedIntake,
		"a host does not grow beyond the limits of its lists":    testBoundedHost,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, setup(t, create))
		})
	}
}

func testFragments(t *testing.T, b *bundle) {
	ctx := t.Context()
	p := pack(enrol(t, b.Store, 1).HostID, nil, snapshot("web", deb("curl", "8")))
	host, digest, size := p.upload.HostID, p.upload.Digest, p.upload.Start.Size
	started, held, err := b.StartUpload(ctx, p.upload, Start)
	if err != nil || started.State != agentwire.UploadOpen || started.Offset != 0 || held != "" {
		t.Fatalf("got %+v, %q, %v", started, held, err)
	}
	for _, step := range []struct {
		what       string
		from, to   int64
		wantOffset int64
		wantCode   fault.Code
	}{
		{"the first", 0, 10, 10, ""},
		{"the first again", 0, 10, 10, ""},
		{"the first with another size", 0, 9, 0, fault.Conflict},
		{"one beyond", 11, 20, 0, fault.Conflict},
		{"the second", 10, 30, 30, ""},
		{"one from the middle", 5, 10, 0, fault.Conflict},
		{"the first again, late", 0, 10, 30, ""},
		{"the rest", 30, size, size, ""},
	} {
		next, err := b.AppendFragment(ctx, host, digest, step.from, p.content[step.from:step.to])
		if fault.CodeOf(err) != step.wantCode || next != step.wantOffset {
			t.Errorf("%s: got offset %d, %v; want %d, %q", step.what, next, err, step.wantOffset, step.wantCode)
		}
		if step.to == 30 {
			b.reopen(t) // what was acknowledged stays
		}
	}
	for _, bad := range []struct {
		offset int64
		data   []byte
	}{{-1, []byte("x")}, {0, nil}, {size, []byte("x")}, {size - 1, []byte("xy")}} {
		_, err := b.AppendFragment(ctx, host, digest, bad.offset, bad.data)
		wantCode(t, err, fault.Invalid)
	}
	again, _, err := b.StartUpload(ctx, p.upload, Start)
	if err != nil || again.State != agentwire.UploadOpen || again.Offset != size {
		t.Errorf("a repeated start: got %+v, %v", again, err)
	}
	got, content, err := b.UploadContent(ctx, host, digest)
	want := p.upload
	want.State, want.Offset = agentwire.UploadOpen, size
	if diff := cmp.Diff(want, got); err != nil || diff != "" || !bytes.Equal(content, p.content) {
		t.Errorf("content %q, %v, %s", content, err, diff)
	}
}

func testCommitOnce(t *testing.T, b *bundle) {
	ctx := t.Context()
	base, next := snapshot("web", deb("curl", "8")), snapshot("web", deb("curl", "9"))
	host := enrol(t, b.Store, 1).HostID
	send(t, b.Store, pack(host, nil, base), Start.Add(time.Minute))
	p := pack(host, base, next)
	send(t, b.Store, p, Start.Add(time.Hour))
	b.reopen(t)
	if state := commit(t, b.Store, p, Start.Add(2*time.Hour)); state != agentwire.UploadCommitted {
		t.Errorf("the second commit says %s", state)
	}
	h := must(b.Host(ctx, fleet.WholeFleet(), host))(t)
	if !h.Modified.Equal(Start.Add(time.Hour)) || len(h.Software) != 1 || h.Software[0].Version != "9" {
		t.Errorf("got %s and %v", h.Modified, h.Software)
	}
	if next := must(b.AppendFragment(ctx, host, p.upload.Digest, 0, p.content[:5]))(t); next != p.upload.Start.Size {
		t.Errorf("a late fragment is answered with offset %d", next)
	}
	if u, content, err := b.UploadContent(ctx, host, p.upload.Digest); err != nil || u.State != agentwire.UploadCommitted || len(content) != 0 {
		t.Errorf("got %+v, %d bytes, %v", u, len(content), err)
	}
}

func testStale(t *testing.T, b *bundle) {
	ctx := t.Context()
	held, other, next := snapshot("held"), snapshot("other"), snapshot("next", deb("curl", "8"))
	host := enrol(t, b.Store, 1).HostID
	open := pack(host, held, next)
	send(t, b.Store, pack(host, nil, held), Start)
	if u, digest, err := b.StartUpload(ctx, pack(host, other, next).upload, Start); err != nil || u.State != agentwire.UploadStale || digest != held.Digest() {
		t.Errorf("got %+v, %q, %v", u, digest, err)
	}
	if _, _, err := b.UploadContent(ctx, host, pack(host, other, next).upload.Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("a stale upload is stored: %v", err)
	}
	// Started in time, overtaken by another before its commit.
	if _, _, err := b.StartUpload(ctx, open.upload, Start); err != nil {
		t.Fatal(err)
	}
	must(b.AppendFragment(ctx, host, open.upload.Digest, 0, open.content))(t)
	setSnapshot(t, b.Store, host, other.Digest())
	state, digest, err := b.CommitUpload(ctx, host, open.upload.Digest, open.delta, Start.Add(time.Hour))
	if err != nil || state != agentwire.UploadStale || digest != other.Digest() {
		t.Errorf("got %s, %q, %v", state, digest, err)
	}
	if h := must(b.Host(ctx, fleet.WholeFleet(), host))(t); len(h.Software) != 0 || !h.Modified.Equal(Start) {
		t.Errorf("a stale commit changed the host: %+v", h)
	}
}

func setSnapshot(tb testing.TB, s *store.Store, host int64, digest string) {
	tb.Helper()
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(tb.Context(), "UPDATE snapshots SET digest = ? WHERE host_id = ?", digest, host)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func testHeldResult(t *testing.T, b *bundle) {
	ctx := t.Context()
	held := snapshot("web")
	host := enrol(t, b.Store, 1).HostID
	send(t, b.Store, pack(host, nil, held), Start)
	request := launch(t, b.Store, agentwire.InventoryScan, host)[0]
	p := pack(host, held, held, request.ID)
	p.upload.Digest = "a scan that found nothing new"
	u, digest, err := b.StartUpload(ctx, p.upload, Start.Add(time.Hour))
	if err != nil || u.State != agentwire.UploadCommitted || digest != held.Digest() || u.Offset != u.Start.Size {
		t.Errorf("got %+v, %q, %v", u, digest, err)
	}
	if r := must(b.ScanRequest(ctx, fleet.WholeFleet(), request.ID))(t); r.State != ondemand.Complete || !r.Ended.Equal(Start.Add(time.Hour)) {
		t.Errorf("the request it answers is %+v", r)
	}
	if h := must(b.Host(ctx, fleet.WholeFleet(), host))(t); !h.Modified.Equal(Start) {
		t.Errorf("modified at %s though nothing changed", h.Modified)
	}
}

func testOneOpen(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	first, second := pack(host, nil, snapshot("first")), pack(host, nil, snapshot("second"))
	for _, p := range []parcel{first, second} {
		if _, _, err := b.StartUpload(ctx, p.upload, Start); err != nil {
			t.Fatal(err)
		}
		must(b.AppendFragment(ctx, host, p.upload.Digest, 0, p.content))(t)
	}
	_, _, err := b.UploadContent(ctx, host, first.upload.Digest)
	wantCode(t, err, fault.NotFound)
	if state := commit(t, b.Store, second, Start); state != agentwire.UploadCommitted {
		t.Errorf("commit says %s", state)
	}
}

func testRefusedDeltas(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	for name, spoil := range map[string]func(d *agentwire.Delta){
		"NUL in software":       func(d *agentwire.Delta) { d.Software.Put[0].Name = "a\x00b" },
		"broken UTF-8":          func(d *agentwire.Delta) { d.Software.Put[0].Version = "\xff" },
		"a name without end":    func(d *agentwire.Delta) { d.Software.Put[0].Name = string(bytes.Repeat([]byte("x"), 1001)) },
		"a host without a name": func(d *agentwire.Delta) { d.Host.Name = "" },
		"another result":        func(d *agentwire.Delta) { d.Result = "other" },
		"another base":          func(d *agentwire.Delta) { d.Base = "other" },
	} {
		p := pack(host, nil, snapshot(name, deb("curl", "8")))
		if _, _, err := b.StartUpload(ctx, p.upload, Start); err != nil {
			t.Fatal(err)
		}
		must(b.AppendFragment(ctx, host, p.upload.Digest, 0, p.content))(t)
		spoil(p.delta)
		_, _, err := b.CommitUpload(ctx, host, p.upload.Digest, p.delta, Start)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want it refused as invalid", name, err)
		}
	}
	p := pack(host, nil, snapshot("incomplete"))
	if _, _, err := b.StartUpload(ctx, p.upload, Start); err != nil {
		t.Fatal(err)
	}
	_, _, err := b.CommitUpload(ctx, host, p.upload.Digest, p.delta, Start)
	wantCode(t, err, fault.Conflict)
	if h := must(b.Host(ctx, fleet.WholeFleet(), host))(t); h.Name != "edge-cache-01" || len(h.Software) != 0 {
		t.Errorf("refused deltas changed the host: %+v", h)
	}
}

// testCommitRace starts and commits one upload from several places at once, as
// an agent does that repeats requests through another replica: whoever waits for
// another must see what that one left behind.
func testCommitRace(t *testing.T, b *bundle) {
	ctx := t.Context()
	for round := range 5 {
		host := enrol(t, b.Store, round).HostID
		p := pack(host, nil, snapshot("web", deb("curl", "8"), deb("bash", "5")))
		must(b.start(ctx, p))(t)
		must(b.AppendFragment(ctx, host, p.upload.Digest, 0, p.content))(t)
		var wait sync.WaitGroup
		for range 4 {
			wait.Go(func() {
				state, held, err := b.CommitUpload(ctx, host, p.upload.Digest, p.delta, Start)
				if err != nil || state != agentwire.UploadCommitted || held != p.delta.Result {
					t.Errorf("commit: %s with %q held, %v; want committed with %q", state, held, err, p.delta.Result)
				}
			})
			wait.Go(func() {
				u, held, err := b.StartUpload(ctx, p.upload, Start)
				committed := u.State == agentwire.UploadCommitted && held == p.delta.Result
				if open := u.State == agentwire.UploadOpen && held == ""; err != nil || u.Offset != p.upload.Start.Size || !(open || committed) {
					t.Errorf("start: %s at %d with %q held, %v", u.State, u.Offset, held, err)
				}
			})
		}
		wait.Wait()
		if u, _, err := b.UploadContent(ctx, host, p.upload.Digest); err != nil || u.State != agentwire.UploadCommitted {
			t.Errorf("the upload ends up %s, %v", u.State, err)
		}
		if h := must(b.Host(ctx, fleet.WholeFleet(), host))(t); len(h.Software) != 2 {
			t.Errorf("got software %v", h.Software)
		}
	}
}

func (b *bundle) start(ctx context.Context, p parcel) (inventory.Upload, error) {
	u, _, err := b.StartUpload(ctx, p.upload, Start)
	return u, err
}

func testAnsweredScans(t *testing.T, b *bundle) {
	ctx := t.Context()
	host, other := enrol(t, b.Store, 1).HostID, enrol(t, b.Store, 2).HostID
	mine := launch(t, b.Store, agentwire.InventoryScan, host)[0]
	vulnerability := launch(t, b.Store, agentwire.VulnerabilityScan, host)[0]
	foreign := launch(t, b.Store, agentwire.InventoryScan, other)[0]
	must(b.DeliverScanRequests(ctx, host, Start.Add(time.Second), 10))(t)
	send(t, b.Store, pack(host, nil, snapshot("web"), mine.ID, vulnerability.ID, foreign.ID, 999), Start.Add(time.Minute))
	for id, want := range map[int64]ondemand.State{mine.ID: ondemand.Complete, vulnerability.ID: ondemand.Delivered, foreign.ID: ondemand.Queued} {
		if r := must(b.ScanRequest(ctx, fleet.WholeFleet(), id))(t); r.State != want {
			t.Errorf("request %d is %s, want %s", id, r.State, want)
		}
	}
}

func testUnknownUploads(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	p := pack(host+1, nil, snapshot("web"))
	_, _, err := b.StartUpload(ctx, p.upload, Start)
	wantCode(t, err, fault.NotFound)
	for _, digest := range []string{"unknown", "", "\x00"} {
		_, err = b.AppendFragment(ctx, host, digest, 0, []byte("x"))
		wantCode(t, err, fault.NotFound)
		_, _, err = b.UploadContent(ctx, host, digest)
		wantCode(t, err, fault.NotFound)
		_, _, err = b.CommitUpload(ctx, host, digest, p.delta, Start)
		wantCode(t, err, fault.NotFound)
	}
	p.upload.Start.Size = -1
	_, _, err = b.StartUpload(ctx, p.upload, Start)
	wantCode(t, err, fault.Invalid)
}
