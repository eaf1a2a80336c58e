package session

import (
	"encoding/json"
	"fmt"
	"path"
	"time"
)

// Names in the state folder.
const (
	identityFile  = "identity.json"
	hostKeyFile   = "host.key"
	removedPrefix = "identity.removed-"
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
	files Files
	now   func() time.Time
}

// read decodes the named file into v. It returns fs.ErrNotExist when there is
// none.
func (f *folder) read(name string, v any) error {
	doc, err := f.files.Read(name, maxStateBytes)
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	return nil
}

// write replaces the named file by v.
func (f *folder) write(name string, v any) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	if err := f.files.Write(name, doc); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// setAside renames a file that cannot be used, so that somebody may look at it,
// and returns its new name.
func (f *folder) setAside(name, why string) (string, error) {
	aside := fmt.Sprintf("%s.%s-%s", name, why, f.now().UTC().Format("20060102T150405.000"))
	if err := f.files.Rename(name, aside); err != nil {
		return "", fmt.Errorf("set %s aside: %w", name, err)
	}
	return aside, nil
}

// remove deletes a file; that there is none is no error.
func (f *folder) remove(name string) error {
	if err := f.files.Remove(name); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// clear removes everything but who the agent is and was, and its sequence
// numbers.
func (f *folder) clear() error {
	for _, name := range []string{profileFile, manifestFile, stateFile, snapshotsDir, spoolDir, "versions"} {
		if err := f.remove(name); err != nil {
			return err
		}
	}
	return nil
}

// keepOnly removes every file of a subfolder but the named ones.
func (f *folder) keepOnly(dir string, keep ...string) error {
	names, err := f.files.List(dir)
	if err != nil {
		return fmt.Errorf("clean %s: %w", dir, err)
	}
	kept := make(map[string]bool, len(keep))
	for _, name := range keep {
		kept[name] = true
	}
	for _, name := range names {
		if kept[name] {
			continue
		}
		if err := f.remove(path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
