package session

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"vedette.dev/vedette/internal/agentwire"
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
	r := &Report{
		AgentID: id.AgentID, Server: id.ServerURI, ActivationID: id.ActivationID, CustomerID: id.CustomerID,
		Running: lockHeld(stateDir), Event: st.Event,
		LastContact: moment(st.LastContact), NextStatus: moment(st.NextStatus), AheadSeconds: int64(st.Ahead / time.Second), LastScan: moment(st.Modules[agentwire.ModuleInventory].LastScan),
		Confirmed: st.Confirmed, Replaced: st.Replaced, Separated: moment(id.Separated),
	}
	if st.Upload != nil {
		r.PendingBytes = st.Upload.Size
	}
	if id.Departure != nil {
		r.Uninstalled = moment(id.Departure.Confirmed)
	}
	for _, q := range st.Requests {
		if q != nil {
			r.Queue = append(r.Queue, Queued{ID: q.ID, Type: q.Type, State: string(q.State), Reason: q.Reason})
		}
	}
	if !id.provisioned() {
		return r, nil
	}
	if profile := stored[agentwire.Profile](dir, &id, profileFile, agentwire.KindProfile); profile != nil {
		r.Profile, r.ProfileVersion = profile.body.Name, profile.version
	}
	if manifest := stored[agentwire.Manifest](dir, &id, manifestFile, agentwire.KindManifest); manifest != nil {
		r.Manifest, r.ManifestVersion = manifest.body.Name, manifest.version
	}
	return r, nil
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
	defer file.Close() // and with it the lock
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
