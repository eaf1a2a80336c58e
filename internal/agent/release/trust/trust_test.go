//go:build unix

// The platform, with which these tests publish, runs on Unix only.

package trust

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"vedette.dev/vedette/internal/agent/release"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/releases"
)

// site is a platform that publishes releases, with all its keys.
type site struct {
	t                        *testing.T
	root, release, timestamp ed25519.PrivateKey
	path                     string
	now                      time.Time
}

func key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{t: t, root: key(t), release: key(t), timestamp: key(t), path: t.TempDir(), now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return ed25519.PublicKey(k[ed25519.SeedSize:]) }

// publish publishes versions and returns what the platform then offers.
func (s *site) publish(versions ...string) agentwire.ReleaseMetadata {
	s.t.Helper()
	var change releases.Change
	for _, version := range versions {
		for _, system := range []string{"linux-amd64", "linux-arm64"} {
			path := filepath.Join(s.t.TempDir(), "vedette-agent-"+version+"-"+system+".tar.gz")
			if err := os.WriteFile(path, []byte("package "+version+system), 0o600); err != nil {
				s.t.Fatal(err)
			}
			change.Add = append(change.Add, path)
		}
	}
	p := releases.Publisher{Path: s.path, Root: s.root, Release: s.release, Timestamp: public(s.timestamp), Now: s.now}
	if _, err := p.Publish(change); err != nil {
		s.t.Fatal(err)
	}
	return s.offer()
}

// offer returns what the platform offers.
func (s *site) offer() agentwire.ReleaseMetadata {
	s.t.Helper()
	shelf := releases.NewShelf(s.path, s.timestamp, func() time.Time { return s.now }, slog.New(slog.DiscardHandler))
	if err := shelf.Look(); err != nil {
		s.t.Fatal(err)
	}
	docs, err := shelf.Metadata(0)
	if err != nil {
		s.t.Fatal(err)
	}
	return docs
}

// judge asks an agent that holds what it was answered before.
func (s *site) judge(held release.Answer, offered agentwire.ReleaseMetadata) release.Answer {
	s.t.Helper()
	if n := len(held.Trusted.Roots); n > 0 { // the platform sends the roots after that one
		var signed struct{ Signed struct{ Version int } }
		if err := json.Unmarshal(held.Trusted.Roots[0], &signed); err != nil {
			s.t.Fatal(err)
		}
		offered.Roots = offered.Roots[min(signed.Signed.Version, len(offered.Roots)):]
	}
	return Judge(release.Question{Pin: public(s.root), Held: held.Trusted, Offered: offered, Now: s.now, System: "linux", Machine: "amd64"})
}

// stamp signs a timestamp for a snapshot, as whoever has the platform's key can.
func (s *site) stamp(snapshot []byte, version int64, expires time.Time) []byte {
	s.t.Helper()
	of, err := metadata.Snapshot().FromBytes(snapshot)
	if err != nil {
		s.t.Fatal(err)
	}
	m := metadata.Timestamp(expires)
	m.Signed.Version = version
	m.Signed.Meta["snapshot.json"] = metadata.MetaFile(of.Signed.Version)
	return signedBy(s.t, m, s.timestamp)
}

func signedBy[T metadata.Roles](t *testing.T, m *metadata.Metadata[T], k ed25519.PrivateKey) []byte {
	t.Helper()
	doc, err := json.Marshal(m.Signed)
	if err != nil {
		t.Fatal(err)
	}
	// Go-tuf signs canonical JSON, which for these documents is what it marshals.
	key, err := metadata.KeyFromPublicKey(public(k))
	if err != nil {
		t.Fatal(err)
	}
	id, err := key.ID()
	if err != nil {
		t.Fatal(err)
	}
	m.Signatures = []metadata.Signature{{KeyID: id, Signature: ed25519.Sign(k, doc)}}
	signed, err := m.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func wantVersion(t *testing.T, a release.Answer, version string) {
	t.Helper()
	if a.Refused != "" || len(a.Targets) == 0 || a.Targets[0].Version != version {
		t.Errorf("the answer is %q with targets %+v, want version %s", a.Refused, a.Targets, version)
	}
}

func wantRefused(t *testing.T, a release.Answer, because string) {
	t.Helper()
	if !strings.Contains(a.Refused, because) || len(a.Targets) != 0 {
		t.Errorf("the answer is %q with targets %+v, want it refused because of %q", a.Refused, a.Targets, because)
	}
}

func TestTheNewestPackageForThisHostIsFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish("2.9.0")
	a := s.judge(release.Answer{}, s.publish("2.10.0"))
	wantVersion(t, a, "2.10.0")
	for _, target := range a.Targets {
		if !strings.HasSuffix(target.Name, "-linux-amd64.tar.gz") || len(target.SHA256) != hex.EncodedLen(32) || target.Size == 0 {
			t.Errorf("target %+v is not for this host", target)
		}
	}
	if len(a.Targets) != 2 || a.Version == 0 || !a.Expires.After(s.now) {
		t.Errorf("answer is %+v", a)
	}
	again := s.judge(a, s.offer())
	wantVersion(t, again, "2.10.0")
	if again.Version != a.Version {
		t.Errorf("version %d became %d without a change", a.Version, again.Version)
	}
	s.now = s.now.Add(25 * time.Hour)
	renewed := s.judge(again, s.offer())
	if wantVersion(t, renewed, "2.10.0"); renewed.Version <= again.Version {
		t.Errorf("timestamp of a day later has version %d after %d", renewed.Version, again.Version)
	}
}

