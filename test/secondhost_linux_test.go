package test

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/server/certificate"
)

const (
	platformAddress = "198.51.100.1" // TEST-NET-2
	platformName    = "vedette.example.net"
	platformPort    = "8443"
)

// rpm is the one of this Debian, which knows of no package that is installed and
// is told so.
const rpm = "#!/bin/sh\nexec /usr/bin/rpm --force-debian --nodeps \"$@\"\n"

// site is a platform in a network of its own, with the packages of these binaries.
type site struct {
	*folder
	network *machine
	hosts   int
}

func newSite(t *testing.T) *site {
	t.Helper()
	pack(t)
	s := &site{folder: newFolder(t), network: newNetwork(t, "platform")}
	s.network.must(t, "", "ip", "address", "add", platformAddress+"/32", "dev", "lo")
	s.enter = s.network.enter
	s.startPlatform(t, []string{
		"up", "--data", s.path, "--no-agent", "--listen", net.JoinHostPort(platformAddress, platformPort),
		"--public-url", "https://" + net.JoinHostPort(platformName, platformPort),
	}).awaitReady(t)
	return s
}

// join has a machine reach the platform by its name.
func (s *site) join(t *testing.T, m *machine) *machine {
	t.Helper()
	s.hosts++
	connect(t, s.network, platformAddress, m, "198.51.100."+string(rune('1'+s.hosts)))
	m.must(t, platformAddress+" "+platformName+"\n", "sh", "-c", "cat >>/etc/hosts")
	m.must(t, "", "rm", "-rf", "/var/lib/vedette-agent") // of an agent that this machine may have
	return m
}

// awaitHost waits until a host is searchable and returns its asset.
func (s *site) awaitHost(t *testing.T, name string) asset {
	t.Helper()
	var found []asset
	eventually(t, name+" is searchable with its packages", func() bool {
		found = s.search(t, "--host-name", name)
		return len(found) == 1 && found[0].version("bash") != ""
	})
	return found[0]
}

// TestASecondHostJoinsWithALine installs the agent on machines of their own, with
// the line of each system, as an operator does it who has nothing but the line.
func TestASecondHostJoinsWithALine(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, version := pack(t)
	for _, system := range []string{"deb", "rpm", "tar.gz"} {
		name := strings.TrimSuffix(system, ".gz") + "-host"
		m := s.join(t, newMachine(t, name))
		m.install(t, "/usr/local/bin/rpm", rpm)
		line := s.vedette(t, "keys", "install-line", "1", "--system", system)

		said := m.must(t, line, "sh")
		if !strings.Contains(said, "ca.der: OK\n") || !strings.Contains(said, "It has no systemd: let its service manager run /usr/lib/vedette-agent/vedette-agent run\n") {
			t.Errorf("the line for %s said %s", system, said)
		}
		if got := strings.TrimSpace(m.must(t, "", "/usr/lib/vedette-agent/vedette-agent", "version")); got != version {
			t.Errorf("agent %q was installed, want %s", got, version)
		}
		m.must(t, "", "sh", "-c", "setsid /usr/lib/vedette-agent/vedette-agent run >/var/log/vedette-agent 2>&1 </dev/null &")
		asset := s.awaitHost(t, name)
		if system == "deb" && asset.version("vedette-agent") != version {
			t.Errorf("the inventory has version %q of the package it came with", asset.version("vedette-agent"))
		}
		if left := m.must(t, "", "find", "/tmp", "-mindepth", "1"); left != "" {
			t.Errorf("the line left behind: %s", left)
		}
	}
}

// TestALineBringsAnAgentUpToDate runs a line on a host with systemd that has no
// agent, and then where the agent runs, in its service as it is packed: the host
// stays the same asset.
func TestALineBringsAnAgentUpToDate(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.join(t, newBootedMachine(t, "again-host"))
	line := s.vedette(t, "keys", "install-line", "1", "--system", "deb")

	m.must(t, line, "sh")
	first := s.awaitHost(t, m.name)
	if said := m.must(t, "", "systemctl", "show", "--property=ActiveState,UnitFileState,NRestarts", "vedette-agent"); said != "NRestarts=0\nActiveState=active\nUnitFileState=enabled\n" {
		t.Errorf("the service is\n%s", said)
	}
	pid := m.mainPID(t)
	status := m.must(t, "", "cat", "/proc/"+pid+"/status")
	for _, want := range []string{"CapEff:\t0000000000000004\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"} { // CAP_DAC_READ_SEARCH alone
		if !strings.Contains(status, want) {
			t.Errorf("the agent's process lacks %q:\n%s", want, status)
		}
	}
	m.wantFoldersOfTheAgent(t, "vedette-agent")

	said := m.must(t, line, "sh")
	if id := first.AgentInfo.AgentID; !strings.Contains(said, "This host is agent "+id+".\n") {
		t.Errorf("the line said %s, the agent is %s", said, id)
	}
	if now := m.mainPID(t); now == pid || now == "0" {
		t.Errorf("process %s of the agent became %s", pid, now)
	}
	if again := s.awaitHost(t, m.name); again.ID != first.ID {
		t.Errorf("asset %d became %d", first.ID, again.ID)
	}
}

