package session

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// Report is what the state folder says about an agent, running or not.
type Report struct {
	AgentID         string     `json:"agentId,omitempty"` // empty when not provisioned
	Server          string     `json:"server"`
	ActivationID    string     `json:"activationId"`
	CustomerID      string     `json:"customerId"`
	Running         bool       `json:"running"`
	Event           string     `json:"event,omitempty"`
	LastContact     *time.Time `json:"lastContact,omitempty"`
	NextStatus      *time.Time `json:"nextStatus,omitempty"`
	AheadSeconds    int64      `json:"clockAheadSeconds,omitempty"` // of the platform's, at the last contact; 0 for less than a minute
	Profile         string     `json:"profile,omitempty"`
	ProfileVersion  int64      `json:"profileVersion,omitempty"`
	Manifest        string     `json:"manifest,omitempty"`
	ManifestVersion int64      `json:"manifestVersion,omitempty"`
	LastScan        *time.Time `json:"lastScan,omitempty"` // end of the last good inventory scan
	Confirmed       string     `json:"confirmedSnapshot,omitempty"`
	PendingBytes    int64      `json:"pendingUploadBytes,omitempty"`
	Replaced        int        `json:"replacedUploads,omitempty"`
	Queue           []Queued   `json:"queue,omitempty"`
	Settings        []Setting  `json:"settings,omitempty"`  // empty before the first profile
	Incidents       []Incident `json:"incidents,omitempty"` // what did not go as it was asked for, the latest last
	Paced           *Paced     `json:"lastScanPace,omitempty"`

	// What only an agent that runs can say; see Inspect.
	Version       string     `json:"version,omitempty"`
	Next          []Next     `json:"next,omitempty"`
	BlackoutUntil *time.Time `json:"blackoutUntil,omitempty"`
	Handling      *Handling  `json:"handling,omitempty"`

	CA []byte `json:"-"` // PEM, the only authority that is trusted; empty for the host's own

	// Uninstalled is when the agent had removed itself on the platform's order.
	// It works again, as a new asset, when the host is provisioned again.
	Uninstalled *time.Time `json:"uninstalled,omitempty"`
	// Separated is when this machine took an identity of its own, having shared one
	// with another machine.
	Separated *time.Time `json:"separated,omitempty"`
}

// Queued is an on-demand request the agent knows of.
type Queued struct {
	ID     int64              `json:"id"`
	Type   agentwire.ScanType `json:"type"`
	State  string             `json:"state"`
	Reason string             `json:"reason,omitempty"`
}

// Handling is the event that an agent is in the middle of.
type Handling struct {
	Event string    `json:"event"`
	Since time.Time `json:"since"`
}

// Setting is one performance parameter as it acts on this agent.
type Setting struct {
	Key   string           `json:"key"`
	Value string           `json:"value"`
	Unit  performance.Unit `json:"unit,omitempty"`
	// From is "profile", "default" for the Low value of what the profile leaves out,
	// or "not followed" for what only legacy agents do.
	From string `json:"from"`
}

// Paced is what the last scan took of the host, and what it was held to.
type Paced struct {
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
	CPULimit   int     `json:"cpuLimit"`   // percent of one core
	ThrottleMS int64   `json:"throttleMs"` // pause between two operations
}

// Inspect returns what an agent knows while Run runs: the report of its folder and,
// beside it, what it does next. It waits until the agent is between two events; when
// ctx ends before, Handling says what it is in the middle of. It is safe for
// concurrent use.
func (a *Agent) Inspect(ctx context.Context) (*Report, error) {
	found := make(chan *Report, 1)
	select {
	case a.outcomes <- func() { found <- a.inspect() }:
	case <-ctx.Done():
		return nil, fmt.Errorf("inspect agent: %w", ctx.Err())
	}
	select {
	case r := <-found:
		return r, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("inspect agent: %w", ctx.Err())
	}
}

// Handling returns the event that the agent is in the middle of, nil for none. It is
// safe for concurrent use.
func (a *Agent) Handling() *Handling { return a.handling.Load() }

func (a *Agent) inspect() *Report {
	now := a.clock.Now()
	r := newReport(a.id, a.state, a.profile, a.manifest, a.cfg.Legacy)
	r.Running, r.Version, r.AheadSeconds = true, a.cfg.Version, int64(a.client.ahead()/time.Second)
	r.Next = a.nextEvents(now)
	if end, ok := a.windows.Next(now); ok && a.windows.Active(now) {
		r.BlackoutUntil = &end
	}
	return r
}

