package storetest

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// What a large fleet is made of. Each host is alike to a model in its system,
// packages, ports, tags, key, modules and profile, and has a name, addresses,
// times and an agent of its own.
const (
	models = 600
	// rareModels are hosts like no other.
	rareModels = 5
	// lateModels are those of the newest twentieth of a fleet, which has them alone:
	// what they have in common only hosts with high ids have.
	lateModels = 30

	packagesPerHost = 20
	portsPerHost    = 10
	tagsPerHost     = 5 // with the system tag
	sites           = 100
)

// Names in a large fleet that searches ask for.
const (
	lateKey     = "5d2f0000-0000-4000-8000-00000000b099"
	lateTag     = "wave-late"
	lateVersion = "3.1.0"
	siteProfile = "Branch offices"
)

// fleetPlan says what each host of a large fleet is like. Hosts are numbered from
// 1, which is their id too.
type fleetPlan struct {
	hosts, models int
	// assessed gives two of three hosts an id and dates of scanners, which no part of
	// the platform writes yet.
	assessed bool
	tags     map[string]int64 // by name
}

func (p *fleetPlan) late(host int) bool { return host > p.hosts-p.hosts/20 }

// model returns the host that the given one is alike to.
func (p *fleetPlan) model(host int) int {
	if host <= p.models {
		return host
	}
	r := draws(1, host)
	if p.late(host) {
		return p.models - lateModels + 1 + r.IntN(lateModels)
	}
	return 1 + rareModels + r.IntN(p.models-rareModels-lateModels)
}

// draws returns numbers that are the same for a host, or a model, at every run.
func draws(purpose, host int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(purpose), uint64(host))) //nolint:gosec // they keep no secret
}

func (p *fleetPlan) lateModel(model int) bool { return model > p.models-lateModels }

// key returns the activation key of a model.
func (p *fleetPlan) key(model int) string {
	if p.lateModel(model) {
		return lateKey
	}
	return largeKey(model % 20)
}

func largeKey(n int) string { return fmt.Sprintf("5d2f0000-0000-4000-8000-00000000b1%02d", n) }

// tagNames returns the static tags of a model.
func (p *fleetPlan) tagNames(model int) []string {
	wave := fmt.Sprintf("wave-%d", model%7)
	if p.lateModel(model) {
		wave = lateTag
	}
	return []string{
		fmt.Sprintf("site-%02d", model%sites), []string{"production", "staging", "test"}[model%3], fmt.Sprintf("owner-%d", model%37), wave,
	}
}

// system is an operating system as hosts report it.
type system struct{ name, id, version, platform string }

var largeSystems = []system{
	{"Debian GNU/Linux 12 (bookworm)", "debian", "12.5", "Linux"},
	{"Debian GNU/Linux 11 (bullseye)", "debian", "11.9", "Linux"},
	{"Ubuntu 24.04.1 LTS", "ubuntu", "24.04", "Linux"},
	{"Ubuntu 22.04.5 LTS", "ubuntu", "22.04", "Linux"},
	{"Red Hat Enterprise Linux 9.4 (Plow)", "rhel", "9.4", "Linux"},
	{"Rocky Linux 9.3 (Blue Onyx)", "rocky", "9.3", "Linux"},
	{"Microsoft Windows Server 2022 Standard", "windows", "10.0.20348", "Windows"},
	{"Microsoft Windows 11 Enterprise", "windows", "10.0.22631", "Windows"},
	{"macOS 15.1 (Sequoia)", "macos", "15.1", "MacOS"},
}

// snapshot is what a host reports of itself.
func (p *fleetPlan) snapshot(host int) *agentwire.Snapshot {
	model := p.model(host)
	r := draws(2, model)
	os := largeSystems[min(int(r.ExpFloat64()*2.5), len(largeSystems)-1)]
	name := fmt.Sprintf("%s-%s-%06d", []string{"web", "db", "cache", "build", "mail", "kiosk", "vpn", "lab"}[r.IntN(8)], siteNames[model%len(siteNames)], host)
	s := &agentwire.Snapshot{
		Host: agentwire.Host{
			Name: name, FQDN: name + ".corp.example.net", OS: os.name, OSID: os.id, OSVersion: os.version, Platform: os.platform,
			Kernel: "6.1.0-18-amd64", Architecture: "x86_64", Address: fmt.Sprintf("10.%d.%d.%d", host>>16&255, host>>8&255, host&255),
			Manufacturer: "ACME", Model: "Rack 1", BIOS: "ACME 1.2 2030-01-01", MemoryMB: 16_384, Timezone: "UTC",
			LastBoot: Start.Add(-24 * time.Hour), LastUser: "root", Fingerprint: fmt.Sprint("f00d", model),
		},
		Interfaces: []agentwire.Interface{{Name: "eth0", MAC: "02:00:00:00:00:01", Address: "fe80::1", Gateway: "10.0.0.1"}},
		Accounts:   []agentwire.Account{{Username: "root"}, {Username: "ada"}},
		Processors: []agentwire.Processor{{Name: "CPU A", MHz: 3000, Cores: 8}},
		Volumes:    []agentwire.Volume{{Name: "/", Size: 1 << 38, Free: 1 << 37}},
		Software:   packagesOf(r, model), Ports: portsOf(r, model),
	}
	s.Normalize()
	return s
}

var siteNames = []string{"fra01", "ams02", "sin01", "nyc03", "lon01", "par02", "tok01", "syd01", "sao01", "del02"}

