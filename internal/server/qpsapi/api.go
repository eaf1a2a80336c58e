package qpsapi

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// requestTimeout bounds one call. A page of 1,000 hosts with all their software
// takes seconds; a search without an index that fits is cut here at the latest.
const requestTimeout = 90 * time.Second

// Scans launches on-demand scans; *ondemand.Launcher implements it.
type Scans interface {
	LaunchOne(ctx context.Context, hostID int64, o ondemand.Order) (ondemand.Request, error)
	LaunchMatching(ctx context.Context, conditions []fleet.Condition, o ondemand.Order) ([]ondemand.Request, error)
}

// Versions are what the platform says of itself.
type Versions struct {
	Application string              // of the platform, as PortalApplication-VERSION
	Modules     []qps.ModuleVersion // CA and others
	Web         string
	Scanner     string
	VulnSigs    string
}

// Config is what the API needs. BaseURL and Budget may be left out.
type Config struct {
	Hosts    fleet.Hosts
	Scans    Scans
	Actions  Actions
	Profiles Profiles
	Keys     Keys
	Tags     fleet.Tags
	Tagger   Tagger
	Packages Packages
	// Connectors are those of cloud accounts, with what belongs to them.
	Connectors *connector.Directory
	// OwnAccounts may be nil: then the platform's own are not known.
	OwnAccounts OwnAccounts
	Users       server.Authenticator
	Journal     access.Journal
	Versions    Versions
	Budget      *server.Budget // shared with other operators' APIs
	Limits      *server.Limits // of each user, shared likewise; nil for none
	// BaseURL is the address clients use, such as "https://vedette.example.com",
	// for schema locations. When empty it is taken from each request.
	BaseURL string
}

// api holds the handlers.
type api struct {
	Config
}

// reply is a successful answer and the selection of its elements.
type reply struct {
	response *qps.Response
	fields   *qps.Fields
}

// call handles one request of an authenticated user.
type call func(r *http.Request) (reply, error)

// API versions in paths. Asset Management also answers at 1.0, as the Qualys
// platform does; there is one schema for both.
var (
	assetVersions = []string{"2.0", "1.0"}
	agentVersions = []string{"1.0"}
)

// Routes returns the routes of the API.
func Routes(c Config) []server.Route {
	a := &api{Config: c}
	both := []string{http.MethodGet, http.MethodPost}
	post := []string{http.MethodPost}
	return append(slices.Concat(a.keyRoutes(), a.tagRoutes(), a.schemaRoutes(), a.packageRoutes(), a.connectorRoutes()), []server.Route{
		a.route([]string{http.MethodGet}, "/qps/rest/portal/version", qps.SchemaPortalVersion, a.portalVersion),
		a.route(both, "/qps/rest/{version}/count/am/hostasset", qps.SchemaHostAsset, versioned(assetVersions, a.countHosts)),
		a.route(post, "/qps/rest/{version}/search/am/hostasset", qps.SchemaHostAsset, versioned(assetVersions, a.searchHosts)),
		a.route(both, "/qps/rest/{version}/get/am/hostasset/{id}", qps.SchemaHostAsset, versioned(assetVersions, a.getHost)),
		a.route(both, "/qps/rest/{version}/count/am/asset", qps.SchemaAsset, versioned(assetVersions, a.countAssets)),
		a.route(post, "/qps/rest/{version}/search/am/asset", qps.SchemaAsset, versioned(assetVersions, a.searchAssets)),
		a.route(both, "/qps/rest/{version}/get/am/asset/{id}", qps.SchemaAsset, versioned(assetVersions, a.getAsset)),
		a.route(post, "/qps/rest/{version}/activate/am/asset", qps.SchemaAsset, versioned(assetVersions, a.activate)),
		a.route(post, "/qps/rest/{version}/activate/am/asset/{id}", qps.SchemaAsset, versioned(assetVersions, a.activate)),
		a.route(post, "/qps/rest/{version}/deactivate/am/asset", qps.SchemaAsset, versioned(assetVersions, a.deactivate)),
		a.route(post, "/qps/rest/{version}/deactivate/am/asset/{id}", qps.SchemaAsset, versioned(assetVersions, a.deactivate)),
		a.route(post, "/qps/rest/{version}/uninstall/am/asset", qps.SchemaAsset, versioned(assetVersions, a.uninstallAssets)),
		a.route(post, "/qps/rest/{version}/uninstall/am/asset/{id}", qps.SchemaAsset, versioned(assetVersions, a.uninstallAssets)),
		a.route(post, "/qps/rest/{version}/uninstall/am/hostasset", qps.SchemaHostAsset, versioned(assetVersions, a.uninstallHostAssets)),
		a.route(post, "/qps/rest/{version}/ods/ca/agentasset", qps.SchemaAgentAsset, versioned(agentVersions, a.scanMatching)),
		a.route(post, "/qps/rest/{version}/ods/ca/agentasset/{id}", qps.SchemaAgentAsset, versioned(agentVersions, a.scanOne)),
		a.route(both, "/qps/rest/{version}/count/ca/agentconfig", qps.SchemaAgentConfig, versioned(agentVersions, a.countProfiles)),
		a.route(post, "/qps/rest/{version}/search/ca/agentconfig", qps.SchemaAgentConfig, versioned(agentVersions, a.searchProfiles)),
		a.route(both, "/qps/rest/{version}/get/ca/agentconfig/{id}", qps.SchemaAgentConfig, versioned(agentVersions, a.getProfile)),
		a.route(post, "/qps/rest/{version}/create/ca/agentconfig", qps.SchemaAgentConfig, versioned(agentVersions, a.createProfile)),
		a.route(post, "/qps/rest/{version}/update/ca/agentconfig", qps.SchemaAgentConfig, versioned(agentVersions, a.updateProfile)),
		a.route(post, "/qps/rest/{version}/update/ca/agentconfig/{id}", qps.SchemaAgentConfig, versioned(agentVersions, a.updateProfile)),
		a.route(post, "/qps/rest/{version}/delete/ca/agentconfig/{id}", qps.SchemaAgentConfig, versioned(agentVersions, a.deleteProfile)),
		a.aboutRoute(both),
		a.failingRoute("/qps", server.NoRoute),
		a.failingRoute("/qps/{rest...}", server.NoRoute),
	}...)
}

