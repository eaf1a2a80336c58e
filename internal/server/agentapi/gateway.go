package agentapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/server"
)

// Intake takes the inventory uploads of agents.
type Intake interface {
	Start(ctx context.Context, hostID int64, digest string, start agentwire.UploadStart) (agentwire.UploadAnswer, error)
	Fragment(ctx context.Context, hostID int64, digest string, offset int64, data []byte) (agentwire.UploadAnswer, error)
	Commit(ctx context.Context, hostID int64, digest string) (agentwire.UploadAnswer, error)
}

// Demands are the on-demand scan requests of one host.
type Demands interface {
	DeliverScanRequests(ctx context.Context, hostID int64, at time.Time, limit int) ([]ondemand.Request, error)
	ReportScanRequest(ctx context.Context, hostID, id int64, report agentwire.ScanReport, at time.Time) error
}

// Profiles are the configuration profiles agents are given.
type Profiles interface {
	Profile(ctx context.Context, id int64) (fleet.Profile, error)
}

// Enroller turns hosts into agents.
type Enroller interface {
	Enrol(ctx context.Context, r agentwire.ProvisionRequest, connectedFrom string) (fleet.Enrolled, error)
}

// Gateway serves agents. All fields are required; they are not changed once it
// serves. It is safe for concurrent use.
type Gateway struct {
	Roster   *fleet.Roster
	Pulse    *fleet.Pulse
	Wakeups  *fleet.Wakeups
	Enroller Enroller
	Intake   Intake
	Demands  Demands
	Profiles Profiles
	Signer   *Signer
	Now      func() time.Time
	Log      *slog.Logger
}

// Times and numbers of the routes.
const (
	// wakeupGrace is what a wake-up poll may take beyond its wait.
	wakeupGrace = 10 * time.Second
	// uploadTimeout is for one fragment of 10 MiB over a slow link, and for a
	// commit that waits for others.
	uploadTimeout = 5 * time.Minute
	// maxWaiting bounds the wake-up polls one replica holds, about 20 KiB each.
	maxWaiting = 100_000
)

// Routes returns the agent endpoints. Those that work count against budget,
// wake-up polls against one of their own: they only wait.
func (g *Gateway) Routes(budget *server.Budget) []server.Route {
	post, get := []string{http.MethodPost}, []string{http.MethodGet}
	routes := []server.Route{
		{Methods: post, Path: agentwire.PathProvision, Handler: http.HandlerFunc(g.provision)},
		{Methods: post, Path: agentwire.PathStatus, Handler: g.signed(agentwire.MaxMessageBytes, g.status)},
		{Methods: get, Path: agentwire.PathWakeup, Handler: g.signed(0, g.wakeup), Timeout: agentwire.WakeupWait + wakeupGrace, Budget: server.NewBudget(maxWaiting)},
		{Methods: get, Path: agentwire.PathConfig, Handler: g.signed(0, g.config)},
		{Methods: get, Path: agentwire.PathManifest, Handler: g.signed(0, g.manifest)},
		{Methods: get, Path: agentwire.PathDemands, Handler: g.signed(0, g.demands)},
		{Methods: post, Path: agentwire.PathScans + "{id}/state", Handler: g.signed(agentwire.MaxMessageBytes, g.scanState)},
		{Methods: post, Path: agentwire.PathUploads + "{digest}", Handler: g.signed(agentwire.MaxMessageBytes, g.uploadStart)},
		{Methods: []string{http.MethodPut}, Path: agentwire.PathUploads + "{digest}/fragments", Handler: g.signed(agentwire.MaxFragmentBytes, g.uploadFragment),
			MaxBody: agentwire.MaxFragmentBytes, BodyTimeout: uploadTimeout, Timeout: uploadTimeout},
		{Methods: post, Path: agentwire.PathUploads + "{digest}/commit", Handler: g.signed(agentwire.MaxMessageBytes, g.uploadCommit), Timeout: uploadTimeout},
	}
	for i := range routes {
		routes[i].WriteFailure = writeFailure
		if routes[i].Budget == nil {
			routes[i].Budget = budget
		}
	}
	return routes
}

// request is a request whose signature has been verified.
type request struct {
	*http.Request
	agent    fleet.AgentState
	sequence uint64
	body     []byte
}

// signed verifies a request before its body is read and hands both on.
func (g *Gateway) signed(limit int64, next func(http.ResponseWriter, *request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		verified, err := g.verify(r, limit)
		if err == nil {
			err = next(w, verified)
		}
		if err != nil {
			refuse(w, r, err)
		}
	}
}

func (g *Gateway) verify(r *http.Request, limit int64) (*request, error) {
	signature, err := agentwire.ParseSignature(r)
	if err != nil {
		return nil, err
	}
	agent, err := g.Roster.Agent(r.Context(), signature.KeyID)
	if err != nil {
		return nil, unknownAgent(err)
	}
	if err := signature.Verify(r, agent.PublicKey, g.Now()); err != nil {
		return nil, err
	}
	if !g.Roster.Accept(agent.AgentID, signature.Sequence) {
		return nil, errReplayed
	}
	body, err := signature.ReadBody(r.Body, limit)
	if err != nil {
		return nil, err
	}
	return &request{Request: r, agent: agent, sequence: signature.Sequence, body: body}, nil
}
