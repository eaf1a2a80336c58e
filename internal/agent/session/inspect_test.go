package session

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// inspected returns what a running agent says.
func (b *bundle) inspected(a *Agent) *Report {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Second)
	defer cancel()
	r, err := a.Inspect(ctx)
	if err != nil {
		b.t.Fatalf("inspect: %v\n%s", err, b.log)
	}
	return r
}

func next(r *Report, event string) (Next, bool) {
	i := slices.IndexFunc(r.Next, func(n Next) bool { return n.Event == event })
	if i < 0 {
		return Next{}, false
	}
	return r.Next[i], true
}

func incident(r *Report, effect Effect, what string) *Incident {
	i := slices.IndexFunc(r.Incidents, func(i Incident) bool { return i.Effect == effect && strings.HasPrefix(i.What, what) })
	if i < 0 {
		return nil
	}
	return &r.Incidents[i]
}

func TestARunningAgentSaysWhatItDoesNextAndWhy(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.platform.Profile.Performance = performance.Settings{performance.KeyStatusInterval: "600", performance.KeyCPULimit: "none"}
		a := b.beside()
		time.Sleep(time.Minute)
		r := b.inspected(a)
		status, _ := next(r, "status")
		if status.At == nil || !strings.Contains(status.Reason, "every 10m0s (INTERVAL_EVENT_STATUS), varied by") {
			t.Errorf("next status is %+v, want its interval and parameter as the reason", status)
		}
		if scan, _ := next(r, "inventory scan"); scan.At == nil || !strings.Contains(scan.Reason, "every 4h0m0s") {
			t.Errorf("next scan is %+v, want it after the inventory interval", scan)
		}
		if poll := r.Next[0]; poll.Event != "wake-up" || poll.At != nil {
			t.Errorf("first comes %+v, want the wake-up poll that is held", poll)
		}
		if !slices.IsSortedFunc(r.Next, func(x, y Next) int { return x.at().Compare(y.at()) }) {
			t.Errorf("next events are not in the order of their time: %+v", r.Next)
		}
		for key, want := range map[string]Setting{
			performance.KeyStatusInterval:   {performance.KeyStatusInterval, "600", "s", "profile"},
			performance.KeyCPULimit:         {performance.KeyCPULimit, "5", "%", "default"},
			performance.KeyManifestInterval: {performance.KeyManifestInterval, "10800", "s", "not followed"},
		} {
			if i := slices.IndexFunc(r.Settings, func(s Setting) bool { return s.Key == key }); i < 0 || r.Settings[i] != want {
				t.Errorf("settings are %+v, want %+v among them", r.Settings, want)
			}
		}
		if len(r.Settings) != len(performance.Catalogue()) || r.Paced == nil || r.Paced.CPULimit != 5 || r.LastContact == nil || len(r.Incidents) > 0 {
			t.Errorf("report is %+v; want all parameters, the limit of the last scan, the last contact and no incident", r)
		}
	})
}

func TestAnAgentThatIsPutOffSaysByWhomAndHowOften(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		a := b.beside()
		time.Sleep(time.Minute)
		b.platform.Edit(func() {
			b.intercept(agentwire.PathStatus, func(w http.ResponseWriter) bool {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusServiceUnavailable)
				fmt.Fprint(w, `{"code":"busy","message":"come later"}`)
				return true
			})
		})
		time.Sleep(6 * time.Hour)
		r := b.inspected(a)
		if status, _ := next(r, "status"); !strings.Contains(status.Reason, "the platform was too busy") {
			t.Errorf("next status is %+v, want that the platform was too busy", status)
		}
		if i := incident(r, Throttled, "status"); i == nil || i.Times < 2 || !strings.Contains(i.Why, "come later") || !i.First.Before(i.Last) {
			t.Errorf("incidents are %+v, want what the platform said and how often", r.Incidents)
		}
	})
}

// deniedRunner finds the host but for one part, which it may not read.
type deniedRunner struct{ Runner }

