package worker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	folderMode = 0o700
	fileMode   = 0o600
	// temporaryPrefix begins the names of files that are being written.
	temporaryPrefix = ".worker-"
	// temporaryAge is when such a file is litter of a worker that was killed: no
	// write takes an hour.
	temporaryAge = time.Hour
	// maxPending bounds the snapshots kept besides base and newest. Each is one
	// whose upload the platform may still confirm; there are seldom two.
	maxPending     = 6
	snapshotSuffix = ".json.zst"
)

// stateFolder is the part of the agent's state folder that a worker writes.
type stateFolder struct {
	dir string
	now func() time.Time
}

// openState makes sure the folders exist and nobody else can look into them.
func openState(dir string, now func() time.Time) (*stateFolder, error) {
	s := &stateFolder{dir: dir, now: now}
	for _, folder := range s.folders() {
		if err := os.MkdirAll(folder, folderMode); err != nil {
			return nil, fmt.Errorf("make state folder: %w", err)
		}
		if err := os.Chmod(folder, folderMode); err != nil {
			return nil, fmt.Errorf("protect state folder: %w", err)
		}
	}
	return s, nil
}

func (s *stateFolder) folders() []string {
	return []string{
		filepath.Dir(scan.SnapshotPath(s.dir, "x")),
		filepath.Dir(scan.SpoolPath(s.dir, "x")),
	}
}

// load returns the snapshot with the given digest, or nil if there is none that
// can be read and has that digest: a damaged file costs a baseline, nothing more.
func (s *stateFolder) load(digest string) *agentwire.Snapshot {
	if !isDigest(digest) {
		return nil
	}
	file, err := os.Open(scan.SnapshotPath(s.dir, digest))
	if err != nil {
		return nil
	}
	defer file.Close()
	snapshot, err := decodeSnapshot(file)
	if err != nil || snapshot.Digest() != digest {
		return nil
	}
	return snapshot
}

// isDigest reports whether s is a digest as Snapshot.Digest writes it. Nothing
// else becomes part of a path.
func isDigest(s string) bool {
	return len(s) == hex.EncodedLen(sha256.Size) && strings.Trim(s, "0123456789abcdef") == ""
}

// save writes the snapshot, then the delta that leads to it, and returns the
// delta's name and size. In this order a delta in the spool always has its
// snapshot.
func (s *stateFolder) save(snapshot *agentwire.Snapshot, delta *agentwire.Delta) (upload string, size int64, err error) {
	packed, err := pack(delta)
	if err != nil {
		return "", 0, fmt.Errorf("encode delta: %w", err)
	}
	if len(packed) > agentwire.MaxUploadBytes {
		return "", 0, fmt.Errorf("delta has %d bytes, an upload at most %d", len(packed), agentwire.MaxUploadBytes)
	}
	packedSnapshot, err := pack(snapshot)
	if err != nil {
		return "", 0, fmt.Errorf("encode snapshot: %w", err)
	}
	if err := writeFile(scan.SnapshotPath(s.dir, delta.Result), packedSnapshot); err != nil {
		return "", 0, fmt.Errorf("store snapshot: %w", err)
	}
	sum := sha256.Sum256(packed)
	upload = hex.EncodeToString(sum[:])
	if err := writeFile(scan.SpoolPath(s.dir, upload), packed); err != nil {
		return "", 0, fmt.Errorf("store delta: %w", err)
	}
	return upload, int64(len(packed)), nil
}

// pack encodes and compresses a document that the other side will accept.
func pack(document any) ([]byte, error) {
	doc, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	if len(doc) > agentwire.MaxDeltaBytes {
		return nil, fmt.Errorf("%d bytes, at most %d are allowed", len(doc), agentwire.MaxDeltaBytes)
	}
	return compress(doc)
}

// writeFile puts content under its final name once it is safely on disk: a
// crash leaves the old file, the new one, or a temporary one, never half of one.
func writeFile(path string, content []byte) error {
	return replaceFile(path, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

func replaceFile(path string, write func(io.Writer) error) (err error) {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, temporaryPrefix+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err = os.Rename(file.Name(), path); err != nil {
		return err
	}
	// The rename is not undone when the folder cannot be synced: the file is
	// complete, only its name might be lost with the power.
	return syncFolder(folder)
}

// prune removes snapshots that no delta can refer to any more: those older than
// base, and of the younger ones all but the newest few. It never removes base or
// newest. Temporary files of killed workers go too.
func (s *stateFolder) prune(base, newest string) error {
	folder := filepath.Dir(scan.SnapshotPath(s.dir, newest))
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("list snapshots: %w", err)
	}
	type candidate struct {
		path    string
		written time.Time
	}
	var others []candidate
	var baseWritten time.Time // zero without a base: nothing is older
	for _, entry := range entries {
		digest, isSnapshot := strings.CutSuffix(entry.Name(), snapshotSuffix)
		info, err := entry.Info()
		if err != nil || !isSnapshot || !isDigest(digest) {
			continue
		}
		switch digest {
		case newest:
		case base:
			baseWritten = info.ModTime()
		default:
			others = append(others, candidate{filepath.Join(folder, entry.Name()), info.ModTime()})
		}
	}
	slices.SortFunc(others, func(a, b candidate) int { return b.written.Compare(a.written) })
	var failed []error
	for i, other := range others {
		if i >= maxPending || other.written.Before(baseWritten) {
			failed = append(failed, remove(other.path))
		}
	}
	failed = append(failed, s.removeLitter())
	return errors.Join(failed...)
}

func (s *stateFolder) removeLitter() error {
	var failed []error
	for _, folder := range s.folders() {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return fmt.Errorf("list state folder: %w", err)
		}
		for _, entry := range entries {
			info, err := entry.Info()
			if err != nil || !strings.HasPrefix(entry.Name(), temporaryPrefix) || s.now().Sub(info.ModTime()) < temporaryAge {
				continue
			}
			failed = append(failed, remove(filepath.Join(folder, entry.Name())))
		}
	}
	return errors.Join(failed...)
}

// remove removes a file that may be gone already.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clean state folder: %w", err)
	}
	return nil
}
