package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Names in the state folder.
const (
	identityFile  = "identity.json"
	sequenceFile  = "sequence.json"
	profileFile   = "profile.json"
	manifestFile  = "manifest.json"
	stateFile     = "state.json"
	lockFile      = "lock"
	snapshotsDir  = "snapshots"
	spoolDir      = "spool"
	maxStateBytes = 4 << 20 // of one file: four times the largest instruction
)

// folder is the state folder. Writes are atomic and durable when they return.
type folder struct {
	path string
	now  func() time.Time
}

// makeFolder creates the state folder and what it needs to hold.
func makeFolder(path string, now func() time.Time) (*folder, error) {
	for _, dir := range []string{path, filepath.Join(path, snapshotsDir), filepath.Join(path, spoolDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("create state folder: %w", err)
		}
	}
	return &folder{path: path, now: now}, nil
}

// read decodes the named file into v. It returns fs.ErrNotExist when there is
// none.
func (f *folder) read(name string, v any) error {
	file, err := os.Open(filepath.Join(f.path, name))
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	defer file.Close()
	doc, err := io.ReadAll(io.LimitReader(file, maxStateBytes+1))
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if len(doc) > maxStateBytes {
		return fmt.Errorf("read state: %s has more than %d bytes", file.Name(), maxStateBytes)
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("decode %s: %w", file.Name(), err)
	}
	return nil
}

// write replaces the named file by v, readable by its owner only.
func (f *folder) write(name string, v any) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	temporary, err := os.CreateTemp(f.path, name+".*.tmp") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	defer os.Remove(temporary.Name()) // fails after the rename, as it should
	_, err = temporary.Write(doc)
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(temporary.Name(), filepath.Join(f.path, name))
	}
	if err == nil {
		err = syncDir(f.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// setAside renames a file that cannot be used, so that somebody may look at it,
// and returns its new name.
func (f *folder) setAside(name, why string) (string, error) {
	aside := fmt.Sprintf("%s.%s-%s", name, why, f.now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(filepath.Join(f.path, name), filepath.Join(f.path, aside)); err != nil {
		return "", fmt.Errorf("set %s aside: %w", name, err)
	}
	return aside, syncDir(f.path)
}

// remove deletes a file; that there is none is no error.
func (f *folder) remove(name string) error {
	if err := os.Remove(filepath.Join(f.path, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// clear removes everything but who the agent is and was, and its sequence
// numbers.
func (f *folder) clear() error {
	for _, name := range []string{profileFile, manifestFile, stateFile} {
		if err := f.remove(name); err != nil {
			return err
		}
	}
	for _, name := range []string{snapshotsDir, spoolDir} {
		if err := os.RemoveAll(filepath.Join(f.path, name)); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return syncDir(f.path)
}

// keepOnly removes every file of a subfolder but the named ones.
func (f *folder) keepOnly(dir string, keep ...string) error {
	entries, err := os.ReadDir(filepath.Join(f.path, dir))
	if err != nil {
		return fmt.Errorf("clean %s: %w", dir, err)
	}
	kept := make(map[string]bool, len(keep))
	for _, name := range keep {
		kept[name] = true
	}
	for _, entry := range entries {
		if kept[entry.Name()] || entry.IsDir() {
			continue
		}
		if err := f.remove(filepath.Join(dir, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes renames in a folder durable. Windows does so by itself and
// cannot sync a folder.
func syncDir(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	err = dir.Sync()
	if closing := dir.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
