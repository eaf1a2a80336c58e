package main

import (
	"context"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// operatorRoutes returns what people and their programs call.
func (p *platform) operatorRoutes(users *access.Authenticator, launcher *ondemand.Launcher, budget *server.Budget) []server.Route {
	version := buildVersion()
	connectors := &connector.Directory{Connectors: p.store, Accounts: p.store, Now: time.Now}
	owns := aws.NewOwnAccounts(p.cloud, time.Now)
	actions := &fleet.Actions{Agents: p.store, Hosts: p.store, Now: time.Now}
	return append(
		qpsapi.Routes(qpsapi.Config{
			Hosts: p.store, Scans: launcher, Actions: actions, Profiles: p.profiles, Users: users, Journal: p.store, Budget: budget, Limits: p.limits,
			Connectors: connectors, OwnAccounts: owns,
			Tags: p.store, Tagger: &fleet.Tagger{Assignments: p.store}, Packages: p.packages,
			Keys: &fleet.Keyring{Keys: p.store, Hosts: p.store, Now: time.Now, NewKey: uuid.NewString},
			Versions: qpsapi.Versions{
				Application: version, Web: version, Scanner: version, VulnSigs: version,
				Modules: []qps.ModuleVersion{{Module: "CA", Version: version}},
			},
		}),
		automationapi.Routes(automationapi.Config{
			Scans: p.store, Uninstalls: p.store, Upgrades: p.store, Purger: actions, Profiles: p.profiles, Users: users, Journal: p.store, Budget: budget, Limits: p.limits,
			Directory: access.NewDirectory(p.store, p.store, tagNames{p.store}, time.Now), AuditLog: p.store,
			Connectors: connectors, OwnAccounts: owns, Instances: p.store, Relays: p.relays,
			Installers: p.packages, Doorway: p.doorway(),
			Connections: p.automation.connections, Runs: p.automation.desk, Trials: p.automation.trial, Schedules: p.automation.schedules,
		})...,
	)
}

// doorway is how hosts become agents of the platform.
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