// packagesOf returns packages of which some are everywhere and many are on few
// models; the rare models have one that nobody else has.
func packagesOf(r *rand.Rand, model int) []agentwire.Software {
	var software []agentwire.Software
	taken := make(map[int]bool)
	zipf := rand.NewZipf(r, 1.3, 8, 4000)
	for len(software) < packagesPerHost {
		n := int(zipf.Uint64())
		if taken[n] {
			continue
		}
		taken[n] = true
		software = append(software, agentwire.Software{
			Kind: "deb", Name: fmt.Sprintf("lib%s%d", []string{"ssl", "crypt", "xml", "png", "curl"}[n%5], n),
			Version: fmt.Sprintf("%d.%d-%d", 1+n%4, r.IntN(3), 1+r.IntN(2)), Architecture: "amd64", SourceName: fmt.Sprint("src", n/4),
		})
	}
	if model <= rareModels {
		software[0] = agentwire.Software{Kind: "deb", Name: fmt.Sprint("rare-tool-", model), Version: "1.0", Architecture: "amd64"}
	}
	return software
}

// portsOf returns ports of which 22 is everywhere and the high ones are rare.
func portsOf(r *rand.Rand, model int) []agentwire.Port {
	ports := []agentwire.Port{{Protocol: "TCP", Address: "0.0.0.0", Port: 22, Process: "sshd"}}
	for len(ports) < portsPerHost {
		port := agentwire.Port{Protocol: "TCP", Address: "0.0.0.0", Port: 80 + int(r.ExpFloat64()*500), Process: "service"}
		if !slices.ContainsFunc(ports, func(other agentwire.Port) bool { return other.Key() == port.Key() }) {
			ports = append(ports, port)
		}
	}
	if model <= rareModels {
		ports[1].Port = 60_000 + model
	}
	return ports
}

// contact is when an agent enrolled, sent its inventory and was last heard of.
type contact struct {
	created, modified, checkedIn time.Time
	version, from                string
}

func (p *fleetPlan) contact(host int) contact {
	r := draws(3, host)
	c := contact{
		created:   Start.Add(-time.Duration(p.hosts-host) * 730 * 24 * time.Hour / time.Duration(p.hosts)).Truncate(time.Second),
		checkedIn: Start.Add(-time.Duration(r.IntN(4*3600)) * time.Second),
		version:   fmt.Sprintf("2.%d.0", min(int(r.ExpFloat64()*3), 12)),
		from:      fmt.Sprintf("203.0.113.%d", r.IntN(256)),
	}
	c.modified = c.created.Add(time.Duration(r.IntN(30*24*3600)) * time.Second)
	if r.IntN(10) == 0 { // away for weeks
		c.checkedIn = c.checkedIn.Add(-time.Duration(r.IntN(90*24)) * time.Hour)
	}
	if p.late(host) {
		c.version = lateVersion
	}
	if c.checkedIn.Before(c.created) {
		c.checkedIn = c.created
	}
	return c
}

// publicKey is shorter to make than that of PublicKey, and no less distinct.
func (p *fleetPlan) publicKey(host int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "host %d", host))
	return sum[:]
}

// prepare stores keys, tags and profiles of a large fleet.
func (p *fleetPlan) prepare(tb testing.TB, s *store.Store) {
	tb.Helper()
	p.tags = make(map[string]int64)
	for model := 1; model <= p.models; model++ {
		for _, name := range p.tagNames(model) {
			if p.tags[name] == 0 {
				p.tags[name] = must(s.CreateTag(tb.Context(), qps.TagChange{Name: &name}))(tb)
			}
		}
	}
	for n := range 20 {
		p.createKey(tb, s, largeKey(n))
	}
	p.createKey(tb, s, lateKey)
	include := []fleet.TagRef{}
	for site := 1; site <= 10; site++ {
		include = append(include, fleet.TagRef{ID: p.tags[fmt.Sprintf("site-%02d", site)]})
	}
	branch := profile(siteProfile, include...)
	branch.Performance = performance.Recommended(performance.Low)
	must(s.CreateProfile(tb.Context(), branch))(tb)
	for must(s.RolloutProfiles(tb.Context(), 1))(tb).Waiting {
	}
}

func (p *fleetPlan) createKey(tb testing.TB, s *store.Store, key string) {
	tb.Helper()
	createKey(tb, s, fleet.ActivationKey{Key: key, Title: "Key " + key[len(key)-3:], Type: fleet.KeyUnlimited, Modules: []fleet.Module{fleet.ModuleVM}})
}

// admit takes a host in as the platform does: it enrols, gets its tags, sends its
// inventory and checks in.
func (p *fleetPlan) admit(tb testing.TB, s *store.Store, host int) {
	tb.Helper()
	ctx := tb.Context()
	next, c := p.snapshot(host), p.contact(host)
	enrolled := must(s.EnrolAgent(ctx, fleet.Enrolment{
		ActivationKey: p.key(p.model(host)), PublicKey: p.publicKey(host), AgentID: AgentID(host), AgentVersion: c.version, ConnectedFrom: c.from,
		Host: next.Host, At: c.created,
	}))(tb)
	if enrolled.HostID != int64(host) {
		tb.Fatalf("host %d has id %d", host, enrolled.HostID)
	}
	var tags qps.TagAssignment
	for _, name := range p.tagNames(p.model(host)) {
		tags.Add = append(tags.Add, p.tags[name])
	}
	must(s.AssignTags(ctx, []int64{enrolled.HostID}, tags))(tb)
	send(tb, s, pack(enrolled.HostID, nil, next), c.modified)
	save(tb, s, fleet.Heartbeat{HostID: enrolled.HostID, At: c.checkedIn, ConnectedFrom: c.from, AgentVersion: c.version, Event: lastEvent})
}

// lastEvent is the last event of every agent of a large fleet.
const lastEvent = "Status"
