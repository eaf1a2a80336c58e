package releases

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// Publisher signs releases. It is for one use at a time, also of several
// processes.
type Publisher struct {
	Path    string             // of the folder; it is made
	Root    ed25519.PrivateKey // nil where it is not at hand; needed for the first release and for a new release key
	Release ed25519.PrivateKey // signs what agents may run
	// Timestamp is the key of the platform; nil where it is not known. It is put
	// into the root metadata when that is made.
	Timestamp ed25519.PublicKey
	Now       time.Time
}

// Change is what to publish. A change of nothing renews the signatures.
type Change struct {
	Add      []string // paths of packages
	Withdraw []string // versions that agents shall not go to any more
}

// Publish makes a change and returns what is published then. Until the last
// document is written, agents see what was there before. Errors are
// fault.Invalid for packages that cannot be published, fault.Conflict for keys
// that do not fit.
func (p *Publisher) Publish(change Change) ([]Package, error) {
	f := folder{p.Path}
	now, err := f.load()
	if errors.Is(err, errNothing) {
		now, err = &current{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read releases in %s: %w", p.Path, err)
	}
	if err := p.certify(f, now); err != nil {
		return nil, err
	}
	targets := metadata.Targets(p.Now.Add(ReleaseLife).UTC().Truncate(time.Second))
	if now.targets != nil {
		targets.Signed.Targets = now.targets.Signed.Targets
	}
	for _, path := range change.Add {
		if err := add(f, targets, path); err != nil {
			return nil, err
		}
	}
	if err := withdraw(targets, change.Withdraw); err != nil {
		return nil, err
	}
	return packages(targets), p.seal(f, targets)
}

// seal signs targets and the snapshot that makes them current. Their versions are
// the time, as that of the timestamp is, so that they also rise above those of a
// platform that was restored from an older backup: agents may have seen them.
func (p *Publisher) seal(f folder, targets *metadata.Metadata[metadata.TargetsType]) error {
	lastTargets, err := f.highest(metadata.TARGETS)
	if err != nil {
		return err
	}
	lastSnapshot, err := f.highest(metadata.SNAPSHOT)
	if err != nil {
		return err
	}
	targets.Signed.Version = max(lastTargets+1, p.Now.Unix())
	doc, err := sign(targets, p.Release)
	if err != nil {
		return fmt.Errorf("sign targets: %w", err)
	}
	if err := write(f.metadata(fileName(targets.Signed.Version, metadata.TARGETS)), doc); err != nil {
		return err
	}
	snapshot := metadata.Snapshot(targets.Signed.Expires)
	snapshot.Signed.Version = max(lastSnapshot+1, p.Now.Unix())
	snapshot.Signed.Meta[metadata.TARGETS+".json"] = described(targets.Signed.Version, doc)
	if doc, err = sign(snapshot, p.Release); err != nil {
		return fmt.Errorf("sign snapshot: %w", err)
	}
	return write(f.metadata(fileName(snapshot.Signed.Version, metadata.SNAPSHOT)), doc)
}

// certify sees to root metadata that names the release key, and the platform's
// where it is known.
func (p *Publisher) certify(f folder, now *current) error {
	release, ok := p.Release.Public().(ed25519.PublicKey)
	if !ok {
		return errors.New("the release key is not an Ed25519 key")
	}
	if now.root != nil && signs(now.root, metadata.TARGETS, release) && (p.Timestamp == nil || signs(now.root, metadata.TIMESTAMP, p.Timestamp)) {
		return nil
	}
	if p.Root == nil {
		return fault.New(fault.Conflict, "The release key, or the platform's timestamp key, is not one that agents know, and the root key is not here to vouch for it.",
			"Publish with the release key that was used before, or bring the root key for this once.")
	}
	timestamp := p.Timestamp
	if timestamp == nil {
		return fault.New(fault.Conflict, "The timestamp key of the platform is not here.", "Publish on the platform with the root key for this once.")
	}
	next, err := p.newRoot(now.root, release, timestamp)
	if err != nil {
		return err
	}
	doc, err := sign(next, p.Root)
	if err != nil {
		return fmt.Errorf("sign root metadata: %w", err)
	}
	if now.root != nil {
		if err := now.root.VerifyDelegate(metadata.ROOT, next); err != nil {
			return fault.New(fault.Conflict, "The root key is not the one that agents know from the releases published so far.", "Bring the original root key.")
		}
	}
	return write(f.metadata(fileName(next.Signed.Version, metadata.ROOT)), doc)
}

func (p *Publisher) newRoot(last *metadata.Metadata[metadata.RootType], release, timestamp ed25519.PublicKey) (*metadata.Metadata[metadata.RootType], error) {
	public, ok := p.Root.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the root key is not an Ed25519 key")
	}
	root := metadata.Root(p.Now.Add(RootLife).UTC().Truncate(time.Second))
	if last != nil {
		root.Signed.Version = last.Signed.Version + 1
	}
	for role, public := range map[string]ed25519.PublicKey{
		metadata.ROOT: public, metadata.TARGETS: release, metadata.SNAPSHOT: release, metadata.TIMESTAMP: timestamp,
	} {
		key, _, err := keyOf(public)
		if err == nil {
			err = root.Signed.AddKey(key, role)
		}
		if err != nil {
			return nil, fmt.Errorf("%s key: %w", role, err)
		}
	}
	return root, nil
}

