package connector_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
	"vedette.dev/vedette/qps"
)

// trusting lets every principal in who knows the external id.
func trusting(externalID string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole",
		"Condition":{"StringEquals":{"sts:ExternalId":%q}}}]}`, externalID)
}

const (
	listing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:DescribeInstances","ec2:DescribeRegions"],"Resource":"*"}]}`
	nothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListAllMyBuckets"],"Resource":"*"}]}`
)

func TestConnectorsOfEveryPartitionMakeAssetsOfTheirInstancesOnly(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, aws.Limits{}, engine == "PostgreSQL")
			var want []string
			for _, test := range []struct {
				partition connector.Partition
				regions   []string
			}{
				{connector.Commercial, []string{"us-east-1", "eu-west-1"}},
				{connector.GovCloud, []string{"us-gov-west-1", "us-gov-east-1"}},
				{connector.China, []string{"cn-north-1"}},
			} {
				account := s.Account(test.partition)
				for _, region := range test.regions {
					want = append(want, account.Launch(region, 2)...)
				}
				c, run := s.sync(s.withKeys(account.Keys(), test.partition, test.regions...).ID)
				if c.State != connector.FinishedSuccess || c.LastError != "" || c.AccountID != account.ID || !c.LastSync.Equal(s.clock()) {
					t.Errorf("%s: the connector of account %s is %+v", test.partition, account.ID, c)
				}
				if len(run.Regions) != len(test.regions) {
					t.Errorf("%s: the run had the regions %+v", test.partition, run.Regions)
				}
				for _, r := range run.Regions {
					if (r != connector.RegionResult{Region: r.Region, Listed: 2, Created: 2, Complete: true}) {
						t.Errorf("%s: %+v", test.partition, r)
					}
				}
			}
			slices.Sort(want)
			assets := s.assets()
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(assets))); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
			for _, h := range assets {
				if h.TrackingMethod != qps.TrackingInstance || !strings.HasPrefix(ec2(&h).AvailabilityZone, ec2(&h).Region) {
					t.Errorf("asset %d is tracked by %s: %+v", h.ID, h.TrackingMethod, ec2(&h))
				}
			}
		})
	}
}

