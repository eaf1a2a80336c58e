package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

func testAgentInstances(t *testing.T, create func(tb testing.TB) Database) {
	for name, run := range map[string]func(t *testing.T, s *syncing){
		"an agent that comes first gets the instance":                        testAgentFirst,
		"an agent that enrols takes over the asset of its instance":          testConnectorFirst,
		"an agent that learns its instance later becomes one asset with it":  testLearntLater,
		"an agent that says another's instance gets nothing of it":           testContested,
		"an agent that leaves an instance of its own say leaves no trace":    testMovedAgent,
		"an agent keeps the instance that a connector found it to be":        testKeptInstance,
		"the next of those who said so gets an instance whose agent went":    testNextClaimant,
		"an uninstalled instance comes back as a new asset":                  testUninstalledInstance,
		"modules that exclude each other do not meet on a host":              testModulesMeet,
		"modules that exclude each other do not meet when two activate them": testModulesRace,
		"profiles follow the tags that come with an instance":                testInstanceProfile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, beginSync(t, setup(t, create)))
		})
	}
}

// cloudOf is what the metadata service tells on an instance.
func cloudOf(i connector.Instance) *agentwire.Cloud {
	return &agentwire.Cloud{
		Provider: agentwire.CloudAWS, AccountID: i.AccountID, Region: i.Region, AvailabilityZone: i.AvailabilityZone,
		InstanceID: i.InstanceID, InstanceType: i.InstanceType, ImageID: i.ImageID,
	}
}

// enrolOn enrols agent n on an instance.
func (b *bundle) enrolOn(t *testing.T, n int, on connector.Instance) fleet.Enrolled {
	t.Helper()
	e := enrolment(n)
	e.Host.Cloud, e.Host.Address = cloudOf(on), "192.0.2.77"
	return must(b.EnrolAgent(t.Context(), e))(t)
}

func (b *bundle) count(t *testing.T) int64 {
	t.Helper()
	return must(b.CountHosts(t.Context(), fleet.WholeFleet(), nil))(t)
}

// on is a snapshot of a host that runs on an instance.
func on(name string, i connector.Instance) *agentwire.Snapshot {
	s := snapshot(name, deb("curl", "8"))
	s.Host.Cloud = cloudOf(i)
	s.Normalize()
	return s
}

func testAgentFirst(t *testing.T, s *syncing) {
	s.connector.DefaultTags = []qps.TagSimple{{ID: MakeTags(t, s.Store, "aws")[0]}}
	agent := s.enrolOn(t, 1, instance(1))
	h := s.hostOf(t, 1)
	want := &qps.EC2Source{
		AssetID: agent.HostID, FirstDiscovered: Start, LastUpdated: Start, InstanceID: instanceName(1), AccountID: account, Region: "eu-west-1",
		AvailabilityZone: "eu-west-1a", InstanceType: "t3.micro", ImageID: "ami-0c",
	}
	if diff := cmp.Diff(want, sourceOf(h)); diff != "" || h.CloudProvider != "AWS" || h.TrackingMethod != qps.TrackingAgent {
		t.Errorf("before the connector ran: %q %s %s", h.CloudProvider, h.TrackingMethod, diff)
	}
	later := Start.Add(time.Hour)
	if result := s.store(t, later, instance(1)); result.Created != 0 || result.Updated != 1 {
		t.Errorf("result %+v, want one updated", result)
	}
	h = s.hostOf(t, 1)
	e := sourceOf(h)
	if h.ID != agent.HostID || h.Name != "edge-cache-01" || h.Address != "192.0.2.77" || h.TrackingMethod != qps.TrackingAgent || h.AgentInfo == nil ||
		e.VPCID != "vpc-0e" || e.InstanceState != "RUNNING" || !h.Modified.Equal(later) || len(h.NetworkInterfaces) != 0 {
		t.Errorf("host %+v, source %+v; want the agent's facts with the connector's source", h, e)
	}
	if names := tagNames(h); !slices.Equal(names, []string{fleet.SystemTag, "aws"}) {
		t.Errorf("tags %v", names)
	}
	if n := s.count(t); n != 1 {
		t.Errorf("%d host assets, want one", n)
	}
}

