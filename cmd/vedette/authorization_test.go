package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/server/qpsapi"
)

// needed says, independently of the tables the APIs use, which permissions each
// route asks for: any of the list, beside API access. To everybody it is open
// without credentials, to anyUser with nothing but API access, to a manager
// whatever the permissions of others.
var needed = map[string][]access.Permission{
	"/qps":                     everybody,
	"/qps/{rest...}":           everybody,
	"/qps/xsd":                 everybody,
	"/qps/xsd/{path...}":       everybody,
	"/msp/about.php":           anyUser,
	"/qps/rest/portal/version": {access.CAAPIAccess, access.ReadAsset},

	"/qps/rest/{version}/count/am/hostasset":          {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/search/am/hostasset":         {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/get/am/hostasset/{id}":       {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/count/am/asset":              {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/search/am/asset":             {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/get/am/asset/{id}":           {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/process/ca/binaryinfo":       {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/download/ca/downloadbinary":  {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/download/ca/downloadcdxsbom": {access.CAAPIAccess, access.ReadAsset},
	"/qps/rest/{version}/update/am/hostasset":         {access.UpdateAsset},
	"/qps/rest/{version}/update/am/hostasset/{id}":    {access.UpdateAsset},
	"/qps/rest/{version}/update/am/asset":             {access.UpdateAsset},
	"/qps/rest/{version}/update/am/asset/{id}":        {access.UpdateAsset},
	"/qps/rest/{version}/activate/am/asset":           {access.ActivateAgent},
	"/qps/rest/{version}/activate/am/asset/{id}":      {access.ActivateAgent},
	"/qps/rest/{version}/deactivate/am/asset":         {access.DeactivateAgent},
	"/qps/rest/{version}/deactivate/am/asset/{id}":    {access.DeactivateAgent},
	"/qps/rest/{version}/uninstall/am/asset":          {access.UninstallAgent},
	"/qps/rest/{version}/uninstall/am/asset/{id}":     {access.UninstallAgent},
	"/qps/rest/{version}/uninstall/am/hostasset":      {access.UninstallAgent},
	"/qps/rest/{version}/ods/ca/agentasset":           {access.LaunchOnDemandScan},
	"/qps/rest/{version}/ods/ca/agentasset/{id}":      {access.LaunchOnDemandScan},
	"/qps/rest/{version}/count/ca/agentactkey":        {access.ViewActivationKey},
	"/qps/rest/{version}/search/ca/agentactkey":       {access.ViewActivationKey},
	"/qps/rest/{version}/get/ca/agentactkey/{id}":     {access.ViewActivationKey},
	"/qps/rest/{version}/create/ca/agentactkey":       {access.CreateActivationKey},
	"/qps/rest/{version}/update/ca/agentactkey":       {access.EditActivationKey, access.EnableActivationKey},
	"/qps/rest/{version}/update/ca/agentactkey/{id}":  {access.EditActivationKey, access.EnableActivationKey},
	"/qps/rest/{version}/delete/ca/agentactkey/{id}":  {access.DeleteActivationKey},
	"/qps/rest/{version}/cak/ca/changeactkey":         {access.ChangeActivationKey},
	"/qps/rest/{version}/count/ca/agentconfig":        {access.ViewConfigurationProfile},
	"/qps/rest/{version}/search/ca/agentconfig":       {access.ViewConfigurationProfile},
	"/qps/rest/{version}/get/ca/agentconfig/{id}":     {access.ViewConfigurationProfile},
	"/qps/rest/{version}/create/ca/agentconfig":       {access.CreateConfigurationProfile},
	"/qps/rest/{version}/update/ca/agentconfig":       {access.EditConfigurationProfile},
	"/qps/rest/{version}/update/ca/agentconfig/{id}":  {access.EditConfigurationProfile},
	"/qps/rest/{version}/delete/ca/agentconfig/{id}":  {access.DeleteConfigurationProfile},
	"/qps/rest/{version}/count/am/tag":                anyUser,
	"/qps/rest/{version}/search/am/tag":               anyUser,
	"/qps/rest/{version}/get/am/tag/{id}":             anyUser,
	"/qps/rest/{version}/evaluate/am/tag":             anyUser,
	"/qps/rest/{version}/evaluate/am/tag/{id}":        anyUser,
	"/qps/rest/{version}/create/am/tag":               {access.CreateUserTag},
	"/qps/rest/{version}/update/am/tag":               {access.EditUserTag},
	"/qps/rest/{version}/update/am/tag/{id}":          {access.EditUserTag},
	"/qps/rest/{version}/delete/am/tag":               {access.DeleteUserTag},
	"/qps/rest/{version}/delete/am/tag/{id}":          {access.DeleteUserTag},

	"GET /automation/v1/openapi.yaml":  anyUser,
	"GET /automation/v1/scans":         {access.CAAPIAccess, access.LaunchOnDemandScan},
	"GET /automation/v1/scans/{id}":    {access.CAAPIAccess, access.LaunchOnDemandScan},
	"GET /automation/v1/upgrades":      {access.CAAPIAccess},
	"GET /automation/v1/uninstalls":    {access.UninstallAgent},
	"POST /automation/v1/agents/purge": {access.UninstallAgent},
	"GET /automation/v1/installation":  {access.ViewActivationKey},
	"GET /automation/v1/users/me":      anyUser,

	"PATCH /automation/v1/users/me/settings": anyUser,

	"GET /automation/v1/profiles/{id}/schedules":   {access.ViewConfigurationProfile},
	"PATCH /automation/v1/profiles/{id}/schedules": {access.EditConfigurationProfile},

	"GET /automation/v1/permissions": anyUser,

	"GET /automation/v1/assets/{id}/instance-states": {access.CAAPIAccess, access.ReadAsset},

	"GET /automation/v1/aws/partitions":                             manager,
	"PATCH /automation/v1/aws/partitions/{partition}":               manager,
	"PUT /automation/v1/aws/partitions/{partition}/base-account":    manager,
	"DELETE /automation/v1/aws/partitions/{partition}/base-account": manager,
	"GET /automation/v1/connectors/{id}/runs":                       manager,

	"GET /automation/v1/relays":               manager,
	"POST /automation/v1/relays":              manager,
	"GET /automation/v1/relays/{id}":          manager,
	"DELETE /automation/v1/relays/{id}":       manager,
	"POST /automation/v1/relays/{id}/token":   manager,
	"DELETE /automation/v1/relays/{id}/token": manager,

	"GET /automation/v1/notifications/mail":                manager,
	"PUT /automation/v1/notifications/mail":                manager,
	"DELETE /automation/v1/notifications/mail":             manager,
	"POST /automation/v1/notifications/mail/test":          manager,
	"GET /automation/v1/notifications/webhook":             manager,
	"PUT /automation/v1/notifications/webhook":             manager,
	"DELETE /automation/v1/notifications/webhook":          manager,
	"POST /automation/v1/notifications/webhook/secret":     manager,
	"POST /automation/v1/notifications/webhook/test":       manager,
	"GET /automation/v1/notifications/notices":             manager,
	"GET /automation/v1/notifications/notices/{id}":        manager,
	"POST /automation/v1/notifications/notices/{id}/retry": manager,

	"GET /automation/v1/integrations":        anyConnection,
	"GET /automation/v1/integrations/{name}": anyConnection,
	"GET /automation/v1/sites":               anyConnection,
	"POST /automation/v1/sites":              manager,
	"PATCH /automation/v1/sites/{id}":        manager,
	"DELETE /automation/v1/sites/{id}":       manager,
	"POST /automation/v1/sites/{id}/members": manager,

	"GET /automation/v1/connections":                          anyConnection,
	"POST /automation/v1/connections":                         {access.CreateConnection},
	"POST /automation/v1/connections/test":                    {access.CreateConnection},
	"GET /automation/v1/connections/{id}":                     anyConnection,
	"PATCH /automation/v1/connections/{id}":                   {access.EditConnection},
	"DELETE /automation/v1/connections/{id}":                  {access.DeleteConnection},
	"POST /automation/v1/connections/{id}/test":               {access.RunCommand, access.EditConnection},
	"POST /automation/v1/connections/{id}/commands/{command}": {access.RunCommand},

	"GET /automation/v1/runs":              {access.ViewConnection, access.RunCommand},
	"GET /automation/v1/runs/{id}":         {access.ViewConnection, access.RunCommand},
	"POST /automation/v1/runs/{id}/cancel": {access.RunCommand},
	"POST /automation/v1/runs/{id}/again":  {access.RunCommand},

	"GET /automation/v1/schedules":              anySchedule,
	"POST /automation/v1/schedules":             {access.EditSchedule},
	"POST /automation/v1/schedules/preview":     anySchedule,
	"GET /automation/v1/schedules/{id}":         anySchedule,
	"PATCH /automation/v1/schedules/{id}":       {access.EditSchedule},
	"DELETE /automation/v1/schedules/{id}":      {access.EditSchedule},
	"POST /automation/v1/schedules/{id}/run":    {access.EditSchedule},
	"GET /automation/v1/schedules/{id}/firings": anySchedule,

	"GET /automation/v1/playbooks":                        anyPlaybook,
	"POST /automation/v1/playbooks":                       {access.EditPlaybook},
	"POST /automation/v1/playbooks/check":                 anyPlaybook,
	"GET /automation/v1/playbooks/shipped":                anyPlaybook,
	"GET /automation/v1/playbooks/{id}":                   anyPlaybook,
	"DELETE /automation/v1/playbooks/{id}":                {access.EditPlaybook},
	"GET /automation/v1/playbooks/{id}/versions":          anyPlaybook,
	"POST /automation/v1/playbooks/{id}/versions":         {access.EditPlaybook},
	"GET /automation/v1/playbooks/{id}/versions/{number}": anyPlaybook,
	"POST /automation/v1/playbooks/{id}/publish":          {access.EditPlaybook},
	"POST /automation/v1/playbooks/{id}/withdraw":         {access.EditPlaybook},
	"POST /automation/v1/playbooks/{id}/runs":             {access.RunPlaybook},
	"GET /automation/v1/playbooks/{id}/secrets":           {access.EditPlaybook},
	"PUT /automation/v1/playbooks/{id}/secrets/{name}":    {access.EditPlaybook},
	"DELETE /automation/v1/playbooks/{id}/secrets/{name}": {access.EditPlaybook},
	"GET /automation/v1/playbook-runs":                    anyPlaybook,
	"GET /automation/v1/playbook-runs/{id}":               anyPlaybook,
	"GET /automation/v1/playbook-runs/{id}/commands":      anyPlaybook,
	"POST /automation/v1/playbook-runs/{id}/pause":        {access.RunPlaybook},
	"POST /automation/v1/playbook-runs/{id}/resume":       {access.RunPlaybook},
	"POST /automation/v1/playbook-runs/{id}/cancel":       {access.RunPlaybook},
	"POST /automation/v1/playbook-runs/{id}/again":        {access.RunPlaybook},
	"GET /automation/v1/questions":                        anyPlaybook,
	"POST /automation/v1/questions/{id}/answer":           anyPlaybook,

	"GET /automation/v1/users":               manager,
	"POST /automation/v1/users":              manager,
	"GET /automation/v1/users/{username}":    manager,
	"PATCH /automation/v1/users/{username}":  manager,
	"DELETE /automation/v1/users/{username}": manager,
	"GET /automation/v1/roles":               manager,
	"POST /automation/v1/roles":              manager,
	"GET /automation/v1/roles/{id}":          manager,
	"PATCH /automation/v1/roles/{id}":        manager,
	"DELETE /automation/v1/roles/{id}":       manager,
	"GET /automation/v1/roles/{id}/users":    manager,
	"POST /automation/v1/roles/{id}/users":   manager,
	"GET /automation/v1/audit":               manager,

	// Everybody's own; the matrix asks for those of somebody else.
	"PUT /automation/v1/users/{username}/password":       manager,
	"GET /automation/v1/users/{username}/tokens":         manager,
	"POST /automation/v1/users/{username}/tokens":        nobody,
	"DELETE /automation/v1/users/{username}/tokens/{id}": manager,
}

// neededByRoute is needed with the calls on connectors: they, and all that belongs
// to them, are for managers, at either form of a path.
func neededByRoute() map[string][]access.Permission {
	all := maps.Clone(needed)
	calls := map[string][]string{
		"awsassetdataconnector": {"get/{id}", "search", "count", "create", "update", "update/{id}", "delete", "delete/{id}", "run", "run/{id}"},
		"assetdataconnector":    {"get/{id}", "search", "count", "update", "update/{id}", "delete", "delete/{id}", "run", "run/{id}"},
		"awsauthrecord":         {"get/{id}", "search", "count", "create", "update", "update/{id}", "delete", "delete/{id}"},
		"awsbaseaccount":        {"get/{id}", "search"}, "assetdataconnectorerrors": {"search"}, "awscloudformationtemplate": {"download"},
	}
	for object, verbs := range calls {
		for _, call := range verbs {
			verb, id, single := strings.Cut(call, "/")
			for _, form := range []string{"am/", ""} {
				path := "/qps/rest/{version}/" + verb + "/" + form + object
				if single {
					path += "/" + id
				}
				all[path] = manager
			}
		}
	}
	return all
}

var (
	everybody = []access.Permission{"everybody"}
	anyUser   = []access.Permission{access.APIAccess}
	manager   = []access.Permission{}
	nobody    = []access.Permission{"nobody"}

	anySchedule   = []access.Permission{access.ViewSchedule, access.EditSchedule}
	anyPlaybook   = []access.Permission{access.ViewPlaybook, access.EditPlaybook, access.RunPlaybook}
	anyConnection = []access.Permission{
		access.ViewConnection, access.CreateConnection, access.EditConnection, access.DeleteConnection, access.RunCommand,
	}
)

// caller is a user of the matrix, by what their role has.
type caller struct {
	name        string
	manager     bool
	permissions []access.Permission
}

// callers are: a manager, one user for each permission beside API access, one
// with nothing but API access, one with everything but API access, one whose
// role is empty.
func callers() []caller {
	var all []access.Permission
	for _, m := range access.Modules() {
		all = append(all, m.Permissions()...)
	}
	list := []caller{
		{name: "manager", manager: true},
		{name: "api-only", permissions: anyUser},
		{name: "all-but-api", permissions: append(slices.Clone(all), access.UIAccess)},
		{name: "nothing"},
	}
	for _, p := range all {
		list = append(list, caller{name: strings.ToLower(string(p)), permissions: []access.Permission{access.APIAccess, p}})
	}
	return list
}

// may says whether the caller is let through to a route.
func (c caller) may(anyOf []access.Permission) bool {
	switch {
	case slices.Equal(anyOf, nobody):
		return false
	case c.manager, slices.Equal(anyOf, everybody):
		return true
	case !slices.Contains(c.permissions, access.APIAccess):
		return false
	}
	return slices.ContainsFunc(anyOf, func(p access.Permission) bool { return slices.Contains(c.permissions, p) })
}

// operatorPlatform is a platform for tests of what operators may do.
type operatorPlatform struct {
	*platform
	client *http.Client
}

func startOperatorPlatform(tb testing.TB, config platformConfig) *operatorPlatform {
	tb.Helper()
	return startLoggedPlatform(tb, config, slog.New(slog.DiscardHandler))
}

func startLoggedPlatform(tb testing.TB, config platformConfig, log *slog.Logger) *operatorPlatform {
	tb.Helper()
	config.Data, config.Listen = cmp.Or(config.Data, tb.TempDir()), cmp.Or(config.Listen, "127.0.0.1:0")
	p, err := openPlatform(tb.Context(), config, log)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxIdleConnsPerHost: 4} // the platform of this test
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := errors.Join(<-ended, p.close()); err != nil {
			tb.Error(err)
		}
	})
	return &operatorPlatform{platform: p, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

const operatorPassword = "correct horse battery"

// addUser makes a user whose only role has the permissions.
func (p *operatorPlatform) addUser(tb testing.TB, hash string, c caller, scope access.Scope) {
	tb.Helper()
	role := access.Role{ID: access.ManagerRoleID}
	if !c.manager {
		permissions := slices.Clone(c.permissions)
		slices.Sort(permissions)
		var err error
		if role, err = p.store.CreateRole(tb.Context(), access.Role{Name: c.name, Permissions: permissions, Created: time.Now()}); err != nil {
			tb.Fatal(err)
		}
	}
	_, err := p.store.CreateUser(tb.Context(), access.User{
		Username: c.name, FirstName: "A", LastName: "B", Roles: []access.Role{role}, Scope: scope, PasswordHash: hash, Created: time.Now(), PasswordChanged: time.Now(),
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// call sends a request as a user and returns the answer's status and body.
func (p *operatorPlatform) call(tb testing.TB, user, method, path, body string) (status int, answer string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, p.url+path, bytes.NewBufferString(body))
	if err != nil {
		tb.Fatal(err)
	}
	r.SetBasicAuth(user, operatorPassword)
	if strings.HasPrefix(body, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := p.client.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func hashOf(tb testing.TB, password string) string {
	tb.Helper()
	hash, err := access.HashPassword(password)
	if err != nil {
		tb.Fatal(err)
	}
	return hash
}

// TestEveryRouteAsksForItsPermission calls every route of both operators' APIs
// as every caller, with nothing that could succeed in changing anything.
func TestEveryRouteAsksForItsPermission(t *testing.T) {
	t.Parallel()
	p := startOperatorPlatform(t, platformConfig{})
	hash := hashOf(t, operatorPassword)
	for _, c := range callers() {
		p.addUser(t, hash, c, access.Scope{All: true})
	}
	routes := append(qpsapi.Routes(qpsapi.Config{}), automationapi.Routes(automationapi.Config{})...)
	seen, needed := make(map[string]bool), neededByRoute()
	for _, route := range routes {
		name := route.Path
		if !strings.HasPrefix(name, "/qps") && !strings.HasPrefix(name, "/msp") {
			name = strings.Join(route.Methods, ",") + " " + route.Path
		}
		seen[name] = true
		anyOf, known := needed[name]
		if !known {
			t.Errorf("nothing is known of who may use %s", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range callers() {
				method, path, body := harmless(route)
				status, answer := p.call(t, c.name, method, path, body)
				refused := status == http.StatusForbidden || status == http.StatusUnauthorized && strings.Contains(answer, ">UNAUTHORIZED<")
				if refused == c.may(anyOf) || status >= 500 || status == http.StatusUnauthorized && !refused {
					t.Errorf("%s: %s %s is answered %d, want it let through: %t\n%.300s", c.name, method, path, status, c.may(anyOf), answer)
				}
			}
		})
	}
	for name := range needed {
		if !seen[name] {
			t.Errorf("there is no route %s", name)
		}
	}
}

// harmless returns a request to a route that reaches it and changes nothing: its
// ids and names are of nothing there is, its body says nothing.
func harmless(route server.Route) (method, path, body string) {
	method = http.MethodGet
	if len(route.Methods) > 0 {
		method = route.Methods[len(route.Methods)-1]
	}
	version := "2.0"
	if strings.Contains(route.Path, "/ca/") {
		version = "1.0"
	}
	path = strings.NewReplacer("{version}", version, "{partition}", "aws-cn", "{id}", "999999", "{username}", "nobody", "{name}", "qualys-cloud-agent", "{command}", "test-connection", "{rest...}", "nothing", "{path...}", "version.xsd").Replace(route.Path)
	if strings.HasPrefix(path, "/qps") && method != http.MethodGet {
		return method, path, "<ServiceRequest/>"
	}
	switch {
	case method == http.MethodGet || method == http.MethodDelete:
		return method, path, ""
	case strings.HasSuffix(path, "/tokens"):
		return method, path, `{"name": "none", "expiresIn": 3600}`
	}
	return method, path, "{}"
}
