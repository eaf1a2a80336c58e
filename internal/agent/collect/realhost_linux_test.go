package collect

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
)

// These tests hold the collectors against the tools an administrator would
// check them with, on the host that runs the tests.

// realHost is the running system.
func realHost() Env { return Env{RootDir: "/", Now: time.Now, Pause: noPause} }

// tool runs one of the tools that collectors are compared with. Without it the
// comparison is not made, which is a failure.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is needed to check the collectors on this host: install dpkg, iproute2 and coreutils (%v)", name, err)
	}
	command := exec.CommandContext(t.Context(), path, args...)
	command.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", command, err, stderr.String())
	}
	return string(out)
}

func TestSoftwareEqualsDpkgQuery(t *testing.T) {
	t.Parallel()
	const format = `${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n`
	var want []string
	for line := range strings.Lines(tool(t, "dpkg-query", "-W", "-f="+format)) {
		if installed, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "installed\t"); ok {
			want = append(want, installed)
		}
	}
	found, err := software(t.Context(), realHost())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range found {
		source, sourceVersion := s.SourceName, s.SourceVersion
		if source == "" {
			source = s.Name
		}
		if sourceVersion == "" {
			sourceVersion = s.Version
		}
		got = append(got, strings.Join([]string{s.Name, s.Version, s.Architecture, source, sourceVersion}, "\t"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) == 0 {
		t.Fatal("dpkg-query lists no installed package")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-dpkg-query +collected):\n%s", diff)
	}
}

// endpoint is a socket without its process.
type endpoint struct{ protocol, address string }

func TestPortsEqualSs(t *testing.T) {
	t.Parallel()
	own := ownSockets(t)
	for range 50 {
		before := listening(t)
		found, err := ports(t.Context(), realHost())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before, listening(t)) {
			continue // sockets come and go while other tests run
		}
		var got []endpoint
		processes := make(map[endpoint]string)
		for _, p := range found {
			e := endpoint{p.Protocol, netip.AddrPortFrom(netip.MustParseAddr(p.Address), uint16(p.Port)).String()}
			got = append(got, e)
			processes[e] = p.Process
		}
		if diff := cmp.Diff(before, sorted(got), cmp.AllowUnexported(endpoint{})); diff != "" {
			t.Errorf("sockets (-ss +collected):\n%s", diff)
		}
		for _, e := range own {
			if got, want := processes[e], ownName(t); got != want {
				t.Errorf("%s socket %s belongs to %q, want this test, %q", e.protocol, e.address, got, want)
			}
		}
		return
	}
	t.Fatal("the sockets of this host changed during each of 50 comparisons")
}

// ownSockets opens listeners of both protocols and address families.
func ownSockets(t *testing.T) []endpoint {
	t.Helper()
	var own []endpoint
	for _, l := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp4", "0.0.0.0:0"}, {"tcp6", "[::]:0"},
	} {
		listener, err := net.Listen(l.network, l.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		own = append(own, endpoint{"TCP", listener.Addr().String()})
	}
	for _, l := range []struct{ network, address string }{{"udp4", "127.0.0.1:0"}, {"udp6", "[::]:0"}} {
		socket, err := net.ListenPacket(l.network, l.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = socket.Close() })
		own = append(own, endpoint{"UDP", socket.LocalAddr().String()})
	}
	return own
}

func ownName(t *testing.T) string {
	t.Helper()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(comm))
}

// listening returns what `ss -ltnu` lists, each address once and without the
// interface a socket may be bound to, which Port does not carry.
func listening(t *testing.T) []endpoint {
	t.Helper()
	var found []endpoint
	for line := range strings.Lines(tool(t, "ss", "-H", "-ltnu")) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			t.Fatalf("ss printed %q", line)
		}
		colon := strings.LastIndex(fields[4], ":")
		address, port := fields[4][:colon], fields[4][colon+1:]
		address, _, _ = strings.Cut(strings.Trim(address, "[]"), "%")
		address = strings.Trim(address, "[]")
		if address == "*" {
			address = "::"
		}
		parsed, err := netip.ParseAddr(address)
		if err != nil {
			t.Fatalf("ss printed %q: %v", line, err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			t.Fatalf("ss printed %q: %v", line, err)
		}
		found = append(found, endpoint{strings.ToUpper(fields[0]), netip.AddrPortFrom(parsed.Unmap(), uint16(number)).String()})
	}
	return slices.Compact(sorted(found))
}

func sorted(endpoints []endpoint) []endpoint {
	slices.SortFunc(endpoints, func(a, b endpoint) int {
		return strings.Compare(a.protocol+a.address, b.protocol+b.address)
	})
	return endpoints
}

func TestAccountsEqualPasswd(t *testing.T) {
	t.Parallel()
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(passwd)) {
		if name, _, ok := strings.Cut(line, ":"); ok && !slices.Contains(want, name) {
			want = append(want, name)
		}
	}
	found, err := accounts(t.Context(), realHost())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range found {
		got = append(got, a.Username)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-/etc/passwd +collected):\n%s", diff)
	}
}

func TestVolumesEqualDf(t *testing.T) {
	t.Parallel()
	// Free space moves while other tests run; by less than this within a moment.
	const freeTolerance = 2 << 30
	want := df(t)
	got, err := volumes(t.Context(), realHost())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 {
		t.Fatal("no volume was found; the tests themselves lie on one")
	}
	byName := func(a, b agentwire.Volume) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(want, byName)
	slices.SortFunc(got, byName)
	near := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Free" }, cmp.Comparer(func(a, b int64) bool {
		return max(a, b)-min(a, b) < freeTolerance
	}))
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("volumes (-df +collected):\n%s", diff)
	}
}

