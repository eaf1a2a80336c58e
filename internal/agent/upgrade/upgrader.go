package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"vedette.dev/vedette/internal/agent/release"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agentwire"
)

// Upgrader finds and installs newer versions. Its fields are set before it is
// used; it is a session.Upgrader.
type Upgrader struct {
	Versions *Versions
	Version  string // that runs
	System   string // of this host, in the words of Go
	Machine  string
	Now      func() time.Time
	Log      *slog.Logger
	// Verify says what of release metadata is to be trusted.
	Verify func(ctx context.Context, q release.Question) (release.Answer, error)
	// Try runs the program of a version for a moment, to see that it runs on this
	// host, and returns the version that it says it is.
	Try func(ctx context.Context, program string) (version string, err error)
	// Restart makes the launcher run the current version. It returns at once.
	Restart func()

	mu    sync.Mutex
	held  *trusted // nil before it was read
	found *release.Target
}

var _ session.Upgrader = (*Upgrader)(nil)

// trusted is release metadata that was verified, with the pinned key it was
// verified for: after this host went to another platform it is of no use.
type trusted struct {
	Pin     []byte                    `json:"pin"`
	Docs    agentwire.ReleaseMetadata `json:"docs"`
	Root    int64                     `json:"root"` // version of the root in Docs
	Version int64                     `json:"version"`
	Expires time.Time                 `json:"expires,omitzero"`
	// Found is the version it led to, which the next process has to find again if
	// this one ends on the way there.
	Found string `json:"found,omitempty"`
}

// load returns what is held. A file that cannot be read counts as none: then
// everything is verified from the pinned key on.
func (u *Upgrader) load() *trusted {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.held == nil {
		u.held = &trusted{}
		doc, err := os.ReadFile(u.Versions.file("trusted.json"))
		if err == nil && json.Unmarshal(doc, u.held) != nil {
			u.held = &trusted{}
		}
		u.held.Docs = agentwire.ReleaseMetadata{} // read again when it is needed
	}
	return u.held
}

// Metadata implements session.Upgrader.
func (u *Upgrader) Metadata() (version int64, stale bool) {
	held := u.load()
	if held.Version == 0 {
		return agentwire.NoRelease, false
	}
	return held.Version, u.Now().After(held.Expires) || u.interrupted(held.Found)
}

// interrupted reports whether a process before this one was on its way to a
// version.
func (u *Upgrader) interrupted(found string) bool {
	u.mu.Lock()
	known := u.found != nil
	u.mu.Unlock()
	if known || found == "" || agentwire.CompareVersions(found, u.Version) <= 0 {
		return false
	}
	given, err := u.Versions.givenUp(found)
	return err == nil && !given
}

// Check implements session.Upgrader. What it finds refused is reported to the
// platform, too: somebody may be between.
func (u *Upgrader) Check(ctx context.Context, pin []byte, get session.Download) (found bool, err error) {
	q := release.Question{Pin: pin, Now: u.Now(), System: u.System, Machine: u.Machine}
	root := int64(0)
	var held trusted
	if doc, err := os.ReadFile(u.Versions.file("trusted.json")); err == nil && json.Unmarshal(doc, &held) == nil && bytes.Equal(held.Pin, pin) {
		q.Held, root = held.Docs, held.Root
	}
	var doc bytes.Buffer
	err = get(ctx, agentwire.PathRelease+"?root="+strconv.FormatInt(root, 10), &doc, agentwire.MaxReleaseBytes)
	if refusal, ok := errors.AsType[*session.Refusal](err); ok && refusal.Status == http.StatusNotFound {
		return false, nil // nothing is published
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(doc.Bytes(), &q.Offered); err != nil {
		return false, fmt.Errorf("decode release metadata: %w", err)
	}
	answer, err := u.Verify(ctx, q)
	if err != nil {
		return false, err
	}
	var target *release.Target
	if answer.Refused == "" {
		if target, err = u.choose(answer.Targets); err != nil {
			return false, err
		}
	}
	if err := u.keep(pin, answer, target); err != nil {
		return false, err
	}
	if answer.Refused != "" {
		err := fmt.Errorf("release metadata refused: %s", answer.Refused)
		return false, errors.Join(err, u.Versions.failed(u.Version, "", err.Error(), u.Now()))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.found = target
	return target != nil, nil
}

// keep keeps what was verified and what it led to, before anything is done with it.
func (u *Upgrader) keep(pin []byte, answer release.Answer, target *release.Target) error {
	next := trusted{Pin: pin, Docs: answer.Trusted, Version: answer.Version, Expires: answer.Expires}
	if target != nil {
		next.Found = target.Version
	}
	if len(answer.Trusted.Roots) == 1 {
		var root struct {
			Signed struct {
				Version int64 `json:"version"`
			} `json:"signed"`
		}
		if err := json.Unmarshal(answer.Trusted.Roots[0], &root); err != nil {
			return fmt.Errorf("decode verified root metadata: %w", err)
		}
		next.Root = root.Signed.Version
	}
	doc, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode release metadata: %w", err)
	}
	if err := os.MkdirAll(u.Versions.file(), 0o700); err != nil {
		return fmt.Errorf("make folder of versions: %w", err)
	}
	if err := writeFile(u.Versions.file("trusted.json"), doc); err != nil {
		return err
	}
	next.Docs = agentwire.ReleaseMetadata{}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.held = &next
	return nil
}

// choose returns the newest version to go to: never back, and never to one that
// was rolled back.
func (u *Upgrader) choose(targets []release.Target) (*release.Target, error) {
	for _, t := range targets {
		if agentwire.CompareVersions(t.Version, u.Version) <= 0 {
			return nil, nil
		}
		given, err := u.Versions.givenUp(t.Version)
		if err != nil {
			return nil, err
		}
		if !given {
			return &t, nil
		}
	}
	return nil, nil
}

// Setup implements session.Upgrader.
func (u *Upgrader) Setup(ctx context.Context, get session.Download) error {
	u.mu.Lock()
	target := u.found
	u.mu.Unlock()
	if target == nil {
		return nil
	}
	err := u.install(ctx, *target, get)
	if err == nil {
		err = u.Versions.begin(target.Version, u.Version)
	}
	if err == nil {
		u.Log.Info("new version of the agent installed", "version", target.Version, "after", u.Version)
		u.Restart()
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	if refusal, ok := errors.AsType[*session.Refusal](err); ok && refusal.RetryAfter > 0 {
		return err // the platform is busy, which is no failure
	}
	return errors.Join(err, u.Versions.failed(u.Version, target.Version, err.Error(), u.Now()))
}

// Report implements session.Upgrader.
func (u *Upgrader) Report() *agentwire.UpgradeReport { return u.Versions.report() }

// Reported implements session.Upgrader.
func (u *Upgrader) Reported(report agentwire.UpgradeReport) error {
	return u.Versions.reported(report)
}
