package swarm

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// host is one imagined host: a recording, and what makes it differ from every
// other host with the same one. It is the same for the same seed and number.
type host struct {
	seed      uint64
	number    int
	name      string
	recording *agentwire.Snapshot
	booted    time.Time
}

// past is what has happened to a host. With the host it makes an inventory.
type past struct {
	Host     int `json:"host"`     // whose it is: a clone holds the past of another
	Upgrades int `json:"upgrades"` // of packages, each a few at once
	Scans    int `json:"scans"`    // each finds other free space
}

// The parts of a host that are drawn apart: one more draw in one of them changes
// no other.
const (
	drawRecording = iota
	drawHardware
	drawPackages
	drawPorts
	drawUpgrade
	drawScan
	drawLife
	drawLegacy
)

func (h *host) draw(part, step int) *rand.Rand {
	return rand.New(rand.NewPCG(h.seed^uint64(part)<<56^uint64(step), uint64(h.number))) //nolint:gosec // not a secret: a host has to be the same for the same seed
}

// snapshot is what a scan finds, normalized.
func (h *host) snapshot(p past) *agentwire.Snapshot {
	s := &agentwire.Snapshot{Host: h.hardware(), Accounts: h.recording.Accounts}
	s.Software = h.software(p.Upgrades)
	s.Ports = h.ports(s.Software)
	s.Interfaces = []agentwire.Interface{{Name: "ens3", MAC: h.mac(), Address: s.Host.Address, Gateway: "10.0.0.1"}, {Name: "lo", Address: "127.0.0.1"}}
	random := h.draw(drawHardware, 1)
	s.Processors = []agentwire.Processor{{Slot: 0, Name: models()[random.IntN(len(models()))].processor, MHz: 2000 + 100*random.IntN(15), Cores: 2 << random.IntN(4)}}
	s.Volumes = h.volumes(p.Scans)
	return s
}

// model is a kind of machine.
type model struct{ manufacturer, name, bios, processor string }

func models() []model {
	return []model{
		{"QEMU", "Standard PC (Q35 + ICH9, 2009)", "SeaBIOS 1.16.2 04/01/2014", "AMD EPYC Processor"},
		{"VMware, Inc.", "VMware20,1", "VMware, Inc. VMW201.00V 11/12/2023", "Intel Xeon Processor (Icelake)"},
		{"Example Systems", "Rack Server 2U", "Example Systems 2.4.1 03/15/2024", "Intel Xeon Gold"},
		{"Example Systems", "Blade Server", "Example Systems 1.9.0 09/02/2023", "AMD EPYC 7003"},
	}
}

