package aws_test

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
)

var update = flag.Bool("update", false, "write the golden files")

// moto does not fill every field, so that this page has the form AWS documents.
func TestEveryFieldOfAnInstanceIsMapped(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	opened := open(t, connector.GovCloud, cloud.Account(connector.GovCloud).Keys())
	cloud.Break(mototest.Breakage{Action: "DescribeInstances", Fault: func(w http.ResponseWriter, r *http.Request, _ mototest.Request, _ http.Handler) {
		http.ServeFile(w, r, "testdata/instances.xml")
	}})
	found, err := list(t, opened, "us-gov-west-1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const file = "testdata/instances.json"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
}

func TestChangesOfAnInstanceShowInTheNextListing(t *testing.T) {
	t.Parallel()
	const region = "cn-north-1"
	account := mototest.New(t).Account(connector.China)
	id := account.Launch(region, 1, "InstanceType", "t3.micro", "KeyName", "operators")[0]
	opened := open(t, connector.China, account.Keys())
	steps := []struct {
		name  string
		do    func()
		state string
		tags  []connector.Tag
	}{
		{"launched", func() {}, "RUNNING", nil},
		{"tagged", func() { account.Tag(region, id, "Name", "web"); account.Tag(region, id, "A", "1") }, "RUNNING", []connector.Tag{{Key: "A", Value: "1"}, {Key: "Name", Value: "web"}}},
		{"stopped", func() { account.Stop(region, id) }, "STOPPED", []connector.Tag{{Key: "A", Value: "1"}, {Key: "Name", Value: "web"}}},
		{"started, another tag", func() { account.Start(region, id); account.Tag(region, id, "A", "2") }, "RUNNING", []connector.Tag{{Key: "A", Value: "2"}, {Key: "Name", Value: "web"}}},
		{"untagged", func() { account.Untag(region, id, "Name") }, "RUNNING", []connector.Tag{{Key: "A", Value: "2"}}},
		{"terminated", func() { account.Terminate(region, id) }, connector.Terminated, []connector.Tag{{Key: "A", Value: "2"}}},
	}
	for _, step := range steps {
		step.do()
		found, err := list(t, opened, region)
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: listed %v, %v", step.name, found, err)
		}
		i := found[0]
		if i.InstanceID != id || i.State != step.state || i.InstanceType != "t3.micro" || i.KeyName != "operators" || i.Launched.IsZero() {
			t.Errorf("%s: %+v, want %s in state %s", step.name, i, id, step.state)
		}
		if diff := cmp.Diff(step.tags, i.Tags); diff != "" {
			t.Errorf("%s: tags (-want +got):\n%s", step.name, diff)
		}
	}
}
