package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation"
)

// The addresses of the test below. The two networks have a cable between them, over
// which the closed one dials out; the target is on an address to which the
// platform's has no route.
const (
	openAddress   = "198.51.100.1"
	gateAddress   = "198.51.100.2"
	targetAddress = "203.0.113.9:8443"
	// insideVariable is the process of the closed network, for the test once it is in
	// the open one.
	insideVariable = "VEDETTE_TEST_CLOSED_NETWORK"
)

// TestAPlatformInAClosedNetworkIsReachedThroughARelay has two networks of their
// own: one with a platform, the other one with the platform that it calls and a
// relay beside that, both as programs. The test goes into the first network by
// running itself again there, so that nothing of it could call the target directly.
func TestAPlatformInAClosedNetworkIsReachedThroughARelay(t *testing.T) {
	t.Parallel()
	if pid := os.Getenv(insideVariable); pid != "" {
		inTheOpenNetwork(t, []string{"nsenter", "--target", pid, "--net", "--"})
		return
	}
	open, closed := newNetwork(t), newNetwork(t)
	for _, command := range []string{
		fmt.Sprintf("ip link add cable netns %d type veth peer name cable netns %d", open, closed),
		"open ip address add " + openAddress + "/32 dev cable", "open ip link set cable up", "open ip route add " + gateAddress + " dev cable src " + openAddress,
		"closed ip address add " + gateAddress + "/32 dev cable", "closed ip link set cable up", "closed ip route add " + openAddress + " dev cable src " + gateAddress,
		"closed ip address add " + strings.TrimSuffix(targetAddress, ":8443") + "/32 dev lo",
	} {
		arguments := strings.Fields(command)
		for name, pid := range map[string]int{"open": open, "closed": closed} {
			if arguments[0] == name {
				arguments = append([]string{"nsenter", "--target", strconv.Itoa(pid), "--net", "--"}, arguments[1:]...)
			}
		}
		if said, err := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, said)
		}
	}
	again := exec.CommandContext(t.Context(), "nsenter", "--target", strconv.Itoa(open), "--net", "--", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	again.Env = append(os.Environ(), insideVariable+"="+strconv.Itoa(closed))
	said, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(said), "--- PASS: "+t.Name()) {
		t.Errorf("in the open network: %v\n%s", err, said)
	}
}

// newNetwork makes a network that is there until the test ends, and returns the
// process that holds it.
func newNetwork(t *testing.T) int {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes networks of its own, which only root may: run it as root, as CI does, or in a privileged container")
	}
	holder := exec.Command("sh", "-euc", "ip link set lo up; echo ready; exec cat")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	stdin, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatalf("make a network (is the container privileged?): %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = holder.Process.Kill()
		_ = holder.Wait() // it was killed
	})
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatal("a network was not made (is the container privileged?)")
	}
	return holder.Process.Pid
}

// program starts vedette in the closed network, and waits until it says that it is
// ready.
func program(t *testing.T, enter []string, ready string, arguments ...string) *exec.Cmd {
	t.Helper()
	vedette, err := exec.LookPath("vedette") // this program, under that name
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(enter[0], append(append(append([]string{}, enter[1:]...), vedette), arguments...)...)
	cmd.Env = append(os.Environ(), "NO_PROXY=*")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log := &lockedBuffer{}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	said := make(chan bool, 1)
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), ready) {
				select {
				case said <- true:
				default:
				}
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("vedette %s said:\n%s", arguments[0], log)
		}
	})
	select {
	case <-said:
	case <-ended:
		t.Fatalf("vedette %s ended:\n%s", strings.Join(arguments, " "), log)
	case <-time.After(time.Minute):
		t.Fatalf("vedette %s is not ready:\n%s", strings.Join(arguments, " "), log)
	}
	return cmd
}

// inTheOpenNetwork is the test with its platform in the open network; enter begins
// a command in the closed one.
func inTheOpenNetwork(t *testing.T, enter []string) {
	data := filepath.Join(t.TempDir(), "target")
	program(t, enter, "Vedette is up.", "up", "--data", data, "--listen", targetAddress, "--no-agent")
	if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", targetAddress); err == nil {
		_ = conn.Close()
		t.Fatal("the target is reached directly")
	}
	content, err := os.ReadFile(filepath.Join(data, adminEnvFile))
	if err != nil {
		t.Fatal(err)
	}
	n := openNetwork(t, platformConfig{Listen: openAddress + ":0"}, readAdminEnv(content))
	relay := strings.Fields(n.relay)
	isOffline := func(o automation.Outcome) bool {
		return o.State == automation.Failed && len(o.Errors) == 1 && o.Errors[0].StatusCode == 503 && strings.HasPrefix(o.Errors[0].Message, "Relay plant is offline: ")
	}
	if o := n.search(t); !isOffline(o) {
		t.Errorf("without a relay: %s %+v", o.State, o.Errors)
	}

	const connected = "Relay plant is connected"
	running := program(t, enter, connected, append(relay, "--allow", targetAddress)...)
	n.eventually(t, "the search succeeds", func(o automation.Outcome) bool { return o.State == automation.Successful })
	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	n.eventually(t, "the relay is missed", isOffline)

	running = program(t, enter, connected, append(relay, "--allow", "203.0.113.9:443")...)
	n.eventually(t, "the target is refused", func(o automation.Outcome) bool {
		return o.State == automation.Failed && o.Errors[0].StatusCode == 403 && strings.HasPrefix(o.Errors[0].Message, "Relay plant refuses the target "+targetAddress)
	})
	if err := running.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	program(t, enter, connected, append(relay, "--allow", targetAddress)...)
	n.eventually(t, "the search succeeds again", func(o automation.Outcome) bool { return o.State == automation.Successful })
}
