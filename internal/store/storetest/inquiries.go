package storetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// inquiry is a search that a large fleet is asked for.
type inquiry struct {
	name     string
	criteria []qps.Criterion
	scope    fleet.Scope
	from     int64
	offset   int64
}

// asked are values to ask a field for: of most hosts, of few, of none.
type asked struct{ frequent, rare, absent string }

// values returns what each field is asked for. A field of which frequent is empty
// has no value on any host.
func (p *fleetPlan) values() map[fleet.Field]asked {
	last, lateModel := p.snapshot(p.hosts).Host, p.models-1
	late := p.contact(p.hosts - p.hosts/1000).created
	return map[fleet.Field]asked{
		fleet.FieldID:                         {strconv.Itoa(p.hosts / 2), strconv.Itoa(p.hosts - 7), strconv.Itoa(10 * p.hosts)},
		fleet.FieldQWebHostID:                 {strconv.Itoa(5_000_000_000 + p.hosts/2), strconv.Itoa(5_000_000_000 + p.hosts - 1), "9000000000"},
		fleet.FieldName:                       {"web", last.Name[3:], "no-such-host"},
		fleet.FieldDNSHostName:                {"example.net", last.FQDN[3:], "example.org"},
		fleet.FieldNetBIOSName:                {"", "", "WIN-7F3A"},
		fleet.FieldNetBIOSNetworkID:           {"", "", "12"},
		fleet.FieldNetworkGUID:                {"", "", "66bf43c8"},
		fleet.FieldAddress:                    {"10.", last.Address[3:], "192.0.2.200"},
		fleet.FieldOS:                         {"Debian GNU/Linux 12 (bookworm)", "macOS 15.1 (Sequoia)", "Solaris 11"},
		fleet.FieldType:                       {qps.TypeHost, qps.TypeHost, "WEBAPP"},
		fleet.FieldTrackingMethod:             {qps.TrackingAgent, qps.TrackingAgent, "EC2"},
		fleet.FieldPort:                       {"22", "60002", "65535"},
		fleet.FieldInstalledSoftware:          {"libssl0", "rare-tool-2", "no-such-package"},
		fleet.FieldTagName:                    {fleet.SystemTag, lateTag, "no-such-tag"},
		fleet.FieldTagID:                      {"1", fmt.Sprint(p.tags[lateTag]), "99999"},
		fleet.FieldCreated:                    {qps.FormatTime(p.contact(p.hosts / 2).created), qps.FormatTime(late), "2051-01-01T00:00:00Z"},
		fleet.FieldUpdated:                    {qps.FormatTime(p.contact(p.hosts / 2).modified), qps.FormatTime(late.Add(25 * 24 * time.Hour)), "2051-01-01T00:00:00Z"},
		fleet.FieldLastVulnScan:               {qps.FormatTime(Start.Add(-2 * time.Hour)), qps.FormatTime(Start.Add(-20 * time.Second)), "2051-01-01T00:00:00Z"},
		fleet.FieldLastComplianceScan:         {"", "", "2031-01-01T00:00:00Z"},
		fleet.FieldVulnsUpdated:               {qps.FormatTime(p.contact(p.hosts / 2).modified), qps.FormatTime(late.Add(25 * 24 * time.Hour)), "2051-01-01T00:00:00Z"},
		fleet.FieldInformationGatheredUpdated: {"", "", "2031-01-01T00:00:00Z"},
		fleet.FieldActivationKey:              {largeKey(7), p.key(lateModel), "5d2f0000-0000-4000-8000-000000000000"},
		fleet.FieldAgentConfigurationName:     {"Normal", siteProfile, "no-such-profile"},
		fleet.FieldAgentConfigurationID:       {"1", "3", "99999"},
		fleet.FieldAgentVersion:               {"2.3.0", lateVersion, "9.9.9"},
		fleet.FieldLastCheckedIn:              {qps.FormatTime(Start.Add(-2 * time.Hour)), qps.FormatTime(Start.Add(-20 * time.Second)), "2051-01-01T00:00:00Z"},
		fleet.FieldInstanceID:                 {"", "", instanceName(1)},
		fleet.FieldAccountID:                  {"", "", account},
		fleet.FieldRegion:                     {"", "", "eu-west-1"},
		fleet.FieldAvailabilityZone:           {"", "", "eu-west-1a"},
		fleet.FieldInstanceState:              {"", "", "RUNNING"},
		fleet.FieldInstanceType:               {"", "", "t3.micro"},
		fleet.FieldImageID:                    {"", "", "ami-0c"},
		fleet.FieldVPCID:                      {"", "", "vpc-0e"},
		fleet.FieldSubnetID:                   {"", "", "subnet-0d"},
		fleet.FieldAgentUUID:                  {AgentID(p.hosts / 2), AgentID(p.hosts), AgentID(10 * p.hosts)},
	}
}