// foldersOfTheAgent is where it keeps what it must not forget.
var foldersOfTheAgent = []string{"/var/lib/vedette-agent", "/etc/vedette-agent"}

// wantFoldersOfTheAgent checks that all in them belongs to one user, and that
// nobody else may read it.
func (m *machine) wantFoldersOfTheAgent(t *testing.T, owner string) {
	t.Helper()
	for _, folder := range foldersOfTheAgent {
		if found := m.must(t, "", "find", folder, "-name", "host.key", "-o", "-name", "identity.json"); found == "" {
			t.Errorf("%s is empty", folder)
		}
		if others := m.must(t, "", "find", folder, "!", "-user", owner, "-o", "-perm", "/077", "!", "-type", "l"); others != "" {
			t.Errorf("not of %s alone:\n%s", owner, others)
		}
	}
}

// inService runs a script where the agent's service is and with its rights, but
// without its list of system calls.
func (m *machine) inService(t *testing.T, script string) (said string, err error) {
	t.Helper()
	const rights = "-all,+dac_read_search"
	return m.run(t, "", "nsenter", "--target", m.mainPID(t), "--mount", "--root", "--wd", "--",
		"setpriv", "--reuid=vedette-agent", "--regid=vedette-agent", "--clear-groups", "--bounding-set="+rights, "--inh-caps="+rights, "--ambient-caps="+rights, "--no-new-privs", "--",
		"sh", "-c", script)
}

// TestWhoTakesOverTheServiceDoesNotTakeOverTheHost tries from the place and the
// rights of the service what makes root's of a host. Root has the same tried,
// which shows that it could have succeeded.
func TestWhoTakesOverTheServiceDoesNotTakeOverTheHost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.join(t, newBootedMachine(t, "taken-host"))
	m.must(t, s.vedette(t, "keys", "install-line", "1", "--system", "deb"), "sh")
	s.awaitHost(t, m.name)
	for what, script := range map[string]string{
		"have systemd run a program":              "systemctl start debug-shell.service && systemctl is-active debug-shell.service",
		"write a program of root":                 ": >>/usr/lib/vedette-agent/vedette-agent-worker",
		"write a file as root's processes see it": ": >>/proc/1/root/etc/passwd",
		"write the memory of a process":           ": 3<>/proc/1/mem",
		"read the memory of a process":            ": 3</proc/1/mem",
		"leave through another's root":            "cd /proc/1/root",
	} {
		if said, err := m.run(t, "", "sh", "-c", script); err != nil {
			t.Errorf("root cannot %s: %v %s", what, err, said)
		}
		if said, err := m.inService(t, script); err == nil {
			t.Errorf("the service can %s: %s", what, said)
		}
	}
	for _, script := range []string{
		"cat /etc/shadow >/dev/null",
		": >/var/lib/vedette-agent/own && rm /var/lib/vedette-agent/own",
		": >/etc/vedette-agent/own && rm /etc/vedette-agent/own",
		"mkdir /sys/fs/cgroup/system.slice/vedette-agent.service/own && rmdir /sys/fs/cgroup/system.slice/vedette-agent.service/own",
	} {
		if said, err := m.inService(t, script); err != nil {
			t.Errorf("the service cannot %s: %v %s", script, err, said)
		}
	}

	// Nor does a link in the agent's folder lead root's commands anywhere.
	if said, err := m.inService(t, "ln -sf /root/made /var/lib/vedette-agent/lock"); err != nil {
		t.Fatalf("%v %s", err, said)
	}
	m.must(t, "", "systemctl", "stop", "vedette-agent")
	if said, err := m.run(t, "", "vedette-agent", "uninstall", "Confirm=yes"); err == nil || !strings.Contains(said, "permission denied") {
		t.Errorf("a command of root over a link to where only root may write: %v %s", err, said)
	}
	if said, err := m.run(t, "", "ls", "/root/made"); err == nil {
		t.Errorf("root made %s", said)
	}
}

