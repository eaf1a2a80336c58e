package main

import (
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// operatorRoutes returns what people and their programs call.
func (p *platform) operatorRoutes(users *access.Authenticator, launcher *ondemand.Launcher, budget *server.Budget) []server.Route {
	version := buildVersion()
	actions := &fleet.Actions{Agents: p.store, Hosts: p.store, Now: time.Now}
	return append(
		qpsapi.Routes(qpsapi.Config{
			Hosts: p.store, Scans: launcher, Actions: actions, Profiles: p.profiles, Users: users, Budget: budget,
			Tags: p.store, Tagger: &fleet.Tagger{Assignments: p.store},
			Keys: &fleet.Keyring{Keys: p.store, Now: time.Now, NewKey: uuid.NewString},
			Versions: qpsapi.Versions{
				Application: version, Web: version, Scanner: version, VulnSigs: version,
				Modules: []qps.ModuleVersion{{Module: "CA", Version: version}},
			},
		}),
		automationapi.Routes(automationapi.Config{Scans: p.store, Uninstalls: p.store, Purger: actions, Users: users, Budget: budget})...,
	)
}
