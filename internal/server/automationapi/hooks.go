package automationapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"sync"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

const (
	// maxHookBody is as much as webhooks have to say, and strangers send it as well.
	maxHookBody     = 64 << 10
	hookBodyTimeout = 10 * time.Second
	// refusalsEvery is how often the log is told of webhooks that were refused.
	refusalsEvery = time.Minute
)

// Hooks starts playbooks for signed messages; *trigger.Hooks does.
type Hooks interface {
	// Start returns the run of a message, and whether it is new. A message that is not
	// signed as it must be is fault.Unauthenticated.
	Start(ctx context.Context, m trigger.Message) (conductor.Run, bool, error)
}

// HookRoute returns POST /automation/v1/playbooks/{id}/hooks/{n}, which starts a playbook
// for whoever signs the request with its secret. It asks for no other credentials, and a
// request that is refused leaves no row in the audit log: log has a line a minute.
func HookRoute(hooks Hooks, strangers server.Strangers, now func() time.Time, log *slog.Logger) server.Route {
	h := &hookHandler{hooks: hooks, now: now, log: log}
	return server.Route{
		Methods: []string{http.MethodPost}, Path: "/automation/v1/playbooks/{id}/hooks/{n}",
		MaxBody: maxHookBody, BodyTimeout: hookBodyTimeout, Handler: strangers.Admit(h.serve),
	}
}

// hookRun is HookRun of openapi.yaml.
type hookRun struct {
	ID int64 `json:"id"`
}

type hookHandler struct {
	hooks Hooks
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex
	quiet   time.Time // until when the log is told nothing
	refused int       // since it was told
}

func (h *hookHandler) serve(w http.ResponseWriter, r *http.Request, address string) {
	run, started, err := h.start(r, address)
	if fault.Is(err, fault.Unauthenticated) {
		h.tell(r, address)
	}
	if err != nil {
		server.Fail(w, r, err)
		return
	}
	body, _ := json.Marshal(hookRun{ID: run.ID}) // a number
	status := http.StatusOK
	if started {
		status = http.StatusAccepted
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone cannot be told
}

// start starts a run for a request. What is no number names nothing there is.
func (h *hookHandler) start(r *http.Request, address string) (conductor.Run, bool, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return conductor.Run{}, false, fault.New(fault.Invalid, "The Content-Type of the webhook is not application/json.", "Send one JSON value, and say so.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return conductor.Run{}, false, err
	}
	m := trigger.Message{Signed: signature.Of(r.Header), Body: body, Address: address}
	if id, err := strconv.ParseInt(r.PathValue("id"), 10, 64); err == nil {
		m.PlaybookID = id
	}
	if n, err := strconv.Atoi(r.PathValue("n")); err == nil {
		m.Trigger = n
	}
	return h.hooks.Start(r.Context(), m)
}

// tell has the log say that webhooks are refused, for those whose sender has another
// secret: at once, and then not more than once in refusalsEvery.
func (h *hookHandler) tell(r *http.Request, address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused++
	now := h.now()
	if now.Before(h.quiet) {
		return
	}
	h.log.InfoContext(r.Context(), "webhooks of playbooks were refused", slog.Int("count", h.refused), slog.String("last", server.Echo(r.URL.Path)), slog.String("from", address))
	h.quiet, h.refused = now.Add(refusalsEvery), 0
}
