package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

func testManyInstances(t *testing.T, s *syncing) {
	var page []connector.Instance
	for n := range 730 {
		page = append(page, instance(n))
	}
	if result := s.store(t, Start, page...); result.Created != 730 {
		t.Errorf("result %+v, want 730 created", result)
	}
	for _, h := range must(s.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 1000}))(t).Hosts {
		if e := sourceOf(h); "web-"+strings.TrimPrefix(e.PrivateIPAddress, "10.0.0.") != h.Name || h.Address != e.PrivateIPAddress {
			t.Fatalf("host %q has the instance %s", h.Name, e.PrivateIPAddress)
		}
	}
}

func testVanishedInstances(t *testing.T, s *syncing) {
	elsewhere, fresh := instance(3), instance(4)
	elsewhere.Region = "us-east-1"
	s.store(t, Start.Add(-time.Hour), instance(1), instance(2), elsewhere)
	s.store(t, Start.Add(time.Minute), fresh) // by another connector, after this run began
	result := connector.RegionResult{Region: "eu-west-1"}
	later := Start.Add(time.Hour)
	for range 2 {
		err := s.MarkVanished(t.Context(), s.run, account, "eu-west-1", map[string]bool{instanceName(1): true}, &result, later)
		if err != nil {
			t.Fatal(err)
		}
	}
	if result.Vanished != 1 {
		t.Errorf("%d instances have vanished, want 1", result.Vanished)
	}
	for n, want := range map[int]string{1: "RUNNING", 2: connector.Terminated, 3: "RUNNING", 4: "RUNNING"} {
		if state := sourceOf(s.hostOf(t, n)).InstanceState; state != want {
			t.Errorf("instance %d is %s, want %s", n, state, want)
		}
	}
	h := s.hostOf(t, 2)
	history := must(s.InstanceHistory(t.Context(), fleet.WholeFleet(), h.ID))(t)
	if len(history) != 2 || history[1].State != connector.Terminated || !history[1].Since.Equal(later) || !h.Modified.Equal(later) {
		t.Errorf("history %+v, modified %s", history, h.Modified)
	}
	s.store(t, later.Add(time.Hour), instance(2))
	if state := sourceOf(s.hostOf(t, 2)).InstanceState; state != "RUNNING" {
		t.Errorf("an instance that is listed again is %s", state)
	}
}

func testInstanceOfAgentVanishes(t *testing.T, s *syncing) {
	agent := s.enrolOn(t, 1, instance(1))
	s.store(t, Start, instance(1))
	before := must(s.Host(t.Context(), fleet.WholeFleet(), agent.HostID))(t)
	result := connector.RegionResult{Region: "eu-west-1"}
	s.run.Started = Start.Add(time.Minute)
	if err := s.MarkVanished(t.Context(), s.run, account, "eu-west-1", nil, &result, Start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	h := s.hostOf(t, 1)
	if result.Vanished != 1 || sourceOf(h).InstanceState != connector.Terminated || h.AgentInfo == nil || h.Name != before.Name || h.Address != before.Address {
		t.Errorf("%d vanished, host %+v", result.Vanished, h)
	}
	// Nobody but its agent has ever seen this one.
	s.enrolOn(t, 2, instance(2))
	if err := s.MarkVanished(t.Context(), s.run, account, "eu-west-1", nil, &result, Start.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if state := sourceOf(s.hostOf(t, 2)).InstanceState; state != "" {
		t.Errorf("an instance that no connector found is %s", state)
	}
}

// testInstanceRules has a rule on instances and two hosts that become one it
// describes, one of them with an agent.
func testInstanceRules(t *testing.T, s *syncing) {
	agent := s.enrolOn(t, 2, instance(2))
	s.store(t, Start, instance(1), instance(2))
	id := makeRule(t, s.bundle, fleet.RuleCloudAsset, "aws.ec2.instanceState: STOPPED and aws.tags: (key: team and value: web)")
	created := must(s.CreateProfile(t.Context(), profile("Stopped", fleet.TagRef{ID: id})))(t).ID
	for must(s.EvaluateRules(t.Context()))(t) {
	}
	stopped := []connector.Instance{instance(1), instance(2), instance(3)}
	for n := range stopped {
		stopped[n].State, stopped[n].Tags = "STOPPED", []connector.Tag{{Key: "team", Value: "web"}}
	}
	tagged := func(want bool) {
		t.Helper()
		for n := 1; n <= 3; n++ {
			h := s.hostOf(t, n)
			if got := slices.ContainsFunc(h.Tags, func(tag qps.TagSimple) bool { return tag.ID == id }); got != want {
				t.Errorf("instance %d has the tag: %t, want %t", n, got, want)
			}
		}
		if state := must(s.AgentState(t.Context(), agent.AgentID))(t); (state.ProfileID == created) != want {
			t.Errorf("the agent has profile %d, that of the tag is %d; want it: %t", state.ProfileID, created, want)
		}
	}
	s.store(t, Start, stopped...)
	tagged(true)
	result := connector.RegionResult{Region: "eu-west-1"}
	s.run.Started = Start.Add(time.Hour)
	if err := s.MarkVanished(t.Context(), s.run, account, "eu-west-1", nil, &result, Start.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	tagged(false)
	s.store(t, Start, stopped...)
	tagged(true)
}

func testSupersededRun(t *testing.T, s *syncing) {
	s.store(t, Start, instance(1))
	before := s.tables(t)
	s.run.ID++
	result := connector.RegionResult{}
	wantSuperseded(t, s.StoreInstances(t.Context(), s.run, s.connector, []connector.Instance{instance(1)}, &result, Start))
	wantSuperseded(t, s.StoreInstances(t.Context(), s.run, s.connector, []connector.Instance{instance(2)}, &result, Start))
	s.run.Started = Start.Add(time.Hour)
	wantSuperseded(t, s.MarkVanished(t.Context(), s.run, account, "eu-west-1", nil, &result, Start))
	if diff := cmp.Diff(before, s.tables(t)); diff != "" {
		t.Errorf("rows changed: %s", diff)
	}
}

func testDeletedConnector(t *testing.T, s *syncing) {
	s.store(t, Start, instance(1))
	before := s.hostOf(t, 1)
	err := s.InTx(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), "DELETE FROM connectors WHERE id = ?", s.connector.ID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, s.hostOf(t, 1)); diff != "" {
		t.Errorf("the asset changed: %s", diff)
	}
	if links := s.tables(t)["cloud_instance_connectors"]; len(links) != 0 {
		t.Errorf("links are left: %v", links)
	}
	result := connector.RegionResult{}
	wantSuperseded(t, s.StoreInstances(t.Context(), s.run, s.connector, []connector.Instance{instance(2)}, &result, Start))
}
