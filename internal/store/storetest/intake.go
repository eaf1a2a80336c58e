package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"testing"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/inventory"
)

// testRepeatedIntake commits twice through the intake, which has nothing to
// decode the second time: the fragments are gone.
func testRepeatedIntake(t *testing.T, b *bundle) {
	ctx := t.Context()
	host := enrol(t, b.Store, 1).HostID
	in := inventory.NewIntake(b.Store, b.clock)
	delta := agentwire.Diff(nil, snapshot("web", deb("curl", "8")))
	content := compressed(t, delta)
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	start := agentwire.UploadStart{Module: agentwire.ModuleInventory, Result: delta.Result, Size: int64(len(content))}
	must(in.Start(ctx, host, digest, start))(t)
	must(in.Fragment(ctx, host, digest, 0, content))(t)
	want := agentwire.UploadAnswer{State: agentwire.UploadCommitted, Offset: start.Size, Confirmed: delta.Result}
	for _, which := range []string{"first", "second"} {
		got := must(in.Commit(ctx, host, digest))(t)
		if got.State != want.State || got.Confirmed != want.Confirmed {
			t.Errorf("the %s commit is answered with %+v, want %+v", which, got, want)
		}
	}
	if got := must(in.Start(ctx, host, digest, start))(t); got != want {
		t.Errorf("a late start is answered with %+v, want %+v", got, want)
	}
	open := pack(host, nil, snapshot("other"))
	must(b.start(ctx, open))(t)
	_, _, err := b.CommitUpload(ctx, host, open.upload.Digest, nil, Start)
	wantCode(t, err, fault.Conflict) // it is not committed, and there is nothing to commit
}

func compressed(tb testing.TB, d *agentwire.Delta) []byte {
	tb.Helper()
	doc, err := json.Marshal(d)
	if err != nil {
		tb.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		tb.Fatal(err)
	}
	return encoder.EncodeAll(doc, nil)
}
