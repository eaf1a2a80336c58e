package aws_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
)

// open opens an account or fails the test.
func open(t *testing.T, p connector.Partition, c connector.Credentials) connector.Account {
	t.Helper()
	account, err := aws.New("1.2.3", aws.Limits{}).Open(t.Context(), p, c)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// list lists a region.
func list(t *testing.T, account connector.Account, region string) ([]connector.Instance, error) {
	t.Helper()
	var all []connector.Instance
	err := account.Instances(t.Context(), region, func(page []connector.Instance) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// ids returns the ids of instances, sorted.
func ids(instances []connector.Instance) []string {
	var found []string
	for _, i := range instances {
		found = append(found, i.InstanceID)
	}
	slices.Sort(found)
	return found
}

func TestEveryPartitionListsItsOwnInstancesOnly(t *testing.T) {
	t.Parallel()
	regions := []struct {
		region    string
		partition connector.Partition
	}{
		{"eu-central-1", connector.Commercial},
		{"us-gov-west-1", connector.GovCloud},
		{"us-gov-east-1", connector.GovCloud},
		{"cn-north-1", connector.China},
	}
	for _, tt := range regions {
		t.Run(tt.region, func(t *testing.T) {
			t.Parallel()
			cloud := mototest.New(t)
			account := cloud.Account(tt.partition)
			launched := account.Launch(tt.region, 2)
			for _, other := range regions {
				if other.region != tt.region {
					account.Launch(other.region, 1)
				}
			}
			slices.Sort(launched)

			opened := open(t, tt.partition, account.Keys())
			if opened.ID() != account.ID {
				t.Errorf("account %s, want %s", opened.ID(), account.ID)
			}
			found, err := list(t, opened, tt.region)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(ids(found), launched) {
				t.Errorf("listed %v, want %v", ids(found), launched)
			}
			for _, i := range found {
				if i.AccountID != account.ID || i.Region != tt.region || !strings.HasPrefix(i.AvailabilityZone, tt.region) {
					t.Errorf("instance of account %s, region %s, zone %s", i.AccountID, i.Region, i.AvailabilityZone)
				}
			}
			for _, r := range cloud.Requests("") {
				if p, _ := connector.PartitionOf(r.Region); p != tt.partition {
					t.Errorf("%s asked %s", r.Action, r.Region)
				}
			}
		})
	}
}

func TestRegionsAreThoseOfThePartition(t *testing.T) {
	t.Parallel()
	for p, want := range map[connector.Partition][]string{
		connector.GovCloud: {"us-gov-east-1", "us-gov-west-1"},
		connector.China:    {"cn-north-1", "cn-northwest-1"},
	} {
		regions, err := open(t, p, mototest.New(t).Account(p).Keys()).Regions(t.Context())
		if err != nil || !slices.Equal(regions, want) {
			t.Errorf("%s: regions %v, %v, want %v", p, regions, err, want)
		}
	}
	commercial, err := open(t, connector.Commercial, mototest.New(t).Account(connector.Commercial).Keys()).Regions(t.Context())
	if err != nil || len(commercial) < 15 || !slices.IsSorted(commercial) {
		t.Errorf("commercial regions: %v, %v", commercial, err)
	}
	for _, region := range commercial {
		if p, _ := connector.PartitionOf(region); p != connector.Commercial {
			t.Errorf("%s is no commercial region", region)
		}
	}
}

func TestRegionsThatAreNotEnabledOrOfNoKnownPartitionAreLeftOut(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	opened := open(t, connector.Commercial, cloud.Account(connector.Commercial).Keys())
	cloud.Break(mototest.Breakage{Action: "DescribeRegions", Fault: func(w http.ResponseWriter, _ *http.Request, _ mototest.Request, _ http.Handler) {
		fmt.Fprint(w, `<DescribeRegionsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><regionInfo>`)
		for _, region := range []string{
			"us-east-1 opt-in-not-required", "eu-south-1 opted-in", "af-south-1 not-opted-in", "us-gov-west-1 opt-in-not-required",
			"us-iso-east-1 opt-in-not-required", "ap-southeast-5 opted-in", "us-east-1.example.com opted-in", "us-east-1 opt-in-not-required",
		} {
			name, status, _ := strings.Cut(region, " ")
			fmt.Fprintf(w, `<item><regionName>%s</regionName><optInStatus>%s</optInStatus></item>`, name, status)
		}
		fmt.Fprint(w, `</regionInfo></DescribeRegionsResponse>`)
	}})
	regions, err := opened.Regions(t.Context())
	if want := []string{"ap-southeast-5", "eu-south-1", "us-east-1"}; err != nil || !slices.Equal(regions, want) {
		t.Errorf("regions %v, %v, want %v", regions, err, want)
	}
}

func TestARegionOfAnotherPartitionIsNotAsked(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	opened := open(t, connector.GovCloud, cloud.Account(connector.GovCloud).Keys())
	for _, region := range []string{"us-east-1", "cn-north-1", "us-gov-west-1.example.com", ""} {
		if _, err := list(t, opened, region); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is no region of aws-us-gov", region)) {
			t.Errorf("region %q: %v", region, err)
		}
	}
	if asked := cloud.Requests("DescribeInstances"); len(asked) > 0 {
		t.Errorf("AWS was asked: %v", asked)
	}
}

func TestFiveHundredInstancesInManyReservationsCompleteOverManyPages(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	account := cloud.Account(connector.GovCloud)
	var launched []string
	for range 50 {
		launched = append(launched, account.Launch("us-gov-west-1", 10)...)
	}
	slices.Sort(launched)
	cloud.Pages(8)

	pages := 0
	var found []connector.Instance
	err := open(t, connector.GovCloud, account.Keys()).Instances(t.Context(), "us-gov-west-1", func(page []connector.Instance) error {
		pages++
		if len(page) > 80 {
			t.Errorf("a page of %d instances, want 8 reservations of 10 at most", len(page))
		}
		found = append(found, page...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids(found), launched) {
		t.Errorf("listed %d instances, want the %d launched, each once", len(found), len(launched))
	}
	if pages != 7 {
		t.Errorf("%d pages, want 7", pages)
	}
}

func TestAListingEndsAtTheFirstErrorOfItsTaker(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	account := cloud.Account(connector.Commercial)
	for range 4 {
		account.Launch("us-east-1", 1)
	}
	cloud.Pages(2)
	full := errors.New("the disk is full")
	err := open(t, connector.Commercial, account.Keys()).Instances(t.Context(), "us-east-1", func([]connector.Instance) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("error %v, want that of the taker", err)
	}
	if asked := len(cloud.Requests("DescribeInstances")); asked != 1 {
		t.Errorf("%d pages asked for, want 1", asked)
	}
}

func TestAWSLearnsWhoAsks(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	open(t, connector.Commercial, cloud.Account(connector.Commercial).Keys())
	for _, r := range cloud.Requests("") {
		if !strings.Contains(r.UserAgent, "vedette/1.2.3") {
			t.Errorf("%s by %q", r.Action, r.UserAgent)
		}
	}
}
