package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store/storetest"
	"vedette.dev/vedette/qps"
)

func TestInstancesOfACloudAreSelectedByNameAndValue(t *testing.T) {
	t.Parallel()
	got, err := cloudCriteria([]string{"region=us-east-1", "INSTANCESTATE!=TERMINATED", "instanceType=t3.micro,t3.small"})
	want := []qps.Criterion{
		{Field: "region", Operator: qps.OpEquals, Value: "us-east-1"}, {Field: "instanceState", Operator: qps.OpNotEquals, Value: "TERMINATED"},
		{Field: "instanceType", Operator: qps.OpIn, Value: "t3.micro,t3.small"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("criteria (-want +got):\n%s%v", diff, err)
	}
	for text, says := range map[string]string{
		"region": "use NAME=VALUE", "region=": "use NAME=VALUE", "zone=a": "use one of instanceId, accountId", "": "use NAME=VALUE", "region!=a,b": "once for each value",
	} {
		if _, err := cloudCriteria([]string{text}); exitCode(err) != exitUsage || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want a usage error with %q", text, err, says)
		}
	}
}

func TestAnInstanceIsFoundByItsRegionOnAPlatform(t *testing.T) {
	t.Parallel()
	p := startOperatorPlatform(t, platformConfig{})
	p.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	for n, cloud := range []*agentwire.Cloud{nil, {Provider: agentwire.CloudAWS, AccountID: "012345678901", Region: "us-gov-west-1", InstanceID: "i-0123456789abcdef0", InstanceType: "t3.small"}} {
		_, err := p.store.EnrolAgent(t.Context(), fleet.Enrolment{
			ActivationKey: p.admin.activationKey, PublicKey: storetest.PublicKey(n), AgentID: storetest.AgentID(n), AgentVersion: "2.0.0", At: time.Now(),
			Host: agentwire.Host{Name: fmt.Sprintf("edge-%d", n), Platform: "Linux", Cloud: cloud},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	environment := map[string]string{"VEDETTE_URL": p.url, "VEDETTE_USERNAME": "boss", "VEDETTE_PASSWORD": operatorPassword, "VEDETTE_CA_FILE": p.admin.caFile}
	for criterion, want := range map[string]string{"region=us-gov-west-1": "edge-1", "instanceType=t3.micro,t3.small": "edge-1", "accountId=999999999999": ""} {
		for _, also := range []string{"--any-host=false", "--any-host"} {
			var out, said bytes.Buffer
			code := run(t.Context(), []string{"agents", "search", "-o", "csv", also, "--cloud", criterion}, strings.NewReader(""), &out, &said, func(name string) string { return environment[name] })
			if _, rows, _ := strings.Cut(out.String(), "\n"); code != exitDone || strings.Contains(rows, "edge-0") || strings.Contains(rows, "edge-1") != (want != "") {
				t.Errorf("%s %s ended with %d: %s%s", also, criterion, code, out.String(), said.String())
			}
		}
	}
}
