package swarm

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
)

// recordedOnce spares tests the time to decode the recordings for every host.
var recordedOnce = sync.OnceValues(Recordings)

func recorded(t *testing.T) []Recording {
	t.Helper()
	list, err := recordedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// imagined returns a host of a swarm with a seed.
func imagined(t *testing.T, seed uint64, number int) *host {
	t.Helper()
	s, err := New(Config{Agents: 1, Speed: 1, Connections: 1, Seed: seed, Prefix: "swarm-", Recordings: recorded(t)})
	if err != nil {
		t.Fatal(err)
	}
	s.clock.start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return s.host(number)
}

func TestRecordingsAreInventoriesOfServers(t *testing.T) {
	t.Parallel()
	list := recorded(t)
	if len(list) < 3 {
		t.Fatalf("%d recordings, want some kinds of servers", len(list))
	}
	for _, r := range list {
		if n := len(r.Snapshot.Software); n < 200 || r.Snapshot.Host.OSID != "debian" {
			t.Errorf("%s is a %s with %d packages, want a Debian server", r.Name, r.Snapshot.Host.OS, n)
		}
	}
}

func TestRecordingsHoldNothingOfTheirMachines(t *testing.T) {
	t.Parallel()
	for _, r := range recorded(t) {
		if diff := cmp.Diff(impersonal(r.Snapshot), r.Snapshot); diff != "" {
			t.Errorf("%s has what belongs to its machine alone (-without +recorded):\n%s", r.Name, diff)
		}
	}
	personal := &agentwire.Snapshot{
		Host: agentwire.Host{
			Name: "ann-laptop", FQDN: "ann-laptop.corp.example", OS: "Debian GNU/Linux 12 (bookworm)", Kernel: "6.1.0-13-ann", Address: "192.0.2.77",
			Manufacturer: "Maker", Model: "Ann's", BIOS: "B", LastUser: "ann", Fingerprint: "f00", LastBoot: time.Unix(1, 0), MemoryMB: 1,
		},
		Ports:      []agentwire.Port{{Protocol: "TCP", Port: 1, Process: "ann"}},
		Interfaces: []agentwire.Interface{{Name: "eth0", MAC: "00:16:3e:00:00:01", Address: "192.0.2.77"}},
		Accounts:   []agentwire.Account{{Username: "ann"}, {Username: "root"}, {Username: "_chrony"}},
		Processors: []agentwire.Processor{{Name: "CPU"}}, Volumes: []agentwire.Volume{{Name: "/home/ann"}},
	}
	want := &agentwire.Snapshot{
		Host:     agentwire.Host{OS: "Debian GNU/Linux 12 (bookworm)"},
		Accounts: []agentwire.Account{{Username: "_chrony"}, {Username: "root"}},
	}
	if diff := cmp.Diff(want, impersonal(personal)); diff != "" {
		t.Errorf("what is kept of a machine (-want +got):\n%s", diff)
	}
}

func TestAHostIsTheSameForTheSameSeed(t *testing.T) {
	t.Parallel()
	then := past{Upgrades: 3, Scans: 2}
	one, again := imagined(t, 7, 42).snapshot(then), imagined(t, 7, 42).snapshot(then)
	if diff := cmp.Diff(one, again); diff != "" {
		t.Errorf("one host of one seed differs:\n%s", diff)
	}
	if other := imagined(t, 8, 42).snapshot(then); other.Digest() == one.Digest() {
		t.Error("hosts of two seeds are the same")
	}
}

func TestHostsDiffer(t *testing.T) {
	t.Parallel()
	digests, fingerprints, addresses, names := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	const hosts = 300
	for number := range hosts {
		s := imagined(t, 1, number).snapshot(past{})
		digests[s.Digest()], fingerprints[s.Host.Fingerprint] = true, true
		addresses[s.Host.Address], names[s.Host.Name] = true, true
	}
	for what, n := range map[string]int{"inventories": len(digests), "fingerprints": len(fingerprints), "addresses": len(addresses), "names": len(names)} {
		if n != hosts {
			t.Errorf("%d hosts have %d %s", hosts, n, what)
		}
	}
}

// TestInventoriesAreAsAScanLeavesThem makes sure that both sides work out the same
// digest: nothing is there to normalize.
func TestInventoriesAreAsAScanLeavesThem(t *testing.T) {
	t.Parallel()
	for number := range 40 {
		s := imagined(t, 1, number).snapshot(past{Upgrades: number, Scans: number})
		digest := s.Digest()
		s.Normalize()
		if s.Digest() != digest {
			t.Errorf("host %d is not normalized", number)
		}
	}
}

func TestVersionsAreSharedByHosts(t *testing.T) {
	t.Parallel()
	versions := map[string]map[string]bool{}
	for number := range 200 {
		for _, p := range imagined(t, 1, number).snapshot(past{}).Software {
			if versions[p.Name] == nil {
				versions[p.Name] = map[string]bool{}
			}
			versions[p.Name][p.Version] = true
		}
	}
	several := 0
	for name, of := range versions {
		if len(of) > 1 {
			several++
		}
		if len(of) > 4*len(recorded(t)) {
			t.Errorf("%s has %d versions on 200 hosts, want a few", name, len(of))
		}
	}
	if several < 20 {
		t.Errorf("%d packages have several versions, want some that hosts are behind with", several)
	}
}

func TestAnUpgradeIsASmallDelta(t *testing.T) {
	t.Parallel()
	h := imagined(t, 1, 5)
	for upgrades := range 20 {
		delta := agentwire.Diff(h.snapshot(past{Upgrades: upgrades, Scans: 1}), h.snapshot(past{Upgrades: upgrades + 1, Scans: 1}))
		if n := len(delta.Software.Put); n < 1 || n > mostUpgraded || len(delta.Software.Drop) > 0 || delta.Host != nil || !delta.Volumes.IsZero() {
			t.Errorf("upgrade %d changes %d packages and drops %d, want 1 to %d upgraded and nothing else", upgrades, n, len(delta.Software.Drop), mostUpgraded)
		}
	}
	if delta := agentwire.Diff(h.snapshot(past{Scans: 1}), h.snapshot(past{Scans: 2})); delta.Volumes.IsZero() || !delta.Software.IsZero() {
		t.Errorf("another scan finds %+v changed, want the free space alone", delta)
	}
}

func TestInventoriesAreWithinWhatThePlatformTakes(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`^[\x20-\x7e]*$`)
	for range 20 {
		s := imagined(t, rand.Uint64(), rand.IntN(3*MaxAgents)).snapshot(past{Upgrades: 9})
		for _, p := range s.Software {
			if text := p.Name + p.Version + p.SourceName + p.SourceVersion; len(text) > agentwire.MaxTextBytes || !plain.MatchString(text) {
				t.Errorf("package %q", text)
			}
		}
		if s.Host.Name == "" || !strings.HasPrefix(s.Host.Name, "swarm-") || s.Host.Kernel == "" {
			t.Errorf("host is %+v, want a name of the swarm and a kernel", s.Host)
		}
	}
}