// TestAnAgentOfRootBecomesOneOfItsOwnUser has what an older version left, which
// ran as root, and installs the package anew: the host is the same asset. Then
// root goes on managing it with the agent's own commands.
func TestAnAgentOfRootBecomesOneOfItsOwnUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.join(t, newBootedMachine(t, "older-host"))
	m.must(t, s.vedette(t, "keys", "install-line", "1", "--system", "deb"), "sh")
	first := s.awaitHost(t, m.name)
	m.must(t, "[Service]\nUser=\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH CAP_SYS_PTRACE\n", "sh", "-euc",
		"systemctl stop vedette-agent; mkdir -p /run/systemd/system/vedette-agent.service.d; cat >/run/systemd/system/vedette-agent.service.d/older.conf; systemctl daemon-reload")
	m.must(t, "", "sh", "-euc", "chown -R root: "+strings.Join(foldersOfTheAgent, " ")+"; systemctl start vedette-agent")
	if user := m.must(t, "", "stat", "--format=%U", "/proc/"+m.mainPID(t)); user != "root\n" {
		t.Fatalf("the older version runs as %s", user)
	}

	m.must(t, "", "rm", "/run/systemd/system/vedette-agent.service.d/older.conf")
	m.must(t, string(contentOf(t, debFile(t))), "sh", "-euc", "cat >/root/agent.deb; dpkg --install /root/agent.deb")
	if user := m.must(t, "", "stat", "--format=%U", "/proc/"+m.mainPID(t)); user != "vedette-agent\n" {
		t.Errorf("the new version runs as %s", user)
	}
	m.wantFoldersOfTheAgent(t, "vedette-agent")
	s.vedette(t, "scans", "launch", "--type", "inventory", "--wait", strconv.FormatInt(first.ID, 10))
	if again := s.awaitHost(t, m.name); again.ID != first.ID {
		t.Errorf("asset %d became %d", first.ID, again.ID)
	}

	// What root did there by hand is put right when the service starts.
	m.must(t, "", "sh", "-euc", "systemctl stop vedette-agent; chown -R root: "+strings.Join(foldersOfTheAgent, " ")+"; systemctl start vedette-agent")
	m.wantFoldersOfTheAgent(t, "vedette-agent")
	eventually(t, "it runs again", func() bool {
		said, err := m.run(t, "", "vedette-agent", "demand", "action=demand", "type=inv")
		return err == nil && strings.Contains(said, ".")
	})
	for _, step := range []struct{ command, want string }{
		{"vedette-agent status", "Running             yes"},
		{"vedette-agent doctor", " may read what collectors read, all but which program of another user holds a port"},
		{"vedette-agent retry", "No version was rolled back."},
		{"systemctl stop vedette-agent && vedette-agent uninstall Confirm=yes", "Removed."},
	} {
		if said := m.must(t, "", "sh", "-euc", step.command); !strings.Contains(said, step.want) {
			t.Errorf("%s said %s, want %q", step.command, said, step.want)
		}
		m.wantFoldersOfTheAgent(t, "vedette-agent")
	}
}

// TestTheServiceUpgradesItselfInItsOwnFolder publishes a version to an agent that
// runs as the packaged service, then one that crashes, and goes back from the first
// by hand.
func TestTheServiceUpgradesItselfInItsOwnFolder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.join(t, newBootedMachine(t, "service-host"))
	m.must(t, s.vedette(t, "keys", "install-line", "1", "--system", "deb"), "sh")
	s.awaitHost(t, m.name)
	pid := m.mainPID(t)
	s.publish(t, newerVersion, newerAgent(t), contentOf(t, filepath.Join(binaries, "vedette-agent-worker")))
	s.awaitUpgrade(t, "upgraded", newerVersion)
	if now := m.mainPID(t); now != pid {
		t.Errorf("process %s of the service became %s", pid, now)
	}
	if program := m.must(t, "", "readlink", "/proc/"+pid+"/exe"); !strings.HasSuffix(program, "/var/lib/vedette-agent/versions/2.1.0/vedette-agent\n") {
		t.Errorf("the service runs %s", program)
	}
	m.wantFoldersOfTheAgent(t, "vedette-agent")

	// A version that crashes is watched, and rolled back, within the same service.
	s.publish(t, "2.2.0", scriptOf("2.2.0", "echo it is broken >&2; exit 3"), contentOf(t, filepath.Join(binaries, "vedette-agent-worker")))
	if reason := s.awaitUpgrade(t, "rolled_back", "2.2.0"); !strings.Contains(reason, "exit status 3: it is broken") {
		t.Errorf("the reason is %q", reason)
	}
	eventually(t, "version "+newerVersion+" runs again", func() bool {
		return strings.HasSuffix(m.must(t, "", "readlink", "/proc/"+pid+"/exe"), "/var/lib/vedette-agent/versions/"+newerVersion+"/vedette-agent\n")
	})
	if said := m.must(t, "", "systemctl", "show", "--property=MainPID,ActiveState,NRestarts", "vedette-agent"); said != "MainPID="+pid+"\nNRestarts=0\nActiveState=active\n" {
		t.Errorf("the service, which was process %s, is\n%s", pid, said)
	}
	m.wantFoldersOfTheAgent(t, "vedette-agent")

	if said := m.must(t, "", "vedette-agent", "rollback"); !strings.Contains(said, "2.1.0") {
		t.Errorf("rollback said %s", said)
	}
	s.awaitUpgrade(t, "rolled_back", "2.1.0")
	eventually(t, "the packaged agent runs again", func() bool {
		return strings.HasSuffix(m.must(t, "", "readlink", "/proc/"+m.mainPID(t)+"/exe"), "/usr/lib/vedette-agent/vedette-agent\n")
	})
}