func testConnectorFirst(t *testing.T, s *syncing) {
	tags := MakeTags(t, s.Store, "aws", "own")
	s.connector.DefaultTags = []qps.TagSimple{{ID: tags[0]}}
	s.store(t, Start, instance(1))
	before := s.hostOf(t, 1)
	must(s.AssignTags(t.Context(), []int64{before.ID}, qps.TagAssignment{Add: []int64{tags[1]}}))(t)
	agent := s.enrolOn(t, 1, instance(1))
	if agent.HostID != before.ID {
		t.Fatalf("the agent became host %d, want the instance's %d", agent.HostID, before.ID)
	}
	h := s.hostOf(t, 1)
	if h.TrackingMethod != qps.TrackingAgent || h.Name != "edge-cache-01" || h.AgentInfo.AgentID != agent.AgentID || !h.Created.Equal(before.Created) {
		t.Errorf("host %+v", h)
	}
	names := tagNames(h)
	slices.Sort(names)
	if !slices.Equal(names, []string{fleet.SystemTag, "aws", "own"}) {
		t.Errorf("tags %v, want those of the instance kept", names)
	}
	if diff := cmp.Diff(sourceOf(before), sourceOf(h)); diff != "" {
		t.Errorf("source: %s", diff)
	}
	if got := h.AgentInfo.ActivatedModules; !slices.Equal(got, []string{"AGENT_PC", "AGENT_VM"}) {
		t.Errorf("active are %v, want the connector's and the key's", got)
	}
	if n := must(s.CountHosts(t.Context(), fleet.WholeFleet(), conditions(t, "name", qps.OpContains, "web-1")))(t); n != 0 {
		t.Error("the host is found by the name it had")
	}
	again := s.enrolOn(t, 1, instance(1))
	if !again.Known || again.HostID != agent.HostID || s.count(t) != 1 {
		t.Errorf("the same key enrolled again: %+v, %d hosts", again, s.count(t))
	}
	if used := unitsUsed(t, s.bundle); used != 1 {
		t.Errorf("%d units of the key are used, want 1", used)
	}
}

func testLearntLater(t *testing.T, s *syncing) {
	tags := MakeTags(t, s.Store, "aws", "own")
	s.connector.DefaultTags = []qps.TagSimple{{ID: tags[0]}}
	makeRule(t, s.bundle, fleet.RuleNameContains, "web-")
	for must(s.EvaluateRules(t.Context()))(t) {
	}
	agent := enrol(t, s.Store, 1)
	must(s.AssignTags(t.Context(), []int64{agent.HostID}, qps.TagAssignment{Add: []int64{tags[1]}}))(t)
	s.store(t, Start, instance(1))
	before := s.hostOf(t, 1)
	send(t, s.Store, pack(agent.HostID, nil, on("edge", instance(1))), Start.Add(time.Hour))
	h := s.hostOf(t, 1)
	if h.ID != agent.HostID || s.count(t) != 1 {
		t.Fatalf("the instance is host %d of %d, want the agent's %d alone", h.ID, s.count(t), agent.HostID)
	}
	_, err := s.Host(t.Context(), fleet.WholeFleet(), before.ID)
	wantCode(t, err, fault.NotFound)
	source := sourceOf(before)
	source.AssetID = agent.HostID
	if diff := cmp.Diff(source, sourceOf(h)); diff != "" {
		t.Errorf("source: %s", diff)
	}
	names := tagNames(h)
	slices.Sort(names)
	if !slices.Equal(names, []string{fleet.SystemTag, "aws", "own"}) {
		t.Errorf("tags %v, want those of both and not that of the rule", names)
	}
	if history := must(s.InstanceHistory(t.Context(), fleet.WholeFleet(), agent.HostID))(t); len(history) != 1 {
		t.Errorf("history %+v, want that of the instance", history)
	}
	rows := s.tables(t)
	if result := s.store(t, Start.Add(2*time.Hour), instance(1)); result.Created+result.Updated != 0 {
		t.Errorf("the next listing: %+v, want nothing changed", result)
	}
	if diff := cmp.Diff(rows, s.tables(t)); diff != "" {
		t.Errorf("rows changed: %s", diff)
	}
}

