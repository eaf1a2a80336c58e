package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/performance"
)

// now is when every examination of these tests takes place.
var now = time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)

// want compares a check with an outcome and parts of its detail and next step. A
// next step is for what is not ok, and only for that.
func want(t *testing.T, c Check, outcome Outcome, detail, next string) {
	t.Helper()
	if c.Outcome != outcome || !strings.Contains(c.Detail, detail) || !strings.Contains(c.Next, next) || (c.Next == "") != (outcome == OK) {
		t.Errorf("%s is %s: %q, next step %q; want %s, %q and %q", c.Name, c.Outcome, c.Detail, c.Next, outcome, detail, next)
	}
}

func TestAnAgentThatIsNotInContactIsFound(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) *time.Time {
		at := now.Add(-d)
		return &at
	}
	later := now.Add(time.Hour)
	half := []session.Setting{{Key: performance.KeyStatusInterval, Value: "1800"}}
	failures := []session.Incident{{What: "status", Why: "an older one"}, {What: "status", Why: "connection refused"}, {What: "upload", Why: "disk full"}}
	for _, test := range []struct {
		name         string
		report       *session.Report
		outcome      Outcome
		detail, next string
	}{
		{"no state", nil, Warning, "not registered", "vedette-agent provision"},
		{"not registered", &session.Report{}, Warning, "not registered", "vedette keys install-line"},
		{"uninstalled", &session.Report{AgentID: "a", Uninstalled: &now}, Warning, "removed itself", "as a new asset"},
		{"not started", &session.Report{AgentID: "a"}, Failed, "agent a does not run", "systemctl enable --now vedette-agent"},
		{"never in contact", &session.Report{AgentID: "a", Running: true, Incidents: failures}, Failed, "never in contact with its platform: connection refused", "its log"},
		{"in contact", &session.Report{AgentID: "a", Running: true, LastContact: ago(time.Minute), Settings: half}, OK, "1m0s ago", ""},
		{"as late as retries are", &session.Report{AgentID: "a", Running: true, LastContact: ago(70 * time.Minute), Settings: half}, OK, "1h10m0s ago", ""},
		{"later than that", &session.Report{AgentID: "a", Running: true, LastContact: ago(71 * time.Minute), Settings: half, Incidents: failures}, Failed, "ago: connection refused", "checks below"},
		{"in a blackout", &session.Report{AgentID: "a", Running: true, LastContact: ago(9 * time.Hour), Settings: half, BlackoutUntil: &later}, OK, "9h0m0s ago", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := &Patient{Report: test.report, Now: func() time.Time { return now }}
			want(t, p.agent(), test.outcome, test.detail, test.next)
		})
	}
}

func TestAStateFolderThatIsNoPlaceForSecretsIsFound(t *testing.T) {
	t.Parallel()
	in := func(path string) (Check, bool) { return (&Patient{StateDir: path}).folder() }
	folder := filepath.Join(t.TempDir(), "state")
	check, there := in(folder)
	want(t, check, Warning, folder+" is not there yet", "vedette-agent provision")
	if there {
		t.Error("a folder that is not there is looked into")
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	check, there = in(folder)
	want(t, check, OK, "by its owner alone", "")
	if left, err := os.ReadDir(folder); !there || err != nil || len(left) != 0 {
		t.Errorf("after a check there is %v, %v", left, err)
	}
	file := filepath.Join(folder, "identity.json")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check, there = in(file)
	want(t, check, Failed, "is no folder", "StateDir=")
	if there {
		t.Error("a file is looked into")
	}
	check, there = in(filepath.Join(file, "state"))
	want(t, check, Failed, "not a directory", "run doctor as root")
	if there {
		t.Error("what cannot be is looked into")
	}
	for path, expected := range map[string]struct {
		outcome Outcome
		detail  string
	}{folder: {Warning, "can be entered by others (mode 0750)"}, file: {Failed, file + " can be read by others"}} {
		info, err := os.Stat(path)
		if err == nil {
			err = os.Chmod(path, info.Mode().Perm()|info.Mode().Perm()>>3&0o050)
		}
		if err != nil {
			t.Fatal(err)
		}
		check, _ = in(path[:len(folder)])
		want(t, check, expected.outcome, expected.detail, "chmod go= "+path)
		if err := os.Chmod(path, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	// Not even root makes files there.
	check, there = in("/proc/self/fd")
	want(t, check, Failed, "cannot be written", "an agent that cannot write there ends")
	if !there {
		t.Error("a folder that cannot be written is not looked into")
	}
}

func TestADiskThatIsFullIsFound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		room         room
		outcome      Outcome
		detail, next string
	}{
		{room{bytes: littleSpace}, OK, "200 MB free at /state", ""},
		{room{bytes: littleSpace, files: leastFiles, filesKnown: true}, OK, "200 MB free", ""},
		{room{bytes: littleSpace - 1}, Warning, "199 MB free at /state, less than 200 MB", "make room"},
		{room{bytes: leastSpace - 1}, Failed, fmt.Sprintf("needed are %d MB", leastSpace>>20), "make room"},
		{room{bytes: littleSpace, files: leastFiles - 1, filesKnown: true}, Failed, "room for 99 more files, needed are 100", "make room"},
	} {
		want(t, test.room.judge("/state"), test.outcome, test.detail, test.next)
	}
	want(t, (&Patient{StateDir: filepath.Join(t.TempDir(), "none")}).disk(), Warning, "room cannot be told", "df")
	if check := (&Patient{StateDir: t.TempDir()}).disk(); !strings.Contains(check.Detail, "MB free at ") {
		t.Errorf("of a disk that is there it says %+v", check)
	}
}

func TestAWorkerThatCannotRunIsFound(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "vedette-agent-worker")
	p := &Patient{Worker: path}
	want(t, p.worker(), Failed, "no such file", "WorkerPath=")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, p.worker(), Failed, path+" is no program", "chmod +x "+path)
	if err := os.Chmod(path, 0o700); err != nil {
		t.Fatal(err)
	}
	want(t, p.worker(), OK, path, "")
}

func TestRightsThatAreMissingAreFound(t *testing.T) {
	t.Parallel()
	all := []need{{path: "/packages", what: "packages"}, {path: "/serial", what: "serial number"}, {path: "/holders", what: "which program holds a port", spared: true}}
	for _, test := range []struct {
		denied, missing string
		outcome         Outcome
		detail, next    string
	}{
		{"", "", OK, " may read what collectors read", ""},
		{"", "/packages", OK, " may read what collectors read", ""}, // a host without them
		{"/serial", "", Warning, "may not read /serial (serial number): inventories lack them", "CAP_DAC_READ_SEARCH"},
		{"/packages /serial", "", Warning, "/packages (packages), /serial (serial number)", "run the agent as root"},
		{"/holders", "", OK, "all but which program holds a port: docs/packages.md says how to allow it", ""},
	} {
		check := rightsTo(all, func(path string) error {
			switch {
			case strings.Contains(test.denied, path):
				return &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
			case path == test.missing:
				return &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return nil
		})
		want(t, check, test.outcome, test.detail, test.next)
	}
}
