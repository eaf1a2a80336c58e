package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testInventory(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("every fact of a snapshot is on the host asset", func(t *testing.T) {
		t.Parallel()
		testFacts(t, setup(t, create))
	})
	t.Run("whatever deltas came, the host is what the last snapshot says", func(t *testing.T) {
		t.Parallel()
		testDeltas(t, setup(t, create))
	})
}

// fullSnapshot is a host with something in every place.
func fullSnapshot() *agentwire.Snapshot {
	s := &agentwire.Snapshot{
		Host: agentwire.Host{
			Name: "edge-cache-04", FQDN: "edge-cache-04.example.net", OS: "Debian GNU/Linux 12 (bookworm)", OSID: "debian", OSVersion: "12.5",
			Platform: "Linux", Kernel: "6.1.0-18-amd64", Architecture: "x86_64", Address: "192.0.2.14", Manufacturer: "ACME \"Iron\"", Model: "X'1",
			BIOS: "ACME 1.2 2030-01-01", MemoryMB: 32_000, Timezone: "-07:00", LastBoot: Start.Add(-24 * time.Hour), LastUser: "ada",
			DockerHost: true, Docker: &agentwire.Docker{Version: "25.0", Containers: 3, Images: 12}, Fingerprint: "f00d",
		},
		Software: []agentwire.Software{
			deb("curl", "8.5.0-2"), {Kind: "deb", Name: "libc6", Version: "2.36", Architecture: "i386", SourceName: "glibc", SourceVersion: "2.36-9"},
			{Kind: "deb", Name: "libc6", Version: "2.36", Architecture: "amd64", SourceName: "glibc", SourceVersion: "2.36-9"},
		},
		Ports: []agentwire.Port{
			{Protocol: "TCP", Address: "::", Port: 22}, {Protocol: "TCP", Address: "0.0.0.0", Port: 22, Process: "sshd"}, {Protocol: "UDP", Address: "::1", Port: 53, Process: "dns|mask"},
		},
		Interfaces: []agentwire.Interface{
			{Name: "eth0", MAC: "02:00:00:00:00:01", Address: "192.0.2.14", Gateway: "192.0.2.1"}, {Name: "eth0", MAC: "02:00:00:00:00:01", Address: "fe80::1"}, {Name: "wlan0"},
		},
		Accounts:   []agentwire.Account{{Username: "root"}, {Username: "ada"}},
		Processors: []agentwire.Processor{{Slot: 1, Name: "CPU B", MHz: 3000, Cores: 8}, {Slot: 0, Name: "CPU A", MHz: 2000}},
		Volumes:    []agentwire.Volume{{Name: "/", Size: 1 << 40, Free: 1 << 39}, {Name: "/srv/ü", Size: 10}},
	}
	s.Normalize()
	return s
}

