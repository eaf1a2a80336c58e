package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

// bomb is a small file that grows beyond everything a decoder accepts.
func bomb(t *testing.T) []byte {
	t.Helper()
	var packed bytes.Buffer
	encoder, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(encoder, `{"host":{"name":"`); err != nil {
		t.Fatal(err)
	}
	block := bytes.Repeat([]byte("x"), 1<<20)
	for range agentwire.MaxDeltaBytes/len(block) + 1 {
		if _, err := encoder.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := encoder.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func packed(t *testing.T, doc string, options ...zstd.EOption) []byte {
	t.Helper()
	var b bytes.Buffer
	encoder, err := zstd.NewWriter(&b, options...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(encoder, doc); err != nil {
		t.Fatal(err)
	}
	if err := encoder.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBaseThatCannotBeTrustedMakesABaseline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		content func(t *testing.T, whole []byte) []byte // nil removes the file
	}{
		{"missing", func(*testing.T, []byte) []byte { return nil }},
		{"empty", func(*testing.T, []byte) []byte { return []byte{} }},
		{"not compressed", func(*testing.T, []byte) []byte { return []byte(`{"host":{"name":"x"}}`) }},
		{"cut short", func(_ *testing.T, whole []byte) []byte { return whole[:len(whole)/2] }},
		{"one bit off", func(_ *testing.T, whole []byte) []byte { whole[len(whole)/2] ^= 1; return whole }},
		{"another snapshot under this name", func(t *testing.T, _ []byte) []byte { return packed(t, `{"host":{"name":"other"}}`) }},
		{"data after its end", func(t *testing.T, whole []byte) []byte { return append(whole, packed(t, `{}`)...) }},
		{"no snapshot at all", func(t *testing.T, _ []byte) []byte { return packed(t, `[1,2,3]`) }},
		{"a bomb", func(t *testing.T, _ []byte) []byte { return bomb(t) }},
		{"a window of 64 MB", func(t *testing.T, _ []byte) []byte {
			return packed(t, strings.Repeat(" ", 65<<20), zstd.WithWindowSize(64<<20), zstd.WithSingleSegment(false))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, packages("bash"), users("root"))
			first := s.mustRun("")
			path := scan.SnapshotPath(s.stateDir, first.Snapshot)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if content := test.content(t, whole); content == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, content, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			second := s.mustRun(first.Snapshot)
			if second.Base != "" || second.Unchanged || !s.delta(second).Baseline() {
				t.Errorf("result is %+v, want a baseline", second)
			}
			// The same host: the damaged file has been replaced by a good one.
			if third := s.mustRun(second.Snapshot); !third.Unchanged {
				t.Errorf("result after the baseline is %+v, want it unchanged", third)
			}
		})
	}
}

func TestBaseThatIsNoDigestIsNoPath(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"))
	first := s.mustRun("")
	for _, base := range []string{"../snapshots/" + first.Snapshot, strings.ToUpper(first.Snapshot), first.Snapshot + "\x00", first.Snapshot[1:]} {
		if result := s.mustRun(base); result.Base != "" {
			t.Errorf("base %q was taken for %s", base, result.Base)
		}
	}
}

func FuzzDecodeSnapshot(f *testing.F) {
	compressed, err := compress([]byte(`{"host":{"name":"h","lastBoot":"2031-04-01T00:00:00Z"},"software":[{"kind":"deb","name":"a","version":"1"}]}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(compressed)
	f.Add([]byte{})
	f.Add([]byte("\x28\xb5\x2f\xfd"))
	f.Add([]byte(`{"host":{}}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		if snapshot, err := decodeSnapshot(bytes.NewReader(file)); err == nil && len(snapshot.Digest()) != 64 {
			t.Fatalf("snapshot has digest %q", snapshot.Digest())
		}
		// What a file holds once it is decompressed is as hostile.
		again, err := compress(file)
		if err != nil {
			t.Fatal(err)
		}
		snapshot, err := decodeSnapshot(bytes.NewReader(again))
		if err != nil {
			return
		}
		snapshot.Normalize()
		delta := agentwire.Diff(nil, snapshot)
		if _, err := json.Marshal(delta); err != nil {
			t.Fatalf("a decoded snapshot cannot be sent: %v", err)
		}
	})
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"))
	result := s.mustRun("")
	for path, want := range map[string]os.FileMode{
		scan.SnapshotPath(s.stateDir, result.Snapshot): 0o600,
		scan.SpoolPath(s.stateDir, result.Upload):      0o600,
		filepath.Join(s.stateDir, "snapshots"):         os.ModeDir | 0o700,
		filepath.Join(s.stateDir, "spool"):             os.ModeDir | 0o700,
		s.stateDir:                                     os.ModeDir | 0o700,
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", path, info.Mode(), want)
		}
	}
}

func TestSnapshotsArePrunedButBaseNewestAndPending(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("v0"))
	var digests []string
	base := ""
	age := func(digest string, hours int) {
		t.Helper()
		at := time.Now().Add(-time.Duration(hours) * time.Hour)
		if err := os.Chtimes(scan.SnapshotPath(s.stateDir, digest), at, at); err != nil {
			t.Fatal(err)
		}
	}
	// Version 2 is confirmed; 3 is waiting for its acknowledgement when 4 is made.
	for version := range 5 {
		s.worker.Collectors[0] = packages(fmt.Sprintf("v%d", version))
		if version == 3 || version == 4 {
			base = digests[2]
		}
		digests = append(digests, s.mustRun(base).Snapshot)
		if version < 4 {
			age(digests[version], 10-version)
		}
	}
	want := []string{digests[2], digests[3], digests[4]}
	got := s.snapshots()
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("snapshots left (-want +got):\n%s", diff)
	}
}

func TestSnapshotsNobodyConfirmsDoNotPileUp(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages())
	for version := range 3 * maxPending {
		s.worker.Collectors[0] = packages(fmt.Sprintf("v%d", version))
		s.mustRun("")
	}
	if got := len(s.snapshots()); got != maxPending+1 {
		t.Errorf("%d snapshots are left, want the newest and %d before it", got, maxPending)
	}
}

func TestLitterOfKilledWorkersIsSweptWhenItIsOld(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"))
	s.mustRun("")
	old, young := filepath.Join(s.stateDir, "spool", temporaryPrefix+"1"), filepath.Join(s.stateDir, "snapshots", temporaryPrefix+"2")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yesterday := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(old, yesterday, yesterday); err != nil {
		t.Fatal(err)
	}
	s.mustRun("")
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("old temporary file is still there (%v)", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("temporary file of a worker that may be running is gone: %v", err)
	}
}

func TestWriteThatFailsLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := writeFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	err := replaceFile(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, "ne")
		return io.ErrShortWrite
	})
	if err == nil {
		t.Error("a failed write was reported as done")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "old" {
		t.Errorf("file holds %q (%v), want what it held before", got, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("folder holds %v (%v), want one file", entries, err)
	}
}
