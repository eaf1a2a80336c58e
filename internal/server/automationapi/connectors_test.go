package automationapi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/access/accesstest"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/connector/connectortest"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/qps"
)

const secretOfTests = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// own is the account of the platform's own credentials in the commercial
// partition.
type own struct{}

func (own) OwnAccount(_ context.Context, p connector.Partition) string {
	if p == connector.Commercial {
		return "000011112222"
	}
	return ""
}

// histories are those of instances by their host assets, of which there is 7.
type histories struct{}

func (histories) InstanceHistory(_ context.Context, scope fleet.Scope, hostID int64) ([]connector.StateChange, error) {
	if hostID != 7 || !scope.All {
		return nil, fault.Newf(fault.NotFound, "There is no host asset %d.", hostID)
	}
	return []connector.StateChange{{State: "RUNNING", Since: start.Add(-time.Hour)}, {State: connector.Terminated, Since: start}}, nil
}

// cloudOffice is a platform with the option of GovCloud, a base account there, and
// connector 149001, which is at work in GovCloud.
type cloudOffice struct {
	memory  *connectortest.Memory
	journal *accesstest.Memory
	mux     *server.Mux
}

func newCloudOffice(t *testing.T) cloudOffice {
	t.Helper()
	o := cloudOffice{
		memory:  &connectortest.Memory{Allow: connector.Options{GovCloud: true}},
		journal: accesstest.New(access.User{Username: "admin"}, nil), mux: server.NewMux(slog.New(slog.DiscardHandler)),
	}
	d, everything := o.memory.NewDirectory(start), fleet.Scope{All: true}
	err := d.SetBaseAccount(t.Context(), everything, connector.GovCloud, "012345678901", connector.Keys{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretKey: secretOfTests})
	if err != nil {
		t.Fatal(err)
	}
	made, err := d.Create(t.Context(), everything, qps.AwsAssetDataConnectorChange{
		AssetDataConnectorChange: qps.AssetDataConnectorChange{Name: new("gov"), IsGovCloudConfigured: new(true)},
		ARN:                      new("arn:aws-us-gov:iam::111122223333:role/q"), ExternalID: new("x-1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	o.memory.Runs = []connector.Run{
		{ID: 9, ConnectorID: made.ID, StartedBy: "admin", Queued: start, Started: start.Add(time.Second), State: connector.Processing, Regions: []connector.RegionResult{
			{Region: "us-gov-east-1", Listed: 7}, {Region: "us-gov-west-1", Listed: 120, Created: 100, Updated: 5, Dropped: 1, Complete: true, Error: "i-1 has no id"},
		}},
		{ID: 8, ConnectorID: made.ID, Queued: start.Add(-time.Hour), Started: start.Add(-time.Hour), Ended: start.Add(-time.Minute), State: connector.Failed, Error: "AccessDenied"},
	}
	o.mux.Add(automationapi.Routes(automationapi.Config{Users: operators{}, Journal: o.journal, Fleet: &automationapi.Fleet{Connectors: d, OwnAccounts: own{}, Instances: histories{}}})...)
	return o
}

func (o cloudOffice) call(user, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/automation/v1"+target, strings.NewReader(body))
	r.SetBasicAuth(user, "right")
	w := httptest.NewRecorder()
	o.mux.ServeHTTP(w, r)
	return w
}

// TestPartitionsAndRunsAreShownAndChanged makes each call once, with golden
// answers where it works, and the problem where it does not.
func TestPartitionsAndRunsAreShownAndChanged(t *testing.T) {
	t.Parallel()
	const account = `{"accountId":"000099998888","accessKeyId":"AKIAI44QH8DHBEXAMPLE","secretKey":"` + secretOfTests + `"}`
	for _, tc := range []struct {
		name, method, target, body string
		status                     int
		says                       string // of a problem
	}{
		{"partitions", "GET", "/aws/partitions", "", 200, ""},
		{"partition-enabled", "PATCH", "/aws/partitions/aws-cn", `{"enabled":true}`, 200, ""},
		{"base-account-set", "PUT", "/aws/partitions/aws-us-gov/base-account", account, 200, ""},
		{"", "DELETE", "/aws/partitions/aws-us-gov/base-account/", "", 204, ""},
		{"connector-runs", "GET", "/connectors/149001/runs", "", 200, ""},
		{"connector-runs-limited", "GET", "/connectors/149001/runs?limit=1", "", 200, ""},
		{"instance-states", "GET", "/assets/7/instance-states", "", 200, ""},
		{"", "GET", "/assets/8/instance-states", "", 404, "There is no host asset 8."},
		{"", "PATCH", "/aws/partitions/aws-us-gov", `{"enabled":false}`, 409, "Connector 149001"},
		{"", "PATCH", "/aws/partitions/aws", `{"enabled":false}`, 400, "partition: 'aws' has no option."},
		{"", "PATCH", "/aws/partitions/aws-cn", `{}`, 400, "enabled: the member is missing."},
		{"", "PATCH", "/aws/partitions/aws-cn", `{"enabled":"yes"}`, 400, "enabled must be true or false"},
		{"", "PATCH", "/aws/partitions/aws-cn", `{"enable":true}`, 400, "enable"},
		{"", "PUT", "/aws/partitions/aws-iso/base-account", account, 400, "Values expected: aws, aws-us-gov, aws-cn."},
		{"", "PUT", "/aws/partitions/aws/base-account", strings.Replace(account, "000099998888", "99998888", 1), 400, "12 digits"},
		{"", "PUT", "/aws/partitions/aws/base-account", `{"accountId":"000099998888","secretKey":"` + secretOfTests + `"}`, 400, "accessKeyId: the element is missing."},
		{"", "PUT", "/aws/partitions/aws/base-account", `{"accountId":"000099998888","secretKey":["` + secretOfTests + `"]}`, 400, "secretKey must be a string"},
		{"", "DELETE", "/aws/partitions/aws/base-account", "", 404, "no base account"},
		{"", "GET", "/connectors/1/runs", "", 404, "no connector 1"},
		{"", "GET", "/connectors/x/runs", "", 400, "id: invalid value 'x'."},
		{"", "GET", "/connectors/149001/runs?limit=0", "", 400, "limit: invalid value '0'."},
	} {
		t.Run(tc.method+" "+tc.target+" "+tc.body, func(t *testing.T) {
			t.Parallel()
			o := newCloudOffice(t)
			w := o.call("admin", tc.method, tc.target, tc.body)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d: %s", w.Code, tc.status, w.Body)
			}
			if strings.Contains(w.Body.String(), secretOfTests) || strings.Contains(w.Body.String(), "AKIA") {
				t.Errorf("the answer shows keys: %s", w.Body)
			}
			if tc.says != "" {
				if _, text := explanation(t, w); !strings.Contains(text, tc.says) {
					t.Errorf("problem %q, want %q", text, tc.says)
				}
			} else if tc.name != "" {
				matchGolden(t, tc.name, w.Body.Bytes())
			}
		})
	}
}

func TestPartitionsAreForManagers(t *testing.T) {
	t.Parallel()
	o := newCloudOffice(t)
	for _, call := range []struct{ method, target, body string }{
		{"GET", "/aws/partitions", ""}, {"PATCH", "/aws/partitions/aws-cn", `{"enabled":true}`}, {"DELETE", "/aws/partitions/aws-us-gov/base-account", ""},
		{"PUT", "/aws/partitions/aws/base-account", "{}"}, {"GET", "/connectors/149001/runs", ""},
	} {
		if w := o.call("ann", call.method, call.target, call.body); w.Code != 403 {
			t.Errorf("%s %s: status %d, want 403: %s", call.method, call.target, w.Code, w.Body)
		}
	}
}

// TestSwitchingOptionsAndSettingKeysIsAudited looks for what was done, and that
// no key is there.
func TestSwitchingOptionsAndSettingKeysIsAudited(t *testing.T) {
	t.Parallel()
	o := newCloudOffice(t)
	o.call("admin", "PATCH", "/aws/partitions/aws-cn", `{"enabled":true}`)
	o.call("admin", "PUT", "/aws/partitions/aws-cn/base-account", `{"accountId":"000099998888","accessKeyId":"AKIAI44QH8DHBEXAMPLE","secretKey":"`+secretOfTests+`"}`)
	o.call("admin", "DELETE", "/aws/partitions/aws-cn/base-account", "")
	o.call("admin", "GET", "/aws/partitions", "")
	var got []string
	for _, e := range o.journal.Entries() {
		got = append(got, fmt.Sprintf("%s %s %s %s", e.Action, e.Object, e.Outcome, e.Detail))
	}
	want := []string{"update partition aws-cn done enabled true", "set base account aws-cn done account 000099998888", "delete base account aws-cn done "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}