// hardware returns the facts a host has exactly one of.
func (h *host) hardware() agentwire.Host {
	random := h.draw(drawHardware, 0)
	m := models()[random.IntN(len(models()))]
	facts := h.recording.Host
	facts.Name, facts.FQDN = h.name, h.name+".example.com"
	facts.Address = fmt.Sprintf("10.%d.%d.%d", h.number>>16&255, h.number>>8&255, h.number&255)
	facts.Kernel = cmp.Or(facts.Kernel, "6.1.0-37-amd64") // containers have none of their own
	facts.Manufacturer, facts.Model, facts.BIOS = m.manufacturer, m.name, m.bios
	facts.MemoryMB = 2048 << random.IntN(6)
	facts.Timezone = "UTC"
	facts.LastBoot = h.booted.Add(-time.Duration(random.IntN(90*24)) * time.Hour).UTC().Truncate(time.Second)
	facts.LastUser = "root"
	facts.Fingerprint = fmt.Sprintf("%016x%016x%016x%016x", random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
	return facts
}

func (h *host) mac() string {
	return fmt.Sprintf("02:00:%02x:%02x:%02x:%02x", h.number>>24&255, h.number>>16&255, h.number>>8&255, h.number&255)
}

const (
	// optionalPart is the most of its recording's packages that a host may lack.
	optionalPart = 0.15
	// behindPart is the part of all packages that have had updates since they were
	// recorded, which a host has or lacks.
	behindPart = 0.1
	// mostUpdates is how many updates such a package has had.
	mostUpdates = 3
	// mostUpgraded is how many packages one upgrade takes.
	mostUpgraded = 8
)

// software returns the packages of the host after a number of upgrades, in the
// order of their keys. Versions are shared by many hosts, as in a real fleet:
// they are the recorded one and a few updates of it.
func (h *host) software(upgrades int) []agentwire.Software {
	random := h.draw(drawPackages, 0)
	lacks := random.Float64() * optionalPart
	list := make([]agentwire.Software, 0, len(h.recording.Software))
	updates := make([]int, 0, len(h.recording.Software))
	for _, p := range h.recording.Software {
		missing, behind := random.Float64() < lacks, random.IntN(mostUpdates+1)
		if missing {
			continue
		}
		if !updated(p.Name) {
			behind = 0
		}
		list, updates = append(list, p), append(updates, behind)
	}
	for step := range upgrades {
		chosen := h.draw(drawUpgrade, step)
		for range 1 + chosen.IntN(mostUpgraded) {
			updates[chosen.IntN(len(updates))]++
		}
	}
	for i, n := range updates {
		list[i].Version = update(list[i].Version, n)
		if list[i].SourceVersion != "" {
			list[i].SourceVersion = update(list[i].SourceVersion, n)
		}
	}
	return list
}

// updated reports whether a package had updates since it was recorded. All hosts
// agree on that.
func updated(name string) bool {
	sum := fnv.New32a()
	sum.Write([]byte(name))
	return float64(sum.Sum32()%1000) < behindPart*1000
}

// update returns the version after n updates: that of Debian's rebuilds.
func update(version string, n int) string {
	if n == 0 {
		return version
	}
	return version + "+b" + strconv.Itoa(n)
}

// service is what listens where a package is installed.
type service struct {
	name, process string
	ports         []int
}

func services() []service {
	return []service{
		{"openssh-server", "sshd", []int{22}},
		{"nginx", "nginx", []int{80, 443}},
		{"postgresql", "postgres", []int{5432}},
		{"pgbouncer", "pgbouncer", []int{6432}},
		{"redis-server", "redis-server", []int{6379}},
		{"haproxy", "haproxy", []int{443, 8404}},
		{"prometheus-node-exporter", "prometheus-node", []int{9100}},
		{"openjdk-21-jre-headless", "java", []int{8080, 8081}},
	}
}

// ports returns what listens, in the order of their keys.
func (h *host) ports(software []agentwire.Software) []agentwire.Port {
	var list []agentwire.Port
	for _, s := range services() {
		installed := slices.ContainsFunc(software, func(p agentwire.Software) bool { return p.Name == s.name })
		for _, port := range s.ports {
			if installed {
				list = append(list, agentwire.Port{Protocol: "TCP", Address: "0.0.0.0", Port: port, Process: s.process})
			}
		}
	}
	random := h.draw(drawPorts, 0)
	for range random.IntN(4) { // what the host is really for
		list = append(list, agentwire.Port{Protocol: "TCP", Address: "127.0.0.1", Port: 9000 + random.IntN(900), Process: "app"})
	}
	slices.SortStableFunc(list, func(a, b agentwire.Port) int { return strings.Compare(a.Key(), b.Key()) })
	return slices.CompactFunc(list, func(a, b agentwire.Port) bool { return a.Key() == b.Key() })
}

// volumes returns the mounted file systems. Their free space differs in every
// scan, as on a host that is used.
func (h *host) volumes(scans int) []agentwire.Volume {
	const block = 4 << 10
	size := h.draw(drawHardware, 2)
	free := h.draw(drawScan, scans)
	volume := func(name string, gigabytes int64) agentwire.Volume {
		bytes := gigabytes << 30
		return agentwire.Volume{Name: name, Size: bytes, Free: free.Int64N(bytes/block) * block}
	}
	return []agentwire.Volume{volume("/", 20<<size.IntN(4)), volume("/boot", 1), volume("/var", 50<<size.IntN(4))}
}