func TestFilesAreAFolder(t *testing.T) {
	t.Parallel()
	f := &files{}
	for name, content := range map[string]string{"state.json": "one", "spool/a": "aaaa", "spool/b": "b", "spoolers": "x"} {
		if err := f.Write(name, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	copied := f.clone()
	if names, _ := f.List("spool"); !slices.Equal(slices.Sorted(slices.Values(names)), []string{"a", "b"}) {
		t.Errorf("spool holds %v", names)
	}
	if _, err := f.Read("spool/a", 3); err == nil {
		t.Error("a file above the limit was read")
	}
	part := make([]byte, 3)
	if n, err := f.ReadAt("spool/a", part, 2); n != 2 || err == nil || string(part[:n]) != "aa" {
		t.Errorf("read %d bytes %q beyond the end: %v", n, part[:n], err)
	}
	if err := f.Rename("state.json", "state.json.damaged"); err != nil {
		t.Error(err)
	}
	if err := f.Remove("spool"); err != nil {
		t.Error(err)
	}
	if err := f.Remove("nothing"); err != nil {
		t.Errorf("remove what is not there: %v", err)
	}
	var left []string
	for _, name := range []string{"state.json", "state.json.damaged", "spool/a", "spool/b", "spoolers"} {
		if _, err := f.Read(name, 100); err == nil {
			left = append(left, name)
		}
	}
	if want := []string{"state.json.damaged", "spoolers"}; !slices.Equal(left, want) {
		t.Errorf("%v are left, want %v", left, want)
	}
	if doc, err := copied.Read("state.json", 100); err != nil || string(doc) != "one" {
		t.Errorf("a copy changed with its original: %q, %v", doc, err)
	}
}

func TestSwarmsThatCannotBe(t *testing.T) {
	t.Parallel()
	good := Config{Agents: 1, Speed: 1, Connections: 1, Recordings: recorded(t)}
	for says, change := range map[string]func(c *Config){
		"agents: 0 is not allowed":           func(c *Config) { c.Agents = 0 },
		"agents: 50001 is not allowed":       func(c *Config) { c.Agents = MaxAgents + 1 },
		"speed: 0.5 is not allowed":          func(c *Config) { c.Speed = 0.5 },
		"connections: 0 is not allowed":      func(c *Config) { c.Connections = 0 },
		"legacy: 2 is not allowed":           func(c *Config) { c.Legacy = 2 },
		"there is none to make hosts from":   func(c *Config) { c.Recordings = nil },
		"holds no PEM certificate":           func(c *Config) { c.CA = []byte("x") },
		fmt.Sprintf("1 to %d are", MaxSpeed): func(c *Config) { c.Speed = 1e9 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %q", err, says)
		}
	}
}
