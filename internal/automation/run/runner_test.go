package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/qps/qpsclient"
)

var start = time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)

const password = "correct-horse-7431"

// desk is the storage of one run, and what opens its session.
type desk struct {
	mu      sync.Mutex
	begin   run.Beginning
	err     error
	failing int // how often a run cannot be ended
	ended   *run.Run
	paused  *run.Run
	health  connection.Health
	told    notice.Event
	vault   map[string]string // what the vault has
	fetched []string
	tries   int
	rights  error // of who started the run
	vouch   func(p run.Publisher, connectionID int64) error
	// transport carries calls; nil for the network.
	transport http.RoundTripper
	asked     []access.Permission
	entries   []access.Entry
}

func (d *desk) MayRun(_ context.Context, userID, connectionID int64, anyOf ...access.Permission) error {
	if userID != 41 || connectionID != 3 && d.begin.Run.PlaybookRunID == 0 {
		return fmt.Errorf("asked about user %d and connection %d", userID, connectionID)
	}
	d.asked = anyOf
	return d.rights
}

func (d *desk) MayVouch(_ context.Context, p run.Publisher, connectionID int64, _ ...access.Permission) error {
	if p.ID == 41 {
		return errors.New("the starter is asked twice")
	}
	return d.vouch(p, connectionID)
}

func (d *desk) Append(_ context.Context, e access.Entry) error {
	d.entries = append(d.entries, e)
	return nil
}

func (d *desk) BeginCommand(context.Context, int64, time.Time) (run.Beginning, error) {
	return d.begin, d.err
}

func (d *desk) PauseCommand(_ context.Context, r run.Run) error { d.paused = &r; return nil }

func (d *desk) EndCommand(_ context.Context, r run.Run, checked func(connection.Connection) (connection.Health, notice.Event)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failing--; d.failing >= 0 {
		return errBusy
	}
	d.ended = &r
	if checked != nil {
		d.health, d.told = checked(d.begin.Connection)
	}
	return nil
}

func (d *desk) Open(_ context.Context, c connection.Connection, parameters map[string]string) (integration.Session, error) {
	of, _ := integration.Find(c.Integration)
	config := of.ClientConfig(parameters)
	config.Tries, config.Transport = d.tries, d.transport
	client, err := qpsclient.New(config)
	return integration.Session{Client: client, Now: func() time.Time { return start }}, err
}

func (d *desk) Fetch(_ context.Context, _ run.Vault, item connection.VaultItem) (string, error) {
	d.fetched = append(d.fetched, item.Path)
	value, there := d.vault[item.Path]
	if !there {
		return "", &run.VaultError{Vault: "bao", StatusCode: http.StatusNotFound, Message: "There is no item " + item.Path + "."}
	}
	return value, nil
}

func (d *desk) Drop(_ run.Vault, item connection.VaultItem) { d.vault[item.Path] = password }

