package automationapi_test

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/secret"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/sqlite"
)

// theatre is a switchboard with playbooks in a database. Runs go on when the test says
// so; no platform is called, and commands come to what the test says.
type theatre struct {
	switchboard
	store     *store.Store
	conductor *conductor.Conductor
	// answer is what commands come to; nil is success.
	answer func(b *run.Beginning) integration.Answer
}

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	now := func() time.Time { return start }
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	db.UseQueue(idle{})
	envelope, err := secret.ParseEnvelope([]byte(secret.NewEnvelopeKey()))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.OpenSecrets(t.Context(), envelope); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"SOC", "Acme"} { // as the switchboard has them
		if _, err := db.CreateSite(t.Context(), connection.Site{Name: name, Kind: connection.Internal, Created: start}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = db.CreateConnection(t.Context(), connection.Connection{
		Integration: "qualys-cloud-agent", Name: "lab", SiteID: 1, Active: true, Parameters: map[string]string{"serverUrl": "https://qualysapi.qualys.eu"},
		Check: connection.Check{Every: time.Hour}, Limits: connection.Limits{Concurrency: connection.DefaultConcurrency}, Created: start, Modified: start,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	th := &theatre{store: db}
	programs := &library.Programs{Shelf: db}
	random := func() float64 { return 0.5 }
	th.conductor = &conductor.Conductor{
		Turns: db, Programs: programs, Commands: th, Core: th, Now: now, Random: random, Log: slog.New(slog.DiscardHandler), Room: make(chan struct{}, 4),
	}
	th.switchboard = newSwitchboard(t, func(c *automationapi.Config) {
		c.Library = &library.Library{Shelf: db, Secrets: db, Programs: programs, Sites: c.Connections, Now: now}
		c.PlaybookRuns = &conductor.Desk{Records: db, Shelf: db, Programs: programs, Sites: c.Connections, Now: now, Random: random}
	})
	return th
}

// idle is a queue from which nothing is taken.
type idle struct{}

func (idle) Enqueue(context.Context, *sql.Tx, string, int64) error { return nil }
func (idle) Cancel(context.Context, *sql.Tx, string, int64) error  { return nil }

// Perform implements conductor.Commands.
func (th *theatre) Perform(_ context.Context, b *run.Beginning) integration.Answer {
	if th.answer != nil {
		return th.answer(b)
	}
	return integration.Answer{Outcome: automation.Outcome{State: automation.Successful, KeyFields: map[string][]int64{"cloudAgentIds": {7003001}}}}
}

// Execute implements conductor.Core.
func (th *theatre) Execute(context.Context, conductor.Run, string, string, map[string]any) automation.Outcome {
	return automation.Outcome{State: automation.Successful}
}

// conduct has a run carried on as far as it goes.
func (th *theatre) conduct(t *testing.T, id int64) {
	t.Helper()
	if err := th.conductor.Conduct(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// keyed posts a request with an Idempotency-Key.
func (th *theatre) keyed(as, target, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/automation/v1"+target, strings.NewReader(body))
	r.SetBasicAuth(as, "right")
	r.Header.Set("Idempotency-Key", key)
	w := httptest.NewRecorder()
	th.mux.ServeHTTP(w, r)
	return w
}
