package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// maxExposure is what systemd-analyze security may say of the agent's service, of
// 100 for one without any protection; docs/packages.md has what it says.
const maxExposure = 20

const unitPath = "usr/lib/systemd/system/vedette-agent.service"

func TestTheServiceIsUnderstoodBySystemdAndLittleExposed(t *testing.T) {
	t.Parallel()
	host := debOfTheAgent(t)
	unit, err := os.ReadFile(filepath.Join(host, unitPath))
	if err != nil {
		t.Fatal(err)
	}
	// Verified as it is, but for the programs: they are not where they will be.
	installed := filepath.Join(t.TempDir(), "vedette-agent.service")
	if err := os.WriteFile(installed, []byte(strings.ReplaceAll(string(unit), "=/usr/lib/", "="+host+"/usr/lib/")), 0o644); err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", installed).CombinedOutput()
	if err != nil || len(said) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, said)
	}
	said, err = exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager",
		"--threshold="+strconv.Itoa(maxExposure), filepath.Join(host, unitPath)).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security, at most %d: %v\n%s", maxExposure, err, said)
	}
	figure := regexp.MustCompile(`exposure level for vedette-agent.service: ([0-9.]+)`).FindSubmatch(said)
	if figure == nil {
		t.Fatalf("systemd-analyze security said no figure:\n%s", said)
	}
	t.Logf("exposure of the agent's service: %s of 10", figure[1])
}

// settings returns the values of a setting in the agent's unit, a line each.
func unitSettings(t *testing.T, unit []byte, name string) []string {
	t.Helper()
	var values []string
	for _, m := range regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllSubmatch(unit, -1) {
		values = append(values, string(m[1]))
	}
	if len(values) == 0 {
		t.Fatalf("the unit has no %s", name)
	}
	return values
}

// allowedCalls returns the system calls that the unit lets through, by what
// systemd says of the groups it names.
func allowedCalls(t *testing.T, unit []byte) map[string]bool {
	t.Helper()
	allowed := make(map[string]bool)
	for _, line := range unitSettings(t, unit, "SystemCallFilter") {
		line, takes := strings.CutPrefix(line, "~")
		for _, name := range strings.Fields(line) {
			for _, call := range callsOf(t, name) {
				allowed[call] = !takes
			}
		}
	}
	// systemd lets these through whatever the list is.
	for _, call := range callsOf(t, "@default") {
		allowed[call] = true
	}
	return allowed
}

// callsOf returns the system calls of a group, or the one of that name.
func callsOf(t *testing.T, name string) []string {
	t.Helper()
	if !strings.HasPrefix(name, "@") {
		return []string{name}
	}
	var calls []string
	for line := range strings.Lines(output(t, "systemd-analyze", "--no-pager", "syscall-filter", name)) {
		switch line = strings.TrimSpace(line); {
		case line == name || line == "" || strings.HasPrefix(line, "#"):
		default:
			calls = append(calls, callsOf(t, line)...)
		}
	}
	return calls
}

// readOnly makes paths read-only, as ReadOnlyPaths= does, and runs the command
// that follows them.
const readOnly = `
while [ "$1" != -- ]; do
	mount --bind "$1" "$1"
	mount -o remount,bind,ro "$1"
	shift
done
shift
exec "$@"
`

// serviceUser stands for the user of the service, which this machine need not have.
const serviceUser = 64321

// tracing is what the drop-in of docs/packages.md adds, after which inventories say
// which program holds a port.
const tracing = "CAP_SYS_PTRACE"

// capabilitiesOf returns the capabilities that the unit gives the agent.
func capabilitiesOf(t *testing.T, unit []byte) []string {
	t.Helper()
	given := unitSettings(t, unit, "AmbientCapabilities")
	if most := unitSettings(t, unit, "CapabilityBoundingSet"); !slices.Equal(given, most) {
		t.Errorf("the unit gives %v and allows %v", given, most)
	}
	if user := unitSettings(t, unit, "User"); !slices.Equal(user, []string{"vedette-agent"}) {
		t.Errorf("the service runs as %v", user)
	}
	return strings.Fields(strings.Join(given, " "))
}

// confined returns what runs a command as another user than root with these
// capabilities, where the paths are read-only that are so for the service.
func confined(t *testing.T, unit []byte, capabilities []string) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test becomes another user with capabilities, as the agent's service does: run it as root, as CI does")
	}
	set := "-all"
	for _, name := range capabilities {
		set += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	user := strconv.Itoa(serviceUser)
	return slices.Concat([]string{"unshare", "--mount", "--", "sh", "-euc", readOnly, "sh"}, unitSettings(t, unit, "ReadOnlyPaths"),
		[]string{"--", "setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups", "--bounding-set=" + set, "--inh-caps=" + set, "--ambient-caps=" + set, "--no-new-privs", "--"})
}