// carry has a runner carry out the run and returns after how long it wants to be
// called again.
func (d *desk) carry(t *testing.T) time.Duration {
	t.Helper()
	r := &run.Runner{Work: d, Opener: d, Vaults: d, Rights: d, Journal: d, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler)}
	again, err := r.Run(t.Context(), d.begin.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// newDesk is the storage of a run of Test Connection with a platform.
func newDesk(t *testing.T, platform http.HandlerFunc) *desk {
	t.Helper()
	server := httptest.NewServer(platform)
	t.Cleanup(server.Close)
	return &desk{tries: 1, vault: map[string]string{}, begin: run.Beginning{
		Run: run.Run{ID: 7, ConnectionID: 3, ConnectionName: "lab", Integration: "qualys-cloud-agent", Command: connection.TestCommand, State: run.Running, Queued: start, Inputs: integration.Values{},
			Origin: run.ByCommand, StartedBy: "ana", UserID: 41, Address: "203.0.113.9"},
		Connection: connection.Connection{
			Stored: []string{"password"},
			ID:     3, Integration: "qualys-cloud-agent", Name: "lab", SiteName: "Main", Active: true,
			Parameters: map[string]string{"serverUrl": server.URL, "username": "ana", "apiVersion": "2.0", "allowHttp": "true"},
			Check:      connection.Check{MailAfter: 1},
		},
		Secrets: map[string]string{"password": password},
	}}
}

const counted = `<ServiceResponse><responseCode>SUCCESS</responseCode><count>12</count></ServiceResponse>`

func answering(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// triad is the three lines of the only error of a run.
func triad(t *testing.T, r *run.Run) string {
	t.Helper()
	if r == nil || len(r.Outcome.Errors) != 1 {
		t.Fatalf("the run ended as %+v", r)
	}
	e := r.Outcome.Errors[0]
	return fmt.Sprintf("%s\nStatus Code: %d.\nMessage: %s", e.Indicator, e.StatusCode, e.Message)
}

func TestARunEndsAsItsCommandDoes(t *testing.T) {
	t.Parallel()
	d := newDesk(t, answering(200, counted))
	if again := d.carry(t); again != 0 || d.ended.State != run.Succeeded || !d.ended.Ended.Equal(start) || d.ended.Outcome.State != automation.Successful {
		t.Errorf("again after %s: %+v", again, d.ended)
	}
	d = newDesk(t, answering(401, ""))
	d.carry(t)
	want := "Test Connection failed. Failed to check the connector.\nStatus Code: 401.\nMessage: Authentication failed."
	if got := triad(t, d.ended); got != want || d.ended.State != run.Failed {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWhatKeepsARunFromBeginningIsItsError(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(b *run.Beginning)
		want   string
	}{
		"no connection": {func(b *run.Beginning) { b.NoConnection, b.Connection = true, connection.Connection{} }, "Status Code: 404.\nMessage: The connection 'lab' was deleted."},
		"inactive":      {func(b *run.Beginning) { b.Connection.Active = false }, "Status Code: 409.\nMessage: Connection 'lab' is inactive."},
		"no password":   {func(b *run.Beginning) { b.Connection.Stored = nil }, "Status Code: 409.\nMessage: Connection 'lab' misses its password."},
		"too old":       {func(b *run.Beginning) { b.Run.Queued = start.Add(-8 * 24 * time.Hour) }, "Status Code: 409.\nMessage: The run has waited for longer than 7 days."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, func(http.ResponseWriter, *http.Request) { t.Error("the platform was called") })
			tt.change(&d.begin)
			d.carry(t)
			if got := triad(t, d.ended); !strings.HasSuffix(got, tt.want) || d.ended.State != run.Failed {
				t.Errorf("it ended as %s:\n%s", d.ended.State, got)
			}
		})
	}
}

func TestACutOffRunIsRepeatedOnlyIfItsCommandBearsIt(t *testing.T) {
	t.Parallel()
	for _, i := range integration.Integrations() {
		for _, command := range i.Commands {
			var calls atomic.Int64
			d := newDesk(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				answering(401, "")(w, r)
			})
			d.begin.CutOff, d.begin.Run.Command = true, command.Name
			d.begin.Run.Inputs = sampleInputs(command)
			d.carry(t)
			if never := command.Repeat == integration.Never; never != (d.ended.State == run.Unknown) || never && calls.Load() > 0 {
				t.Errorf("%s, which may be repeated %s, ended as %s after %d calls", command.Name, command.Repeat, d.ended.State, calls.Load())
			}
		}
	}
}

// sampleInputs are inputs that a command takes.
func sampleInputs(c integration.Command) integration.Values {
	values := integration.Values{}
	for _, in := range c.Inputs {
		if !in.Required {
			continue
		}
		switch in.Type {
		case integration.IDs:
			values[in.Name] = []any{json.Number("12")}
		case integration.Integer:
			values[in.Name] = json.Number("1")
		case integration.Choice:
			values[in.Name] = in.Choices[0]
		default:
			values[in.Name] = "x"
		}
	}
	return values
}

func TestAHealthCheckChangesHealthAndTellsOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t, answering(401, ""))
	d.begin.Run.Origin = run.ByHealth
	d.carry(t)
	told, isOutage := d.told.(notice.HealthCheckFailed)
	if d.health.Status != connection.Failing || d.health.Failures != 1 || !isOutage || told.Connection != "lab" || told.Site != "Main" || told.LastError.StatusCode != 401 {
		t.Errorf("health is %+v, told is %+v", d.health, d.told)
	}
	d = newDesk(t, answering(401, ""))
	d.carry(t)
	if d.health.Failures != 0 || d.told != nil {
		t.Errorf("a run that is no health check changed health: %+v", d.health)
	}
}