func TestARoleOfAnotherAccountIsAssumedWithTheBaseAccount(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	base, member := s.Account(connector.Commercial), s.Account(connector.Commercial)
	base.Launch("us-east-1", 1)
	want := member.Launch("us-east-1", 3)
	slices.Sort(want)
	err := s.SetBaseAccount(t.Context(), fleet.WholeFleet(), connector.Commercial, base.ID,
		connector.Keys{AccessKeyID: base.Keys().AccessKeyID, SecretKey: base.Keys().SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := s.sync(s.withRole(member.Role("vedette", trusting("x-1"), listing), "x-1", connector.Commercial, "us-east-1").ID)
	if c.State != connector.FinishedSuccess || c.AccountID != member.ID {
		t.Errorf("the connector of account %s is %+v", member.ID, c)
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(s.assets()))); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
}

func TestWhatAWSRefusesIsTheStateAndLastErrorOfTheConnector(t *testing.T) {
	t.Parallel()
	s := newSite(t, impatient, false)
	account := s.Account(connector.Commercial)
	caller := account.User("caller", everyRole)
	err := s.SetBaseAccount(t.Context(), fleet.WholeFleet(), connector.Commercial, account.ID, connector.Keys{AccessKeyID: caller.AccessKeyID, SecretKey: caller.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	good := s.withRole(account.Role("good", trusting("x-1"), listing), "x-1", connector.Commercial, "us-east-1")
	stranger := s.withRole(account.Role("stranger", trusting("x-1"), listing), "guessed", connector.Commercial, "us-east-1")
	powerless := s.withRole(account.Role("powerless", trusting("x-1"), nothing), "x-1", connector.Commercial, "us-east-1", "us-west-2")
	everywhere := s.withRole(account.Role("everywhere", trusting("x-1"), nothing), "x-1", connector.Commercial)
	wrong := s.WrongKeys()
	wrong.SecretKey = strings.Repeat("x", 40)
	unknown := s.withKeys(wrong, connector.Commercial, "us-east-1")
	account.Launch("us-east-1", 1)
	s.Enforce()
	for _, test := range []struct {
		name string
		id   int64
		end  connector.State
		says []string
	}{
		{"all in order", good.ID, connector.FinishedSuccess, nil},
		{"another external id", stranger.ID, connector.Failed, []string{"AssumeRole", "us-east-1", "403"}},
		{"a role without rights", powerless.ID, connector.Failed, []string{"DescribeInstances", "us-east-1", "us-west-2", "AccessDenied"}},
		{"no right to list the regions", everywhere.ID, connector.Failed, []string{"DescribeRegions", "AccessDenied"}},
		{"keys AWS does not know", unknown.ID, connector.Failed, []string{"GetCallerIdentity"}},
	} {
		c, run := s.sync(test.id)
		if c.State != test.end || run.State != test.end || (c.LastError == "") != (test.says == nil) {
			t.Errorf("%s: the connector is %s, the run %s: %s", test.name, c.State, run.State, c.LastError)
		}
		for _, word := range test.says {
			if !strings.Contains(c.LastError, word) {
				t.Errorf("%s: %q does not say %s", test.name, c.LastError, word)
			}
		}
		if strings.Contains(c.LastError, "secret") || test.end == connector.Failed && !c.LastSync.IsZero() {
			t.Errorf("%s: last sync %s: %s", test.name, c.LastSync, c.LastError)
		}
	}
	if n := len(s.assets()); n != 1 {
		t.Errorf("there are %d assets", n)
	}
}

const everyRole = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["sts:AssumeRole","sts:GetCallerIdentity"],"Resource":"*"}]}`

func TestFiveHundredInstancesInManyReservationsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	s.Pages(9)
	account := s.Account(connector.Commercial)
	for range 50 {
		account.Launch("us-east-1", 10)
	}
	id := s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID
	if _, run := s.sync(id); run.Regions[0].Created != 500 {
		t.Errorf("the first run: %+v", run.Regions)
	}
	if pages := len(s.Requests("DescribeInstances")); pages != 6 {
		t.Errorf("%d pages were asked for", pages)
	}
	if _, run := s.sync(id); (run.Regions[0] != connector.RegionResult{Region: "us-east-1", Listed: 500, Complete: true}) {
		t.Errorf("the second run, of nothing new: %+v", run.Regions)
	}
}

func TestThreeRunsFollowWhatBecomesOfInstances(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, aws.Limits{}, engine == "PostgreSQL")
			account := s.Account(connector.Commercial)
			ids := account.Launch("us-east-1", 3)
			stays, stops, ends := ids[0], ids[1], ids[2]
			account.Tag("us-east-1", stays, "Name", "web-1")
			account.Tag("us-east-1", stays, "team", "a")
			id := s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID
			s.sync(id)
			first := s.assets()
			if name := first[stays].Name; name != "web-1" {
				t.Errorf("the asset of an instance that is called web-1 is called %s", name)
			}

			account.Stop("us-east-1", stops)
			account.Terminate("us-east-1", ends)
			account.Untag("us-east-1", stays, "team")
			account.Tag("us-east-1", stays, "Name", "web-2")
			born := account.Launch("us-east-1", 1)[0]
			_, run := s.sync(id)
			if r := run.Regions[0]; r.Created != 1 || r.Updated != 3 || r.Listed != 4 {
				t.Errorf("the second run: %+v", r)
			}
			second := s.assets()
			for instance, state := range map[string]string{stays: "RUNNING", stops: "STOPPED", ends: connector.Terminated, born: "RUNNING"} {
				h := second[instance]
				if ec2(&h).InstanceState != state || instance != born && h.ID != first[instance].ID {
					t.Errorf("instance %s, asset %d before and %d now, is %s, want %s", instance, first[instance].ID, h.ID, ec2(&h).InstanceState, state)
				}
			}
			renamed := second[stays]
			if diff := cmp.Diff([]qps.CloudTag{{Key: "Name", Value: "web-2"}}, ec2(&renamed).Tags); diff != "" || renamed.Name != "web-2" {
				t.Errorf("%s has the EC2 tags (-want +got):\n%s", renamed.Name, diff)
			}
			gone := second[ends]
			if gone.Address == "" || ec2(&gone).VPCID == "" {
				t.Errorf("a terminated instance lost its address or VPC: %+v", ec2(&gone))
			}

			account.Start("us-east-1", stops)
			s.sync(id)
			history, err := s.store.InstanceHistory(t.Context(), fleet.WholeFleet(), first[stops].ID)
			if err != nil {
				t.Fatal(err)
			}
			var states []string
			for _, change := range history {
				states = append(states, change.State)
			}
			if diff := cmp.Diff([]string{"RUNNING", "STOPPED", "RUNNING"}, states); diff != "" {
				t.Errorf("states of an instance that was stopped and started (-want +got):\n%s", diff)
			}
			if len(s.assets()) != 4 {
				t.Errorf("there are %d assets after three runs", len(s.assets()))
			}
		})
	}
}

func TestAnInstanceThatAWSTellsNoMoreIsMarkedTerminated(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	account := s.Account(connector.Commercial)
	ids := account.Launch("us-east-1", 1)
	id := s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID
	s.sync(id)
	s.Break(mototest.Breakage{Action: "DescribeInstances", Fault: mototest.Replay(0)})
	_, run := s.sync(id)
	h := s.assets()[ids[0]]
	if run.Regions[0].Vanished != 1 || ec2(&h).InstanceState != connector.Terminated {
		t.Errorf("the run: %+v; the instance is %s", run.Regions[0], ec2(&h).InstanceState)
	}
}

func TestTerminatedAndSmallInstancesAreNotActivated(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	account := s.Account(connector.Commercial)
	medium := account.Launch("us-east-1", 1, "InstanceType", "t3.medium")[0]
	nano := account.Launch("us-east-1", 1, "InstanceType", "t3.nano")[0]
	ended := account.Launch("us-east-1", 1, "InstanceType", "t3.medium")[0]
	account.Terminate("us-east-1", ended)
	s.sync(s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID)
	for instance, want := range map[string]bool{medium: true, nano: false, ended: false} {
		h := s.assets()[instance]
		if modules := s.activated(h.ID); slices.Contains(modules, string(fleet.ModuleVM)) != want {
			t.Errorf("%s: VM activated should be %t, active is %v", ec2(&h).InstanceType, want, modules)
		}
	}
}

func TestAConnectorThatIsDueIsQueuedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, aws.Limits{}, false)
	account := s.Account(connector.Commercial)
	id := s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID
	s.sync(id)
	due := func(after time.Duration) int {
		s.pass(after)
		n, err := s.store.QueueDue(t.Context(), s.clock(), 10)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := due(4*time.Hour - time.Second); n != 0 {
		t.Errorf("%d connectors are due a second early", n)
	}
	if n := due(time.Second); n != 1 {
		t.Errorf("%d connectors are due after four hours", n)
	}
	if n := due(time.Second); n != 0 {
		t.Errorf("%d connectors are due while one is queued", n)
	}
	if c, _ := s.stands(id); c.State != connector.Queued {
		t.Errorf("the connector is %s", c.State)
	}
}
