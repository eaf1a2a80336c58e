package test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// output runs a program of this machine and returns what it printed.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// packed makes the packages of the agent for this architecture from the binaries of
// these tests, beside which a platform looks for them, and returns the version.
var packed = sync.OnceValues(func() (version string, err error) {
	said, err := exec.Command(filepath.Join(binaries, "vedette-agent"), "version").Output()
	if err != nil {
		return "", err
	}
	version = strings.TrimSpace(string(said))
	for _, step := range [][]string{
		{"make", "--no-print-directory", ".tools/nfpm"}, // built by "make test" already
		{"tools/package-agent", ".tools/nfpm", version, runtime.GOARCH, binaries, filepath.Join(binaries, "packages")},
	} {
		cmd := exec.Command(step[0], step[1:]...)
		cmd.Dir = ".."
		if said, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(step, " "), err, said)
		}
	}
	return version, nil
})

// pack returns the folder with the packages and their version.
func pack(t *testing.T) (dir, version string) {
	t.Helper()
	version, err := packed()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(binaries, "packages"), version
}

// TestTheAgentIsInstalledFromADownloadedPackage goes the way of an operator: what
// was packed is offered by a platform, downloaded, unpacked and run.
func TestTheAgentIsInstalledFromADownloadedPackage(t *testing.T) {
	t.Parallel()
	_, version := pack(t)
	architecture := map[string]string{"amd64": "X_64", "arm64": "ARM_64"}[runtime.GOARCH]
	f := newFolder(t)
	p := f.startPlatform(t, []string{"up", "--data", f.path, "--listen", "127.0.0.1:0", "--no-agent"})
	p.awaitReady(t)

	listed := f.vedette(t, "agents", "packages", "-o", "csv")
	for _, want := range []string{"LINUX," + architecture + "," + version + ",.rpm,", "LINUX_UBUNTU," + architecture + "," + version + ",.deb,"} {
		if !strings.Contains(listed, "\n"+want+"Hash-SHA-256: ") {
			t.Errorf("packages lack %s:\n%s", want, listed)
		}
	}
	deb, rpm := filepath.Join(t.TempDir(), "agent.deb"), filepath.Join(t.TempDir(), "agent.rpm")
	f.vedette(t, "agents", "download", "--platform", "LINUX_UBUNTU", "--architecture", architecture, "-O", deb)
	f.vedette(t, "agents", "download", "--platform", "LINUX", "--architecture", architecture, "-O", rpm)

	host := t.TempDir()
	output(t, "dpkg-deb", "--extract", deb, host)
	if got := output(t, filepath.Join(host, "usr/lib/vedette-agent/vedette-agent"), "version"); strings.TrimSpace(got) != version {
		t.Errorf("the installed agent has version %q, want %s", got, version)
	}
	if got := output(t, "rpm", "--query", "--package", "--queryformat", "%{NAME} %{VERSION}", rpm); got != "vedette-agent "+version {
		t.Errorf("the package for RPM systems is %q", got)
	}
	output(t, "rpm", "--checksig", "--nosignature", rpm)
}

func TestPackagesHoldWhatAnAgentNeedsAndNothingSecret(t *testing.T) {
	t.Parallel()
	_, version := pack(t)
	deb := debFile(t)
	for field, want := range map[string]string{
		"Package": "vedette-agent", "Version": version, "Architecture": runtime.GOARCH, "Depends": "", "Section": "admin",
	} {
		if got := strings.TrimSpace(output(t, "dpkg-deb", "--field", deb, field)); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	want := []string{
		"-rw-r--r-- root/root ./usr/lib/systemd/system/vedette-agent.service",
		"-rw-r--r-- root/root ./usr/lib/sysusers.d/vedette-agent.conf",
		"-rw-r--r-- root/root ./usr/lib/tmpfiles.d/vedette-agent.conf",
		"-rwxr-xr-x root/root ./usr/lib/vedette-agent/vedette-agent",
		"-rwxr-xr-x root/root ./usr/lib/vedette-agent/vedette-agent-worker",
		"lrwxrwxrwx root/root ./usr/sbin/vedette-agent -> /usr/lib/vedette-agent/vedette-agent",
		"-rw-r--r-- root/root ./usr/share/doc/vedette-agent/copyright",
	}
	if got := filesOf(output(t, "dpkg-deb", "--contents", deb)); !slices.Equal(got, want) {
		t.Errorf("the package holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	control := t.TempDir()
	output(t, "dpkg-deb", "--control", deb, control)
	if conffiles, err := os.ReadFile(filepath.Join(control, "conffiles")); err == nil && len(bytes.TrimSpace(conffiles)) > 0 {
		t.Errorf("the package has configuration files: %s", conffiles)
	}
	for _, script := range []string{"postinst", "prerm"} {
		output(t, "sh", "-n", filepath.Join(control, script))
	}
	wantUnitOfTheAgent(t, deb)
}

// debOfTheAgent returns the folder that the deb package was unpacked into.
func debOfTheAgent(t *testing.T) (host string) {
	t.Helper()
	host = t.TempDir()
	output(t, "dpkg-deb", "--extract", debFile(t), host)
	return host
}

// debFile returns the deb package of the agent.
func debFile(t *testing.T) string {
	t.Helper()
	dir, _ := pack(t)
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("packages %v: %v", debs, err)
	}
	return debs[0]
}

// filesOf returns mode, owner and name of what is no folder.
func filesOf(contents string) []string {
	var files []string
	for line := range strings.Lines(contents) {
		if f := strings.Fields(line); len(f) >= 6 && f[0][0] != 'd' {
			if f[0][0] == 'l' { // whose mode means nothing
				f[0] = "lrwxrwxrwx"
			}
			files = append(files, strings.Join(slices.Concat(f[:2], f[5:]), " "))
		}
	}
	return files
}

// wantUnitOfTheAgent checks that the service starts what the package installs, and
// waits for the identity that the agent itself writes.
func wantUnitOfTheAgent(t *testing.T, deb string) {
	t.Helper()
	host := t.TempDir()
	output(t, "dpkg-deb", "--extract", deb, host)
	unit, err := os.ReadFile(filepath.Join(host, "usr/lib/systemd/system/vedette-agent.service"))
	if err != nil {
		t.Fatal(err)
	}
	start := regexp.MustCompile(`(?m)^ExecStart=(\S+) run$`).FindSubmatch(unit)
	if start == nil {
		t.Fatalf("the unit does not start the agent:\n%s", unit)
	}
	for _, program := range []string{string(start[1]), string(start[1]) + "-worker"} {
		if _, err := os.Stat(filepath.Join(host, program)); err != nil {
			t.Errorf("the unit needs what is not installed: %v", err)
		}
	}
	help := output(t, filepath.Join(host, string(start[1])), "help")
	state := regexp.MustCompile(`StateDir=PATH +state folder, by default (\S+)`).FindStringSubmatch(help)
	if len(state) != 2 || !bytes.Contains(unit, []byte("\nConditionPathExists="+state[1]+"/identity.json\n")) {
		t.Errorf("the unit does not wait for the identity in the state folder %v:\n%s", state, unit)
	}
}
