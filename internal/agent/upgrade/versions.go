package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// Folder is the name of the folder of versions in a state folder.
const Folder = "versions"

// Program is the name of the agent in the folder of a version; its worker lies
// beside it.
const Program, worker = "vedette-agent", "vedette-agent-worker"

// maxGivenUp bounds the versions that are remembered as not to be tried again.
const maxGivenUp = 20

// Versions are the versions of the agent in a state folder. It is safe for
// concurrent use, also by several processes. Create it with Open.
type Versions struct {
	path string
	mu   sync.Mutex
	last record // as of the last change by this process
}

// record is what is known beside the link. What contradicts the link is what a
// process did not get to: it is settled by the next start.
type record struct {
	Trial    *trial `json:"trial,omitempty"`    // of the current version
	Previous string `json:"previous,omitempty"` // to go back to; empty for the packaged agent
	// Starts counts how often the current version, after its trial, was started and
	// did not last.
	Starts  int                      `json:"starts,omitempty"`
	GivenUp map[string]string        `json:"givenUp,omitempty"` // versions not to be tried again, and why
	Report  *agentwire.UpgradeReport `json:"report,omitempty"`  // the platform has not been told yet
	Told    string                   `json:"told,omitempty"`    // the failure it was told of last
}

// trial is that of a version.
type trial struct {
	To     string `json:"to"`
	From   string `json:"from"`
	Starts int    `json:"starts"`           // how often it was begun
	Reason string `json:"reason,omitempty"` // why it ended the last time
}

// Open returns the versions of a state folder, which exists. Nothing is made
// before there is something to keep.
func Open(stateDir string) (*Versions, error) {
	v := &Versions{path: filepath.Join(stateDir, Folder)}
	r, err := v.read()
	if err == nil {
		v.last = *r
	}
	return v, err
}

func (v *Versions) file(elements ...string) string {
	return filepath.Join(append([]string{v.path}, elements...)...)
}

// program is the path of a version's agent.
func (v *Versions) program(version string) string { return v.file(version, Program) }

// read returns the record. One that cannot be decoded counts as none: the link
// decides what runs.
func (v *Versions) read() (*record, error) {
	r := &record{}
	doc, err := os.ReadFile(v.file("upgrade.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read record of upgrades: %w", err)
	}
	if err != nil || json.Unmarshal(doc, r) != nil {
		r = &record{}
	}
	if r.GivenUp == nil {
		r.GivenUp = make(map[string]string)
	}
	return r, nil
}

// current returns the version the link names, empty for the packaged agent.
func (v *Versions) current() (string, error) {
	target, err := os.Readlink(v.file("current"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read link to the current version: %w", err)
	}
	return filepath.Base(target), nil
}

// point makes the link name a version, in one step.
func (v *Versions) point(version string) error {
	if version == "" {
		if err := os.Remove(v.file("current")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("go back to the packaged agent: %w", err)
		}
		return syncFolder(v.path)
	}
	fresh := v.file("current.new")
	err := os.Remove(fresh)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil {
		err = os.Symlink(version, fresh)
	}
	if err == nil {
		err = os.Rename(fresh, v.file("current"))
	}
	if err != nil {
		return fmt.Errorf("make %s the current version: %w", version, err)
	}
	return syncFolder(v.path)
}

// change changes the record, and then the link if to is not what it names.
// Other processes wait meanwhile.
func (v *Versions) change(do func(r *record, current string) (to string, err error)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := os.MkdirAll(v.path, 0o700); err != nil {
		return fmt.Errorf("make folder of versions: %w", err)
	}
	unlock, err := lock(v.file("lock"))
	if err != nil {
		return err
	}
	defer unlock()
	r, err := v.read()
	if err != nil {
		return err
	}
	before, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record of upgrades: %w", err)
	}
	current, err := v.current()
	if err != nil {
		return err
	}
	to, err := do(r, current)
	if err != nil {
		return err
	}
	doc, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode record of upgrades: %w", err)
	}
	if string(doc) != string(before) {
		if err := writeFile(v.file("upgrade.json"), doc); err != nil {
			return err
		}
	}
	v.last = *r
	if to == current {
		return nil
	}
	return v.point(to)
}