// testContested has an attacker who owns agent 2 name the instance of agent 1, at
// enrolment and later.
func testContested(t *testing.T, s *syncing) {
	tags := MakeTags(t, s.Store, "aws")
	s.connector.DefaultTags = []qps.TagSimple{{ID: tags[0]}}
	s.store(t, Start, instance(1))
	victim := s.enrolOn(t, 1, instance(1))
	held := s.hostOf(t, 1)
	attacker, late := s.enrolOn(t, 2, instance(1)), enrol(t, s.Store, 3)
	send(t, s.Store, pack(late.HostID, nil, on("late", instance(1))), Start.Add(time.Minute))
	s.store(t, Start.Add(time.Hour), instance(1))
	if diff := cmp.Diff(held, s.hostOf(t, 1)); diff != "" || held.ID != victim.HostID {
		t.Errorf("the asset of the agent that came first: %s", diff)
	}
	for _, other := range []fleet.Enrolled{attacker, late} {
		h := must(s.Host(t.Context(), fleet.WholeFleet(), other.HostID))(t)
		if len(h.Sources) != 0 || h.CloudProvider != "" || !slices.Equal(tagNames(h), []string{fleet.SystemTag}) {
			t.Errorf("the other agent has source %v and tags %v", h.Sources, h.Tags)
		}
	}
	if n := s.count(t); n != 3 {
		t.Errorf("%d host assets, want 3", n)
	}
	want := []fleet.ContestedInstance{
		{HostID: attacker.HostID, HolderID: victim.HostID, AccountID: account, InstanceID: instanceName(1), Since: Start},
		{HostID: late.HostID, HolderID: victim.HostID, AccountID: account, InstanceID: instanceName(1), Since: Start.Add(time.Minute)},
	}
	if diff := cmp.Diff(want, must(s.ContestedInstances(t.Context(), 10))(t)); diff != "" {
		t.Errorf("contested: %s", diff)
	}
}

func testMovedAgent(t *testing.T, s *syncing) {
	agent := s.enrolOn(t, 1, instance(1))
	first := on("edge", instance(1))
	send(t, s.Store, pack(agent.HostID, nil, first), Start)
	second := on("edge", instance(2))
	send(t, s.Store, pack(agent.HostID, first, second), Start)
	if h := s.hostOf(t, 2); h.ID != agent.HostID || s.count(t) != 1 {
		t.Errorf("instance 2 is host %d of %d", h.ID, s.count(t))
	}
	silent := snapshot("edge", deb("curl", "8"))
	send(t, s.Store, pack(agent.HostID, second, silent), Start)
	if h := s.hostOf(t, 2); h.ID != agent.HostID {
		t.Error("an agent that does not know its instance any more lost it")
	}
	if result := s.store(t, Start, instance(1)); result.Created != 1 {
		t.Errorf("the instance it left: %+v, want an asset of its own", result)
	}
}

func testKeptInstance(t *testing.T, s *syncing) {
	agent := s.enrolOn(t, 1, instance(1))
	s.store(t, Start, instance(1), instance(2))
	other := s.hostOf(t, 2).ID
	send(t, s.Store, pack(agent.HostID, nil, on("edge", instance(2))), Start)
	if s.hostOf(t, 1).ID != agent.HostID || s.hostOf(t, 2).ID != other {
		t.Errorf("the instances are hosts %d and %d, want %d and %d as before", s.hostOf(t, 1).ID, s.hostOf(t, 2).ID, agent.HostID, other)
	}
	want := []fleet.ContestedInstance{{HostID: agent.HostID, HolderID: other, AccountID: account, InstanceID: instanceName(2), Since: Start}}
	if diff := cmp.Diff(want, must(s.ContestedInstances(t.Context(), 10))(t)); diff != "" {
		t.Errorf("contested: %s", diff)
	}
}

func testNextClaimant(t *testing.T, s *syncing) {
	first, second, third := s.enrolOn(t, 1, instance(1)), s.enrolOn(t, 2, instance(1)), s.enrolOn(t, 3, instance(1))
	uninstall(t, s.bundle, first.HostID)
	if result := s.store(t, Start, instance(1)); result.Created != 0 || result.Updated != 1 {
		t.Errorf("result %+v", result)
	}
	if h := s.hostOf(t, 1); h.ID != second.HostID {
		t.Errorf("the instance is host %d, want %d and not %d", h.ID, second.HostID, third.HostID)
	}
	if got := s.activeOn(t, second.HostID); !slices.Equal(got, []string{"AGENT_PC", "AGENT_VM"}) {
		t.Errorf("active are %v", got)
	}
}

