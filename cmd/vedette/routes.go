package main

import (
	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// operatorRoutes returns what people and their programs call.
func (p *platform) operatorRoutes(users *access.Authenticator, launcher *ondemand.Launcher, budget *server.Budget) []server.Route {
	version := buildVersion()
	return append(
		qpsapi.Routes(qpsapi.Config{
			Hosts: p.store, Scans: launcher, Users: users, Budget: budget,
			Versions: qpsapi.Versions{
				Application: version, Web: version, Scanner: version, VulnSigs: version,
				Modules: []qps.ModuleVersion{{Module: "CA", Version: version}},
			},
		}),
		automationapi.Routes(automationapi.Config{Scans: p.store, Users: users, Budget: budget})...,
	)
}
