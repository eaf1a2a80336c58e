package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/secret"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

// queueStub notes what was enqueued and cancelled, whether committed or not.
type queueStub struct {
	mu    sync.Mutex
	calls []string
	sizes map[*sql.Tx]int // how many each transaction enqueued
}

func (q *queueStub) note(what, kind string, id int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.calls = append(q.calls, fmt.Sprintf("%s %s %d", what, kind, id))
	return nil
}

func (q *queueStub) Enqueue(_ context.Context, tx *sql.Tx, kind string, id int64) error {
	q.mu.Lock()
	q.sizes[tx]++
	q.mu.Unlock()
	return q.note("enqueue", kind, id)
}

func (q *queueStub) Cancel(_ context.Context, _ *sql.Tx, kind string, id int64) error {
	return q.note("cancel", kind, id)
}

// clouds is a bundle with a queue, an envelope and a directory of connectors.
type clouds struct {
	*bundle
	*connector.Directory
	queue    *queueStub
	envelope *secret.Envelope
}

func setupClouds(tb testing.TB, create func(tb testing.TB) Database) *clouds {
	tb.Helper()
	c := &clouds{bundle: setup(tb, create), queue: &queueStub{sizes: map[*sql.Tx]int{}}, envelope: must(secret.ParseEnvelope([]byte(secret.NewEnvelopeKey())))(tb)}
	c.UseQueue(c.queue)
	if err := c.OpenSecrets(tb.Context(), c.envelope); err != nil {
		tb.Fatal(err)
	}
	c.Directory = &connector.Directory{Connectors: c.Store, Accounts: c.Store, Now: c.clock}
	for _, p := range []connector.Partition{connector.GovCloud, connector.China} {
		if err := c.SetOption(tb.Context(), fleet.WholeFleet(), p, true); err != nil {
			tb.Fatal(err)
		}
	}
	return c
}

const (
	plainAccessKey = "AKIAIOSFODNN7EXAMPLE"
	plainSecretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func (c *clouds) authRecord(tb testing.TB, suffix string) int64 {
	tb.Helper()
	return must(c.CreateAuthRecord(tb.Context(), fleet.WholeFleet(), qps.AwsAuthRecordChange{
		Name: new("keys " + suffix), AccessKeyID: new(plainAccessKey + suffix), SecretKey: new(plainSecretKey + suffix),
	}))(tb).ID
}

func named(name string, change qps.AwsAssetDataConnectorChange) qps.AwsAssetDataConnectorChange {
	change.Name = &name
	return change
}

// withRole is a connector of all commercial regions.
func withRole() qps.AwsAssetDataConnectorChange {
	return qps.AwsAssetDataConnectorChange{ARN: new("arn:aws:iam::012345678901:role/r"), ExternalID: new("x-1"), AllRegions: new(true)}
}

func (c *clouds) connector(tb testing.TB, name string, change qps.AwsAssetDataConnectorChange) connector.Connector {
	tb.Helper()
	return must(c.Create(tb.Context(), fleet.WholeFleet(), named(name, change)))(tb)
}

func testConnectors(t *testing.T, create func(tb testing.TB) Database) {
	for name, test := range map[string]func(t *testing.T, c *clouds){
		"a connector is read back as it was made and changed":             testConnectorChanges,
		"what a connector refers to must exist":                           testConnectorReferences,
		"a change of several is for all or none":                          testConnectorBulk,
		"a record stays while a connector refers to it":                   testAuthRecordInUse,
		"base accounts are one of a partition":                            testBaseAccounts,
		"an option stays while an enabled connector needs it":             testPartitionOptions,
		"a run is queued once, with its job":                              testQueueRun,
		"runs of many are queued in short transactions":                   testQueueMany,
		"what is due is queued once":                                      testQueueDue,
		"a run goes from queued to finished":                              testRunLife,
		"a connector that is changed in its run is due when it ends":      testChangeDuringRun,
		"a run that was cut off is begun anew and the old one fenced off": testCutOffRun,
		"disabling and deleting end a run":                                testEndedRuns,
		"a run that is given up is an error and due again":                testGivenUpRun,
		"the newest runs are kept":                                        testKeptRuns,
		"replicas begin a run once each":                                  testRunRace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, setupClouds(t, create))
		})
	}
}