func TestAnotherPlatformIsNotTrusted(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	wantRefused(t, s.judge(release.Answer{}, other.publish("2.1.0")), "pinned")
	// Nor one that lists the pinned key beside its own.
	other.root, other.path = s.root, t.TempDir()
	docs := other.publish("2.1.0")
	root, err := metadata.Root().FromBytes(docs.Roots[0])
	if err != nil {
		t.Fatal(err)
	}
	mine := key(t)
	tufKey, err := metadata.KeyFromPublicKey(public(mine))
	if err == nil {
		err = root.Signed.AddKey(tufKey, metadata.ROOT)
	}
	if err != nil {
		t.Fatal(err)
	}
	docs.Roots = [][]byte{signedBy(t, root, mine)}
	wantRefused(t, s.judge(release.Answer{}, docs), "pinned")
	wantRefused(t, s.judge(release.Answer{}, agentwire.ReleaseMetadata{}), "no root")
}

func TestARollbackIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	old := s.publish("2.1.0")
	s.now = s.now.Add(time.Hour)
	held := s.judge(release.Answer{}, s.publish("2.2.0"))
	wantVersion(t, held, "2.2.0")
	// The old documents, as they were.
	a := s.judge(held, old)
	wantRefused(t, a, "timestamp metadata")
	if !bytes.Equal(a.Trusted.Timestamp, held.Trusted.Timestamp) || a.Version != held.Version {
		t.Error("what was refused took the place of what is trusted")
	}
	wantVersion(t, s.judge(a, s.offer()), "2.2.0")
	// The old snapshot under a new timestamp: the platform's key was taken.
	old.Timestamp = s.stamp(old.Snapshot, held.Version+1, s.now.Add(time.Hour))
	wantRefused(t, s.judge(held, old), "snapshot")
}

// TestAfterARestoreTheNextReleaseIsAccepted loses a platform that has published
// since its last backup.
func TestAfterARestoreTheNextReleaseIsAccepted(t *testing.T) {
	t.Parallel()
	lost := newSite(t)
	lost.publish("2.1.0")
	restored := *lost
	restored.path = filepath.Join(t.TempDir(), "releases")
	if err := os.CopyFS(restored.path, os.DirFS(lost.path)); err != nil {
		t.Fatal(err)
	}
	lost.now = lost.now.Add(time.Hour)
	lost.publish("2.2.0")
	held := lost.judge(release.Answer{}, lost.publish("2.3.0"))
	wantVersion(t, held, "2.3.0")

	restored.now = lost.now.Add(25 * time.Hour)
	wantRefused(t, restored.judge(held, restored.offer()), "timestamp metadata")
	wantVersion(t, restored.judge(held, restored.publish("2.2.5")), "2.2.5")
}

func TestAFreezeShows(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	old := s.publish("2.1.0")
	held := s.judge(release.Answer{}, old)
	s.now = s.now.Add(releases.TimestampLife + time.Hour)
	wantRefused(t, s.judge(held, old), "expired")
	wantRefused(t, s.judge(release.Answer{}, old), "expired")
	// With the platform's key it lasts until the release key's signatures end.
	s.now = s.now.Add(releases.ReleaseLife)
	old.Timestamp = s.stamp(old.Snapshot, held.Version+1, s.now.Add(time.Hour))
	wantRefused(t, s.judge(held, old), "expired")
}

func TestWhatDoesNotBelongTogetherIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	old := s.publish("2.1.0")
	s.now = s.now.Add(time.Hour)
	mixed := s.publish("2.2.0")
	mixed.Targets = old.Targets
	wantRefused(t, s.judge(release.Answer{}, mixed), "targets metadata")
	mixed = s.offer()
	mixed.Snapshot = old.Snapshot
	wantRefused(t, s.judge(release.Answer{}, mixed), "snapshot metadata")
}