func TestARunThatIsCrowdedOutComesBackLaterTheMoreWaitBeforeIt(t *testing.T) {
	t.Parallel()
	var last time.Duration
	for _, ahead := range []int{0, 10, 100, 1_000_000} {
		d := &desk{err: fmt.Errorf("begin: %w", &run.CrowdedError{Ahead: ahead})}
		again := d.carry(t)
		if again <= last || again > time.Minute || d.ended != nil {
			t.Errorf("with %d ahead it comes back after %s", ahead, again)
		}
		last = again
	}
	d := &desk{err: fmt.Errorf("begin: %w", run.ErrOver)}
	if again := d.carry(t); again != 0 {
		t.Errorf("a run that is over comes back after %s", again)
	}
}

func TestARunOfAPlatformThatStopsIsLeftToTheNext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	d := newDesk(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees that the client is gone
		cancel()
		<-r.Context().Done()
	})
	r := &run.Runner{Work: d, Opener: d, Rights: d, Journal: d, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler)}
	if _, err := r.Run(ctx, 7); !errors.Is(err, context.Canceled) || d.ended != nil {
		t.Errorf("it returned %v and ended as %+v", err, d.ended)
	}
}

func TestAValueOfAVaultIsFetchedAnewOnceAfterARefusal(t *testing.T) {
	t.Parallel()
	var names []string
	platform := func(w http.ResponseWriter, r *http.Request) {
		_, pass, _ := r.BasicAuth()
		names = append(names, pass)
		if pass != password {
			answering(401, "")(w, r)
			return
		}
		answering(200, counted)(w, r)
	}
	d := newDesk(t, platform)
	d.begin.Secrets = nil
	d.begin.Vault = &run.Vault{Connection: connection.Connection{ID: 4, Name: "bao", Active: true}}
	d.begin.Connection.Vault = connection.VaultUse{ConnectionID: 4, Items: map[string]connection.VaultItem{"password": {Path: "lab/qualys", Field: "password"}}}
	d.vault["lab/qualys"] = "changed-meanwhile"
	d.carry(t)
	if d.ended.State != run.Succeeded || len(names) != 2 || names[0] != "changed-meanwhile" || len(d.fetched) != 2 {
		t.Errorf("it ended as %s with passwords %v", d.ended.State, names)
	}
	delete(d.vault, "lab/qualys")
	d.carry(t)
	want := "Fetch Credential failed. The password vault of connection 'bao' gave no value.\nStatus Code: 404.\nMessage: There is no item lab/qualys."
	if got := triad(t, d.ended); got != want {
		t.Errorf("got\n%s", got)
	}
	d.begin.Vault.Connection.Active = false
	d.carry(t)
	if got := triad(t, d.ended); !strings.Contains(got, "'bao' is inactive") {
		t.Errorf("got\n%s", got)
	}
}

// A platform that is wicked, or only talkative, may repeat what it was sent.
func TestWhatAPlatformRepeatsOfSecretsIsNotKept(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ServiceResponse><responseCode>INVALID_REQUEST</responseCode><responseErrorDetails><errorMessage>no: %s, %s, %s</errorMessage><errorResolution>%s</errorResolution></responseErrorDetails></ServiceResponse>`,
			password, r.Header.Get("Authorization"), "planted-input-99", password)
	})
	d.begin.Inputs = map[string]string{"secretKey": "planted-input-99"}
	d.carry(t)
	kept, err := json.Marshal(d.ended)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{password, "planted-input-99", "YW5hOmNvcnJlY3QtaG9yc2UtNzQzMQ=="} {
		if strings.Contains(string(kept), secret) {
			t.Errorf("the run keeps %q: %s", secret, kept)
		}
	}
	if !strings.Contains(string(kept), "no: "+connection.Kept) {
		t.Errorf("the message is lost: %s", kept)
	}
}

func TestAWaitingRunKeepsNoSecretThatThePlatformRepeated(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "later: %s %s", password, r.Header.Get("Authorization"))
	})
	d.begin.Run.Command = "search-cloud-agents"
	if again := d.carry(t); again < time.Minute || d.paused == nil {
		t.Fatalf("it comes back after %s, paused as %+v", again, d.paused)
	}
	kept, err := json.Marshal(d.paused)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(kept), password) || strings.Contains(string(kept), "YW5hOmNvcnJlY3QtaG9yc2UtNzQzMQ==") || !strings.Contains(string(kept), "later: "+connection.Kept) {
		t.Errorf("it keeps %s", kept)
	}
}
