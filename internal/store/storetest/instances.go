package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testInstances(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, s *syncing){
		"an instance is a host asset with all that AWS says":              testStoredInstance,
		"a page of which nothing changed writes nothing":                  testUnchangedPage,
		"what changed is written and its states are remembered":           testChangedInstance,
		"a terminated instance keeps the network it had":                  testTerminatedInstance,
		"instances get the tags and modules that they lack":               testDressedInstances,
		"terminated and the smallest instances are not activated":         testInactiveInstances,
		"an instance that cannot be stored is left out and named":         testHostileInstances,
		"instances that a complete listing does not have are terminated":  testVanishedInstances,
		"an instance of an agent is marked and does not change its host":  testInstanceOfAgentVanishes,
		"a host without an agent can be searched, tagged and not removed": testBareHost,
		"rules about instances follow what AWS says":                      testInstanceRules,
		"a run that was superseded stores nothing":                        testSupersededRun,
		"a connector that is deleted leaves its assets":                   testDeletedConnector,
		"pages of many instances are stored whole":                        testManyInstances,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, beginSync(t, setup(t, create)))
		})
	}
}

// syncing is a run of a connector.
type syncing struct {
	*bundle
	run       connector.Run
	connector connector.Connector
}

// beginSync makes a connector and begins its run. Both are written by hand: what
// is tested is what a run stores, whoever began it.
func beginSync(t testing.TB, b *bundle) *syncing {
	t.Helper()
	s := &syncing{bundle: b, connector: connector.Connector{Modules: []string{"VM"}}}
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		err := tx.QueryRow(t.Context(), `INSERT INTO connectors (name, description, partition, role_arn, external_id, all_regions, regions, disabled, run_frequency,
				modules, kept, state, account_id, last_error, created, modified, active_run)
			VALUES ('aws', '', 'aws', '', '', ?, '[]', ?, 240, '[]', '{}', 'RUNNING', '', '', 0, 0, 1) RETURNING id`, true, false).Scan(&s.connector.ID)
		s.run = connector.Run{ID: 1, ConnectorID: s.connector.ID, Started: Start}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const account = "012345678901"

// instanceName is an id as EC2 makes them, different for every n.
func instanceName(n int) string { return fmt.Sprintf("i-%017x", n) }

// instance is one with everything that AWS may say.
func instance(n int) connector.Instance {
	return connector.Instance{
		AccountID: account, Region: "eu-west-1", InstanceID: instanceName(n), ReservationID: "r-0b", AvailabilityZone: "eu-west-1a",
		PrivateDNSName: fmt.Sprintf("ip-10-0-0-%d.eu-west-1.compute.internal", n), PublicDNSName: "ec2-203-0-113-9.example.net", InstanceType: "t3.micro",
		ImageID: "ami-0c", KeyName: "ops", SubnetID: "subnet-0d", VPCID: "vpc-0e", State: "RUNNING", GroupID: "sg-0f", GroupName: "web & <more>",
		SpotInstance: true, SpotInstanceRequestID: "sir-1", PlacementGroupName: "close", ProductCode: "code", SourceDestCheck: true,
		PublicIPAddress: "203.0.113.9", PrivateIPAddress: fmt.Sprintf("10.0.0.%d", n), MACAddress: "02:00:00:00:00:01", MonitoringEnabled: true,
		Launched: Start.Add(-24 * time.Hour), Platform: "Linux/UNIX",
		Tags: []connector.Tag{{Key: "Name", Value: fmt.Sprintf("web-%d", n)}, {Key: "team", Value: "日本\" 'x"}},
	}
}

// store stores a page and returns what came of it.
func (s *syncing) store(t *testing.T, at time.Time, page ...connector.Instance) connector.RegionResult {
	t.Helper()
	result := connector.RegionResult{Region: "eu-west-1"}
	if err := s.StoreInstances(t.Context(), s.run, s.connector, page, &result, at); err != nil {
		t.Fatal(err)
	}
	return result
}

// hostOf returns the one host asset of an instance.
func (s *syncing) hostOf(t *testing.T, n int) qps.HostAsset {
	t.Helper()
	var found []qps.HostAsset
	for _, h := range must(s.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 1000}))(t).Hosts {
		for _, source := range h.Sources {
			if e, ok := source.(*qps.EC2Source); ok && e.InstanceID == instanceName(n) {
				found = append(found, h)
			}
		}
	}
	if len(found) != 1 {
		t.Fatalf("instance %d is %d host assets, want one", n, len(found))
	}
	return found[0]
}

func sourceOf(h qps.HostAsset) *qps.EC2Source { return h.Sources[0].(*qps.EC2Source) }

