package storetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testSearch(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("random criteria select the hosts that match", func(t *testing.T) {
		t.Parallel()
		testRandomCriteria(t, setup(t, create))
	})
	t.Run("hostile texts are nothing but texts", func(t *testing.T) {
		t.Parallel()
		testHostileTexts(t, setup(t, create))
	})
	t.Run("criteria that match more hosts than an index may name", func(t *testing.T) {
		t.Parallel()
		testLargeFleet(t, setup(t, create))
	})
	t.Run("searches pass over blocks of ids", func(t *testing.T) {
		t.Parallel()
		testBlocks(t, setup(t, create))
	})
	t.Run("slow searches leave the readers that agents need", func(t *testing.T) {
		t.Parallel()
		testSlowSearches(t, setup(t, create))
	})
	t.Run("names are found after they changed", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		host := enrol(t, b.Store, 1).HostID
		send(t, b.Store, pack(host, nil, snapshot("renamed-host")), Start)
		for text, want := range map[string]int{"edge-cache": 0, "renamed": 1, "Renamed": 0, "host": 1} {
			if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "name", qps.OpContains, text)))(t); n != int64(want) {
				t.Errorf("%q is found %d times, want %d", text, n, want)
			}
		}
	})
}

// shards are what names and values are put together from: among them is all
// that means something to LIKE, MATCH, JSON, SQL or a shell, and letters whose
// case or normal form could be mixed up.
var shards = []string{
	"a", "b", "A", "ab", "abc", "0", ".", "-", "%", "_", `\`, `\%`, "'", `"`, `""`, "*", "?", "$1", ";--", "(", ")", "^", ":", "{", "}", "[", "]",
	" ", "NOT", " OR ", "AND", "NEAR", "ü", "u\u0308", "Ü", "ß", "ẞ", "İ", "ı", "日本", "語", "😀", "\u200b", "\t", "\u2028", "\ufffd",
}

var (
	words = rapid.Custom(func(r *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(shards), 1, 5).Draw(r, "shards"), "")
	})
	optional = rapid.OneOf(rapid.Just(""), words)
	instants = rapid.Custom(func(r *rapid.T) time.Time {
		return Start.Add(time.Duration(rapid.IntRange(-50, 50).Draw(r, "hours")) * time.Hour)
	})
	maybeInstants = rapid.OneOf(rapid.Just(time.Time{}), instants)
	versions      = rapid.SampledFrom([]string{"", "1.9", "1.10", "1.10.0", "2", "2.0.0.1", "x", "1.9-rc1", "10.0"})
	packages      = rapid.Custom(func(r *rapid.T) agentwire.Software {
		return agentwire.Software{Kind: "deb", Name: words.Draw(r, "package"), Version: rapid.SampledFrom([]string{"", "1", "1 2", "%"}).Draw(r, "version")}
	})
)