// TestTheServiceReachesIntoNoOtherProcess tries the ways into a process of root
// from the rights of the service, and from those that the drop-in of
// docs/packages.md adds: it reads memory then, and still writes nothing.
func TestTheServiceReachesIntoNoOtherProcess(t *testing.T) {
	t.Parallel()
	unit, err := os.ReadFile(filepath.Join(debOfTheAgent(t), unitPath))
	if err != nil {
		t.Fatal(err)
	}
	allowed := allowedCalls(t, unit)
	for _, call := range []string{"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"} {
		if allowed[call] {
			t.Errorf("the unit lets %s through", call)
		}
	}
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("of root\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	given := capabilitiesOf(t, unit)
	process := fmt.Sprintf("/proc/%d/", os.Getpid())
	const denied = "Permission denied"
	for _, try := range []struct {
		script        string
		alone, traces string // what the shell says; "" for a success
	}{
		{"read -r line <" + secret, "", ""},
		{": 3<>" + secret, denied, denied},
		{": 3<" + process + "mem", denied, ""},
		{": 3<>" + process + "mem", denied, denied},
		{"read -r line <" + process + "root" + secret, denied, ""},
		{": 3<>" + process + "root" + secret, denied, denied},
		{": 3<>" + process + "root" + process + "mem", denied, denied},
	} {
		for _, as := range []struct {
			name, want   string
			capabilities []string
		}{{"the service", try.alone, given}, {"the service with " + tracing, try.traces, slices.Concat(given, []string{tracing})}} {
			said, err := runIn(t, confined(t, unit, as.capabilities), try.script)
			if (err == nil) != (as.want == "") || !strings.Contains(said, as.want) {
				t.Errorf("%s, %s: %v %s, want %q", as.name, try.script, err, said, as.want)
			}
		}
	}
}

// runIn runs a script after a prefix and returns what it said.
func runIn(t *testing.T, prefix []string, script string) (said string, err error) {
	t.Helper()
	command := slices.Concat(prefix, []string{"sh", "-c", script})
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	return string(out), err
}

// TestTheServiceMayDoWhatTakingStockNeeds runs the agent with the rights that its
// unit gives it and the paths it may only read, over this machine, and compares
// the system calls it and its worker make with those the unit lets through: one
// that is refused may go unnoticed, as best effort does.
func TestTheServiceMayDoWhatTakingStockNeeds(t *testing.T) {
	t.Parallel()
	host := debOfTheAgent(t)
	unit, err := os.ReadFile(filepath.Join(host, unitPath))
	if err != nil {
		t.Fatal(err)
	}
	port := listenAsNobody(t)
	allowed := allowedCalls(t, unit)
	given := capabilitiesOf(t, unit)
	for name, as := range map[string]struct {
		capabilities []string
		program      string // that holds the port, as far as it sees
	}{
		"as it is packed":         {given, ""},
		"with the right to trace": {slices.Concat(given, []string{tracing}), "cat"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, ports := takeStock(t, host, confined(t, unit, as.capabilities))
			if program, found := ports[port]; !found || program != as.program {
				t.Errorf("port %d belongs to %q, want %q; it is one of %v", port, program, as.program, ports)
			}
			var refused []string
			for call := range made {
				if !allowed[call] {
					refused = append(refused, call)
				}
			}
			slices.Sort(refused)
			if len(refused) > 0 || !made["ioprio_set"] || !made["connect"] {
				t.Errorf("of %d system calls of agent and worker the unit refuses %v", len(made), refused)
			}
		})
	}
}

// takeStock has an agent that runs after a prefix take stock of this machine, and
// returns the system calls it made and the ports it found.
func takeStock(t *testing.T, host string, prefix []string) (made map[string]bool, ports map[int]string) {
	t.Helper()
	f := newFolder(t)
	f.startPlatform(t, []string{"up", "--data", f.path, "--listen", "127.0.0.1:0", "--no-agent"}).awaitReady(t)
	own := t.TempDir()
	if err := os.Chown(own, serviceUser, serviceUser); err != nil {
		t.Fatal(err)
	}
	calls := filepath.Join(own, "calls")
	command := slices.Concat(prefix, []string{
		"strace", "-f", "-qq", "-o", calls, filepath.Join(host, "usr/lib/vedette-agent/vedette-agent"), "run",
		"ServerUri=" + f.variable(t, "VEDETTE_URL"), "CaFile=" + f.variable(t, "VEDETTE_CA_FILE"), "StateDir=" + filepath.Join(own, "state"), "ExitWithParent=1",
	})
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), f.environment(t)...)
	endsIt, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	eventually(t, "this machine is searchable", func() bool { return len(f.openPorts(t)) > 0 })
	ports = f.openPorts(t)
	_ = endsIt.Close()
	if err := <-ended; err != nil {
		t.Errorf("the agent ended: %v\n%s", err, said.String())
	}
	trace, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	made = make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^[0-9]+ +([a-z0-9_]+)\(`).FindAllSubmatch(trace, -1) {
		made[string(m[1])] = true
	}
	return made, ports
}

// listenAsNobody has a program of another user hold a listening port, and returns
// the port.
func listenAsNobody(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	const nobody = "65534"
	cmd := exec.Command("setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--", "cat")
	cmd.ExtraFiles = []*os.File{file}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	// Now it is the other's alone.
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

// openPorts returns the owners of the one asset's open TCP ports.
func (f *folder) openPorts(t *testing.T) map[int]string {
	t.Helper()
	var raw struct {
		ServiceResponse struct {
			Data struct {
				HostAsset []struct {
					OpenPort struct {
						List []struct {
							HostAssetOpenPort struct {
								Port        int    `json:"port"`
								Protocol    string `json:"protocol"`
								ServiceName string `json:"serviceName"`
							} `json:"HostAssetOpenPort"`
						} `json:"list"`
					} `json:"openPort"`
				}
			} `json:"data"`
		}
	}
	out := f.vedette(t, "agents", "search", "-o", "json")
	if err := json.Unmarshal([]byte(out), &raw); err != nil {
		t.Fatal(fmt.Errorf("search printed %q: %w", out, err))
	}
	ports := make(map[int]string)
	for _, asset := range raw.ServiceResponse.Data.HostAsset {
		for _, p := range asset.OpenPort.List {
			if p.HostAssetOpenPort.Protocol == "TCP" {
				ports[p.HostAssetOpenPort.Port] = p.HostAssetOpenPort.ServiceName
			}
		}
	}
	return ports
}
