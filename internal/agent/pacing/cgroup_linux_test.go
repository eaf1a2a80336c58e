package pacing

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// tree is a folder that looks like a cgroup2 file system. The files of its groups
// are plain ones, so what was written to them last is there to be read.
type tree struct {
	t     *testing.T
	dir   string
	marks map[string]string // extended attributes of unit.service
}

// newTree makes the groups of a service, with the files the kernel puts into each.
func newTree(t *testing.T) *tree {
	t.Helper()
	tr := &tree{t, t.TempDir(), map[string]string{"user.delegate": "1"}}
	for _, group := range []string{"unit.service", "unit.service/agent", "unit.service/scan"} {
		for _, file := range []string{"cgroup.procs", "cgroup.subtree_control", "cpu.max"} {
			tr.put(filepath.Join(group, file), "")
		}
	}
	tr.put("unit.service/cgroup.controllers", "cpu io memory pids\n")
	tr.put("self", "4:memory:/elsewhere\n0::/unit.service\n")
	return tr
}

func (tr *tree) put(name, content string) {
	tr.t.Helper()
	path := filepath.Join(tr.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *tree) get(name string) string {
	tr.t.Helper()
	doc, err := os.ReadFile(filepath.Join(tr.dir, name))
	if err != nil {
		tr.t.Fatal(err)
	}
	return string(doc)
}

// claim claims the group as a process would to which the service was delegated.
func (tr *tree) claim() *controlGroup {
	return claim(cgroups{
		mount: tr.dir, self: filepath.Join(tr.dir, "self"),
		mark: func(dir, attribute string) (string, error) {
			if mark := tr.marks[attribute]; mark != "" && dir == filepath.Join(tr.dir, "unit.service") {
				return mark, nil
			}
			return "", syscall.ENODATA
		},
	})
}

func TestAChildIsHeldByTheDelegatedControlGroup(t *testing.T) {
	t.Parallel()
	for name, self := range map[string]string{
		"process in the delegated group": "0::/unit.service\n",
		"process in its leaf":            "0::/unit.service/agent\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			tr.put("self", self)
			pacer := &Pacer{claim: tr.claim}
			cmd := exec.CommandContext(t.Context(), "true")
			if err := pacer.Run(cmd, 5); err != nil {
				t.Fatal(err)
			}
			for file, want := range map[string]string{
				"unit.service/agent/cgroup.procs":     strconv.Itoa(os.Getpid()),
				"unit.service/cgroup.subtree_control": "+cpu",
				"unit.service/scan/cpu.max":           "5000 100000",
				"unit.service/scan/cgroup.procs":      strconv.Itoa(cmd.Process.Pid),
			} {
				if got := tr.get(file); got != want {
					t.Errorf("%s holds %q, want %q", file, got, want)
				}
			}
		})
	}
}

func TestTheNextChildHasALimitOfItsOwn(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	pacer := &Pacer{claim: tr.claim}
	for limit, want := range map[int]string{2: "2000 100000", 100: "100000 100000", 250: "100000 100000"} {
		tr.put("unit.service/scan/cpu.max", "")
		if err := pacer.Run(exec.CommandContext(t.Context(), "true"), limit); err != nil {
			t.Fatal(err)
		}
		if got := tr.get("unit.service/scan/cpu.max"); got != want {
			t.Errorf("cpu.max holds %q at a limit of %d %%, want %q", got, limit, want)
		}
	}
}

func TestChildrenAtOnceShareTheControlGroupWithTheLimitOfTheLast(t *testing.T) {
	t.Parallel()
	tr := newTree(t)
	pacer := &Pacer{claim: tr.claim}
	first := exec.CommandContext(t.Context(), "sh", "-c", `until [ -s "$0" ]; do :; done; echo; exec cat`,
		filepath.Join(tr.dir, "unit.service/scan/cgroup.procs"))
	ends, err := first.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	runs, err := first.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- pacer.Run(first, 5) }()
	if _, err := runs.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := pacer.Run(exec.CommandContext(t.Context(), "true"), 50); err != nil {
		t.Fatal(err)
	}
	if got := tr.get("unit.service/scan/cpu.max"); got != "50000 100000" {
		t.Errorf("cpu.max holds %q while both run, want the limit of the last", got)
	}
	if err := ends.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAControlGroupOfOthersIsLeftAlone(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*tree){
		"mark of old":                    func(tr *tree) { tr.marks["user.delegate"] = "0" },
		"not delegated":                  func(tr *tree) { tr.put("self", "0::/other.service\n") },
		"leaf of another's making":       func(tr *tree) { tr.put("self", "0::/unit.service/scan\n") },
		"no cpu controller":              func(tr *tree) { tr.put("unit.service/cgroup.controllers", "cpuset memory\n") },
		"version 1 only":                 func(tr *tree) { tr.put("self", "4:memory:/unit.service\n") },
		"no control groups at all":       func(tr *tree) { tr.put("self", "") },
		"file system that cannot change": func(tr *tree) { tr.remove("unit.service/cgroup.subtree_control") },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTree(t)
			tr.put("other.service/cgroup.controllers", "cpu\n")
			change(tr)
			pacer := &Pacer{claim: tr.claim}
			if err := pacer.Run(exec.CommandContext(t.Context(), "true"), 5); err != nil {
				t.Fatal(err)
			}
			if got := tr.get("unit.service/scan/cgroup.procs") + tr.get("unit.service/scan/cpu.max"); got != "" {
				t.Errorf("%q was written to a group that is not ours", got)
			}
		})
	}
}

func (tr *tree) remove(name string) {
	tr.t.Helper()
	if err := os.Remove(filepath.Join(tr.dir, name)); err != nil {
		tr.t.Fatal(err)
	}
}

func TestAFolderWithoutTheMarkIsNotDelegated(t *testing.T) {
	t.Parallel()
	if dir := t.TempDir(); hostCgroups().delegated(dir) { // which we may write to, as root may everywhere
		t.Errorf("%s passes as delegated", dir)
	}
}