// mainPID returns the process of the agent's service, 0 for none.
func (m *machine) mainPID(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(m.must(t, "", "systemctl", "show", "--property=MainPID", "--value", "vedette-agent"))
}

// TestALineOfADisabledKeyChangesNothing runs a line after its key was disabled.
func TestALineOfADisabledKeyChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.join(t, newMachine(t, "late-host"))
	line := s.vedette(t, "keys", "install-line", "1", "--system", "tar.gz")
	s.vedette(t, "keys", "disable", "1")

	said, err := m.run(t, line, "sh")
	if err == nil || !strings.Contains(said, "the platform refuses the activation key") {
		t.Errorf("the line of a disabled key: %v, %s", err, said)
	}
	if said, err := m.run(t, "", "ls", "/usr/lib/vedette-agent", "/var/lib/vedette-agent"); err == nil {
		t.Errorf("it left %s", said)
	}
	s.vedette(t, "keys", "enable", "1")
	m.must(t, line, "sh")
}

// TestALinePassesOverTheAuthoritiesOfTheHost has somebody in the middle whom an
// authority of the host vouches for, as a proxy that looks into TLS is. The line
// with a fingerprint runs nothing of theirs; the one without, which leaves it to
// the host whom to trust, shows that the host does trust them.
func TestALinePassesOverTheAuthoritiesOfTheHost(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.join(t, newMachine(t, "watched-host"))
	theirs, err := certificate.NewAuthority("Somebody", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	caPEM, _, err := theirs.PEM()
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := theirs.Issue([]string{platformName}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m.must(t, string(caPEM), "sh", "-euc", `cat >/root/ca.pem; cp /root/ca.pem "/etc/ssl/certs/$(openssl x509 -hash -noout -in /root/ca.pem).0"`)
	m.must(t, string(certPEM)+string(keyPEM), "sh", "-euc", "mkdir -p /root/www/agent/v1; cat >/root/server.pem")
	m.must(t, "", "sh", "-euc", "curl -sSfk -o /root/www/agent/v1/authority https://"+net.JoinHostPort(platformName, platformPort)+"/agent/v1/authority")
	m.install(t, "/root/www/agent/v1/install.sh", "echo theirs ran\n")
	m.must(t, "127.0.0.1 "+platformName+"\n", "sh", "-euc", "cat >/etc/hosts")
	m.must(t, "", "sh", "-c", "cd /root/www; setsid openssl s_server -accept "+platformPort+" -WWW -cert /root/server.pem >/root/log 2>&1 </dev/null &")
	eventually(t, "they answer", func() bool {
		_, err := m.run(t, "", "curl", "-sSfk", "-o", "/dev/null", "https://"+net.JoinHostPort(platformName, platformPort)+"/agent/v1/authority")
		return err == nil
	})

	trusting := s.vedette(t, "keys", "install-line", "1", "--system", "deb", "--system-ca")
	if said := m.must(t, trusting, "sh"); !strings.Contains(said, "theirs ran") {
		t.Errorf("the host does not trust them: %s", said)
	}
	said, err := m.run(t, s.vedette(t, "keys", "install-line", "1", "--system", "deb"), "sh")
	if err == nil || !strings.Contains(said, "ca.der: OK") || !strings.Contains(said, "curl: (60)") || strings.Contains(said, "theirs ran") {
		t.Errorf("the line with a fingerprint: %v, %s", err, said)
	}
}