// df returns what df lists of the same selection. Overlay and fuse cannot be
// left out by -x: of the first the system's own root stays, the second has as
// many types as there are programs.
func df(t *testing.T) []agentwire.Volume {
	t.Helper()
	args := []string{"-B1", "-l", "--output=fstype,size,avail,target"}
	for _, kind := range []string{"tmpfs", "devtmpfs", "ramfs", "efivarfs", "squashfs", "fuse"} {
		args = append(args, "-x", kind)
	}
	var found []agentwire.Volume
	for line := range strings.Lines(strings.SplitN(tool(t, "df", args...), "\n", 2)[1]) {
		var kind, target string
		var v agentwire.Volume
		if _, err := fmt.Sscan(line, &kind, &v.Size, &v.Free, &target); err != nil {
			t.Fatalf("df printed %q: %v", line, err)
		}
		v.Name = strings.TrimSuffix(line[strings.Index(line, " "+target)+1:], "\n") // it may hold blanks
		if (kind == "overlay" && v.Name != "/") || strings.HasPrefix(kind, "fuse.") {
			continue
		}
		found = append(found, v)
	}
	return found
}

func TestHostFactsEqualTheKernels(t *testing.T) {
	t.Parallel()
	got, err := host(t.Context(), realHost())
	if err != nil {
		t.Fatal(err)
	}
	kilobytes := procValue(t, "/proc/meminfo", "MemTotal:")
	if got.MemoryMB != kilobytes/1024 {
		t.Errorf("memory is %d MB, want %d kB as MB", got.MemoryMB, kilobytes)
	}
	if want := time.Unix(procValue(t, "/proc/stat", "btime"), 0).UTC(); !got.LastBoot.Equal(want) {
		t.Errorf("last boot is %s, want %s", got.LastBoot, want)
	}
	for _, fact := range []struct{ name, got, want string }{
		{"name", got.Name, strings.SplitN(strings.TrimSpace(tool(t, "uname", "-n")), ".", 2)[0]},
		{"kernel", got.Kernel, strings.TrimSpace(tool(t, "uname", "-r"))},
		{"architecture", got.Architecture, strings.TrimSpace(tool(t, "uname", "-m"))},
		// A shell is what os-release is written for.
		{"system", got.OS, strings.TrimSpace(tool(t, "sh", "-c", `. /etc/os-release && echo "$PRETTY_NAME"`))},
		{"platform", got.Platform, "Linux"},
	} {
		if fact.got != fact.want {
			t.Errorf("%s is %q, want %q", fact.name, fact.got, fact.want)
		}
	}
	again, err := host(t.Context(), realHost())
	if err != nil {
		t.Fatal(err)
	}
	if got.Fingerprint != again.Fingerprint || len(got.Fingerprint) != 64 {
		t.Errorf("fingerprints of one machine are %q and %q", got.Fingerprint, again.Fingerprint)
	}
}

// procValue returns the number after a word at the beginning of a line.
func procValue(t *testing.T, file, word string) int64 {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == word {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s has no %s", file, word)
	return 0
}

func TestInterfacesEqualIPAddr(t *testing.T) {
	t.Parallel()
	var want []string
	for line := range strings.Lines(tool(t, "ip", "-o", "addr", "show")) {
		fields := strings.Fields(line) // 2: eth0    inet 192.0.2.2/24 …
		address := netip.MustParsePrefix(withLength(fields[3])).Addr()
		if !address.IsLoopback() {
			want = append(want, fields[1]+" "+address.String())
		}
	}
	found, err := interfaces(t.Context(), realHost())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range found {
		if i.Address != "" {
			got = append(got, i.Name+" "+i.Address)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("addresses (-ip +collected):\n%s", diff)
	}
}

// withLength completes an address that ip prints without a prefix length, as it
// does for the ends of a tunnel.
func withLength(address string) string {
	if strings.Contains(address, "/") {
		return address
	}
	return fmt.Sprintf("%s/%d", address, netip.MustParseAddr(address).BitLen())
}

func TestProcessorsEqualSysfs(t *testing.T) {
	t.Parallel()
	found, err := processors(t.Context(), realHost())
	if err != nil {
		t.Fatal(err)
	}
	cores, err := onlineCores()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[int]int)
	for _, p := range found {
		got[p.Slot] = p.Cores
		if p.Name == "" {
			t.Errorf("processor in slot %d has no name", p.Slot)
		}
	}
	if diff := cmp.Diff(cores, got); diff != "" {
		t.Errorf("cores by slot (-sysfs +collected):\n%s", diff)
	}
}

// onlineCores counts cores by package from the lists of threads sysfs keeps.
func onlineCores() (map[int]int, error) {
	folders, err := os.ReadDir("/sys/devices/system/cpu")
	if err != nil {
		return nil, err
	}
	cores := make(map[int]int)
	seen := make(map[string]bool)
	for _, folder := range folders {
		topology := "/sys/devices/system/cpu/" + folder.Name() + "/topology/"
		siblings, err := os.ReadFile(topology + "thread_siblings_list")
		if err != nil {
			continue // offline, or no processor
		}
		id, err := os.ReadFile(topology + "physical_package_id")
		if err != nil {
			return nil, err
		}
		slot, err := strconv.Atoi(strings.TrimSpace(string(id)))
		if err != nil {
			return nil, err
		}
		if slot = max(slot, 0); !seen[string(siblings)] {
			seen[string(siblings)] = true
			cores[slot]++
		}
	}
	if len(cores) == 0 {
		return nil, errors.New("sysfs lists no processor")
	}
	return cores, nil
}