func testFacts(t *testing.T, b *bundle) {
	host := enrol(t, b.Store, 4).HostID
	modified := Start.Add(time.Hour + 999*time.Millisecond)
	send(t, b.Store, pack(host, nil, fullSnapshot()), modified)
	b.reopen(t)
	want := qps.HostAsset{
		ID: host, Name: "edge-cache-04", Created: Start, Modified: Start.Add(time.Hour), Type: "HOST", TrackingMethod: "QAGENT",
		Tags: []qps.TagSimple{{ID: 1, Name: "Cloud Agent"}}, FQDN: "edge-cache-04.example.net", DNSHostName: "edge-cache-04.example.net",
		OS: "Debian GNU/Linux 12 (bookworm)", Address: "192.0.2.14", Manufacturer: "ACME \"Iron\"", Model: "X'1", BIOSDescription: "ACME 1.2 2030-01-01",
		TotalMemory: 32_000, Timezone: "-07:00", LastSystemBoot: Start.Add(-24 * time.Hour), LastLoggedOnUser: "ada",
		IsDockerHost: true, DockerInfo: &qps.DockerInfo{DockerVersion: "25.0", NoOfContainers: 3, NoOfImages: 12},
		AgentInfo: &qps.AgentInfo{
			AgentVersion: "2.0.0", AgentID: AgentID(4), Status: qps.AgentActive, LastCheckedIn: Start, ConnectedFrom: "203.0.113.8",
			ChirpStatus: "Provisioned", Platform: "Linux", ActivatedModules: []string{"AGENT_PC", "AGENT_VM"},
			AgentConfiguration: qps.AgentConfiguration{ID: 1, Name: "Normal"}, ActivationKey: qps.ActivationKeyRef{ActivationID: ActivationKey, Title: "Edge key"},
		},
		OpenPorts: []qps.OpenPort{{Port: 22, Protocol: "TCP", ServiceName: "sshd"}, {Port: 53, Protocol: "UDP", ServiceName: "dns|mask"}},
		Software:  []qps.Software{{Name: "curl", Version: "8.5.0-2"}, {Name: "libc6", Version: "2.36"}, {Name: "libc6", Version: "2.36"}},
		NetworkInterfaces: []qps.NetworkInterface{
			{Hostname: "edge-cache-04.example.net", InterfaceName: "eth0", MACAddress: "02:00:00:00:00:01", Address: "192.0.2.14", GatewayAddress: "192.0.2.1"},
			{Hostname: "edge-cache-04.example.net", InterfaceName: "eth0", MACAddress: "02:00:00:00:00:01", Address: "fe80::1"},
			{Hostname: "edge-cache-04.example.net", InterfaceName: "wlan0"},
		},
		Accounts: []qps.Account{{Username: "ada"}, {Username: "root"}}, Processors: []qps.Processor{{Name: "CPU A", Speed: 2000}, {Name: "CPU B", Speed: 3000}},
		Volumes: []qps.Volume{{Name: "/", Size: 1 << 40, Free: 1 << 39}, {Name: "/srv/ü", Size: 10}},
	}
	if diff := cmp.Diff(want, must(b.Host(t.Context(), fleet.WholeFleet(), host))(t)); diff != "" {
		t.Error(diff)
	}
}

// testDeltas sends random snapshots one after the other, as baselines and as
// deltas, and compares what the host then shows with the snapshot.
func testDeltas(t *testing.T, b *bundle) {
	host := enrol(t, b.Store, 1).HostID
	var held *agentwire.Snapshot
	sent := 0
	rapid.Check(t, func(r *rapid.T) {
		next := randomSnapshot(r)
		base := held
		if base == nil || rapid.IntRange(0, 9).Draw(r, "baseline") == 0 {
			base = nil
		}
		if held != nil && held.Digest() == next.Digest() {
			return
		}
		sent++
		send(t, b.Store, pack(host, base, next), Start.Add(time.Duration(sent)*time.Second))
		held = next
		checkHost(r, b.Store, host, next)
	})
}