// inquiries returns each filter with each operator it allows and each of its
// values, then what is known to be hard, then combinations as operators ask for.
func (p *fleetPlan) inquiries() []inquiry {
	var list []inquiry
	add := func(name string, criteria ...qps.Criterion) {
		list = append(list, inquiry{name: name, criteria: criteria, scope: fleet.WholeFleet()})
	}
	values := p.values()
	for _, field := range fleet.Fields() {
		for _, op := range []qps.Operator{qps.OpEquals, qps.OpNotEquals, qps.OpGreater, qps.OpLesser, qps.OpIn, qps.OpContains} {
			asked := values[field]
			for kind, value := range []string{asked.frequent, asked.rare, asked.absent} {
				if op == qps.OpIn && value != "" {
					value += "," + values[field].absent
				}
				c := qps.Criterion{Field: string(field), Operator: op, Value: value}
				if _, err := fleet.ParseConditions([]qps.Criterion{c}); err == nil {
					add(fmt.Sprintf("%s %s %s", field, op, []string{"frequent", "rare", "absent"}[kind]), c)
				}
			}
		}
	}
	for _, field := range []string{"name", "dnsHostName", "address", "netbiosName", "netbiosNetworkID", "networkGuid", "os", "installedSoftware", "tagName"} {
		for _, text := range []string{"w", "Q", "we", "QZ", "0-", "99", "99999"} {
			add(fmt.Sprintf("%s CONTAINS '%s'", field, text), qps.Criterion{Field: field, Operator: qps.OpContains, Value: text})
		}
	}
	list = append(list, p.pages()...)
	list = append(list, p.combinations()...)
	return list
}

// pages are deep pages and long lists.
func (p *fleetPlan) pages() []inquiry {
	whole := fleet.WholeFleet()
	site := []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "site-42"}}
	agents := []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: fleet.SystemTag}}
	after := func(host int) qps.Criterion {
		return qps.Criterion{Field: "id", Operator: qps.OpGreater, Value: strconv.Itoa(host)}
	}
	var ids []string
	for n := range 1000 {
		ids = append(ids, strconv.Itoa(1+n*p.hosts/1000))
	}
	half := int64(p.hosts / 2)
	return []inquiry{
		{name: "first page", scope: whole},
		{name: "startFromOffset half", scope: whole, offset: half},
		{name: "startFromOffset half of the agents", scope: whole, criteria: agents, offset: half},
		{name: "startFromOffset half of a range", scope: whole, offset: half, criteria: []qps.Criterion{{Field: "lastCheckedIn", Operator: qps.OpLesser, Value: "2051-01-01"}}},
		{name: "startFromOffset half of a site", scope: whole, criteria: site, offset: half / 100},
		{name: "startFromId middle", scope: whole, from: half},
		{name: "id GREATER middle", scope: whole, criteria: []qps.Criterion{after(p.hosts / 2)}},
		{name: "id GREATER near the end", scope: whole, criteria: []qps.Criterion{after(p.hosts - 150)}},
		{name: "tagName and id GREATER middle", scope: whole, criteria: append(site, after(p.hosts/2))},
		{name: "system tag and id GREATER near the end", scope: whole, criteria: append(agents, after(p.hosts-150))},
		{name: "id IN 1,000", scope: whole, criteria: []qps.Criterion{{Field: "id", Operator: qps.OpIn, Value: strings.Join(ids, ",")}}},
		{name: "scope of a site", scope: fleet.Scope{TagIDs: []int64{p.tags["site-42"]}}},
		{name: "scope of a site, rare name", scope: fleet.Scope{TagIDs: []int64{p.tags["site-42"]}}, criteria: []qps.Criterion{{Field: "name", Operator: qps.OpContains, Value: "no-such-host"}}},
		{name: "scope of a site, os", scope: fleet.Scope{TagIDs: []int64{p.tags["site-42"]}}, criteria: []qps.Criterion{{Field: "os", Operator: qps.OpContains, Value: "Linux"}}},
		{name: "scope of the system tag", scope: fleet.Scope{TagIDs: []int64{1}}},
		{name: "scope of the system tag, late hosts", scope: fleet.Scope{TagIDs: []int64{1}}, criteria: []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: lateTag}}},
	}
}

// combinations are searches as operators make them.
func (p *fleetPlan) combinations() []inquiry {
	criterion := func(field string, op qps.Operator, value string) qps.Criterion {
		return qps.Criterion{Field: field, Operator: op, Value: value}
	}
	recent := qps.FormatTime(Start.Add(-time.Hour))
	whole := fleet.WholeFleet()
	return []inquiry{
		{name: "tag and os and recent contact", scope: whole, criteria: []qps.Criterion{
			criterion("tagName", qps.OpEquals, "production"), criterion("os", qps.OpContains, "Ubuntu"), criterion("lastCheckedIn", qps.OpGreater, recent),
		}},
		{name: "software and port", scope: whole, criteria: []qps.Criterion{
			criterion("installedSoftware", qps.OpContains, "libssl0 1."), criterion("port", qps.OpEquals, "443"),
		}},
		{name: "key and old version and name", scope: whole, criteria: []qps.Criterion{
			criterion("activationKey", qps.OpEquals, largeKey(7)), criterion("agentVersion", qps.OpLesser, "2.2"), criterion("name", qps.OpContains, "web"),
		}},
		{name: "frequent criteria that exclude each other", scope: whole, criteria: []qps.Criterion{
			criterion("activationKey", qps.OpEquals, largeKey(7)), criterion("tagName", qps.OpEquals, lateTag),
		}},
		{name: "two systems at once", scope: whole, criteria: []qps.Criterion{
			criterion("os", qps.OpContains, "Debian"), criterion("os", qps.OpContains, "Windows"),
		}},
	}
}
