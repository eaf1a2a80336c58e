package test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// client signs in with the administrator of a folder.
func (f *folder) client(t *testing.T) *qpsclient.Client {
	t.Helper()
	c, err := qpsclient.New(qpsclient.Config{
		BaseURL: f.variable(t, "VEDETTE_URL"), CAFile: f.variable(t, "VEDETTE_CA_FILE"),
		Username: f.variable(t, "VEDETTE_USERNAME"), Password: f.variable(t, "VEDETTE_PASSWORD"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connect makes a connector of us-east-1 with keys of the account and a default
// tag, which does not run by itself yet.
func (f *folder) connect(t *testing.T, account *mototest.Account) int64 {
	t.Helper()
	keys := account.Keys()
	f.run(t, []string{"AWS_SECRET_ACCESS_KEY=" + keys.SecretKey}, "connectors", "auth-records", "create", "keys", "--access-key-id", keys.AccessKeyID)
	f.vedette(t, "tags", "create", "Cloud")
	f.vedette(t, "connectors", "create", "production", "--auth-record", "keys", "--region", "us-east-1", "--tag", "Cloud", "--module", "VM", "--disabled")
	all, err := f.client(t).AWSConnectors(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("connectors: %v, %v", all, err)
	}
	return all[0].ID
}

func (f *folder) connectorState(t *testing.T, id int64) string {
	t.Helper()
	c, err := f.client(t).GetAWSConnector(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c.ConnectorState
}

// TestAPlatformKilledInTheMiddleOfASyncCompletesIt kills the process between two
// pages of instances.
func TestAPlatformKilledInTheMiddleOfASyncCompletesIt(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	account := cloud.Account(connector.Commercial)
	for range 6 {
		account.Launch("us-east-1", 20)
	}
	cloud.Pages(1)
	data := newFolder(t)
	arguments := []string{"up", "--data", data.path, "--listen", "127.0.0.1:0", "--no-agent"}
	platform := data.startPlatform(t, arguments)
	platform.awaitReady(t)
	id := data.connect(t, account)

	reached := make(chan struct{})
	cloud.Break(mototest.Breakage{Action: "DescribeInstances", After: 3, Times: 1, Fault: func(_ http.ResponseWriter, r *http.Request, _ mototest.Request, _ http.Handler) {
		close(reached)
		<-r.Context().Done()
	}})
	data.vedette(t, "connectors", "update", "production", "--disabled=false")
	<-reached
	platform.kill()

	platform = data.startPlatform(t, arguments)
	platform.awaitReady(t)
	eventually(t, "the run that was cut off has ended well", func() bool { return data.connectorState(t, id) == qps.ConnectorFinishedSuccess })
	instances := make(map[string]bool)
	for page, err := range data.client(t).SearchHostAssets(t.Context(), qpsclient.HostAssetSearch{Criteria: []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud"}}}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page.Assets {
			for _, source := range h.Sources {
				if e, ok := source.(*qps.EC2Source); ok && e.InstanceState == "RUNNING" && e.VPCID != "" {
					instances[e.InstanceID] = true
				}
			}
		}
	}
	all, err := data.client(t).CountHostAssets(t.Context(), nil)
	if err != nil || all != 120 || len(instances) != 120 {
		t.Errorf("%d assets, %v, of which %d have their source and tag; want 120", all, err, len(instances))
	}
	if code := platform.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestTwoReplicasNeverRunOneConnectorAtOnce asks both replicas for a run while one
// is at work.
func TestTwoReplicasNeverRunOneConnectorAtOnce(t *testing.T) {
	t.Parallel()
	cloud := mototest.New(t)
	account := cloud.Account(connector.Commercial)
	account.Launch("us-east-1", 3)
	database := pgtest.Database(t)
	first, second := newFolder(t), newFolder(t)
	serve := func(f *folder) {
		f.startPlatform(t, []string{"serve", "--data", f.path, "--listen", "127.0.0.1:0", "--database", database}).awaitReady(t)
	}
	serve(first)
	for _, name := range []string{"trust/root.key", "trust/instruction.key", "trust/instruction.json", "trust/secrets.key", "admin.env"} {
		second.copy(t, first, name)
	}
	serve(second)
	id := first.connect(t, account)

	held, release := context.WithCancel(t.Context())
	var once sync.Once
	reached := make(chan struct{})
	cloud.Break(mototest.Breakage{Action: "DescribeInstances", Fault: func(w http.ResponseWriter, r *http.Request, _ mototest.Request, moto http.Handler) {
		once.Do(func() { close(reached) })
		<-held.Done()
		moto.ServeHTTP(w, r)
	}})
	first.vedette(t, "connectors", "update", "production", "--disabled=false")
	<-reached
	for range 3 {
		for _, replica := range []*folder{first, second} {
			replica.vedette(t, "connectors", "run", strconv.FormatInt(id, 10))
		}
	}
	release()
	eventually(t, "the run has ended", func() bool { return second.connectorState(t, id) == qps.ConnectorFinishedSuccess })
	if asked := cloud.Requests("DescribeInstances"); len(asked) != 1 {
		t.Errorf("AWS was asked %d times, want one run", len(asked))
	}
	runs, err := second.client(t).ConnectorRuns(t.Context(), id, 10)
	if err != nil || len(runs) != 1 {
		t.Errorf("runs: %+v, %v", runs, err)
	}
}