func randomSnapshot(r *rapid.T) *agentwire.Snapshot {
	word := rapid.SampledFrom([]string{"a", "b", "a|b", "%", "_x", `\`, `'"`, "ü", "日本", "c"})
	s := &agentwire.Snapshot{
		Host: agentwire.Host{Name: word.Draw(r, "name"), OS: rapid.SampledFrom([]string{"", "Debian", "deb%"}).Draw(r, "os"), DockerHost: rapid.Bool().Draw(r, "docker")},
	}
	if s.Host.DockerHost {
		s.Host.Docker = &agentwire.Docker{Version: "25", Images: 1}
	}
	s.Software = rapid.SliceOfN(rapid.Custom(func(r *rapid.T) agentwire.Software {
		return agentwire.Software{Kind: "deb", Name: word.Draw(r, "package"), Version: rapid.SampledFrom([]string{"1", "2", "3~x"}).Draw(r, "version"), Architecture: "amd64", SourceName: word.Draw(r, "source")}
	}), 0, 6).Draw(r, "software")
	s.Ports = rapid.SliceOfN(rapid.Custom(func(r *rapid.T) agentwire.Port {
		return agentwire.Port{Protocol: "TCP", Address: word.Draw(r, "address"), Port: rapid.IntRange(1, 3).Draw(r, "port"), Process: word.Draw(r, "process")}
	}), 0, 4).Draw(r, "ports")
	s.Interfaces = rapid.SliceOfN(rapid.Custom(func(r *rapid.T) agentwire.Interface {
		return agentwire.Interface{Name: word.Draw(r, "interface"), Address: word.Draw(r, "address")}
	}), 0, 4).Draw(r, "interfaces")
	s.Accounts = rapid.SliceOfN(rapid.Custom(func(r *rapid.T) agentwire.Account {
		return agentwire.Account{Username: word.Draw(r, "username")}
	}), 0, 4).Draw(r, "accounts")
	s.Processors = rapid.SliceOfN(rapid.Custom(func(r *rapid.T) agentwire.Processor {
		return agentwire.Processor{Slot: rapid.IntRange(0, 12).Draw(r, "slot"), Name: word.Draw(r, "cpu"), MHz: 1}
	}), 0, 3).Draw(r, "processors")
	s.Volumes = rapid.SliceOfN(rapid.Custom(func(r *rapid.T) agentwire.Volume {
		return agentwire.Volume{Name: word.Draw(r, "volume"), Free: rapid.Int64Range(0, 2).Draw(r, "free")}
	}), 0, 3).Draw(r, "volumes")
	s.Normalize()
	return s
}

func checkHost(tb *rapid.T, s *store.Store, id int64, want *agentwire.Snapshot) {
	page, err := s.SearchHosts(tb.Context(), idQuery(id))
	if err != nil || len(page.Hosts) != 1 {
		tb.Fatalf("got %d hosts, %v", len(page.Hosts), err)
	}
	h := page.Hosts[0]
	var software, wantSoftware, interfaces, wantInterfaces, rest, wantRest []string
	for _, p := range h.Software {
		software = append(software, p.Name+" "+p.Version)
	}
	for _, p := range want.Software {
		wantSoftware = append(wantSoftware, p.Name+" "+p.Version)
	}
	for _, i := range h.NetworkInterfaces {
		interfaces = append(interfaces, i.InterfaceName+"|"+i.Address)
	}
	for _, i := range want.Interfaces {
		wantInterfaces = append(wantInterfaces, i.Key())
	}
	ports, wantPorts := map[int64]bool{}, map[int64]bool{}
	for _, p := range h.OpenPorts {
		ports[p.Port] = true
	}
	for _, p := range want.Ports {
		wantPorts[int64(p.Port)] = true
	}
	for _, a := range h.Accounts {
		rest = append(rest, a.Username)
	}
	for _, a := range want.Accounts {
		wantRest = append(wantRest, a.Username)
	}
	for _, p := range h.Processors {
		rest = append(rest, p.Name)
	}
	for _, p := range want.Processors {
		wantRest = append(wantRest, p.Name)
	}
	for _, v := range h.Volumes {
		rest = append(rest, v.Name)
	}
	for _, v := range want.Volumes {
		wantRest = append(wantRest, v.Name)
	}
	slices.Sort(software)
	slices.Sort(wantSoftware)
	for _, diff := range []string{
		cmp.Diff(wantSoftware, software), cmp.Diff(wantInterfaces, interfaces), cmp.Diff(wantPorts, ports), cmp.Diff(wantRest, rest),
		cmp.Diff(want.Host.Name+want.Host.OS, h.Name+h.OS), cmp.Diff(want.Host.Docker != nil, h.DockerInfo != nil),
	} {
		if diff != "" {
			tb.Fatalf("the host differs from its snapshot: %s", diff)
		}
	}
}