// ReadReport reads the state folder without disturbing an agent that runs on it.
// It returns fs.ErrNotExist when the folder holds no identity.
func ReadReport(stateDir string) (*Report, error) {
	dir := &folder{files: diskFiles{stateDir}, now: time.Now}
	var id identity
	if err := dir.read(identityFile, &id); err != nil {
		return nil, err
	}
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Join(stateDir, identityFile), err)
	}
	st := newState()
	if err := dir.read(stateFile, st); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var profile *held[agentwire.Profile]
	var manifest *held[agentwire.Manifest]
	if id.provisioned() {
		profile = stored[agentwire.Profile](dir, &id, profileFile, agentwire.KindProfile)
		manifest = stored[agentwire.Manifest](dir, &id, manifestFile, agentwire.KindManifest)
	}
	r := newReport(&id, st, profile, manifest, false)
	r.Running = lockHeld(stateDir)
	return r, nil
}

func newReport(id *identity, st *state, profile *held[agentwire.Profile], manifest *held[agentwire.Manifest], legacy bool) *Report {
	r := &Report{
		AgentID: id.AgentID, Server: id.ServerURI, ActivationID: id.ActivationID, CustomerID: id.CustomerID, CA: id.CA, Event: st.Event,
		LastContact: moment(st.LastContact), NextStatus: moment(st.NextStatus), AheadSeconds: int64(st.Ahead / time.Second), LastScan: moment(st.Modules[agentwire.ModuleInventory].LastScan),
		Confirmed: st.Confirmed, Replaced: st.Replaced, Separated: moment(id.Separated), Incidents: slices.Clone(st.Incidents),
	}
	if st.Upload != nil {
		r.PendingBytes = st.Upload.Size
	}
	if p := st.Paced; p != nil {
		r.Paced = &Paced{p.Took.Seconds(), p.CPU.Seconds(), p.Limit, p.Throttle.Milliseconds()}
	}
	if id.Departure != nil {
		r.Uninstalled = moment(id.Departure.Confirmed)
	}
	for _, q := range st.Requests {
		if q != nil {
			r.Queue = append(r.Queue, Queued{ID: q.ID, Type: q.Type, State: string(q.State), Reason: q.Reason})
		}
	}
	if manifest != nil {
		r.Manifest, r.ManifestVersion = manifest.body.Name, manifest.version
	}
	if profile != nil {
		r.Profile, r.ProfileVersion = profile.body.Name, profile.version
		r.Settings = effective(profile.body.Performance, legacy)
	}
	return r
}

// effective returns all parameters as they act on an agent.
func effective(settings performance.Settings, legacy bool) []Setting {
	var all []Setting
	for _, p := range performance.Catalogue() {
		s := Setting{Key: p.Key, Unit: p.Unit, From: "profile"}
		value, own := settings.Effective(p.Key)
		if !own {
			s.From = "default"
		}
		if p.Legacy && !legacy {
			s.From = "not followed"
		}
		s.Value = value
		all = append(all, s)
	}
	return all
}

// stored returns an instruction of the folder, nil for none that can be used.
func stored[T any](dir *folder, id *identity, name string, kind agentwire.InstructionKind) *held[T] {
	var signed agentwire.SignedInstruction
	if dir.read(name, &signed) != nil {
		return nil
	}
	h, err := open[T](&signed, id, kind)
	if err != nil {
		return nil
	}
	return h
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// lockHeld reports whether an agent runs on the folder.
func lockHeld(stateDir string) bool {
	file, err := os.OpenFile(filepath.Join(stateDir, lockFile), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer folderLock{file}.Close()
	taken, err := tryLock(file)
	return err == nil && !taken
}

// Uninstall removes everything local but the identity, so that a host that is
// installed again is the same agent. No agent may run on the folder.
func Uninstall(stateDir string) error {
	if _, err := os.Stat(filepath.Join(stateDir, identityFile)); err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	locked, err := lock(stateDir)
	if err != nil {
		return err
	}
	defer locked.Close()
	dir := &folder{files: diskFiles{stateDir}, now: time.Now}
	return dir.clear()
}