// signs reports whether a key signs for a role.
func signs(root *metadata.Metadata[metadata.RootType], role string, public ed25519.PublicKey) bool {
	_, id, err := keyOf(public)
	return err == nil && root.Signed.Roles[role] != nil && slices.Contains(root.Signed.Roles[role].KeyIDs, id)
}

// add copies a package and names it in targets. A version is published once: two
// packages of one name could not be told apart by those who have one of them.
func add(f folder, targets *metadata.Metadata[metadata.TargetsType], path string) error {
	name := filepath.Base(path)
	if _, _, _, ok := agentwire.ParseReleaseName(name); !ok {
		return fault.New(fault.Invalid, fmt.Sprintf("%s is not the name of a package that agents upgrade from.", name),
			"Give archives that make packages has made, such as vedette-agent-2.1.0-linux-amd64.tar.gz.")
	}
	source, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Invalid, fmt.Sprintf("The package cannot be read: %v.", err), "")
	}
	defer source.Close()
	content, err := io.ReadAll(io.LimitReader(source, agentwire.MaxPackageBytes+1))
	if err != nil {
		return fmt.Errorf("read package: %w", err)
	}
	if len(content) == 0 || len(content) > agentwire.MaxPackageBytes {
		return fault.New(fault.Invalid, fmt.Sprintf("%s has no content or more than %d MiB.", name, agentwire.MaxPackageBytes>>20), "")
	}
	digest := sha256.Sum256(content)
	sum := digest[:]
	if was := targets.Signed.Targets[name]; was != nil && !slices.Equal(was.Hashes["sha256"], sum) {
		return fault.New(fault.Conflict, fmt.Sprintf("%s is published with another content.", name), "Build it as a newer version, or withdraw that version.")
	}
	if err := write(f.pkg(hex.EncodeToString(sum), name), content); err != nil {
		return err
	}
	file := metadata.TargetFile()
	file.Path, file.Length, file.Hashes = name, int64(len(content)), metadata.Hashes{"sha256": sum}
	targets.Signed.Targets[name] = file
	return nil
}

func withdraw(targets *metadata.Metadata[metadata.TargetsType], versions []string) error {
	for _, version := range versions {
		found := false
		for name := range targets.Signed.Targets {
			if v, _, _, _ := agentwire.ParseReleaseName(name); v == version {
				delete(targets.Signed.Targets, name)
				found = true
			}
		}
		if !found {
			return fault.New(fault.NotFound, fmt.Sprintf("Version %s is not published.", version), "")
		}
	}
	return nil
}