func (d deniedRunner) Scan(ctx context.Context, job scan.Job) (*scan.Result, error) {
	result, err := d.Runner.Scan(ctx, job)
	if err == nil {
		result.Collectors = append(result.Collectors, scan.Collected{Name: "ports", Error: "open /proc/1/fd: permission denied"})
	}
	return result, err
}

func TestWhatWasRefusedDroppedAndDeniedIsKeptWithItsReason(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		b.cfg.Runner = deniedRunner{b.runner}
		b.run(time.Minute)
		b.platform.Launch(agentwire.VulnerabilityScan, false)
		b.intercept(agentwire.PathUploads, func(w http.ResponseWriter) bool {
			w.WriteHeader(http.StatusBadGateway)
			return true
		})
		for i := range 3 { // each found while the last one cannot be sent
			b.upgrade(i, "2.0")
			b.run(4*time.Hour + 10*time.Minute)
		}
		r, err := ReadReport(b.cfg.StateDir)
		if err != nil {
			t.Fatal(err)
		}
		if i := incident(r, Refused, "on-demand request 1"); i == nil || !strings.Contains(i.Why, "not activated") {
			t.Errorf("incidents are %+v, want the scan that was refused and why", r.Incidents)
		}
		if i := incident(r, Denied, "collector ports"); i == nil || i.Times < 2 || !strings.Contains(i.Why, "/proc/1/fd") {
			t.Errorf("incidents are %+v, want what the host did not let be read", r.Incidents)
		}
		if i := incident(r, Dropped, "upload"); i == nil || i.Times != r.Replaced || r.Replaced == 0 {
			t.Errorf("%d uploads were replaced and incidents are %+v, want as many dropped", r.Replaced, r.Incidents)
		}
		if i := incident(r, Refused, "upload changelist"); i == nil || !strings.Contains(i.Why, "502") {
			t.Errorf("incidents are %+v, want the answers to the upload", r.Incidents)
		}
	})
}

func TestAnAgentInTheMiddleOfARequestSaysWhichSinceWhen(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, b *bundle) {
		a := b.beside()
		time.Sleep(time.Minute)
		if h := a.Handling(); h != nil {
			t.Errorf("an agent at rest is in the middle of %+v", h)
		}
		b.platform.Edit(func() {
			b.platform.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != agentwire.PathStatus {
					return false
				}
				<-r.Context().Done() // nobody answers
				return true
			}
		})
		b.platform.Launch(agentwire.InventoryScan, false)
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r, err := a.Inspect(ctx); err == nil {
			t.Errorf("the agent was between two events and said %+v", r)
		}
		if h := a.Handling(); h == nil || h.Event != "status" || time.Since(h.Since) < 3*time.Second {
			t.Errorf("the agent is in the middle of %+v, want a status request for seconds", h)
		}
		synctest.Wait()
	})
}

func TestIncidentsAreBoundedAndRepeatsCounted(t *testing.T) {
	t.Parallel()
	st := newState()
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range 100 {
		at = at.Add(time.Minute)
		st.note(Incident{Effect: Failed, What: "status", Why: fmt.Sprintf("attempt %d", i), Last: at})
		st.note(Incident{Effect: Refused, What: fmt.Sprintf("request %d", i), Why: strings.Repeat("ä", maxWhy), Last: at})
	}
	if n := len(st.Incidents); n != maxIncidents {
		t.Errorf("%d incidents are kept, want %d", n, maxIncidents)
	}
	last := st.Incidents[maxIncidents-1]
	if last.What != "request 99" || len(last.Why) > maxWhy {
		t.Errorf("the last incident is %+v, want that of the last request within %d bytes", last, maxWhy)
	}
	if status := st.Incidents[maxIncidents-2]; status.What != "status" || status.Times != 100 || status.Why != "attempt 99" || !status.First.Equal(at.Add(-99*time.Minute)) {
		t.Errorf("the repeated incident is %+v, want one with 100 times and the last reason", status)
	}
}