func testUninstalledInstance(t *testing.T, s *syncing) {
	s.store(t, Start, instance(1))
	agent := s.enrolOn(t, 1, instance(1))
	if removed := uninstall(t, s.bundle, agent.HostID); len(removed) != 1 {
		t.Fatalf("removed %v", removed)
	}
	if n := s.count(t); n != 0 {
		t.Errorf("%d host assets are left, want none", n)
	}
	if result := s.store(t, Start.Add(time.Hour), instance(1)); result.Created != 1 {
		t.Errorf("result %+v, want a new asset", result)
	}
	h := s.hostOf(t, 1)
	if h.ID == agent.HostID || h.AgentInfo != nil || h.TrackingMethod != qps.TrackingInstance {
		t.Errorf("host %+v, want another one without an agent", h)
	}
	if again := s.enrolOn(t, 2, instance(1)); again.HostID != h.ID {
		t.Errorf("the next agent became host %d, want %d", again.HostID, h.ID)
	}
}

func testModulesMeet(t *testing.T, s *syncing) {
	s.connector.Modules = []string{"SCA", "VM"}
	s.store(t, Start, instance(1), instance(2))
	enrolled := s.enrolOn(t, 1, instance(1)) // its key brings PC
	learnt := enrol(t, s.Store, 2)
	send(t, s.Store, pack(learnt.HostID, nil, on("edge", instance(2))), Start)
	s.store(t, Start, instance(1), instance(2))
	for host, want := range map[int64][]string{enrolled.HostID: {"AGENT_SCA", "AGENT_VM"}, learnt.HostID: {"AGENT_PC", "AGENT_VM"}} {
		if got := s.activeOn(t, host); !slices.Equal(got, want) {
			t.Errorf("host %d has %v, want %v: what came first", host, got, want)
		}
	}
}

// testModulesRace has an operator activate PC while connectors activate SCA.
func testModulesRace(t *testing.T, s *syncing) {
	var page []connector.Instance
	var hosts []int64
	for n := range 8 {
		page = append(page, instance(n))
		hosts = append(hosts, s.enrolOn(t, n, instance(n)).HostID)
	}
	must(s.ChangeModules(t.Context(), hosts, func(int64, []fleet.Module) ([]fleet.Module, error) { return nil, nil }))(t)
	s.connector.Modules = []string{"SCA"}
	var wait sync.WaitGroup
	for _, host := range hosts {
		wait.Go(func() {
			_, err := s.ChangeModules(t.Context(), []int64{host}, func(_ int64, active []fleet.Module) ([]fleet.Module, error) {
				return append(active, fleet.Compatible(active, []fleet.Module{fleet.ModulePC})...), nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Go(func() {
		result := connector.RegionResult{}
		if err := s.StoreInstances(t.Context(), s.run, s.connector, page, &result, Start); err != nil {
			t.Error(err)
		}
	})
	wait.Wait()
	for _, host := range hosts {
		if active := s.activeOn(t, host); len(active) != 1 {
			t.Errorf("host %d has %v, want one of the two", host, active)
		}
	}
}

func testInstanceProfile(t *testing.T, s *syncing) {
	aws := MakeTags(t, s.Store, "aws")[0]
	created := must(s.CreateProfile(t.Context(), profile("Cloud", fleet.TagRef{ID: aws})))(t).ID
	s.connector.DefaultTags = []qps.TagSimple{{ID: aws}}
	first := s.enrolOn(t, 1, instance(1))
	s.store(t, Start, instance(1), instance(2), instance(3))
	second, third := s.enrolOn(t, 2, instance(2)), enrol(t, s.Store, 3)
	send(t, s.Store, pack(third.HostID, nil, on("edge", instance(3))), Start)
	for name, agent := range map[string]fleet.Enrolled{"tagged by the connector": first, "taken over": second, "learnt later": third} {
		if state := must(s.AgentState(t.Context(), agent.AgentID))(t); state.ProfileID != created {
			t.Errorf("%s: the agent has profile %d, want %d of its tag", name, state.ProfileID, created)
		}
	}
}
