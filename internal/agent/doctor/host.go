package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

const (
	// leastSpace holds the largest upload and the snapshot beside it.
	leastSpace = agentwire.MaxUploadBytes + agentwire.MaxDeltaBytes
	// littleSpace is where a warning is due: files of a log and of an upgrade.
	littleSpace = 200 << 20
	// leastFiles is how many more files the file system must take.
	leastFiles = 100
	// late is how long after its interval a contact is overdue: a status request is
	// repeated within twice its interval.
	late = 10 * time.Minute
)

// agent says whether it runs and when it was last in contact.
func (p *Patient) agent() Check {
	const name = "agent"
	r := p.Report
	switch {
	case r == nil || r.AgentID == "":
		return Check{name, Warning, "this host is not registered", "vedette-agent provision ServerUri=… ActivationId=… CustomerId=…; vedette keys install-line prints the line"}
	case r.Uninstalled != nil:
		return Check{name, Warning, "it removed itself on the platform's order", "vedette-agent provision registers this host again, as a new asset"}
	case !r.Running:
		return Check{name, Failed, "agent " + r.AgentID + " does not run", "systemctl enable --now vedette-agent, or vedette-agent run"}
	case r.LastContact == nil:
		return Check{name, Failed, "agent " + r.AgentID + " runs and was never in contact with its platform" + p.lastFailure(), "see the checks below, and its log"}
	}
	ago := p.Now().Sub(*r.LastContact).Round(time.Second)
	detail := fmt.Sprintf("agent %s runs and was last in contact %s ago", r.AgentID, ago)
	if r.BlackoutUntil == nil && ago > 2*p.statusInterval()+late {
		return Check{name, Failed, detail + p.lastFailure(), "see the checks below, and its log"}
	}
	return ok(name, detail)
}

func (p *Patient) statusInterval() time.Duration {
	settings := performance.Settings{}
	for _, s := range p.Report.Settings {
		settings[s.Key] = s.Value
	}
	return settings.StatusInterval()
}

// lastFailure is why the last status did not get through.
func (p *Patient) lastFailure() string {
	for i := len(p.Report.Incidents) - 1; i >= 0; i-- {
		if incident := p.Report.Incidents[i]; incident.What == "status" || incident.What == "provision" {
			return ": " + incident.Why
		}
	}
	return ""
}

// folder looks at the state folder; ok is false where there is nothing to look at.
func (p *Patient) folder() (check Check, ok bool) {
	const name = "state folder"
	asRoot := "run doctor as root, or as the user the agent runs as"
	info, err := os.Stat(p.StateDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Check{name, Warning, p.StateDir + " is not there yet", "it is made by vedette-agent provision; another one is given with StateDir="}, false
	case err != nil:
		return Check{name, Failed, err.Error(), asRoot}, false
	case !info.IsDir():
		return Check{name, Failed, p.StateDir + " is no folder", "give another one with StateDir="}, false
	}
	if loose := looseFile(p.StateDir); loose != "" {
		return Check{name, Failed, loose + " can be read by others, and may hold the agent's private key", "chmod go= " + loose}, true
	}
	probe, err := os.CreateTemp(p.StateDir, "doctor.*.tmp")
	if err != nil {
		return Check{name, Failed, "cannot be written: " + err.Error(), asRoot + "; an agent that cannot write there ends"}, true
	}
	_, err = probe.WriteString("probe")
	err = errors.Join(err, probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return Check{name, Failed, "cannot be written: " + err.Error(), "see the disk"}, true
	}
	if readableByOthers(info) {
		return Check{name, Warning, fmt.Sprintf("%s can be entered by others (mode %04o)", p.StateDir, info.Mode().Perm()), "chmod go= " + p.StateDir}, true
	}
	return Check{name, OK, p.StateDir + " can be written, and read by its owner alone", ""}, true
}

// looseFile returns a file in a folder that others may read, "" for none.
func looseFile(folder string) string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "" // writing says so
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && readableByOthers(info) {
			return filepath.Join(folder, entry.Name())
		}
	}
	return ""
}

// disk looks at the room for the state folder.
func (p *Patient) disk() Check {
	found, err := roomAt(p.StateDir)
	if err != nil {
		return Check{"disk", Warning, "room cannot be told: " + err.Error(), "look with df"}
	}
	return found.judge(p.StateDir)
}

// judge says whether the room of the file system at path is enough.
func (room room) judge(path string) Check {
	const name, next = "disk", "make room on the file system of the state folder"
	detail := fmt.Sprintf("%d MB free at %s", room.bytes>>20, path)
	switch {
	case room.bytes < leastSpace:
		return Check{name, Failed, fmt.Sprintf("%s, needed are %d MB", detail, leastSpace>>20), next}
	case room.filesKnown && room.files < leastFiles:
		return Check{name, Failed, fmt.Sprintf("%s, and room for %d more files, needed are %d", detail, room.files, leastFiles), next}
	case room.bytes < littleSpace:
		return Check{name, Warning, fmt.Sprintf("%s, less than %d MB", detail, littleSpace>>20), next}
	}
	return ok(name, detail)
}

// room is what a file system has left for this user.
type room struct {
	bytes, files uint64
	filesKnown   bool // some file systems have no bound
}

// worker looks for the program that scans.
func (p *Patient) worker() Check {
	const name = "worker"
	info, err := os.Stat(p.Worker)
	switch {
	case err != nil:
		return Check{name, Failed, err.Error(), "install it beside vedette-agent, or name it with WorkerPath="}
	case !info.Mode().IsRegular() || !executable(info):
		return Check{name, Failed, p.Worker + " is no program", "chmod +x " + p.Worker}
	}
	return ok(name, p.Worker)
}

// rights tries what collectors read.
func (p *Patient) rights() Check { return rightsTo(needs(p.RootDir), readable) }

// rightsTo says which of the needs may not be read.
func rightsTo(needs []need, read func(path string) error) Check {
	const name = "rights"
	var denied, spared []string
	for _, need := range needs {
		switch err := read(need.path); {
		case !errors.Is(err, fs.ErrPermission):
		case need.spared:
			spared = append(spared, need.what)
		default:
			denied = append(denied, fmt.Sprintf("%s (%s)", need.path, need.what))
		}
	}
	who := whoami()
	if len(denied) > 0 {
		return Check{name, Warning, fmt.Sprintf("%s may not read %s: inventories lack them", who, strings.Join(denied, ", ")),
			"run the agent as root, or with CAP_DAC_READ_SEARCH as the packaged service does"}
	}
	detail := who + " may read what collectors read"
	if len(spared) > 0 {
		detail += ", all but " + strings.Join(spared, " and ") + ": docs/packages.md says how to allow it"
	}
	return ok(name, detail)
}

// need is something that a collector reads and that not everybody may.
type need struct {
	path, what string
	spared     bool // not a right that the packaged service has
}

// readable tries to read a file or folder.
func readable(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		_, err = file.Readdirnames(1)
	} else {
		_, err = file.Read(make([]byte, 1))
	}
	return err
}