func testConnectorChanges(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	tags := MakeTags(t, c.Store, "Edge", "West")
	change := qps.AwsAssetDataConnectorChange{AuthRecordID: new(c.authRecord(t, ""))}
	change.IsGovCloudConfigured, change.Description, change.UseForCloudView = new(true), new("two\nlines"), new(false)
	change.DefaultTags.Add = []qps.TagSimple{{Name: "West"}, {ID: tags[0]}}
	change.Activation.Set = []string{"VM", "PC"}
	change.ConnectorAppInfos.Set = []qps.ConnectorAppInfo{{Name: "AI", Identifier: "x", TagID: tags[0]}}
	change.ConnectorScanSetting = &qps.ConnectorScanSetting{IsCustomScanConfigEnabled: true}
	change.ConnectorScanConfig.Set = []qps.ConnectorScanConfiguration{{ScanPrefix: "p", Recurrence: "WEEKLY", DaysOfWeek: []string{"SUN"}}}
	made := c.connector(t, "gov-cloud", change)
	want := connector.Connector{
		ID: made.ID, Name: "gov-cloud", Description: "two\nlines", Partition: connector.GovCloud, AuthRecordID: *change.AuthRecordID, Regions: []string{"us-gov-west-1"},
		RunFrequency: 4 * time.Hour, DefaultTags: []qps.TagSimple{{ID: tags[0], Name: "Edge"}, {ID: tags[1], Name: "West"}}, Modules: []string{"PC", "VM"},
		Kept: connector.Kept{
			UseForCloudView: new(false), AppInfos: change.ConnectorAppInfos.Set, ScanSetting: change.ConnectorScanSetting, ScanConfig: change.ConnectorScanConfig.Set,
		},
		State: connector.Pending, NextSync: Start, Created: Start, Modified: Start,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, must(c.Get(ctx, all, made.ID))(t)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}

	*c.now = Start.Add(time.Minute)
	update := qps.AwsAssetDataConnectorChange{Endpoints: qps.CollectionChange[string]{Add: []string{"us-gov-east-1"}}}
	update.DefaultTags.Remove, update.Activation.Set, update.RunFrequency = []qps.TagSimple{{ID: tags[1]}}, []string{}, new(int64(90))
	want.Regions, want.DefaultTags, want.Modules, want.RunFrequency = []string{"us-gov-east-1", "us-gov-west-1"}, want.DefaultTags[:1], []string{}, 90*time.Minute
	want.NextSync, want.Modified = *c.now, *c.now
	must(c.Update(ctx, all, made.ID, update))(t)
	c.connector(t, "another", withRole())
	if diff := cmp.Diff(want, must(c.Get(ctx, all, made.ID))(t)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if found := must(c.Search(ctx, all, []qps.Criterion{{Field: "defaultTags.name", Operator: qps.OpEquals, Value: "Edge"}}))(t); len(found) != 1 || found[0].ID != made.ID {
		t.Errorf("by tag found %+v", found)
	}
	if err := c.Delete(ctx, all, made.ID); err != nil {
		t.Fatal(err)
	}
	_, err := c.Get(ctx, all, made.ID)
	wantCode(t, err, fault.NotFound)
	wantCode(t, c.Delete(ctx, all, made.ID), fault.NotFound)
	_, err = c.Update(ctx, all, made.ID, update)
	wantCode(t, err, fault.NotFound)
	_, err = c.Run(ctx, all, made.ID, "ana")
	wantCode(t, err, fault.NotFound)
	_, err = c.Runs(ctx, all, made.ID)
	wantCode(t, err, fault.NotFound)
}

func testConnectorReferences(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	made := c.connector(t, "edge", withRole())
	tagged := func(tag qps.TagSimple) (change qps.AwsAssetDataConnectorChange) {
		change.DefaultTags.Add = []qps.TagSimple{tag}
		return change
	}
	for message, change := range map[string]qps.AwsAssetDataConnectorChange{
		"defaultTags: there is no tag with the id 4711.":        tagged(qps.TagSimple{ID: 4711}),
		"defaultTags: there is no tag with the name 'Nowhere'.": tagged(qps.TagSimple{Name: "Nowhere"}),
		"authRecord: there is no authentication record 4711.":   {AuthRecordID: new(int64(4711))},
	} {
		_, err := c.Update(ctx, all, made.ID, change)
		if wantCode(t, err, fault.Invalid); messageOf(err) != message {
			t.Errorf("update: %q, want %q", messageOf(err), message)
		}
		change.AllRegions = new(true)
		_, err = c.Create(ctx, all, named("other", change))
		if wantCode(t, err, fault.Invalid); messageOf(err) != message {
			t.Errorf("create: %q, want %q", messageOf(err), message)
		}
	}
	if found := must(c.Search(ctx, all, nil))(t); len(found) != 1 || !cmp.Equal(found[0].DefaultTags, made.DefaultTags) {
		t.Errorf("after refusals there are %+v", found)
	}
}

func testConnectorBulk(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	first := c.connector(t, "edge 1", withRole())
	gov := qps.AwsAssetDataConnectorChange{AuthRecordID: new(c.authRecord(t, ""))}
	gov.IsGovCloudConfigured = new(true)
	c.connector(t, "edge 2", gov)
	edges := []qps.Criterion{{Field: "name", Operator: qps.OpContains, Value: "edge"}}
	change := qps.AwsAssetDataConnectorChange{AllRegions: new(true)}
	change.Description = new("changed")
	_, err := c.UpdateMatching(ctx, all, edges, change)
	wantCode(t, err, fault.Invalid)
	if got := must(c.Get(ctx, all, first.ID))(t); got.Description != "" {
		t.Errorf("the first one was changed: %q", got.Description)
	}
	change.AllRegions = nil
	if updated := must(c.UpdateMatching(ctx, all, edges, change))(t); len(updated) != 2 || updated[1].Description != "changed" {
		t.Errorf("updated %+v", updated)
	}
	if gone := must(c.DeleteMatching(ctx, all, edges))(t); len(gone) != 2 {
		t.Errorf("deleted %+v", gone)
	}
	if left := must(c.Search(ctx, all, nil))(t); left != nil {
		t.Errorf("left %+v", left)
	}
}

func testAuthRecordInUse(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	record := c.authRecord(t, "")
	made := c.connector(t, "edge", qps.AwsAssetDataConnectorChange{AuthRecordID: &record, AllRegions: new(true)})
	err := c.DeleteAuthRecord(ctx, all, record)
	if wantCode(t, err, fault.Conflict); messageOf(err) != fmt.Sprintf("Authentication record %d is used by connectors %d.", record, made.ID) {
		t.Errorf("got %q", messageOf(err))
	}
	if err := c.Delete(ctx, all, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteAuthRecord(ctx, all, record); err != nil {
		t.Fatal(err)
	}
	if n := c.count(t, "SELECT count(*) FROM secrets"); n != 0 {
		t.Errorf("%d secrets outlive their record", n)
	}
	wantCode(t, c.DeleteAuthRecord(ctx, all, record), fault.NotFound)
	_, err = c.UpdateAuthRecord(ctx, all, record, qps.AwsAuthRecordChange{Name: new("n")})
	wantCode(t, err, fault.NotFound)
}

func (c *clouds) count(tb testing.TB, query string, args ...any) (n int64) {
	tb.Helper()
	err := c.InTx(tb.Context(), func(tx *store.Tx) error { return tx.QueryRow(tb.Context(), query, args...).Scan(&n) })
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

func testBaseAccounts(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	china := qps.AwsAssetDataConnectorChange{ARN: new("arn:aws-cn:iam::012345678901:role/r"), ExternalID: new("x-1")}
	china.IsChinaConfigured = new(true)
	_, err := c.Create(ctx, all, named("cn", china))
	wantCode(t, err, fault.Invalid)
	for _, account := range []string{"111122223333", "000011112222"} {
		keys := connector.Keys{AccessKeyID: plainAccessKey, SecretKey: account}
		if err := c.SetBaseAccount(ctx, all, connector.China, account, keys); err != nil {
			t.Fatal(err)
		}
	}
	want := []connector.BaseAccount{{Partition: connector.China, AccountID: "000011112222", Modified: Start}}
	if diff := cmp.Diff(want, must(c.Directory.BaseAccounts(ctx, all))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	made := c.connector(t, "cn", china)
	wantCode(t, c.Directory.DeleteBaseAccount(ctx, all, connector.China), fault.Conflict)
	must(c.Run(ctx, all, made.ID, "ana"))(t)
	_, _, credentials, err := c.BeginRun(ctx, made.ID, Start)
	if wanted := (connector.Credentials{AccessKeyID: plainAccessKey, SecretKey: "000011112222", RoleARN: *china.ARN, ExternalID: "x-1"}); err != nil || credentials != wanted {
		t.Errorf("the run gets other credentials than those of the newest base account, %v", err)
	}
	if err := c.Delete(ctx, all, made.ID); err != nil {
		t.Fatal(err)
	}
	if err := c.Directory.DeleteBaseAccount(ctx, all, connector.China); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.Directory.DeleteBaseAccount(ctx, all, connector.China), fault.NotFound)
	if n := c.count(t, "SELECT count(*) FROM secrets"); n != 0 {
		t.Errorf("%d secrets outlive their account", n)
	}
}

func testPartitionOptions(t *testing.T, c *clouds) {
	ctx, all := t.Context(), fleet.WholeFleet()
	gov := qps.AwsAssetDataConnectorChange{AuthRecordID: new(c.authRecord(t, ""))}
	gov.IsGovCloudConfigured = new(true)
	made := c.connector(t, "gov", gov)
	wantCode(t, c.SetOption(ctx, all, connector.GovCloud, false), fault.Conflict)
	disabled := qps.AwsAssetDataConnectorChange{}
	disabled.Disabled = new(true)
	must(c.Update(ctx, all, made.ID, disabled))(t)
	if err := c.SetOption(ctx, all, connector.GovCloud, false); err != nil {
		t.Fatal(err)
	}
	if got := must(c.Options(ctx, all))(t); got != (connector.Options{China: true}) {
		t.Errorf("options %+v", got)
	}
	_, err := c.Create(ctx, all, named("gov 2", gov))
	wantCode(t, err, fault.Invalid)
	disabled.Disabled = new(false)
	_, err = c.Update(ctx, all, made.ID, disabled)
	wantCode(t, err, fault.Invalid)
}

func wantCalls(tb testing.TB, c *clouds, calls ...string) {
	tb.Helper()
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	if !slices.Equal(c.queue.calls, calls) {
		tb.Errorf("jobs: %v, want %v", c.queue.calls, calls)
	}
	c.queue.calls = nil
}

func wantSuperseded(tb testing.TB, err error) {
	tb.Helper()
	if !errors.Is(err, connector.ErrSuperseded) {
		tb.Errorf("got %v, want ErrSuperseded", err)
	}
}

// begin begins the run of a connector.
func (c *clouds) begin(tb testing.TB, id int64) connector.Run {
	tb.Helper()
	run, _, _, err := c.BeginRun(tb.Context(), id, *c.now)
	if err != nil {
		tb.Fatal(err)
	}
	return run
}

func hasNoPlaintext(text string) bool {
	return !strings.Contains(text, plainAccessKey) && !strings.Contains(text, plainSecretKey)
}