// settle does what a process that was killed did not get to, and returns the
// current version and its trial. packaged is the version of the packaged agent,
// empty where that is not known: one that is as new as the current one takes its
// place.
func (v *Versions) settle(packaged string) (current string, on *trial, err error) {
	if _, err := os.Stat(v.path); errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	err = v.change(func(r *record, link string) (string, error) {
		current = link
		if _, err := os.Stat(v.program(link)); link != "" && err != nil {
			v.abandon(r, link, "its program is not there", time.Now())
		}
		if _, given := r.GivenUp[link]; given && link != "" { // the link was not swapped back
			current = v.back(r, link)
		}
		if current != "" && packaged != "" && agentwire.CompareVersions(current, packaged) <= 0 {
			current, r.Trial, r.Starts = "", nil, 0
		}
		if r.Trial != nil && r.Trial.To != current {
			r.Trial = nil // the link was not swapped
		}
		on = r.Trial
		return current, nil
	})
	if err == nil {
		v.tidy(current)
	}
	return current, on, err
}

// back returns the version to go back to from the current one.
func (v *Versions) back(r *record, current string) string {
	if _, given := r.GivenUp[r.Previous]; given || r.Previous == "" || r.Previous == current {
		return ""
	}
	if _, err := os.Stat(v.program(r.Previous)); err != nil {
		return ""
	}
	return r.Previous
}

// tidy removes the versions that are neither current nor previous, and what an
// installation left behind. What stays is tried again the next time.
func (v *Versions) tidy(current string) {
	keep := []string{current, v.last.Previous}
	entries, err := os.ReadDir(v.path)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if entry.IsDir() && !slices.Contains(keep, entry.Name()) {
			_ = os.RemoveAll(v.file(entry.Name()))
		}
	}
}

// begin puts a version that was installed on trial. from is the version that runs
// now.
func (v *Versions) begin(version, from string) error {
	return v.change(func(r *record, current string) (string, error) {
		if _, given := r.GivenUp[version]; given {
			return current, fmt.Errorf("version %s was rolled back already", version)
		}
		r.Trial, r.Previous, r.Starts = &trial{To: version, From: from}, current, 0
		return version, nil
	})
}

// started counts one more start of the current version and returns the trial.
func (v *Versions) started(version string) (on trial, starts int, err error) {
	err = v.change(func(r *record, current string) (string, error) {
		if r.Trial == nil {
			r.Starts++
		} else if r.Trial.To == version {
			r.Trial.Starts++
			on = *r.Trial
		}
		starts = r.Starts
		return current, nil
	})
	return on, starts, err
}

// stopped takes a start back: the agent was told to stop.
func (v *Versions) stopped(version string) error {
	return v.onTrial(version, func(t *trial) { t.Starts-- })
}

// ended notes why the version on trial ended.
func (v *Versions) ended(version, reason string) error {
	return v.onTrial(version, func(t *trial) { t.Reason = reason })
}

func (v *Versions) onTrial(version string, do func(t *trial)) error {
	return v.change(func(r *record, current string) (string, error) {
		if r.Trial != nil && r.Trial.To == version {
			do(r.Trial)
		}
		return current, nil
	})
}

// trialOf reports whether a version is still on trial: an administrator may have
// gone back.
func (v *Versions) trialOf(version string) bool {
	r, err := v.read()
	return err != nil || r.Trial != nil && r.Trial.To == version
}

// passed ends the trial of a version well.
func (v *Versions) passed(version string, at time.Time) error {
	return v.change(func(r *record, current string) (string, error) {
		if r.Trial != nil && r.Trial.To == version {
			r.Report = &agentwire.UpgradeReport{Outcome: agentwire.UpgradeDone, From: r.Trial.From, To: version, At: at.UTC()}
			r.Trial, r.Told = nil, ""
		}
		return current, nil
	})
}

