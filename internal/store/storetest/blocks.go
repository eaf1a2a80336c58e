package storetest

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// testBlocks has hosts far apart, and more that are alike than an index may name:
// searches pass over blocks of ids and go by the index that names the fewest.
func testBlocks(t *testing.T, b *bundle) {
	const apart = 9 // some 900 hosts in each block of ids
	hosts := Hosts(t, b.Store, 11_000)
	tags := MakeTags(t, b.Store, "late", "early")
	for i := range hosts {
		h := &hosts[i]
		h.ID, h.Software, h.Ports = int64(1+i*apart), nil, h.Ports[:1]
		if i >= 9000 { // as after a restore
			h.ID += 1 << 40
		}
		h.Created = Start.Add(time.Duration(i) * time.Second)
		h.Dates[0] = time.Time{}
		if i%11 == 0 {
			h.AgentVersion = ""
		}
		late := i >= 5900
		if late {
			h.TagIDs, h.AgentVersion, h.Dates[0] = append(h.TagIDs, tags[0]), "3.0", Start.Add(time.Hour)
			h.Tracking, h.CheckedIn, h.QWebHostID = "EC2", Start.Add(time.Hour), 1_000_000+h.ID
		}
		if i >= 3000 && i < 9500 {
			h.Instance = &connector.Instance{
				AccountID: account, InstanceID: instanceName(i), Region: []string{"eu-west-1", "us-east-1"}[i/6000], State: "RUNNING", VPCID: fmt.Sprint("vpc-", i%400),
			}
		}
		if i < 5100 {
			h.TagIDs = append(h.TagIDs, tags[1])
		}
	}
	Fill(t, b.Store, hosts)
	var all []qps.HostAsset
	query := fleet.Query{Scope: fleet.WholeFleet(), Limit: 5000}
	for more := true; more; query.FromID = all[len(all)-1].ID + 1 {
		page := must(b.SearchHosts(t.Context(), query))(t)
		all, more = append(all, page.Hosts...), page.More
	}
	if len(all) != len(hosts) {
		t.Fatalf("%d hosts are found, want %d", len(all), len(hosts))
	}
	criterion := func(field string, op qps.Operator, value string) qps.Criterion {
		return qps.Criterion{Field: field, Operator: op, Value: value}
	}
	created := qps.FormatTime(Start.Add(5900 * time.Second))
	for name, criteria := range map[string][]qps.Criterion{
		"a tag of late hosts":             {criterion("tagName", qps.OpEquals, "late")},
		"tags that exclude each other":    {criterion("tagName", qps.OpEquals, "late"), criterion("tagName", qps.OpEquals, "early")},
		"two tags":                        {criterion("tagId", qps.OpIn, strconv.FormatInt(tags[0], 10)+","+strconv.FormatInt(tags[1], 10))},
		"not a tag of late hosts":         {criterion("tagName", qps.OpNotEquals, "late")},
		"not a tag of early hosts":        {criterion("tagName", qps.OpNotEquals, "early")},
		"not the tag of all hosts":        {criterion("tagName", qps.OpNotEquals, fleet.SystemTag)},
		"not a port that all hosts have":  {criterion("port", qps.OpNotEquals, "22")},
		"neither of two tags":             {criterion("tagName", qps.OpNotEquals, "early"), criterion("tagName", qps.OpNotEquals, "half")},
		"all hosts":                       {criterion("type", qps.OpEquals, qps.TypeHost)},
		"a date after most":               {criterion("created", qps.OpGreater, created)},
		"another date than the late ones": {criterion("created", qps.OpNotEquals, created)},
		"a date that some hosts have":     {criterion("lastVulnScan", qps.OpGreater, qps.FormatTime(Start))},
		"a day":                           {criterion("lastVulnScan", qps.OpEquals, Start.Format(time.DateOnly))},
		"a version":                       {criterion("agentVersion", qps.OpEquals, "3.0")},
		"a newer version and a half":      {criterion("agentVersion", qps.OpGreater, "2.6"), criterion("tagName", qps.OpEquals, "half")},
		"an older version, which those without one have not": {criterion("agentVersion", qps.OpLesser, "9")},
		"a recent contact":                 {criterion("lastCheckedIn", qps.OpGreater, qps.FormatTime(Start))},
		"a contact long ago and a name":    {criterion("lastCheckedIn", qps.OpLesser, qps.FormatTime(Start.Add(-time.Hour))), criterion("name", qps.OpContains, "99")},
		"another tracking method":          {criterion("trackingMethod", qps.OpNotEquals, qps.TrackingAgent)},
		"a tracking method":                {criterion("trackingMethod", qps.OpEquals, "EC2")},
		"ids of scanners":                  {criterion("qwebHostId", qps.OpLesser, "1100000")},
		"a system":                         {criterion("os", qps.OpContains, "macOS")},
		"two systems at once":              {criterion("os", qps.OpContains, "Debian"), criterion("os", qps.OpContains, "macOS")},
		"a system by two of its parts":     {criterion("os", qps.OpContains, "Debian"), criterion("os", qps.OpContains, "12")},
		"other systems":                    {criterion("os", qps.OpNotEquals, "macOS 15")},
		"a system and a tag of late hosts": {criterion("os", qps.OpContains, "Debian"), criterion("tagName", qps.OpEquals, "late")},
		"instances of a region":            {criterion("region", qps.OpEquals, "eu-west-1")},
		"hosts of no or another region":    {criterion("region", qps.OpNotEquals, "eu-west-1")},
		"instances of both regions":        {criterion("region", qps.OpIn, "eu-west-1,us-east-1,mars"), criterion("tagName", qps.OpEquals, "half")},
		"a network":                        {criterion("vpcId", qps.OpEquals, "vpc-17"), criterion("instanceState", qps.OpEquals, "RUNNING")},
		"a state that no instance has":     {criterion("instanceState", qps.OpEquals, "STOPPED")},
		"an instance":                      {criterion("instanceId", qps.OpEquals, instanceName(7000)), criterion("accountId", qps.OpEquals, account)},
		"one character":                    {criterion("name", qps.OpContains, "9"), criterion("tagName", qps.OpEquals, "late")},
		"one character of no host":         {criterion("address", qps.OpContains, "Q")},
		"two characters":                   {criterion("dnsHostName", qps.OpContains, "13"), criterion("created", qps.OpGreater, created)},
	} {
		conditions := must(fleet.ParseConditions(criteria))(t)
		matching := []int64{}
		for i := range all {
			if fleet.Match(&all[i], conditions) {
				matching = append(matching, all[i].ID)
			}
		}
		if n := must(b.CountHosts(t.Context(), fleet.WholeFleet(), conditions))(t); n != int64(len(matching)) {
			t.Errorf("%s: %d hosts are counted, want %d", name, n, len(matching))
		}
		for _, from := range []int64{0, 8192, 70_000, math.MaxInt64} {
			first, _ := slices.BinarySearch(matching, from)
			want := matching[first:]
			for _, page := range []struct{ offset, limit int }{{0, 900}, {2500, 200}} {
				rest := want[min(page.offset, len(want)):]
				got := must(b.SearchHosts(t.Context(), fleet.Query{
					Scope: fleet.WholeFleet(), Conditions: conditions, FromID: from, Offset: int64(page.offset), Limit: page.limit, Include: func(string) bool { return false },
				}))(t)
				ids := []int64{}
				for i := range got.Hosts {
					ids = append(ids, got.Hosts[i].ID)
				}
				if diff := cmp.Diff(rest[:min(page.limit, len(rest))], ids); diff != "" || got.More != (len(rest) > page.limit) {
					t.Errorf("%s from id %d, %d from %d on: more %t, %s", name, from, page.limit, page.offset, got.More, diff)
				}
			}
		}
	}
}
