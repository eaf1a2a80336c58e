package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/connector/connectortest"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// testConnectors are the calls on connectors of a platform for scripts: the APIs
// themselves, over a memory in which a run moves on with each look at it. Runs of
// connectors whose names begin with half- and no- end so.
type testConnectors struct {
	*connectortest.Memory
	mu   sync.Mutex
	runs map[int64][]connector.State // states to come, by connector
}

// handle serves the calls on mux, those of the automation API only where there is
// one.
func (c *testConnectors) handle(mux *http.ServeMux, automated bool) {
	own := server.NewMux(slog.New(slog.DiscardHandler))
	at := time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)
	directory := &connector.Directory{Connectors: c, Accounts: c, Now: func() time.Time { return at }}
	for _, r := range qpsapi.Routes(qpsapi.Config{Connectors: directory, OwnAccounts: c, Users: scriptUsers{}, Journal: noJournal{}}) {
		if strings.Contains(r.Path, "connector") || strings.Contains(r.Path, "/am/aws") {
			own.Add(r)
		}
	}
	for _, object := range []string{"awsassetdataconnector", "awsauthrecord", "assetdataconnectorerrors", "awsbaseaccount"} {
		for _, version := range []string{"2.0", "3.0"} {
			for _, verb := range []string{"get", "search", "create", "update", "delete", "run"} {
				mux.Handle(fmt.Sprintf("/qps/rest/%s/%s/am/%s", version, verb, object), own)
				mux.Handle(fmt.Sprintf("/qps/rest/%s/%s/am/%s/{id}", version, verb, object), own)
			}
		}
	}
	if automated {
		own.Add(automationapi.Routes(automationapi.Config{Fleet: &automationapi.Fleet{Connectors: directory, OwnAccounts: c, Instances: c}, Users: scriptUsers{}, Journal: noJournal{}})...)
		mux.Handle("/automation/v1/aws/", own)
		mux.Handle("/automation/v1/assets/", own)
		mux.Handle("/automation/v1/connectors/", own)
	}
}

// OwnAccount implements the OwnAccounts of both APIs.
func (*testConnectors) OwnAccount(_ context.Context, p connector.Partition) string {
	if p == connector.China {
		return ""
	}
	return "000011112222"
}

// InstanceHistory implements automationapi.Instances: host 1 is an instance.
func (*testConnectors) InstanceHistory(_ context.Context, _ fleet.Scope, hostID int64) ([]connector.StateChange, error) {
	if hostID != 1 {
		return nil, nil
	}
	return []connector.StateChange{{State: "RUNNING", Since: time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)}, {State: connector.Terminated, Since: time.Date(2031, 4, 2, 6, 0, 0, 0, time.UTC)}}, nil
}

// QueueRuns plans how the runs go on.
func (c *testConnectors) QueueRuns(ctx context.Context, ids []int64, by string, at time.Time, choose func([]connector.Connector) ([]connector.Connector, error)) ([]connector.Connector, error) {
	queued, err := c.Memory.QueueRuns(ctx, ids, by, at, choose)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range queued {
		end := connector.FinishedSuccess
		if strings.HasPrefix(q.Name, "half-") {
			end = connector.FinishedErrors
		}
		if strings.HasPrefix(q.Name, "no-") {
			end = connector.Failed
		}
		if c.runs == nil {
			c.runs = make(map[int64][]connector.State)
		}
		c.runs[q.ID] = []connector.State{connector.Running, connector.Processing, end}
	}
	return queued, err
}

// Connector moves the run of a connector one state on.
func (c *testConnectors) Connector(ctx context.Context, id int64) (connector.Connector, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if coming := c.runs[id]; len(coming) > 0 {
		c.runs[id] = coming[1:]
		c.advance(ctx, id, coming[0])
	}
	return c.Memory.Connector(ctx, id)
}

func (c *testConnectors) advance(ctx context.Context, id int64, to connector.State) {
	failure := ""
	if to == connector.Failed || to == connector.FinishedErrors {
		failure = "ec2:DescribeInstances in eu-west-1: UnauthorizedOperation: You are not authorized."
	}
	_, _ = c.UpdateConnectors(ctx, []int64{id}, func(k connector.Connector, _ connector.Subscription) (connector.Connector, error) {
		k.State, k.LastError = to, failure
		return k, nil
	})
	for i := range c.Runs {
		if c.Runs[i].ConnectorID == id {
			c.Runs[i].State, c.Runs[i].Error = to, failure
			c.Runs[i].Regions = []connector.RegionResult{{Region: "eu-west-1", Listed: 12, Created: 3, Complete: !to.Active(), Error: failure}}
			if !to.Active() {
				c.Runs[i].Ended = time.Date(2031, 4, 1, 6, 20, 0, 0, time.UTC)
			}
			return
		}
	}
}

// scriptUsers lets the manager of scripts in.
type scriptUsers struct{}

func (scriptUsers) Authenticate(_ context.Context, username, _, _ string) (access.Principal, error) {
	return access.NewPrincipal(access.User{Username: username, Roles: []access.Role{{Manager: true}}}), nil
}

func (u scriptUsers) AuthenticateToken(ctx context.Context, _, address string) (access.Principal, error) {
	return u.Authenticate(ctx, "admin", "", address)
}

// noJournal keeps no audit log.
type noJournal struct{}

func (noJournal) Append(context.Context, access.Entry) error { return nil }

func newTestConnectors() *testConnectors {
	return &testConnectors{Memory: &connectortest.Memory{Tags: []qps.TagSimple{{ID: 51, Name: "Edge"}}}}
}
