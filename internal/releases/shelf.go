package releases

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

const (
	// lookEvery is how often the folder is looked at.
	lookEvery = 10 * time.Second
	// renewEvery is how often the timestamp is signed again: agents look at it then.
	renewEvery = 24 * time.Hour
	// endingWithin is when operators are warned of signatures that end.
	endingWithin = 60 * 24 * time.Hour
)

// Shelf offers what is published in a folder to agents. It is safe for concurrent
// use; Run keeps it up to date.
type Shelf struct {
	folder folder
	key    ed25519.PrivateKey // signs the timestamp
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	offered agentwire.ReleaseMetadata
	version int64 // of the timestamp; 0 for none
	targets *metadata.Metadata[metadata.TargetsType]
	problem string
	warned  time.Time
}

// NewShelf returns the releases in a folder, which need not exist.
func NewShelf(path string, timestamp ed25519.PrivateKey, now func() time.Time, log *slog.Logger) *Shelf {
	return &Shelf{folder: folder{path}, key: timestamp, now: now, log: log}
}

// Run looks for changes until ctx ends.
func (s *Shelf) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		s.note(ctx, s.Look())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// note logs a failure once.
func (s *Shelf) note(ctx context.Context, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != s.problem && err != nil {
		s.log.ErrorContext(ctx, "releases of the agent are not up to date: agents are told what was there before", "error", err)
	}
	s.problem = text
}

// Look takes over what is published now. After an error everything stays as it
// was.
func (s *Shelf) Look() error {
	c, err := s.folder.load()
	if errors.Is(err, errNothing) {
		return nil // nothing was published yet
	}
	if err != nil || c.snapshot == nil {
		return err
	}
	public, ok := s.key.Public().(ed25519.PublicKey)
	if !ok || !signs(c.root, metadata.TIMESTAMP, public) {
		return errors.New("the timestamp key of this platform is not the one in the root metadata: publish once with the root key and this platform's trust folder")
	}
	if err := s.complete(c); err != nil {
		return err
	}
	now := s.now().UTC().Truncate(time.Second)
	s.warn(c, now)
	doc, version, err := s.stamp(c, now)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered, s.version, s.targets = c.docs, version, c.targets
	s.offered.Timestamp = doc
	return nil
}

// complete checks that the packages are there, such as while they are copied.
func (s *Shelf) complete(c *current) error {
	for _, p := range packages(c.targets) {
		info, err := os.Stat(s.folder.pkg(p.SHA256, p.Name))
		if err != nil {
			return fmt.Errorf("published package: %w", err)
		}
		if info.Size() != p.Size {
			return fmt.Errorf("published package %s has %d bytes, want %d", p.Name, info.Size(), p.Size)
		}
	}
	return nil
}

func (s *Shelf) warn(c *current, now time.Time) {
	ends := c.targets.Signed.Expires
	if ends.Sub(now) > endingWithin || now.Sub(s.warned) < renewEvery {
		return
	}
	s.warned = now
	s.log.Warn("signatures of the releases end: agents then upgrade no more", "at", ends, "next step", "run vedette agents publish with the release key")
}

// stamp returns the timestamp for a snapshot: the last one while it is for the
// same snapshot and not a day old. Its version is the time it was signed, so that
// it rises whichever replica signs.
func (s *Shelf) stamp(c *current, now time.Time) ([]byte, int64, error) {
	path := s.folder.metadata(timestampFile)
	if doc, err := os.ReadFile(path); err == nil {
		last, err := verified(c.root, metadata.TIMESTAMP, metadata.Timestamp(), doc)
		if err == nil {
			meta := last.Signed.Meta[metadata.SNAPSHOT+".json"]
			age := TimestampLife - last.Signed.Expires.Sub(now)
			if meta != nil && meta.Version == c.snapshot.Signed.Version && age >= 0 && age < renewEvery {
				return doc, last.Signed.Version, nil
			}
			if next := last.Signed.Version; next >= now.Unix() {
				now = time.Unix(next+1, 0).UTC()
			}
		}
	}
	timestamp := metadata.Timestamp(s.now().UTC().Truncate(time.Second).Add(TimestampLife))
	timestamp.Signed.Version = now.Unix()
	timestamp.Signed.Meta[metadata.SNAPSHOT+".json"] = described(c.snapshot.Signed.Version, c.docs.Snapshot)
	doc, err := sign(timestamp, s.key)
	if err != nil {
		return nil, 0, fmt.Errorf("sign timestamp: %w", err)
	}
	return doc, timestamp.Signed.Version, write(path, doc)
}

// Version returns the version of the timestamp, 0 while nothing is published.
func (s *Shelf) Version() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Metadata returns the metadata with the root metadata after a version, a few at
// a time, or fault.NotFound while nothing is published.
func (s *Shelf) Metadata(after int64) (agentwire.ReleaseMetadata, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == 0 {
		return agentwire.ReleaseMetadata{}, fault.New(fault.NotFound, "No release of the agent is published.", "")
	}
	docs := s.offered
	first := min(max(after, 0), int64(len(docs.Roots)))
	docs.Roots = docs.Roots[first:min(first+agentwire.MaxRoots, int64(len(docs.Roots)))]
	return docs, nil
}

// Open returns a published package with its content, which the caller closes, or
// fault.NotFound.
func (s *Shelf) Open(name string) (fleet.Package, io.ReadSeekCloser, error) {
	s.mu.Lock()
	targets := s.targets
	s.mu.Unlock()
	if targets == nil || targets.Signed.Targets[name] == nil {
		return fleet.Package{}, nil, fault.New(fault.NotFound, "No such package is published.", "")
	}
	file := targets.Signed.Targets[name]
	p := fleet.Package{Name: name, Size: file.Length}
	copy(p.SHA256[:], file.Hashes["sha256"])
	content, err := os.Open(s.folder.pkg(hex.EncodeToString(p.SHA256[:]), name))
	if err != nil {
		return p, nil, fmt.Errorf("open published package: %w", err)
	}
	return p, content, nil
}
