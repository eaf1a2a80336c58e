package automationapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/server"
)

// seeConnections are the permissions with which connections are seen, and what
// they are made of: whoever may do anything with them has to find them.
var seeConnections = []access.Permission{
	access.ViewConnection, access.CreateConnection, access.EditConnection, access.DeleteConnection, access.RunCommand,
}

// seeSchedules are the permissions with which schedules of commands are seen.
var seeSchedules = []access.Permission{access.ViewSchedule, access.EditSchedule}

// seePlaybooks are the permissions with which playbooks and their runs are seen:
// whoever may do anything with them has to find them.
var seePlaybooks = conductor.Seeing()

// operations says for every call what it does and what a caller needs beside API
// access. Calls without permissions are for managers alone.
var operations = map[string]server.Operation{
	"GET /automation/v1/openapi.yaml":  {Name: "read description", Open: true},
	"GET /automation/v1/scans":         {Name: "list scans", AnyOf: []access.Permission{access.CAAPIAccess, access.LaunchOnDemandScan}},
	"GET /automation/v1/scans/{id}":    {Name: "get scan", AnyOf: []access.Permission{access.CAAPIAccess, access.LaunchOnDemandScan}},
	"GET /automation/v1/upgrades":      {Name: "list upgrades", AnyOf: []access.Permission{access.CAAPIAccess}},
	"GET /automation/v1/uninstalls":    {Name: "list uninstalls", AnyOf: []access.Permission{access.UninstallAgent}},
	"POST /automation/v1/agents/purge": {Name: "purge agents", AnyOf: []access.Permission{access.UninstallAgent}, Write: true},
	"GET /automation/v1/installation":  {Name: "get installation", AnyOf: []access.Permission{access.ViewActivationKey}},

	"GET /automation/v1/profiles/{id}/schedules":   {Name: "get schedules", AnyOf: []access.Permission{access.ViewConfigurationProfile}},
	"PATCH /automation/v1/profiles/{id}/schedules": {Name: "update schedules", AnyOf: []access.Permission{access.EditConfigurationProfile}, Write: true},

	"GET /automation/v1/aws/partitions":                             {Name: "list partitions"},
	"PATCH /automation/v1/aws/partitions/{partition}":               {Name: "update partition", Write: true},
	"PUT /automation/v1/aws/partitions/{partition}/base-account":    {Name: "set base account", Write: true},
	"DELETE /automation/v1/aws/partitions/{partition}/base-account": {Name: "delete base account", Write: true},
	"GET /automation/v1/connectors/{id}/runs":                       {Name: "list runs of connector"},

	"GET /automation/v1/assets/{id}/instance-states": {Name: "list states of instance", AnyOf: []access.Permission{access.CAAPIAccess, access.ReadAsset}},

	"GET /automation/v1/relays":               {Name: "list relays"},
	"POST /automation/v1/relays":              {Name: "register relay", Write: true},
	"GET /automation/v1/relays/{id}":          {Name: "get relay"},
	"DELETE /automation/v1/relays/{id}":       {Name: "delete relay", Write: true},
	"POST /automation/v1/relays/{id}/token":   {Name: "rotate token of relay", Write: true},
	"DELETE /automation/v1/relays/{id}/token": {Name: "revoke token of relay", Write: true},

	"GET /automation/v1/integrations":        {Name: "list integrations", AnyOf: seeConnections},
	"GET /automation/v1/integrations/{name}": {Name: "get integration", AnyOf: seeConnections},
	"GET /automation/v1/sites":               {Name: "list sites", AnyOf: seeConnections},
	"POST /automation/v1/sites":              {Name: "create site", Write: true},
	"PATCH /automation/v1/sites/{id}":        {Name: "update site", Write: true},
	"DELETE /automation/v1/sites/{id}":       {Name: "delete site", Write: true},
	"POST /automation/v1/sites/{id}/members": {Name: "change members of site", Write: true},

	// Which connections these are about, connection.Directory and run.Desk decide.
	"GET /automation/v1/connections":                          {Name: "list connections", AnyOf: seeConnections},
	"POST /automation/v1/connections":                         {Name: "create connection", AnyOf: []access.Permission{access.CreateConnection}, Write: true},
	"POST /automation/v1/connections/test":                    {Name: "test new connection", AnyOf: []access.Permission{access.CreateConnection}, Write: true},
	"GET /automation/v1/connections/{id}":                     {Name: "get connection", AnyOf: seeConnections},
	"PATCH /automation/v1/connections/{id}":                   {Name: "update connection", AnyOf: []access.Permission{access.EditConnection}, Write: true},
	"DELETE /automation/v1/connections/{id}":                  {Name: "delete connection", AnyOf: []access.Permission{access.DeleteConnection}, Write: true},
	"POST /automation/v1/connections/{id}/test":               {Name: "test connection", AnyOf: []access.Permission{access.RunCommand, access.EditConnection}, Write: true},
	"POST /automation/v1/connections/{id}/commands/{command}": {Name: "run command", AnyOf: []access.Permission{access.RunCommand}, Write: true},
	"GET /automation/v1/runs":                                 {Name: "list runs", AnyOf: []access.Permission{access.ViewConnection, access.RunCommand}},
	"GET /automation/v1/runs/{id}":                            {Name: "get run", AnyOf: []access.Permission{access.ViewConnection, access.RunCommand}},
	"POST /automation/v1/runs/{id}/cancel":                    {Name: "cancel run", AnyOf: []access.Permission{access.RunCommand}, Write: true},
	"POST /automation/v1/runs/{id}/again":                     {Name: "run again", AnyOf: []access.Permission{access.RunCommand}, Write: true},

	// Which schedules these are about, schedule.Directory decides. Whoever may change
	// them has to find them.
	"GET /automation/v1/schedules":              {Name: "list automation schedules", AnyOf: seeSchedules},
	"POST /automation/v1/schedules":             {Name: "create automation schedule", AnyOf: []access.Permission{access.EditSchedule}, Write: true},
	"POST /automation/v1/schedules/preview":     {Name: "preview automation schedule", AnyOf: seeSchedules},
	"GET /automation/v1/schedules/{id}":         {Name: "get automation schedule", AnyOf: seeSchedules},
	"PATCH /automation/v1/schedules/{id}":       {Name: "update automation schedule", AnyOf: []access.Permission{access.EditSchedule}, Write: true},
	"DELETE /automation/v1/schedules/{id}":      {Name: "delete automation schedule", AnyOf: []access.Permission{access.EditSchedule}, Write: true},
	"POST /automation/v1/schedules/{id}/run":    {Name: "run automation schedule", AnyOf: []access.Permission{access.EditSchedule}, Write: true},
	"GET /automation/v1/schedules/{id}/firings": {Name: "list firings", AnyOf: seeSchedules},

	"GET /automation/v1/notifications/mail":                {Name: "get mail settings"},
	"PUT /automation/v1/notifications/mail":                {Name: "set mail settings", Write: true},
	"DELETE /automation/v1/notifications/mail":             {Name: "remove mail settings", Write: true},
	"POST /automation/v1/notifications/mail/test":          {Name: "test mail", Write: true},
	"GET /automation/v1/notifications/webhook":             {Name: "get webhook"},
	"PUT /automation/v1/notifications/webhook":             {Name: "set webhook", Write: true},
	"DELETE /automation/v1/notifications/webhook":          {Name: "remove webhook", Write: true},
	"POST /automation/v1/notifications/webhook/secret":     {Name: "rotate secret of webhook", Write: true},
	"POST /automation/v1/notifications/webhook/test":       {Name: "test webhook", Write: true},
	"GET /automation/v1/notifications/notices":             {Name: "list notices"},
	"GET /automation/v1/notifications/notices/{id}":        {Name: "get notice"},
	"POST /automation/v1/notifications/notices/{id}/retry": {Name: "retry notice", Write: true},

	// Which playbooks and runs these are about, library.Library and conductor.Desk
	// decide, and whom a question is for.
	"GET /automation/v1/playbooks":                        {Name: "list playbooks", AnyOf: seePlaybooks},
	"POST /automation/v1/playbooks":                       {Name: "create playbook", AnyOf: []access.Permission{access.EditPlaybook}, Write: true},
	"POST /automation/v1/playbooks/check":                 {Name: "check playbook", AnyOf: seePlaybooks},
	"GET /automation/v1/playbooks/shipped":                {Name: "list shipped playbooks", AnyOf: seePlaybooks},
	"GET /automation/v1/playbooks/{id}":                   {Name: "get playbook", AnyOf: seePlaybooks},
	"DELETE /automation/v1/playbooks/{id}":                {Name: "delete playbook", AnyOf: []access.Permission{access.EditPlaybook}, Write: true},
	"GET /automation/v1/playbooks/{id}/versions":          {Name: "list versions of playbook", AnyOf: seePlaybooks},
	"POST /automation/v1/playbooks/{id}/versions":         {Name: "save playbook", AnyOf: []access.Permission{access.EditPlaybook}, Write: true},
	"GET /automation/v1/playbooks/{id}/versions/{number}": {Name: "get version of playbook", AnyOf: seePlaybooks},
	"POST /automation/v1/playbooks/{id}/publish":          {Name: "publish playbook", AnyOf: []access.Permission{access.EditPlaybook}, Write: true},
	"POST /automation/v1/playbooks/{id}/withdraw":         {Name: "withdraw playbook", AnyOf: []access.Permission{access.EditPlaybook}, Write: true},
	"POST /automation/v1/playbooks/{id}/runs":             {Name: "run playbook", AnyOf: []access.Permission{access.RunPlaybook}, Write: true},
	"GET /automation/v1/playbooks/{id}/secrets":           {Name: "list secrets of playbook", AnyOf: []access.Permission{access.EditPlaybook}},
	"PUT /automation/v1/playbooks/{id}/secrets/{name}":    {Name: "set secret of playbook", AnyOf: []access.Permission{access.EditPlaybook}, Write: true},
	"DELETE /automation/v1/playbooks/{id}/secrets/{name}": {Name: "remove secret of playbook", AnyOf: []access.Permission{access.EditPlaybook}, Write: true},
	"GET /automation/v1/playbook-runs":                    {Name: "list playbook runs", AnyOf: seePlaybooks},
	"GET /automation/v1/playbook-runs/{id}":               {Name: "get playbook run", AnyOf: seePlaybooks},
	"GET /automation/v1/playbook-runs/{id}/commands":      {Name: "list commands of playbook run", AnyOf: seePlaybooks},
	"POST /automation/v1/playbook-runs/{id}/pause":        {Name: "pause playbook run", AnyOf: []access.Permission{access.RunPlaybook}, Write: true},
	"POST /automation/v1/playbook-runs/{id}/resume":       {Name: "resume playbook run", AnyOf: []access.Permission{access.RunPlaybook}, Write: true},
	"POST /automation/v1/playbook-runs/{id}/cancel":       {Name: "cancel playbook run", AnyOf: []access.Permission{access.RunPlaybook}, Write: true},
	"POST /automation/v1/playbook-runs/{id}/again":        {Name: "run playbook again", AnyOf: []access.Permission{access.RunPlaybook}, Write: true},
	"GET /automation/v1/questions":                        {Name: "list questions", AnyOf: seePlaybooks},
	"POST /automation/v1/questions/{id}/answer":           {Name: "answer question", AnyOf: seePlaybooks, Write: true},

	"GET /automation/v1/users":               {Name: "list users"},
	"POST /automation/v1/users":              {Name: "create user", Write: true},
	"GET /automation/v1/users/{username}":    {Name: "get user"},
	"PATCH /automation/v1/users/{username}":  {Name: "update user", Write: true},
	"DELETE /automation/v1/users/{username}": {Name: "delete user", Write: true},
	// What everybody does with their own, access.Directory refuses with others'.
	"GET /automation/v1/users/me":                        {Name: "get own user", Open: true},
	"PATCH /automation/v1/users/me/settings":             {Name: "change own settings", Open: true, Write: true},
	"PUT /automation/v1/users/{username}/password":       {Name: "set password", Open: true, Write: true},
	"GET /automation/v1/users/{username}/tokens":         {Name: "list tokens", Open: true},
	"POST /automation/v1/users/{username}/tokens":        {Name: "create token", Open: true, Write: true},
	"DELETE /automation/v1/users/{username}/tokens/{id}": {Name: "revoke token", Open: true, Write: true},

	"GET /automation/v1/roles":             {Name: "list roles"},
	"POST /automation/v1/roles":            {Name: "create role", Write: true},
	"GET /automation/v1/roles/{id}":        {Name: "get role"},
	"PATCH /automation/v1/roles/{id}":      {Name: "update role", Write: true},
	"DELETE /automation/v1/roles/{id}":     {Name: "delete role", Write: true},
	"GET /automation/v1/roles/{id}/users":  {Name: "list users of role"},
	"POST /automation/v1/roles/{id}/users": {Name: "assign role", Write: true},
	"GET /automation/v1/permissions":       {Name: "list permissions", Open: true},
	"GET /automation/v1/audit":             {Name: "search audit log"},
}

// operationOf returns what a route does. One that operations does not name is a
// mistake of this package, found at the first start.
func operationOf(route server.Route) server.Operation {
	pattern := strings.Join(route.Methods, ",") + " " + route.Path
	op, known := operations[pattern]
	if !known {
		panic(fmt.Sprintf("automationapi: no permissions are known for %s", pattern))
	}
	return op
}

// settle records writes in the audit log before they are answered.
func settle(next StrictHandlerFunc, _ string) StrictHandlerFunc {
	return func(ctx context.Context, w http.ResponseWriter, r *http.Request, request any) (any, error) {
		response, err := next(ctx, w, r, request)
		return response, server.Settle(ctx, err)
	}
}