func TestTheKeysOfThePlatformSignNoPackages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	docs := s.publish("2.1.0")
	forged := metadata.Targets(s.now.Add(time.Hour))
	forged.Signed.Version = 2
	forged.Signed.Targets["vedette-agent-9.9.9-linux-amd64.tar.gz"] = &metadata.TargetFiles{Length: 1, Hashes: metadata.Hashes{"sha256": make([]byte, 32)}}
	docs.Targets = signedBy(t, forged, s.timestamp)
	snapshot := metadata.Snapshot(s.now.Add(time.Hour))
	snapshot.Signed.Version = 2
	snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(2)
	docs.Snapshot = signedBy(t, snapshot, s.timestamp)
	docs.Timestamp = s.stamp(docs.Snapshot, s.now.Unix()+1, s.now.Add(time.Hour))
	wantRefused(t, s.judge(release.Answer{}, docs), "snapshot metadata")
	// And with a snapshot that the release key would have signed, no targets.
	docs.Snapshot = signedBy(t, snapshot, s.release)
	wantRefused(t, s.judge(release.Answer{}, docs), "targets metadata")
}

func TestANewReleaseKeyTakesThePlaceOfALostOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	held := s.judge(release.Answer{}, s.publish("2.1.0"))
	lost := s.release
	s.release, s.now = key(t), s.now.Add(time.Hour)
	docs := s.publish("2.2.0")
	if len(docs.Roots) != 2 {
		t.Fatalf("%d root documents, want 2", len(docs.Roots))
	}
	// A root that the pinned key did not sign, or that skips a version, changes nothing.
	root, err := metadata.Root().FromBytes(docs.Roots[1])
	if err != nil {
		t.Fatal(err)
	}
	bad := docs
	bad.Roots = [][]byte{docs.Roots[0], signedBy(t, root, lost)}
	wantRefused(t, s.judge(held, bad), "root metadata after version 1")
	root.Signed.Version = 3
	bad.Roots = [][]byte{docs.Roots[0], signedBy(t, root, s.root)}
	wantRefused(t, s.judge(held, bad), "root metadata after version 1")

	next := s.judge(held, docs)
	wantVersion(t, next, "2.2.0")
	wantVersion(t, s.judge(release.Answer{}, docs), "2.2.0") // by one that has been away

	snapshot, err := metadata.Snapshot().FromBytes(docs.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	snapshot.Signed.Version += 5
	docs.Snapshot = signedBy(t, snapshot, lost)
	docs.Timestamp = s.stamp(docs.Snapshot, next.Version+1, s.now.Add(time.Hour))
	wantRefused(t, s.judge(next, docs), "snapshot metadata")
}

func TestVersionsRaisedWithAStolenKeyAreForgottenWithIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	docs := s.publish("2.1.0")
	docs.Timestamp = s.stamp(docs.Snapshot, 1<<60, s.now.Add(time.Hour))
	held := s.judge(release.Answer{}, docs)
	if held.Version != 1<<60 {
		t.Fatalf("timestamp has version %d", held.Version)
	}
	s.now = s.now.Add(2 * time.Hour)
	if err := os.Remove(filepath.Join(s.path, "metadata", "timestamp.json")); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, s.judge(held, s.publish("2.2.0")), "timestamp metadata")
	s.timestamp = key(t)
	wantVersion(t, s.judge(held, s.publish()), "2.2.0")
}

func TestTheProgramAnswersOnItsOutput(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	question, err := json.Marshal(release.Question{Pin: public(s.root), Offered: s.publish("2.1.0"), Now: s.now, System: "linux", Machine: "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	if code := Main(bytes.NewReader(question), &out, &errOut); code != 0 {
		t.Fatalf("exit status %d: %s", code, errOut.String())
	}
	var a release.Answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	wantVersion(t, a, "2.1.0")
	if code := Main(strings.NewReader("no question"), &out, &errOut); code != 1 || errOut.Len() == 0 {
		t.Errorf("nonsense ends with %d", code)
	}
}

func FuzzJudge(f *testing.F) {
	f.Add([]byte(`{"signed":{"_type":"root","version":1},"signatures":[]}`), []byte(`{}`), []byte(`{}`), []byte(`null`))
	f.Fuzz(func(t *testing.T, root, timestamp, snapshot, targets []byte) {
		a := Judge(release.Question{Pin: make([]byte, ed25519.PublicKeySize), System: "linux", Machine: "amd64", Offered: agentwire.ReleaseMetadata{
			Roots: [][]byte{root}, Timestamp: timestamp, Snapshot: snapshot, Targets: targets,
		}})
		if a.Refused == "" {
			t.Error("what nobody signed is trusted")
		}
	})
}