// Lasted notes that a version has run for a while, so that its starts are no loop.
func (v *Versions) Lasted(version string) error {
	v.mu.Lock()
	none := v.last.Starts == 0
	v.mu.Unlock()
	if none {
		return nil
	}
	return v.change(func(r *record, current string) (string, error) {
		if current == version {
			r.Starts = 0
		}
		return current, nil
	})
}

// ErrPackaged says that there is no version to go back from.
var ErrPackaged = errors.New("the packaged agent is the current one")

// RollBack goes back from the current version, which is not tried again before
// Retry, and returns both versions; to is empty for the packaged agent. It
// returns ErrPackaged when there is nothing to go back from.
func (v *Versions) RollBack(reason string, at time.Time) (from, to string, err error) {
	return v.rollBack("", reason, at)
}

// rollBack goes back from a version, if it is the current one or none is named.
func (v *Versions) rollBack(version, reason string, at time.Time) (from, to string, err error) {
	if _, err := os.Stat(v.path); errors.Is(err, fs.ErrNotExist) {
		return "", "", ErrPackaged
	}
	err = v.change(func(r *record, current string) (string, error) {
		if current == "" {
			return "", ErrPackaged
		}
		if version != "" && version != current {
			return current, nil
		}
		v.abandon(r, current, reason, at)
		from, to = current, v.back(r, current)
		return to, nil
	})
	return from, to, err
}

// Retry lets versions be tried again that were rolled back, and returns them.
func (v *Versions) Retry() (versions []string, err error) {
	if _, err := os.Stat(v.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	err = v.change(func(r *record, current string) (string, error) {
		versions = slices.SortedFunc(maps.Keys(r.GivenUp), agentwire.CompareVersions)
		r.GivenUp = make(map[string]string)
		return current, nil
	})
	return versions, err
}

// givenUp reports whether a version was rolled back.
func (v *Versions) givenUp(version string) (bool, error) {
	r, err := v.read()
	if err != nil {
		return false, err
	}
	_, given := r.GivenUp[version]
	return given, nil
}

// abandon notes that a version is not to run any more. The previous one stays
// noted: who is killed before the link is swapped has to find it.
func (v *Versions) abandon(r *record, version, reason string, at time.Time) {
	before := r.Previous
	if r.Trial != nil {
		before = r.Trial.From
	}
	r.giveUp(version, reason)
	r.Report = &agentwire.UpgradeReport{Outcome: agentwire.UpgradeRolledBack, From: before, To: version, Reason: clip(reason), At: at.UTC()}
	r.Trial, r.Starts, r.Told = nil, 0, ""
}

func (r *record) giveUp(version, reason string) {
	r.GivenUp[version] = clip(reason)
	for len(r.GivenUp) > maxGivenUp {
		delete(r.GivenUp, slices.MinFunc(slices.Collect(maps.Keys(r.GivenUp)), agentwire.CompareVersions))
	}
}

// failed notes for the platform that an upgrade failed before anything was
// changed, unless it was told just that.
func (v *Versions) failed(from, to, reason string, at time.Time) error {
	reason = clip(reason)
	told := to + " " + reason
	v.mu.Lock()
	known := v.last.Told == told
	v.mu.Unlock()
	if known {
		return nil
	}
	return v.change(func(r *record, current string) (string, error) {
		r.Report = &agentwire.UpgradeReport{Outcome: agentwire.UpgradeFailed, From: from, To: to, Reason: reason, At: at.UTC()}
		r.Told = told
		return current, nil
	})
}

// report returns what the platform has not been told yet, nil for nothing.
func (v *Versions) report() *agentwire.UpgradeReport {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.last.Report
}

// reported forgets a report, unless another took its place.
func (v *Versions) reported(report agentwire.UpgradeReport) error {
	return v.change(func(r *record, current string) (string, error) {
		if r.Report != nil && *r.Report == report {
			r.Report = nil
		}
		return current, nil
	})
}

// clip bounds a reason and makes it one line.
func clip(reason string) string {
	reason = strings.Join(strings.Fields(strings.ToValidUTF8(reason, "?")), " ")
	return strings.ToValidUTF8(reason[:min(len(reason), agentwire.MaxReason)], "")
}
