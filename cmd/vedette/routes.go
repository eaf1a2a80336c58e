package main

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// operatorRoutes returns what people and their programs call.
func (p *platform) operatorRoutes(users *access.Authenticator, budget *server.Budget) []server.Route {
	of := automationapi.Config{
		Users: users, Journal: p.store, Budget: budget, Limits: p.limits, Doorway: p.doorway(),
		Directory: access.NewDirectory(p.store, p.store, tagNames{p.store}, time.Now), AuditLog: p.store, Relays: p.relays,
		Connections: p.automation.connections, Runs: p.automation.desk, Trials: p.automation.trial, Schedules: p.automation.schedules,
		Notices: p.automation.notices,
		Library: p.automation.playbooks.library, PlaybookRuns: p.automation.playbooks.desk,
	}
	if p.alone {
		return append(qpsapi.Absent(), automationapi.Routes(of)...)
	}
	f, version := p.fleet, buildVersion()
	actions := &fleet.Actions{Agents: p.store, Hosts: p.store, Now: time.Now}
	of.Fleet = &automationapi.Fleet{
		Scans: p.store, Uninstalls: p.store, Upgrades: p.store, Purger: actions, Profiles: f.profiles,
		Connectors: f.connectors, OwnAccounts: f.owns, Instances: p.store, Installers: f.packages,
	}
	return append(
		qpsapi.Routes(qpsapi.Config{
			Hosts: p.store, Scans: f.launcher, Actions: actions, Profiles: f.profiles, Users: users, Journal: p.store, Budget: budget, Limits: p.limits,
			Connectors: f.connectors, OwnAccounts: f.owns,
			Tags: p.store, Tagger: &fleet.Tagger{Assignments: p.store}, Packages: f.packages,
			Keys: &fleet.Keyring{Keys: p.store, Hosts: p.store, Now: time.Now, NewKey: uuid.NewString},
			Versions: qpsapi.Versions{
				Application: version, Web: version, Scanner: version, VulnSigs: version,
				Modules: []qps.ModuleVersion{{Module: "CA", Version: version}},
			},
		}),
		automationapi.Routes(of)...,
	)
}

// agentRoutes returns what agents and those who install them call.
func (p *platform) agentRoutes() []server.Route {
	if !p.alone {
		return p.fleet.agents
	}
	return []server.Route{{Path: "/agent/{rest...}", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		server.Fail(w, r, server.NoFleet(r))
	})}}
}

// doorway is how hosts reach the platform.
func (p *platform) doorway() automationapi.Doorway {
	return automationapi.Doorway{URL: p.publicURL, Authority: p.fingerprint, CustomerID: p.admin.customerID}
}

// tagNames are the tags of the fleet as scopes need them.
type tagNames struct{ tags fleet.Tags }

// TagNames implements access.TagNames.
func (t tagNames) TagNames(ctx context.Context) (map[int64]string, error) {
	all, err := t.tags.Tags(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[int64]string, len(all))
	for _, tag := range all {
		names[tag.ID] = tag.Name
	}
	return names, nil
}
