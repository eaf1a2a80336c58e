package upgrade

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

var at = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// open returns the versions of a fresh state folder.
func open(t *testing.T) *Versions {
	t.Helper()
	return reopen(t, t.TempDir())
}

func reopen(t *testing.T, stateDir string) *Versions {
	t.Helper()
	v, err := Open(stateDir)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// install puts a version beside the others, as Upgrader does.
func (v *Versions) install(t *testing.T, version string) {
	t.Helper()
	if err := os.MkdirAll(v.file(incoming), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.file(incoming, Program), []byte(version), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := v.place(version); err != nil {
		t.Fatal(err)
	}
}

// upgrade brings a host from one version to another that passed its trial.
func (v *Versions) upgrade(t *testing.T, from, to string) {
	t.Helper()
	v.install(t, to)
	if err := errors.Join(v.begin(to, from), v.passed(to, at)); err != nil {
		t.Fatal(err)
	}
}

func (v *Versions) wantCurrent(t *testing.T, current string, onTrial bool) {
	t.Helper()
	got, on, err := v.settle("2.0.0")
	if err != nil || got != current || (on != nil) != onTrial {
		t.Errorf("current is %q, trial %v, error %v; want %q, on trial %t", got, on, err, current, onTrial)
	}
	if current != "" {
		if content, err := os.ReadFile(v.program(current)); err != nil || string(content) != current {
			t.Errorf("program of %s: %q, %v", current, content, err)
		}
	}
}

func TestVersionsComeAndGo(t *testing.T) {
	t.Parallel()
	v := open(t)
	v.wantCurrent(t, "", false)
	if _, err := os.Stat(v.path); err == nil {
		t.Error("a folder was made for nothing")
	}
	v.install(t, "2.1.0")
	v.wantCurrent(t, "", false)

	v.install(t, "2.1.0") // settle removed what nobody began
	if err := v.begin("2.1.0", "2.0.0"); err != nil {
		t.Fatal(err)
	}
	v.wantCurrent(t, "2.1.0", true)
	if err := v.passed("2.1.0", at); err != nil {
		t.Fatal(err)
	}
	v.wantCurrent(t, "2.1.0", false)
	if r := v.report(); r == nil || *r != (agentwire.UpgradeReport{Outcome: agentwire.UpgradeDone, From: "2.0.0", To: "2.1.0", At: at}) {
		t.Errorf("report is %+v", r)
	}

	v.upgrade(t, "2.1.0", "2.2.0")
	v.upgrade(t, "2.2.0", "2.3.0")
	v.wantCurrent(t, "2.3.0", false)
	if _, err := os.Stat(v.program("2.1.0")); err == nil {
		t.Error("more than the previous version was kept")
	}
	for _, want := range []string{"2.2.0", ""} {
		if _, to, err := v.RollBack("by hand", at); err != nil || to != want {
			t.Errorf("rolled back to %q (%v), want %q", to, err, want)
		}
		v.wantCurrent(t, want, false)
	}
	if _, _, err := v.RollBack("by hand", at); !errors.Is(err, ErrPackaged) {
		t.Errorf("one more roll back: %v", err)
	}
}

func TestAVersionThatWasRolledBackIsNotTriedAgainBeforeSomebodySaysSo(t *testing.T) {
	t.Parallel()
	v := open(t)
	v.install(t, "2.1.0")
	if err := v.begin("2.1.0", "2.0.0"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.rollBack("2.1.0", "it was\nbroken", at); err != nil {
		t.Fatal(err)
	}
	v.wantCurrent(t, "", false)
	if r := v.report(); r == nil || *r != (agentwire.UpgradeReport{Outcome: agentwire.UpgradeRolledBack, From: "2.0.0", To: "2.1.0", Reason: "it was broken", At: at}) {
		t.Errorf("report is %+v", r)
	}
	v.install(t, "2.1.0")
	if err := v.begin("2.1.0", "2.0.0"); err == nil {
		t.Error("it was begun again")
	}
	again, err := v.Retry()
	if err != nil || len(again) != 1 || again[0] != "2.1.0" {
		t.Errorf("to be tried again: %v, %v", again, err)
	}
	if err := v.begin("2.1.0", "2.0.0"); err != nil {
		t.Error(err)
	}
}

func TestAPackageAsNewAsTheCurrentVersionTakesItsPlace(t *testing.T) {
	t.Parallel()
	for packaged, want := range map[string]string{"2.0.9": "2.1.0", "2.1.0": "", "2.2.0": "", "": "2.1.0"} {
		v := open(t)
		v.upgrade(t, "2.0.0", "2.1.0")
		if current, _, err := v.settle(packaged); err != nil || current != want {
			t.Errorf("beside a package of %q the current version is %q (%v), want %q", packaged, current, err, want)
		}
	}
}

// TestAKillBetweenTwoStepsLeavesAVersionThatRuns makes what a process leaves that
// is killed after it wrote the record and before it swapped the link, which are
// the two steps of every change.
func TestAKillBetweenTwoStepsLeavesAVersionThatRuns(t *testing.T) {
	t.Parallel()
	begin := func(v *Versions) error { return v.begin("2.2.0", "2.1.0") }
	back := func(v *Versions) error {
		_, _, err := v.rollBack("", "it was broken", at)
		return err
	}
	for name, tt := range map[string]struct {
		before, change func(v *Versions) error
		want           string
		given          bool // the new version was given up
	}{
		"while a version is put on trial":         {func(*Versions) error { return nil }, begin, "2.1.0", false},
		"while a version on trial is rolled back": {begin, back, "2.1.0", true},
		"while a version is rolled back later": {func(v *Versions) error {
			return errors.Join(begin(v), v.passed("2.2.0", at))
		}, back, "2.1.0", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stateDir := t.TempDir()
			v := reopen(t, stateDir)
			v.upgrade(t, "2.0.0", "2.1.0")
			v.install(t, "2.2.0")
			if err := tt.before(v); err != nil {
				t.Fatal(err)
			}
			link, err := v.current()
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.change(v); err != nil {
				t.Fatal(err)
			}
			if err := v.point(link); err != nil { // as if it had not come to it
				t.Fatal(err)
			}
			next := reopen(t, stateDir)
			next.wantCurrent(t, tt.want, false)
			if given, err := next.givenUp("2.2.0"); err != nil || given != tt.given {
				t.Errorf("2.2.0 given up: %t, %v", given, err)
			}
			next.wantCurrent(t, tt.want, false) // and so it stays
		})
	}
}

func TestWhatIsDamagedLeavesAVersionThatRuns(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		damage func(v *Versions) error
		want   string
	}{
		"no record":     {func(v *Versions) error { return os.Remove(v.file("upgrade.json")) }, "2.2.0"},
		"half a record": {func(v *Versions) error { return os.WriteFile(v.file("upgrade.json"), []byte(`{"trial`), 0o600) }, "2.2.0"},
		"no program":    {func(v *Versions) error { return os.Remove(v.program("2.2.0")) }, "2.1.0"},
		"no program at all": {func(v *Versions) error {
			return errors.Join(os.Remove(v.program("2.2.0")), os.Remove(v.program("2.1.0")))
		}, ""},
		"half an installation": {func(v *Versions) error { return os.MkdirAll(v.file(incoming), 0o700) }, "2.2.0"},
		"half a swap":          {func(v *Versions) error { return os.Symlink("2.1.0", v.file("current.new")) }, "2.2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stateDir := t.TempDir()
			v := reopen(t, stateDir)
			v.upgrade(t, "2.0.0", "2.1.0")
			v.upgrade(t, "2.1.0", "2.2.0")
			if err := tt.damage(v); err != nil {
				t.Fatal(err)
			}
			next := reopen(t, stateDir)
			next.wantCurrent(t, tt.want, false)
			if left, _ := filepath.Glob(next.file(incoming)); left != nil {
				t.Errorf("left behind: %v", left)
			}
			next.install(t, "2.3.0")
			if err := next.begin("2.3.0", tt.want); err != nil {
				t.Error(err)
			}
			next.wantCurrent(t, "2.3.0", true)
		})
	}
}
