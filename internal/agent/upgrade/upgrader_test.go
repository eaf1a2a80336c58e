package upgrade

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/release"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agentwire"
)

// packageOf makes a package of entries.
func packageOf(t *testing.T, entries ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	archive := tar.NewWriter(zipped)
	for _, entry := range entries {
		content := "program"
		if entry.Typeflag == 0 {
			entry.Size = int64(len(content))
		}
		err := archive.WriteHeader(entry)
		if err == nil && entry.Size > 0 {
			_, err = io.WriteString(archive, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func program(name string) *tar.Header {
	return &tar.Header{Name: "usr/lib/vedette-agent/" + name, Mode: 0o755}
}

// host is one that runs 2.0.0 and is offered 2.1.0.
type host struct {
	*Upgrader
	stateDir string
	answer   release.Answer
	asked    []release.Question
	served   []byte
	refuses  error
	restarts int
	paths    []string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{stateDir: t.TempDir()}
	h.served = packageOf(t, program(Program), program(worker), &tar.Header{Name: "../../etc/cron.d/evil", Mode: 0o644})
	sum := sha256.Sum256(h.served)
	h.answer = release.Answer{
		Trusted: agentwire.ReleaseMetadata{Roots: [][]byte{[]byte(`{"signed":{"version":3}}`)}, Timestamp: []byte("t")}, Version: 7, Expires: at.Add(time.Hour),
		Targets: []release.Target{{Name: "vedette-agent-2.1.0-linux-amd64.tar.gz", Version: "2.1.0", SHA256: hex.EncodeToString(sum[:]), Size: int64(len(h.served))}},
	}
	h.Upgrader = h.restarted(t)
	return h
}

// restarted is the upgrader of an agent that starts again.
func (h *host) restarted(t *testing.T) *Upgrader {
	t.Helper()
	return &Upgrader{
		Versions: reopen(t, h.stateDir), Version: "2.0.0", System: "linux", Machine: "amd64", Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler),
		Verify: func(_ context.Context, q release.Question) (release.Answer, error) {
			h.asked = append(h.asked, q)
			return h.answer, nil
		},
		Try:     func(context.Context, string) (string, error) { return "2.1.0", nil },
		Restart: func() { h.restarts++ },
	}
}

func (h *host) get(_ context.Context, path string, to io.Writer, limit int64) error {
	h.paths = append(h.paths, path)
	doc := []byte(`{}`)
	if strings.HasPrefix(path, agentwire.PathPackage) {
		doc = h.served
	}
	if h.refuses != nil {
		return h.refuses
	}
	if int64(len(doc)) > limit {
		return errors.New("more than the limit")
	}
	_, err := to.Write(doc)
	return err
}

// upgrade looks for a version and goes to it.
func (h *host) upgrade(t *testing.T) (found bool, err error) {
	t.Helper()
	found, err = h.Check(t.Context(), []byte("pin"), h.get)
	if err != nil || !found {
		return found, err
	}
	return true, h.Setup(t.Context(), h.get)
}

func TestAVersionIsInstalledAndTheAgentRestarted(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if version, _ := h.Metadata(); version != agentwire.NoRelease {
		t.Errorf("without metadata it holds version %d", version)
	}
	if found, err := h.upgrade(t); !found || err != nil {
		t.Fatalf("found %t: %v", found, err)
	}
	if current, on, err := h.Versions.settle("2.0.0"); current != "2.1.0" || on == nil || h.restarts != 1 {
		t.Errorf("current is %q, trial %v, %d restarts: %v", current, on, h.restarts, err)
	}
	entries, err := os.ReadDir(h.Versions.file("2.1.0"))
	if err != nil || len(entries) != 2 {
		t.Errorf("the version consists of %v: %v", entries, err)
	}
	if info, err := os.Stat(h.Versions.program("2.1.0")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("its program: %v, %v", info, err)
	}
	if left, err := os.ReadDir(h.stateDir); err != nil || len(left) != 1 {
		t.Errorf("in the state folder are %v: %v", left, err)
	}
}

func TestWhatWasVerifiedIsHeldForThePinnedKeyAlone(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.answer.Targets = nil
	if found, err := h.upgrade(t); found || err != nil {
		t.Fatalf("found %t: %v", found, err)
	}
	h.Upgrader = h.restarted(t)
	if version, expired := h.Metadata(); version != 7 || expired {
		t.Errorf("after a restart it holds version %d, expired %t", version, expired)
	}
	h.Now = func() time.Time { return at.Add(2 * time.Hour) }
	if _, expired := h.Metadata(); !expired {
		t.Error("metadata does not expire")
	}
	for _, pin := range []string{"pin", "another"} {
		if _, err := h.Check(t.Context(), []byte(pin), h.get); err != nil {
			t.Fatal(err)
		}
	}
	if last := h.asked[len(h.asked)-2:]; string(last[0].Held.Timestamp) != "t" || last[1].Held.Timestamp != nil {
		t.Errorf("it asked %+v", last)
	}
	if want := []string{"?root=0", "?root=3", "?root=0"}; len(h.paths) != 3 || h.paths[0] != agentwire.PathRelease+want[0] || h.paths[1] != agentwire.PathRelease+want[1] || h.paths[2] != agentwire.PathRelease+want[2] {
		t.Errorf("it asked for %v, want %v", h.paths, want)
	}
}

func TestNoVersionIsGoneToThatIsOlderOrWasRolledBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	target := h.answer.Targets[0]
	for _, version := range []string{"1.9.9", "2.0.0"} {
		h.answer.Targets[0].Version = version
		if found, err := h.upgrade(t); found || err != nil {
			t.Errorf("version %s found: %t, %v", version, found, err)
		}
	}
	h.answer.Targets[0] = target
	if _, err := h.upgrade(t); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Versions.RollBack("it was broken", at); err != nil {
		t.Fatal(err)
	}
	if found, err := h.upgrade(t); found || err != nil {
		t.Errorf("what was rolled back was found: %t, %v", found, err)
	}
	// The one before it will do.
	older := target
	older.Version = "2.0.5"
	h.answer.Targets = append(h.answer.Targets, older)
	if found, err := h.Check(t.Context(), []byte("pin"), h.get); !found || err != nil || h.found.Version != "2.0.5" {
		t.Errorf("found %t %+v: %v", found, h.found, err)
	}
}

func TestAProcessThatEndedOnItsWayToAVersionLeavesTheWayToTheNext(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if found, err := h.Check(t.Context(), []byte("pin"), h.get); !found || err != nil {
		t.Fatalf("found %t: %v", found, err)
	}
	if _, stale := h.Metadata(); stale {
		t.Error("what it is on its way to is looked for again")
	}
	h.Upgrader = h.restarted(t)
	if _, stale := h.Metadata(); !stale {
		t.Error("the platform has nothing newer to announce, and the version is not looked for")
	}
	if found, err := h.upgrade(t); !found || err != nil {
		t.Fatalf("found %t: %v", found, err)
	}
	if _, _, err := h.Versions.RollBack("it was broken", at); err != nil {
		t.Fatal(err)
	}
	h.Upgrader = h.restarted(t)
	if _, stale := h.Metadata(); stale {
		t.Error("a version that was rolled back is looked for again")
	}
	if _, err := h.Versions.Retry(); err != nil {
		t.Fatal(err)
	}
	h.Version = "2.1.0"
	if _, stale := h.Metadata(); stale {
		t.Error("the version that runs is looked for")
	}
}

func TestWhatIsWrongWithAReleaseIsReportedOnceAndChangesNothing(t *testing.T) {
	t.Parallel()
	serve := func(entries ...*tar.Header) func(*testing.T, *host) {
		return func(t *testing.T, h *host) {
			t.Helper()
			h.served = packageOf(t, entries...)
			sum := sha256.Sum256(h.served)
			h.answer.Targets[0].SHA256, h.answer.Targets[0].Size = hex.EncodeToString(sum[:]), int64(len(h.served))
		}
	}
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, h *host)
		reason  string
	}{
		"metadata is refused": {func(_ *testing.T, h *host) { h.answer.Refused = "timestamp.json is expired" }, "release metadata refused: timestamp.json is expired"},
		"another package":     {func(_ *testing.T, h *host) { h.served = bytes.Repeat([]byte{'x'}, len(h.served)) }, "SHA-256"},
		"a larger package":    {func(_ *testing.T, h *host) { h.served = append(h.served, 'x') }, "more than the limit"},
		"no worker in it":     {serve(program(Program)), "vedette-agent-worker is not in it"},
		"a link in it": {serve(program(worker), &tar.Header{Name: "usr/lib/vedette-agent/vedette-agent", Typeflag: tar.TypeSymlink, Linkname: "/bin/sh"}),
			"is not a file"},
		"it does not run": {func(_ *testing.T, h *host) {
			h.Try = func(context.Context, string) (string, error) { return "", errors.New("exec format error") }
		}, "does not run on this host: exec format error"},
		"it is another version": {func(_ *testing.T, h *host) {
			h.Try = func(context.Context, string) (string, error) { return "2.0.1", nil }
		}, `holds version "2.0.1"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t)
			tt.prepare(t, h)
			for attempt := range 3 {
				if _, err := h.upgrade(t); err == nil || !strings.Contains(err.Error(), tt.reason) {
					t.Fatalf("error is %v, want %q", err, tt.reason)
				}
				report := h.Report()
				if (report != nil) != (attempt == 0) {
					t.Fatalf("attempt %d is reported: %+v", attempt, report)
				}
				if report == nil {
					continue
				}
				if report.Outcome != agentwire.UpgradeFailed || !strings.Contains(report.Reason, tt.reason) {
					t.Errorf("report is %+v", report)
				}
				if err := h.Reported(*report); err != nil {
					t.Fatal(err)
				}
			}
			if current, _, err := h.Versions.settle("2.0.0"); current != "" || err != nil || h.restarts != 0 {
				t.Errorf("current is %q after %d restarts: %v", current, h.restarts, err)
			}
		})
	}
}

func TestABusyPlatformAndOneWithoutReleasesAreNoFailures(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.refuses = &session.Refusal{Status: http.StatusNotFound}
	if found, err := h.upgrade(t); found || err != nil {
		t.Errorf("without releases: %t, %v", found, err)
	}
	h.refuses = nil
	if _, err := h.Check(t.Context(), []byte("pin"), h.get); err != nil {
		t.Fatal(err)
	}
	h.refuses = &session.Refusal{Status: http.StatusServiceUnavailable, RetryAfter: time.Minute}
	if err := h.Setup(t.Context(), h.get); !errors.Is(err, h.refuses) || h.Report() != nil {
		t.Errorf("a busy platform: %v, reported %v", err, h.Report())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.refuses = context.Canceled
	if err := h.Setup(ctx, h.get); err == nil || h.Report() != nil {
		t.Errorf("a blackout: %v, reported %v", err, h.Report())
	}
}

func TestTrustedMetadataIsJSONThatSurvives(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if _, err := h.Check(t.Context(), []byte("pin"), h.get); err != nil {
		t.Fatal(err)
	}
	var kept trusted
	doc, err := os.ReadFile(h.Versions.file("trusted.json"))
	if err == nil {
		err = json.Unmarshal(doc, &kept)
	}
	if err != nil || kept.Root != 3 || kept.Version != 7 || string(kept.Docs.Timestamp) != "t" {
		t.Errorf("kept is %+v: %v", kept, err)
	}
	if err := os.WriteFile(h.Versions.file("trusted.json"), doc[:len(doc)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if version, _ := h.restarted(t).Metadata(); version != agentwire.NoRelease {
		t.Errorf("half a file counts as version %d", version)
	}
}