func testRandomCriteria(t *testing.T, b *bundle) {
	tags := append(MakeTags(t, b.Store, "a", "ab", "%", "Cloud agent", `x"y'z\`), 1)
	rapid.Check(t, func(r *rapid.T) {
		if err := Clear(t.Context(), b.Store); err != nil {
			r.Fatal(err)
		}
		n := rapid.IntRange(1, 8).Draw(r, "hosts")
		fleetOf := make([]Synthetic, n)
		for i := range fleetOf {
			fleetOf[i] = drawHost(r, int64(i*3+1), tags)
		}
		Fill(t, b.Store, fleetOf)
		all := must(b.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 100}))(t).Hosts
		if len(all) != n {
			r.Fatalf("%d hosts stored, want %d", len(all), n)
		}
		for range 20 {
			compare(r, b.Store, all, drawScope(r, tags), rapid.SliceOfN(criteria(all), 1, 3).Draw(r, "criteria"))
		}
	})
}

// testHostileTexts gives each host one hostile text in every place, and asks
// for it, and for pairs of it, in every place.
func testHostileTexts(t *testing.T, b *bundle) {
	var hosts []Synthetic
	var texts []string
	for i, shard := range shards {
		text := "x" + shard + "yz"
		texts = append(texts, text, shard+"y", "x"+shard, "xx"+shard)
		if strings.TrimSpace(shard) != "" { // a criterion needs a value
			texts = append(texts, shard+shard+shard)
		}
		hosts = append(hosts, Synthetic{
			ID: int64(i + 1), Name: text, OS: text, DNS: text, Address: text, NetBIOS: text, Tracking: text, Created: Start, Modified: Start,
			TagIDs: MakeTags(t, b.Store, text), Software: []agentwire.Software{{Kind: "deb", Name: text, Version: shard}},
			Agent: true, AgentVersion: []string{"", "1.2"}[i%2], ProfileID: 1, CheckedIn: Start,
		})
	}
	Fill(t, b.Store, hosts)
	all := must(b.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 1000}))(t).Hosts
	for _, field := range []string{"name", "os", "dnsHostName", "address", "netbiosName", "tagName", "installedSoftware", "agentConfigurationName"} {
		for _, text := range texts {
			for _, op := range []qps.Operator{qps.OpContains, qps.OpEquals} {
				compare(t, b.Store, all, fleet.WholeFleet(), []qps.Criterion{{Field: field, Operator: op, Value: text}})
			}
		}
	}
	compare(t, b.Store, all, fleet.WholeFleet(), []qps.Criterion{{Field: "agentVersion", Operator: qps.OpLesser, Value: "2"}})
}

func drawHost(r *rapid.T, id int64, tags []int64) Synthetic {
	h := Synthetic{
		ID: id, Name: words.Draw(r, "name"), OS: optional.Draw(r, "os"), FQDN: optional.Draw(r, "fqdn"), DNS: optional.Draw(r, "dns"),
		NetBIOS: optional.Draw(r, "netbios"), Network: optional.Draw(r, "network"), GUID: optional.Draw(r, "guid"), Address: optional.Draw(r, "address"),
		Tracking: rapid.SampledFrom([]string{"QAGENT", "IP", "NONE"}).Draw(r, "tracking"),
		Created:  instants.Draw(r, "created"), Modified: instants.Draw(r, "modified"),
		TagIDs: rapid.SliceOfNDistinct(rapid.SampledFrom(tags), 0, 3, rapid.ID).Draw(r, "tags"),
		Ports:  rapid.SliceOfNDistinct(rapid.IntRange(20, 25), 0, 3, rapid.ID).Draw(r, "ports"),
		Agent:  rapid.Bool().Draw(r, "agent"),
	}
	if rapid.Bool().Draw(r, "assessed") {
		h.QWebHostID = 9_000_000_000 + id
	}
	for i := range h.Dates {
		h.Dates[i] = maybeInstants.Draw(r, "date")
	}
	if rapid.Bool().Draw(r, "is an instance") {
		h.Instance = &connector.Instance{
			AccountID: words.Draw(r, "account"), InstanceID: instanceName(int(id)), Region: optional.Draw(r, "region"), AvailabilityZone: optional.Draw(r, "zone"),
			State: rapid.SampledFrom([]string{"", "RUNNING", "STOPPED"}).Draw(r, "state"), InstanceType: optional.Draw(r, "type"),
			ImageID: optional.Draw(r, "image"), VPCID: rapid.SampledFrom([]string{"", "vpc-1", "vpc-2"}).Draw(r, "vpc"), SubnetID: optional.Draw(r, "subnet"),
		}
	}
	h.Software = rapid.SliceOfNDistinct(packages, 0, 4, func(p agentwire.Software) string { return p.Name + "|" + p.Version }).Draw(r, "software")
	if h.Agent {
		h.AgentVersion, h.ProfileID, h.CheckedIn = versions.Draw(r, "agent version"), rapid.Int64Range(1, 2).Draw(r, "profile"), instants.Draw(r, "checked in")
	}
	return h
}

// criteria draws criteria that the fleet can answer: any field, any operator it
// has, values that occur, parts of them, and others.
func criteria(all []qps.HostAsset) *rapid.Generator[qps.Criterion] {
	return rapid.Custom(func(r *rapid.T) qps.Criterion {
		for {
			c := qps.Criterion{
				Field: string(rapid.SampledFrom(fleet.Fields()).Draw(r, "field")),
				Operator: rapid.SampledFrom([]qps.Operator{qps.OpEquals, qps.OpNotEquals, qps.OpGreater, qps.OpLesser, qps.OpIn, qps.OpContains}).
					Draw(r, "operator"),
			}
			known := valuesOf(&all[rapid.IntRange(0, len(all)-1).Draw(r, "host")], fleet.Field(c.Field))
			values := make([]string, 1)
			if c.Operator == qps.OpIn {
				values = make([]string, rapid.IntRange(1, 3).Draw(r, "list"))
			}
			for i := range values {
				values[i] = drawValue(r, known)
			}
			c.Value = strings.Join(values, ",")
			if _, err := fleet.ParseConditions([]qps.Criterion{c}); err == nil {
				return c
			}
		}
	})
}

func drawValue(r *rapid.T, known []string) string {
	other := rapid.OneOf(words, rapid.SampledFrom([]string{"21", "9000000001", "2", "1.10", "2031-04-01", "2031-03-31T06:12:44Z", "2031-04-01T06:12:44.5Z"}))
	if len(known) == 0 || rapid.IntRange(0, 3).Draw(r, "other") == 0 {
		return other.Draw(r, "value")
	}
	value := rapid.SampledFrom(known).Draw(r, "value")
	if rapid.Bool().Draw(r, "part") {
		runes := []rune(value)
		from := rapid.IntRange(0, len(runes)).Draw(r, "from")
		value = string(runes[from:rapid.IntRange(from, len(runes)).Draw(r, "to")])
	}
	return value
}

// valuesOf returns values of the host that are worth asking for.
func valuesOf(h *qps.HostAsset, f fleet.Field) []string {
	var values []string
	switch f {
	case fleet.FieldName:
		values = append(values, h.Name)
	case fleet.FieldOS:
		values = append(values, h.OS)
	case fleet.FieldDNSHostName:
		values = append(values, h.DNSHostName)
	case fleet.FieldAddress:
		values = append(values, h.Address)
	case fleet.FieldNetBIOSName, fleet.FieldNetBIOSNetworkID, fleet.FieldNetworkGUID:
		values = append(values, h.NetBIOSName, h.NetBIOSNetworkID, h.NetworkGUID)
	case fleet.FieldType, fleet.FieldTrackingMethod:
		values = append(values, h.Type, h.TrackingMethod, "WEBAPP")
	case fleet.FieldID, fleet.FieldQWebHostID, fleet.FieldTagID, fleet.FieldPort, fleet.FieldAgentConfigurationID:
		values = append(values, strconv.FormatInt(h.ID, 10), strconv.FormatInt(h.QWebHostID, 10), "1", "2", "22", "23")
	case fleet.FieldInstalledSoftware:
		for _, s := range h.Software {
			values = append(values, s.Name, s.Name+" "+s.Version)
		}
	case fleet.FieldInstanceID, fleet.FieldAccountID, fleet.FieldRegion, fleet.FieldAvailabilityZone, fleet.FieldInstanceState, fleet.FieldInstanceType,
		fleet.FieldImageID, fleet.FieldVPCID, fleet.FieldSubnetID:
		for _, source := range h.Sources {
			i := source.(*qps.EC2Source)
			values = append(values, i.InstanceID, i.AccountID, i.Region, i.AvailabilityZone, i.InstanceState, i.InstanceType, i.ImageID, i.VPCID, i.SubnetID)
		}
	case fleet.FieldTagName:
		values = append(values, "Cloud Agent", "a", "ab", "%", `x"y'z\`)
	case fleet.FieldAgentUUID:
		values = append(values, AgentID(int(h.ID)))
	case fleet.FieldActivationKey:
		values = append(values, ActivationKey)
	case fleet.FieldAgentConfigurationName:
		values = append(values, "Normal", "Low")
	case fleet.FieldAgentVersion:
		values = append(values, "1.9", "1.10", "1.10.0.0", "2.0", "x", "10")
	default:
		for _, date := range []time.Time{h.Created, h.Modified, h.LastVulnScan, h.VulnsUpdated} {
			values = append(values, qps.FormatTime(date), date.Format(time.DateOnly))
		}
	}
	return slices.DeleteFunc(values, func(v string) bool { return v == "" })
}

// tester is what a test and a rapid check have in common.
type tester interface {
	Context() context.Context
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// drawScope draws the whole fleet, no part of it, or that of some tags.
func drawScope(r *rapid.T, tags []int64) fleet.Scope {
	if rapid.Bool().Draw(r, "whole fleet") {
		return fleet.WholeFleet()
	}
	ids := rapid.SliceOfNDistinct(rapid.SampledFrom(tags), 0, 3, rapid.ID).Draw(r, "scope")
	slices.Sort(ids)
	return fleet.Scope{TagIDs: ids}
}

// inScope is what store.SearchHosts is compared with.
func inScope(h *qps.HostAsset, scope fleet.Scope) bool {
	return scope.All || slices.ContainsFunc(h.Tags, func(t qps.TagSimple) bool { return slices.Contains(scope.TagIDs, t.ID) })
}

// compare asks the store and Match for the same.
func compare(tb tester, s *store.Store, all []qps.HostAsset, scope fleet.Scope, list []qps.Criterion) {
	conditions, err := fleet.ParseConditions(list)
	if err != nil {
		tb.Fatal(err)
	}
	want := []int64{}
	for i := range all {
		if inScope(&all[i], scope) && fleet.Match(&all[i], conditions) {
			want = append(want, all[i].ID)
		}
	}
	page, err := s.SearchHosts(tb.Context(), fleet.Query{Scope: scope, Conditions: conditions, Limit: 1000, Include: func(string) bool { return false }})
	if err != nil {
		tb.Fatalf("search %+q: %v", list, err)
	}
	got := []int64{}
	for _, h := range page.Hosts {
		got = append(got, h.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		tb.Fatalf("criteria %+q in scope %v: matching hosts and found ones differ: %s", list, scope, diff)
	}
	n, err := s.CountHosts(tb.Context(), scope, conditions)
	if err != nil || n != int64(len(want)) {
		tb.Fatalf("criteria %+q: counted %d, %v; want %d", list, n, err, len(want))
	}
}

// testLargeFleet has more hosts than maxCandidates, so that searches walk.
func testLargeFleet(t *testing.T, b *bundle) {
	ctx := t.Context()
	hosts := Hosts(t, b.Store, 5500)
	for i := range hosts {
		hosts[i].Software = hosts[i].Software[:3]
	}
	Fill(t, b.Store, hosts)
	for _, c := range []struct {
		field string
		op    qps.Operator
		value string
		match func(h Synthetic) bool
	}{
		{"tagName", qps.OpEquals, "Cloud Agent", func(Synthetic) bool { return true }},
		{"tagName", qps.OpNotEquals, "Cloud Agent", func(Synthetic) bool { return false }},
		{"os", qps.OpContains, "Linux", func(h Synthetic) bool { return strings.Contains(h.OS, "Linux") }},
		{"name", qps.OpContains, "host", func(Synthetic) bool { return true }},
		{"name", qps.OpContains, "-5", func(h Synthetic) bool { return strings.Contains(h.Name, "-5") }},
		{"port", qps.OpEquals, "22", func(Synthetic) bool { return true }},
		{"port", qps.OpGreater, "1022", func(h Synthetic) bool { return slices.Max(h.Ports) > 1022 }},
		{"installedSoftware", qps.OpContains, "package", func(Synthetic) bool { return true }},
		{"installedSoftware", qps.OpContains, "package-", func(Synthetic) bool { return true }},
		{"lastCheckedIn", qps.OpGreater, qps.FormatTime(Start.Add(-time.Minute)), func(h Synthetic) bool { return h.CheckedIn.After(Start.Add(-time.Minute)) }},
		{"agentVersion", qps.OpLesser, "99", func(Synthetic) bool { return true }},
		{"agentConfigurationName", qps.OpEquals, "Normal", func(Synthetic) bool { return true }},
	} {
		want := 0
		var first []int64
		for _, h := range hosts {
			if c.match(h) {
				want++
				if len(first) < 50 {
					first = append(first, h.ID)
				}
			}
		}
		query := conditions(t, c.field, c.op, c.value)
		if n := must(b.CountHosts(ctx, fleet.WholeFleet(), query))(t); n != int64(want) {
			t.Errorf("%s %s %s: counted %d, want %d", c.field, c.op, c.value, n, want)
		}
		var got []int64
		page := must(b.SearchHosts(ctx, fleet.Query{Scope: fleet.WholeFleet(), Conditions: query, Limit: 50}))(t)
		for _, h := range page.Hosts {
			got = append(got, h.ID)
		}
		if diff := cmp.Diff(first, got); diff != "" || page.More != (want > 50) {
			t.Errorf("%s %s %s: more %t, %s", c.field, c.op, c.value, page.More, diff)
		}
	}
}

// Hosts returns n distinct hosts with an agent each: 20 packages of some
// thousands, 5 ports, two tags, contacts spread over a week before Start. Every
// 97th carries the tag "rare".
func Hosts(tb testing.TB, s *store.Store, n int) []Synthetic {
	tb.Helper()
	tags := MakeTags(tb, s, "half", "rare")
	systems := []string{"Debian GNU/Linux 12", "Ubuntu 24.04 LTS Linux", "Rocky Linux 9.3", "Windows Server 2025", "macOS 15"}
	hosts := make([]Synthetic, n)
	for i := range hosts {
		h := &hosts[i]
		*h = Synthetic{
			ID: int64(i + 1), Name: fmt.Sprintf("host-%06d.%s", i, []string{"edge", "core", "lab"}[i%3]), OS: systems[i%len(systems)],
			Address: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), Tracking: qps.TrackingAgent, Created: Start, Modified: Start.Add(time.Duration(i) * time.Second),
			TagIDs: []int64{1}, Agent: true, AgentVersion: fmt.Sprintf("2.%d.0", i%7), ProfileID: 1,
			CheckedIn: Start.Add(-time.Duration(i*7919%604800) * time.Second),
		}
		h.DNS = h.Name + ".example.net"
		if i%2 == 0 {
			h.TagIDs = append(h.TagIDs, tags[0])
		}
		if i%97 == 0 {
			h.TagIDs = append(h.TagIDs, tags[1])
		}
		for k := range 5 {
			h.Ports = append(h.Ports, 22+k*250+(i*k)%5)
		}
		for k := range 20 {
			h.Software = append(h.Software, agentwire.Software{
				Kind: "deb", Name: fmt.Sprintf("package-%d", k*13+i%13), Version: strconv.Itoa(1 + i%11), Architecture: "amd64",
			})
		}
	}
	return hosts
}
