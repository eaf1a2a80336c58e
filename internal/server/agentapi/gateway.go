package agentapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
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

// Gateway serves agents. The exported fields are required and are not changed
// once it serves. It is safe for concurrent use.
type Gateway struct {
	Roster   *fleet.Roster
	Pulse    *fleet.Pulse
	Wakeups  *fleet.Wakeups
	Enroller Enroller
	Arbiter  Arbiter
	Intake   Intake
	Demands  Demands
	Profiles Profiles
	Orders   Orders
	Releases Releases
	Upgrades Upgrades
	Signer   *Signer
	Now      func() time.Time
	Log      *slog.Logger

	inProgress inProgress
}

// Times and numbers of the routes.
const (
	// wakeupGrace is what a wake-up poll may take beyond its wait.
	wakeupGrace = 10 * time.Second
	// uploadTimeout is for one fragment of 10 MiB over a slow link, and for a
	// commit that waits for others.
	uploadTimeout = 5 * time.Minute
	// provisionTimeout is for the body of a provision request, the one body that
	// is read before anybody is known.
	provisionTimeout = 5 * time.Second
	// Provisioning and uploads have budgets of their own: strangers, and agents
	// with much to send, never keep the others from checking in. An upload holds
	// a fragment in memory.
	maxProvisioning, maxUploading = 16, 16
	// maxPerAgent bounds the requests of one agent beside its wake-up poll. It
	// sends one at a time; a few may overlap when a connection was lost.
	maxPerAgent = 3
	// maxWaiting bounds the wake-up polls one replica holds, about 20 KiB each.
	maxWaiting = 100_000
)

// Routes returns the agent endpoints. Those that work count against budget,
// wake-up polls against one of their own: they only wait.
func (g *Gateway) Routes(budget *server.Budget) []server.Route {
	post, get := []string{http.MethodPost}, []string{http.MethodGet}
	uploading := server.NewBudget(maxUploading)
	routes := []server.Route{
		{Methods: post, Path: agentwire.PathProvision, Handler: http.HandlerFunc(g.provision), BodyTimeout: provisionTimeout, Budget: server.NewBudget(maxProvisioning)},
		{Methods: post, Path: agentwire.PathStatus, Handler: g.signed(agentwire.MaxMessageBytes, g.status)},
		{Methods: get, Path: agentwire.PathWakeup, Handler: g.verified(g.wakeup), Timeout: agentwire.WakeupWait + wakeupGrace, Budget: server.NewBudget(maxWaiting)},
		{Methods: get, Path: agentwire.PathConfig, Handler: g.signed(0, g.config)},
		{Methods: get, Path: agentwire.PathManifest, Handler: g.signed(0, g.manifest)},
		{Methods: get, Path: agentwire.PathDemands, Handler: g.signed(0, g.demands)},
		{Methods: get, Path: agentwire.PathRevocation, Handler: g.signed(0, g.revocation)},
		{Methods: post, Path: agentwire.PathScans + "{id}/state", Handler: g.signed(agentwire.MaxMessageBytes, g.scanState)},
		{Methods: get, Path: agentwire.PathRelease, Handler: g.signed(0, g.release)},
		{Methods: get, Path: agentwire.PathPackage + "{name}", Handler: g.signed(0, g.releasePackage), Timeout: uploadTimeout, Budget: server.NewBudget(maxDownloading)},
		{Methods: post, Path: agentwire.PathUpgraded, Handler: g.signed(agentwire.MaxMessageBytes, g.upgraded)},
		{Methods: post, Path: agentwire.PathUninstall, Handler: http.HandlerFunc(g.uninstalled)},
		{Methods: post, Path: agentwire.PathUploads + "{digest}", Handler: g.signed(agentwire.MaxMessageBytes, g.uploadStart), Timeout: uploadTimeout, Budget: uploading},
		{Methods: []string{http.MethodPut}, Path: agentwire.PathUploads + "{digest}/fragments", Handler: g.signed(agentwire.MaxFragmentBytes, g.uploadFragment),
			MaxBody: agentwire.MaxFragmentBytes, BodyTimeout: uploadTimeout, Timeout: uploadTimeout, Budget: uploading},
		{Methods: post, Path: agentwire.PathUploads + "{digest}/commit", Handler: g.signed(agentwire.MaxMessageBytes, g.uploadCommit), Timeout: uploadTimeout, Budget: uploading},
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
	agent     fleet.AgentState
	signature *agentwire.RequestSignature
	body      []byte
}

type handler func(http.ResponseWriter, *request) error

// signed serves verified requests, a few of one agent at a time.
func (g *Gateway) signed(limit int64, next handler) http.HandlerFunc {
	return g.verified(func(w http.ResponseWriter, r *request) error {
		if !g.inProgress.begin(r.agent.HostID) {
			return fault.New(fault.Busy, "this agent has too many requests in progress", "Send one at a time.")
		}
		defer g.inProgress.end(r.agent.HostID)
		if err := r.readBody(limit); err != nil {
			return err
		}
		return next(w, r)
	})
}

// verified serves requests whose signature is good. Their body has not been read.
func (g *Gateway) verified(next handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		verified, err := g.verify(r)
		if err == nil {
			err = next(w, verified)
		}
		if err != nil {
			refuse(w, r, err)
		}
	}
}

func (g *Gateway) verify(r *http.Request) (*request, error) {
	signature, err := agentwire.ParseSignature(r)
	if err != nil {
		return nil, err
	}
	agent, err := g.Roster.Agent(r.Context(), signature.KeyID)
	if fault.Is(err, fault.NotFound) {
		return nil, g.sendAway(r, signature)
	}
	if err != nil {
		return nil, err
	}
	if err := signature.Verify(r, agent.PublicKey, g.Now()); err != nil {
		return nil, err
	}
	if !g.Roster.Accept(agent.AgentID, signature.Sequence) {
		return nil, errReplayed
	}
	return &request{Request: r, agent: agent, signature: signature}, nil
}

func (r *request) readBody(limit int64) (err error) {
	r.body, err = r.signature.ReadBody(r.Body, limit)
	return err
}

// inProgress counts the requests of each agent. The zero value is ready to use;
// it is safe for concurrent use.
type inProgress struct {
	mu    sync.Mutex
	count map[int64]int
}

// begin reports whether one more may be served; end must follow if so.
func (p *inProgress) begin(hostID int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[hostID] == maxPerAgent {
		return false
	}
	if p.count == nil {
		p.count = make(map[int64]int)
	}
	p.count[hostID]++
	return true
}

func (p *inProgress) end(hostID int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count[hostID]--; p.count[hostID] == 0 {
		delete(p.count, hostID)
	}
}
