package releases

import (
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"vedette.dev/vedette/internal/agentwire"
)

// How long signatures last.
const (
	// RootLife is long: it needs the offline key.
	RootLife = 10 * 365 * 24 * time.Hour
	// ReleaseLife bounds how long a captured platform can hold a release back.
	ReleaseLife = 365 * 24 * time.Hour
	// TimestampLife bounds how long anything between platform and agents can.
	TimestampLife = 14 * 24 * time.Hour
)

// timestampFile is the one document of which there is no other version.
const timestampFile = "timestamp.json"

// folder is where releases are.
type folder struct{ path string }

func (f folder) metadata(name string) string { return filepath.Join(f.path, "metadata", name) }

func (f folder) pkg(sum, name string) string {
	return filepath.Join(f.path, "packages", sum+"."+name)
}

// current is what is published: documents as they were signed, and their content.
type current struct {
	docs    agentwire.ReleaseMetadata // without timestamp
	root    *metadata.Metadata[metadata.RootType]
	targets *metadata.Metadata[metadata.TargetsType]
	// snapshot is nil before anything was published.
	snapshot *metadata.Metadata[metadata.SnapshotType]
}

// errNothing says that nothing was ever published in a folder.
var errNothing = errors.New("nothing was published")

// load reads and verifies what is published, errNothing where there is no root.
func (f folder) load() (*current, error) {
	c := &current{}
	for n := int64(1); ; n++ {
		doc, err := f.read(n, metadata.ROOT)
		if errors.Is(err, fs.ErrNotExist) {
			if n == 1 {
				return nil, errNothing
			}
			break
		}
		if err != nil {
			return nil, err
		}
		root, err := metadata.Root().FromBytes(doc)
		if err == nil {
			err = cmp.Or(c.root, root).VerifyDelegate(metadata.ROOT, root)
		}
		if err == nil && root.Signed.Version != n {
			err = fmt.Errorf("it has version %d", root.Signed.Version)
		}
		if err != nil {
			return nil, fmt.Errorf("root metadata %d: %w", n, err)
		}
		c.root, c.docs.Roots = root, append(c.docs.Roots, doc)
	}
	n, err := f.highest(metadata.SNAPSHOT)
	if err != nil || n == 0 {
		return c, err
	}
	if c.docs.Snapshot, err = f.read(n, metadata.SNAPSHOT); err != nil {
		return nil, err
	}
	if c.snapshot, err = verified(c.root, metadata.SNAPSHOT, metadata.Snapshot(), c.docs.Snapshot); err != nil {
		return nil, err
	}
	meta := c.snapshot.Signed.Meta[metadata.TARGETS+".json"]
	if meta == nil {
		return nil, errors.New("snapshot metadata names no targets")
	}
	if c.docs.Targets, err = f.read(meta.Version, metadata.TARGETS); err != nil {
		return nil, err
	}
	c.targets, err = verified(c.root, metadata.TARGETS, metadata.Targets(), c.docs.Targets)
	return c, err
}

// verified decodes a document of a role and verifies that its keys signed it.
func verified[T metadata.Roles](root *metadata.Metadata[metadata.RootType], role string, empty *metadata.Metadata[T], doc []byte) (*metadata.Metadata[T], error) {
	signed, err := empty.FromBytes(doc)
	if err == nil {
		err = root.VerifyDelegate(role, signed)
	}
	if err != nil {
		return nil, fmt.Errorf("%s metadata: %w", role, err)
	}
	return signed, nil
}

func (f folder) read(version int64, role string) ([]byte, error) {
	return os.ReadFile(f.metadata(fileName(version, role)))
}

func fileName(version int64, role string) string {
	return strconv.FormatInt(version, 10) + "." + role + ".json"
}

// highest returns the highest version of a role's metadata, 0 for none.
func (f folder) highest(role string) (most int64, err error) {
	entries, err := os.ReadDir(f.metadata(""))
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		number, ok := strings.CutSuffix(entry.Name(), "."+role+".json")
		if n, err := strconv.ParseInt(number, 10, 64); ok && err == nil {
			most = max(most, n)
		}
	}
	return most, nil
}

// sign signs a document and returns its bytes.
func sign[T metadata.Roles](m *metadata.Metadata[T], keys ...ed25519.PrivateKey) ([]byte, error) {
	m.ClearSignatures()
	for _, key := range keys {
		if _, err := m.Sign(signer{key}); err != nil {
			return nil, err
		}
	}
	return m.ToBytes(false)
}

// described returns what one role's metadata says of a document of another.
func described(version int64, doc []byte) *metadata.MetaFiles {
	sum := sha256.Sum256(doc)
	m := metadata.MetaFile(version)
	m.Length, m.Hashes = int64(len(doc)), metadata.Hashes{"sha256": sum[:]}
	return m
}

// write writes a file whole.
func write(path string, doc []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // nothing here is secret
		return fmt.Errorf("make folder of releases: %w", err)
	}
	if err := renameio.WriteFile(path, doc, 0o644, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Files returns the paths, below that of a folder of releases, of all that agents
// are offered, without what was replaced or withdrawn; none where nothing was
// published. None of these files changes but the timestamp, which is replaced as a
// whole. The error says what keeps releases from being offered.
func Files(path string) ([]string, error) {
	f := folder{path}
	c, err := f.load()
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []string
	for n := range c.docs.Roots {
		list = append(list, filepath.Join("metadata", fileName(int64(n+1), metadata.ROOT)))
	}
	if c.snapshot == nil {
		return list, nil
	}
	for _, p := range packages(c.targets) {
		list = append(list, filepath.Join("packages", p.SHA256+"."+p.Name))
	}
	list = append(list,
		filepath.Join("metadata", fileName(c.targets.Signed.Version, metadata.TARGETS)),
		filepath.Join("metadata", fileName(c.snapshot.Signed.Version, metadata.SNAPSHOT)))
	if _, err := os.Stat(f.metadata(timestampFile)); err == nil {
		list = append(list, filepath.Join("metadata", timestampFile))
	}
	return list, nil
}

// Package is a published package.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"` // in lower-case hexadecimal
	Size    int64  `json:"size"`   // bytes
}

// packages lists what targets metadata names, newest first.
func packages(targets *metadata.Metadata[metadata.TargetsType]) []Package {
	var list []Package
	for name, file := range targets.Signed.Targets {
		version, _, _, _ := agentwire.ParseReleaseName(name)
		list = append(list, Package{Name: name, Version: version, SHA256: hex.EncodeToString(file.Hashes["sha256"]), Size: file.Length})
	}
	slices.SortFunc(list, func(a, b Package) int {
		return cmp.Or(agentwire.CompareVersions(b.Version, a.Version), cmp.Compare(a.Name, b.Name))
	})
	return list
}