// Absent returns the routes of a platform that keeps no fleet: they say so, in the
// envelope and to everybody.
func Absent() []server.Route {
	a := &api{}
	return []server.Route{a.failingRoute("/qps", server.NoFleet), a.failingRoute("/qps/{rest...}", server.NoFleet), a.failingRoute("/msp/{rest...}", server.NoFleet)}
}

// route makes the route of a call that answers with records of one schema.
func (a *api) route(methods []string, path, schema string, do call) server.Route {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := do(r)
		if err == nil {
			server.Describe(r.Context(), "", affected(answer.response))
		}
		if err = server.Settle(r.Context(), err); err != nil {
			server.Fail(w, r, err)
			return
		}
		a.write(w, r, http.StatusOK, answer)
	})
	return server.Route{
		Methods: methods, Path: path,
		Handler:      a.guard().Protect(operationOf(path), handler),
		WriteFailure: a.failureWriter(schema),
		MaxBody:      qps.MaxRequestBytes,
		Timeout:      requestTimeout,
	}
}

func (a *api) guard() server.Guard {
	return server.Guard{Users: a.Users, Journal: a.Journal, PlainHeaders: true, Budget: a.Budget, Limits: a.Limits}
}

// affected says for the audit log how many objects an answer is about.
func affected(response *qps.Response) string {
	if response == nil || response.Count == 1 {
		return ""
	}
	return fmt.Sprintf("%d objects", response.Count)
}

// failingRoute answers where no call is, in the envelope.
func (a *api) failingRoute(path string, failure func(r *http.Request) error) server.Route {
	return server.Route{
		Path:         path,
		Handler:      http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { server.Fail(w, r, failure(r)) }),
		WriteFailure: a.failureWriter(qps.SchemaHostAsset),
	}
}

// versioned refuses API versions a call has not got.
func versioned(versions []string, do call) call {
	return func(r *http.Request) (reply, error) {
		if err := checkVersion(r, versions); err != nil {
			return reply{}, err
		}
		return do(r)
	}
}

func checkVersion(r *http.Request, versions []string) error {
	version := r.PathValue("version")
	if slices.Contains(versions, version) {
		return nil
	}
	return &qps.RequestError{
		Code:       qps.CodeInvalidAPIVersion,
		Message:    fmt.Sprintf("API version: this call does not exist in version '%s'.", server.Echo(version)),
		Resolution: "Versions expected: " + strings.Join(versions, ", ") + ".",
	}
}

// write writes an envelope in the form the request accepts.
func (a *api) write(w http.ResponseWriter, r *http.Request, status int, answer reply) {
	answer.response.BaseURL = a.baseURL(r)
	form := qps.AcceptForm(r.Header.Get("Accept"))
	body := qps.AppendResponse(nil, form, answer.response, answer.fields)
	w.Header().Set("Content-Type", form.ContentType())
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone cannot be told
}

func (a *api) failureWriter(schema string) func(http.ResponseWriter, *http.Request, server.Failure) {
	return func(w http.ResponseWriter, r *http.Request, f server.Failure) {
		a.write(w, r, f.QPSStatus, reply{response: qps.NewError(schema, f.QPSCode, f.Message, f.Resolution)})
	}
}

func (a *api) baseURL(r *http.Request) string {
	if a.BaseURL != "" {
		return strings.TrimSuffix(a.BaseURL, "/")
	}
	if r.TLS == nil {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}
