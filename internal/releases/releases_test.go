package releases

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// site is a folder of releases with all its keys.
type site struct {
	path                     string
	root, release, timestamp ed25519.PrivateKey
	now                      time.Time
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.SeedSize:])
}

func newSite(t *testing.T) *site {
	t.Helper()
	return &site{filepath.Join(t.TempDir(), "releases"), newKey(t), newKey(t), newKey(t), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (s *site) publisher() *Publisher {
	return &Publisher{Path: s.path, Root: s.root, Release: s.release, Timestamp: publicOf(s.timestamp), Now: s.now}
}

func (s *site) shelf() *Shelf {
	return NewShelf(s.path, s.timestamp, func() time.Time { return s.now }, slog.New(slog.DiscardHandler))
}

// archive writes the package of a version and returns its path.
func archive(t *testing.T, version, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vedette-agent-"+version+"-linux-amd64.tar.gz")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// publish publishes versions, each with itself as its content.
func (s *site) publish(t *testing.T, versions ...string) []Package {
	t.Helper()
	var change Change
	for _, version := range versions {
		change.Add = append(change.Add, archive(t, version, version))
	}
	list, err := s.publisher().Publish(change)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func versionsOf(list []Package) []string {
	var versions []string
	for _, p := range list {
		versions = append(versions, p.Version)
	}
	return versions
}

func wantRefused(t *testing.T, err error, code fault.Code, words string) {
	t.Helper()
	refused, ok := errors.AsType[*fault.Error](err)
	if !ok || refused.Code != code || !strings.Contains(refused.Message, words) {
		t.Errorf("got %v, want %s with %q", err, code, words)
	}
}

func TestPublishedPackagesAreOfferedNewestFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	shelf := s.shelf()
	if err := shelf.Look(); err != nil || shelf.Version() != 0 {
		t.Fatalf("before anything was published the version is %d: %v", shelf.Version(), err)
	}
	_, err := shelf.Metadata(0)
	wantRefused(t, err, fault.NotFound, "No release")
	_, _, err = shelf.Open("vedette-agent-2.1.0-linux-amd64.tar.gz")
	wantRefused(t, err, fault.NotFound, "No such package")

	s.publish(t, "2.9.0", "2.10.0")
	list := s.publish(t, "2.1.0") // an older one, which agents that are newer never go to
	if got := versionsOf(list); !slices.Equal(got, []string{"2.10.0", "2.9.0", "2.1.0"}) {
		t.Errorf("published are %v", got)
	}
	if err := shelf.Look(); err != nil {
		t.Fatal(err)
	}
	docs, err := shelf.Metadata(0)
	if err != nil || len(docs.Roots) != 1 || shelf.Version() != s.now.Unix() {
		t.Errorf("version %d with %d roots: %v", shelf.Version(), len(docs.Roots), err)
	}
	if docs, err = shelf.Metadata(1); err != nil || len(docs.Roots) != 0 {
		t.Errorf("%d roots after the last: %v", len(docs.Roots), err)
	}
	described, content, err := shelf.Open(list[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	got, err := io.ReadAll(content)
	if err != nil || string(got) != "2.10.0" || described.Size != int64(len(got)) {
		t.Errorf("the package is %q of %d bytes: %v", got, described.Size, err)
	}
}

func TestWhatIsNoPackageOrAnotherOneOfItsNameIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish(t, "2.1.0")
	for words, change := range map[string]Change{
		"is not the name of a package": {Add: []string{filepath.Join(t.TempDir(), "notes.txt")}},
		"cannot be read":               {Add: []string{filepath.Join(t.TempDir(), "vedette-agent-2.2.0-linux-amd64.tar.gz")}},
		"has no content":               {Add: []string{archive(t, "2.2.0", "")}},
	} {
		_, err := s.publisher().Publish(change)
		wantRefused(t, err, fault.Invalid, words)
	}
	_, err := s.publisher().Publish(Change{Add: []string{archive(t, "2.1.0", "another content")}})
	wantRefused(t, err, fault.Conflict, "published with another content")
	_, err = s.publisher().Publish(Change{Withdraw: []string{"9.9.9"}})
	wantRefused(t, err, fault.NotFound, "9.9.9 is not published")
	list, err := s.publisher().Publish(Change{Add: []string{archive(t, "2.1.0", "2.1.0")}}) // the same again
	if err != nil || len(list) != 1 {
		t.Errorf("published are %v: %v", list, err)
	}
}

func TestOnlyKeysThatTheRootNamesPublish(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.publisher()
	first.Root = nil
	_, err := first.Publish(Change{Add: []string{archive(t, "2.1.0", "x")}})
	wantRefused(t, err, fault.Conflict, "the root key is not here")
	first = s.publisher()
	first.Timestamp = nil
	_, err = first.Publish(Change{Add: []string{archive(t, "2.1.0", "x")}})
	wantRefused(t, err, fault.Conflict, "timestamp key of the platform is not here")
	s.publish(t, "2.1.0")

	stranger := s.publisher()
	stranger.Release, stranger.Root = newKey(t), nil
	_, err = stranger.Publish(Change{})
	wantRefused(t, err, fault.Conflict, "is not one that agents know")
	stranger.Root = newKey(t)
	_, err = stranger.Publish(Change{})
	wantRefused(t, err, fault.Conflict, "The root key is not the one")

	// With the root key another release key takes over, and what was published stays.
	s.release = newKey(t)
	if list := s.publish(t, "2.2.0"); len(list) != 2 {
		t.Errorf("published are %v", list)
	}
	shelf := s.shelf()
	if err := shelf.Look(); err != nil {
		t.Fatal(err)
	}
	if docs, err := shelf.Metadata(1); err != nil || len(docs.Roots) != 1 {
		t.Errorf("%d roots after the first: %v", len(docs.Roots), err)
	}
	other := NewShelf(s.path, newKey(t), func() time.Time { return s.now }, slog.New(slog.DiscardHandler))
	if err := other.Look(); err == nil || !strings.Contains(err.Error(), "timestamp key of this platform") || other.Version() != 0 {
		t.Errorf("a platform with another key offers version %d: %v", other.Version(), err)
	}
}

func TestTheTimestampIsSignedOnceADayAndItsVersionRises(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish(t, "2.1.0")
	shelf := s.shelf()
	look := func() int64 {
		t.Helper()
		if err := shelf.Look(); err != nil {
			t.Fatal(err)
		}
		return shelf.Version()
	}
	first := look()
	s.now = s.now.Add(renewEvery - time.Second)
	if again := look(); again != first {
		t.Errorf("after less than a day the version is %d, was %d", again, first)
	}
	s.now = s.now.Add(time.Second)
	second := look()
	if second <= first {
		t.Errorf("after a day the version is %d, was %d", second, first)
	}
	s.now = s.now.Add(-time.Hour) // the clock was set back
	s.publish(t, "2.2.0")
	if third := look(); third <= second {
		t.Errorf("with another release the version is %d, was %d", third, second)
	}
}

func TestVersionsRiseAboveThoseOfALaterFolderThatWasLost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish(t, "2.1.0")
	restored := *s
	restored.path = filepath.Join(t.TempDir(), "releases")
	if err := os.CopyFS(restored.path, os.DirFS(s.path)); err != nil {
		t.Fatal(err)
	}
	for range 3 { // that agents may have seen
		s.now = s.now.Add(time.Hour)
		s.publish(t)
	}
	restored.now = s.now.Add(time.Hour)
	restored.publish(t)
	lost, err := folder{s.path}.load()
	if err != nil {
		t.Fatal(err)
	}
	now, err := folder{restored.path}.load()
	if err != nil {
		t.Fatal(err)
	}
	if now.snapshot.Signed.Version <= lost.snapshot.Signed.Version || now.targets.Signed.Version <= lost.targets.Signed.Version {
		t.Errorf("snapshot %d and targets %d do not follow %d and %d", now.snapshot.Signed.Version, now.targets.Signed.Version,
			lost.snapshot.Signed.Version, lost.targets.Signed.Version)
	}
}

func TestAShelfKeepsWhatItHasWhileTheFolderIsIncomplete(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish(t, "2.1.0")
	shelf := s.shelf()
	if err := shelf.Look(); err != nil {
		t.Fatal(err)
	}
	before := shelf.Version()
	s.now = s.now.Add(time.Minute)
	list := s.publish(t, "2.2.0")
	path := folder{s.path}.pkg(list[0].SHA256, list[0].Name)
	for _, spoil := range []func() error{
		func() error { return os.Truncate(path, 2) },
		func() error { return os.Remove(path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if err := shelf.Look(); err == nil || shelf.Version() != before {
			t.Errorf("without a whole package the version is %d, was %d: %v", shelf.Version(), before, err)
		}
	}
	if err := os.WriteFile(path, []byte("2.2.0"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := shelf.Look(); err != nil || shelf.Version() == before {
		t.Errorf("with all of it the version is %d: %v", shelf.Version(), err)
	}
}

func TestMetadataThatSomebodyChangedIsNotPublishedOn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"root", "snapshot", "targets"} {
		s := newSite(t)
		s.publish(t, "2.1.0")
		names, err := filepath.Glob(filepath.Join(s.path, "metadata", "*."+name+".json"))
		if err != nil || len(names) != 1 {
			t.Fatalf("%s: %v, %v", name, names, err)
		}
		doc, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(names[0], bytes.Replace(doc, []byte(`"expires":"20`), []byte(`"expires":"21`), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.shelf().Look(); err == nil || !strings.Contains(err.Error(), name+" metadata") {
			t.Errorf("offered with other %s metadata: %v", name, err)
		}
		if _, err := s.publisher().Publish(Change{}); err == nil {
			t.Errorf("published on with other %s metadata", name)
		}
		// Nor is it taken for a folder in which nothing was published.
		if name == "root" {
			continue
		}
		if err := os.Remove(names[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := s.publisher().Publish(Change{}); name == "targets" && err == nil {
			t.Errorf("published on without %s metadata", name)
		}
	}
}

func TestOperatorsAreWarnedBeforeSignaturesEnd(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.publish(t, "2.1.0")
	var log strings.Builder
	shelf := NewShelf(s.path, s.timestamp, func() time.Time { return s.now }, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		if err := shelf.Look(); err != nil {
			t.Fatal(err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("warned a year before: %s", log.String())
	}
	s.now = s.now.Add(ReleaseLife - endingWithin)
	for range 3 {
		if err := shelf.Look(); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "signatures of the releases end"); n != 1 {
		t.Errorf("warned %d times: %s", n, log.String())
	}
	log.Reset()
	s.publish(t)
	s.now = s.now.Add(renewEvery)
	if err := shelf.Look(); err != nil || log.Len() > 0 {
		t.Errorf("warned after they were renewed: %s, %v", log.String(), err)
	}
}

func TestFilesAreThoseThatAreOffered(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if files, err := Files(s.path); err != nil || files != nil {
		t.Errorf("before anything was published: %v, %v", files, err)
	}
	s.publish(t, "2.1.0", "2.2.0")
	if _, err := s.publisher().Publish(Change{Withdraw: []string{"2.1.0"}}); err != nil {
		t.Fatal(err)
	}
	if err := s.shelf().Look(); err != nil {
		t.Fatal(err)
	}
	files, err := Files(s.path)
	if err != nil || len(files) != 5 {
		t.Fatalf("%v: %v, want root, targets, snapshot, timestamp and one package", files, err)
	}
	copied := *s
	copied.path = t.TempDir()
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(s.path, name))
		if err == nil {
			err = write(filepath.Join(copied.path, name), content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	was, now := s.shelf(), copied.shelf()
	if err := errors.Join(was.Look(), now.Look()); err != nil {
		t.Fatal(err)
	}
	before, err := was.Metadata(0)
	if err != nil {
		t.Fatal(err)
	}
	after, err := now.Metadata(0)
	if err != nil || !equal(before, after) {
		t.Errorf("the copy offers another release: %v", err)
	}
}

func equal(a, b agentwire.ReleaseMetadata) bool {
	return slices.EqualFunc(a.Roots, b.Roots, bytes.Equal) && bytes.Equal(a.Timestamp, b.Timestamp) &&
		bytes.Equal(a.Snapshot, b.Snapshot) && bytes.Equal(a.Targets, b.Targets)
}