// activeOn returns the modules of a host, whether or not it has an agent.
func (b *bundle) activeOn(t *testing.T, hostID int64) []string {
	t.Helper()
	var modules []string
	err := b.InTx(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), "SELECT module FROM host_modules WHERE host_id = ? ORDER BY module", hostID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var m string
			if err := rows.Scan(&m); err != nil {
				return err
			}
			modules = append(modules, m)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return modules
}

func testStoredInstance(t *testing.T, s *syncing) {
	result := s.store(t, Start, instance(1))
	if diff := cmp.Diff(connector.RegionResult{Region: "eu-west-1", Listed: 1, Created: 1}, result); diff != "" {
		t.Errorf("result: %s", diff)
	}
	got := s.hostOf(t, 1)
	checked := true
	want := qps.HostAsset{
		ID: got.ID, Name: "web-1", Created: Start, Modified: Start, Type: qps.TypeHost, TrackingMethod: qps.TrackingInstance,
		DNSHostName: "ip-10-0-0-1.eu-west-1.compute.internal", Address: "10.0.0.1", CloudProvider: "AWS",
		NetworkInterfaces: []qps.NetworkInterface{
			{Hostname: "ip-10-0-0-1.eu-west-1.compute.internal", MACAddress: "02:00:00:00:00:01", Type: "PRIVATE", Address: "10.0.0.1"},
			{Hostname: "ec2-203-0-113-9.example.net", Type: "PUBLIC", Address: "203.0.113.9"},
		},
		Sources: []qps.Source{&qps.EC2Source{
			AssetID: got.ID, FirstDiscovered: Start, LastUpdated: Start,
			Tags:          []qps.CloudTag{{Key: "Name", Value: "web-1"}, {Key: "team", Value: "日本\" 'x"}},
			ReservationID: "r-0b", AvailabilityZone: "eu-west-1a", PrivateDNSName: "ip-10-0-0-1.eu-west-1.compute.internal",
			PublicDNSName: "ec2-203-0-113-9.example.net", InstanceID: instanceName(1), InstanceType: "t3.micro",
			CreatedDate: Start.Add(-24 * time.Hour), LaunchTime: Start.Add(-24 * time.Hour), InstanceState: "RUNNING",
			GroupID: "sg-0f", GroupName: "web & <more>", SpotInstance: true, SpotInstanceRequestID: "sir-1", AccountID: account,
			SubnetID: "subnet-0d", VPCID: "vpc-0e", Region: "eu-west-1", Zone: "VPC", ImageID: "ami-0c", KeyName: "ops",
			PlacementGroupName: "close", ProductCode: "code", SourceDestinationCheck: &checked, PublicIPAddress: "203.0.113.9",
			PrivateIPAddress: "10.0.0.1", MACAddress: "02:00:00:00:00:01", MonitoringEnabled: true,
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("host asset: %s", diff)
	}
	nameless := instance(2)
	nameless.Tags = []connector.Tag{{Key: "Name"}}
	bare := instance(3)
	bare.Tags, bare.PrivateDNSName = nil, ""
	s.store(t, Start, nameless, bare)
	if name := s.hostOf(t, 2).Name; name != nameless.PrivateDNSName {
		t.Errorf("an instance without a name is called %q, want its DNS name", name)
	}
	if name := s.hostOf(t, 3).Name; name != instanceName(3) {
		t.Errorf("an instance without any name is called %q, want its id", name)
	}
	other := instance(1)
	other.AccountID = "210987654321"
	if result := s.store(t, Start, other); result.Created != 1 {
		t.Errorf("the same id in another account: %+v, want a host of its own", result)
	}
}

func testUnchangedPage(t *testing.T, s *syncing) {
	s.connector.DefaultTags = []qps.TagSimple{{ID: MakeTags(t, s.Store, "aws")[0]}}
	page := []connector.Instance{instance(1), instance(2)}
	s.store(t, Start, page...)
	before := s.tables(t)
	result := s.store(t, Start.Add(time.Hour), page...)
	if diff := cmp.Diff(connector.RegionResult{Region: "eu-west-1", Listed: 2}, result); diff != "" {
		t.Errorf("result: %s", diff)
	}
	if diff := cmp.Diff(before, s.tables(t)); diff != "" {
		t.Errorf("rows changed: %s", diff)
	}
}

// tables is every row that instances have.
func (s *syncing) tables(t *testing.T) contents {
	t.Helper()
	all := contents{}
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"hosts", "host_details", "host_tags", "host_modules", "cloud_instances", "cloud_instance_connectors", "changes"} {
			rows, err := readTable(t.Context(), tx, table)
			if err != nil {
				return err
			}
			all[table] = rows
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func testChangedInstance(t *testing.T, s *syncing) {
	i := instance(1)
	s.store(t, Start, i)
	later := Start.Add(time.Hour)
	i.State, i.Tags, i.PublicIPAddress = "STOPPED", []connector.Tag{{Key: "Name", Value: "renamed"}}, ""
	result := s.store(t, later, i, instance(2))
	if result.Updated != 1 || result.Created != 1 {
		t.Errorf("result %+v, want one created and one updated", result)
	}
	h := s.hostOf(t, 1)
	e := sourceOf(h)
	if h.Name != "renamed" || !h.Modified.Equal(later) || !h.Created.Equal(Start) || e.InstanceState != "STOPPED" || len(e.Tags) != 1 ||
		e.PublicIPAddress != "" || !e.FirstDiscovered.Equal(Start) || !e.LastUpdated.Equal(later) || len(h.NetworkInterfaces) != 1 {
		t.Errorf("host %+v, source %+v", h, e)
	}
	for n := range 60 {
		i.State = []string{"RUNNING", "STOPPED"}[n%2]
		s.store(t, later.Add(time.Duration(n)*time.Minute), i)
	}
	history := must(s.InstanceHistory(t.Context(), fleet.WholeFleet(), h.ID))(t)
	if len(history) != 50 || history[49].State != "STOPPED" || !history[49].Since.Equal(later.Add(59*time.Minute)) || history[48].State != "RUNNING" {
		t.Errorf("%d states are remembered, the last %+v; want the last 50", len(history), history[len(history)-1])
	}
	_, err := s.InstanceHistory(t.Context(), fleet.Scope{}, h.ID)
	wantCode(t, err, fault.NotFound)
}

func testTerminatedInstance(t *testing.T, s *syncing) {
	i := instance(1)
	s.store(t, Start, i)
	gone := connector.Instance{AccountID: i.AccountID, Region: i.Region, InstanceID: i.InstanceID, InstanceType: i.InstanceType, State: connector.Terminated}
	s.store(t, Start.Add(time.Hour), gone)
	h := s.hostOf(t, 1)
	e := sourceOf(h)
	if e.InstanceState != connector.Terminated || h.Address != i.PrivateIPAddress || e.PrivateIPAddress != i.PrivateIPAddress || e.VPCID != i.VPCID ||
		e.SubnetID != i.SubnetID || h.Name != "web-1" {
		t.Errorf("terminated host %q %s: %+v", h.Name, h.Address, e)
	}
	before := s.tables(t)
	s.store(t, Start.Add(2*time.Hour), gone)
	if diff := cmp.Diff(before, s.tables(t)); diff != "" {
		t.Errorf("listed again, rows changed: %s", diff)
	}
}

func testDressedInstances(t *testing.T, s *syncing) {
	tags := MakeTags(t, s.Store, "aws", "own", "later")
	s.connector.DefaultTags = []qps.TagSimple{{ID: tags[0]}}
	s.store(t, Start, instance(1), instance(2))
	one := s.hostOf(t, 1).ID
	must(s.AssignTags(t.Context(), []int64{one}, qps.TagAssignment{Add: []int64{tags[1]}}))(t)
	if got := s.activeOn(t, one); !slices.Equal(got, []string{"AGENT_VM"}) {
		t.Errorf("active are %v, want AGENT_VM", got)
	}
	later := Start.Add(time.Hour)
	s.connector.DefaultTags = append(s.connector.DefaultTags, qps.TagSimple{ID: tags[2]}, qps.TagSimple{ID: 1})
	s.connector.Modules = []string{"CERTVIEW", "PC", "SCA", "VM"}
	if result := s.store(t, later, instance(1), instance(2)); result.Updated != 2 {
		t.Errorf("result %+v, want two updated", result)
	}
	h := s.hostOf(t, 1)
	if names := tagNames(h); !slices.Equal(names, []string{"aws", "own", "later"}) || !h.Modified.Equal(later) {
		t.Errorf("tags %v, modified %s; want the new one besides, and none of the system", names, h.Modified)
	}
	if got := s.activeOn(t, one); !slices.Equal(got, []string{"AGENT_PC", "AGENT_VM"}) {
		t.Errorf("active are %v, want PC besides and not SCA, which it excludes", got)
	}
}

func tagNames(h qps.HostAsset) []string {
	var names []string
	for _, tag := range h.Tags {
		names = append(names, tag.Name)
	}
	return names
}

func testInactiveInstances(t *testing.T, s *syncing) {
	s.connector.DefaultTags = []qps.TagSimple{{ID: MakeTags(t, s.Store, "aws")[0]}}
	var page []connector.Instance
	for n, kind := range []string{"m1.small", "t1.micro", "t2.nano", "t3.nano", "t3.micro"} {
		i := instance(n)
		i.InstanceType = kind
		page = append(page, i)
	}
	page[4].State = connector.Terminated
	if result := s.store(t, Start, page...); result.Created != 5 {
		t.Errorf("result %+v, want all five kept", result)
	}
	for n, i := range page {
		h := s.hostOf(t, n)
		if active := s.activeOn(t, h.ID); len(active) != 0 || len(h.Tags) != 1 {
			t.Errorf("%s %s: modules %v, tags %v; want no module and the tag", i.InstanceType, i.State, active, h.Tags)
		}
	}
}

func testHostileInstances(t *testing.T, s *syncing) {
	spoil := []func(i *connector.Instance){
		func(i *connector.Instance) { i.AccountID = "12345" },
		func(i *connector.Instance) { i.InstanceID = "i-\x00" },
		func(i *connector.Instance) { i.State = "" },
		func(i *connector.Instance) { i.Tags = []connector.Tag{{Key: "k", Value: "nul\x00"}} },
		func(i *connector.Instance) { i.Tags = []connector.Tag{{Key: "\xff", Value: ""}} },
		func(i *connector.Instance) { i.VPCID = strings.Repeat("v", 5000) },
		func(i *connector.Instance) { i.KeyName = strings.Repeat("k", 5000) },
		func(i *connector.Instance) { i.Tags = make([]connector.Tag, 1000) },
		func(i *connector.Instance) { i.Tags = []connector.Tag{{Key: "Name", Value: strings.Repeat("n", 5000)}} },
	}
	page := []connector.Instance{instance(100)}
	for n, f := range spoil {
		i := instance(n)
		f(&i)
		page = append(page, i)
	}
	twice := instance(101)
	page = append(page, twice)
	twice.State = "STOPPED"
	result := s.store(t, Start, append(page, twice)...)
	if result.Dropped != len(spoil) || result.Created != 2 || result.Listed != len(page)+1 || !strings.Contains(result.Error, "12345") {
		t.Errorf("result %+v, want %d dropped, the first of them named, and the others stored", result, len(spoil))
	}
	if state := sourceOf(s.hostOf(t, 101)).InstanceState; state != "STOPPED" {
		t.Errorf("of an instance that is listed twice the state is %s, want the last", state)
	}
	hostile := instance(102)
	hostile.Tags = []connector.Tag{{Key: "Name", Value: `'"];--\u0000 %_`}, {Key: "<&>", Value: "\u2028"}}
	s.store(t, Start, hostile)
	if h := s.hostOf(t, 102); h.Name != hostile.Tags[0].Value || sourceOf(h).Tags[1] != (qps.CloudTag{Key: "<&>", Value: "\u2028"}) {
		t.Errorf("hostile texts became %q and %q", h.Name, sourceOf(h).Tags)
	}
}

func testBareHost(t *testing.T, s *syncing) {
	ctx := t.Context()
	s.store(t, Start, instance(1))
	h := s.hostOf(t, 1)
	for _, c := range []struct {
		field, op, value string
		want             int64
	}{
		{"name", "CONTAINS", "web", 1}, {"trackingMethod", "EQUALS", "INSTANCE_ID", 1}, {"address", "EQUALS", "10.0.0.1", 1},
		{"agentVersion", "GREATER", "0", 0}, {"lastCheckedIn", "LESSER", "2100-01-01", 0}, {"activationKey", "EQUALS", ActivationKey, 0},
		{"agentConfigurationName", "EQUALS", "Normal", 0}, {"os", "NOT EQUALS", "x", 1}, {"tagName", "EQUALS", fleet.SystemTag, 0},
	} {
		if n := must(s.CountHosts(ctx, fleet.WholeFleet(), conditions(t, c.field, qps.Operator(c.op), c.value)))(t); n != c.want {
			t.Errorf("%s %s %s: %d hosts, want %d", c.field, c.op, c.value, n, c.want)
		}
	}
	if removed := must(s.RemoveAgents(ctx, fleet.Removal{HostIDs: []int64{h.ID}, Order: true, By: "ada", At: Start}))(t); len(removed) != 0 {
		t.Errorf("removed %v, want no host without an agent", removed)
	}
	found := must(s.ChangeModules(ctx, []int64{h.ID}, func(int64, []fleet.Module) ([]fleet.Module, error) { return nil, nil }))(t)
	if active := s.activeOn(t, h.ID); len(found) != 0 || len(active) != 1 {
		t.Errorf("found %v, modules %v; want it passed over", found, active)
	}
	// Its name, address and network are what rules look at.
	makeRule(t, s.bundle, fleet.RuleNameContains, "web-")
	for must(s.EvaluateRules(ctx))(t) {
	}
	if names := tagNames(s.hostOf(t, 1)); !slices.Equal(names, []string{"NAME_CONTAINS web-"}) {
		t.Errorf("tags %v, want that of the rule", names)
	}
	renamed := instance(1)
	renamed.Tags = nil
	s.store(t, Start, renamed)
	if names := tagNames(s.hostOf(t, 1)); len(names) != 0 {
		t.Errorf("tags %v after the name went", names)
	}
}
