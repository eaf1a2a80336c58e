package agentapi

import (
	"net/http"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
)

func TestAnUnchangedStatusIsAnsweredInAFewBytesWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	held := agentwire.StatusRequest{AgentVersion: "2.0.0", Profile: 3, Manifest: 1}
	for range 3 {
		status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, held))
		if status != http.StatusOK || body != "{}" {
			t.Fatalf("got %d %q", status, body)
		}
	}
	if n := b.lookups.Load(); n != 1 {
		t.Errorf("the database was asked %d times for three check-ins, want once", n)
	}
}

func TestAStatusNamesWhatTheAgentDoesNotHold(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		held agentwire.StatusRequest
		want string
	}{
		{"nothing yet", agentwire.StatusRequest{}, `{"p":3,"m":1,"d":9}`},
		{"an old profile", agentwire.StatusRequest{Profile: 2, Manifest: 1, Demands: 9}, `{"p":3}`},
		{"a request it has not recorded", agentwire.StatusRequest{Profile: 3, Manifest: 1, Demands: 8}, `{"d":9}`},
		{"newer than here, from before a restore", agentwire.StatusRequest{Profile: 5, Manifest: 4, Demands: 11}, `{}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.state.DemandVersion = 9
			if status, body := send(t, b.request(t, http.MethodPost, agentwire.PathStatus, test.held)); status != http.StatusOK || body != test.want {
				t.Errorf("got %d %q, want %q", status, body, test.want)
			}
		})
	}
}

func TestAnAgentThatMayStayIsToldSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	if status, body := send(t, b.request(t, http.MethodGet, agentwire.PathRevocation, nil)); status != http.StatusNoContent || body != "" {
		t.Errorf("got %d %q, want 204 and nothing", status, body)
	}
}

func TestAWakeupPollEndsWhenThereIsSomethingToAskFor(t *testing.T) {
	t.Parallel()
	t.Run("already when it arrives", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		if status, _ := send(t, b.request(t, http.MethodGet, agentwire.PathWakeup+"?p=2&m=1", nil)); status != http.StatusOK {
			t.Errorf("got %d", status)
		}
	})
	t.Run("when the host is woken", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		ended := make(chan int)
		poll := b.request(t, http.MethodGet, agentwire.PathWakeup+"?p=3&m=1", nil)
		go func() {
			status, _ := send(t, poll)
			ended <- status
		}()
		for {
			b.gateway.Wakeups.Wake(b.state.HostID) // until the poll is there to be woken
			select {
			case status := <-ended:
				if status != http.StatusOK {
					t.Errorf("got %d", status)
				}
				return
			default:
			}
		}
	})
	t.Run("not for versions that are no numbers", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		status, body := send(t, b.request(t, http.MethodGet, agentwire.PathWakeup+"?p=x", nil))
		if status != http.StatusBadRequest || problemCode(t, body) != agentwire.ProblemInvalid {
			t.Errorf("got %d %s", status, body)
		}
	})
}

func TestScanReportsAreChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, id string
		report   agentwire.ScanReport
		status   int
	}{
		{"running", "12", agentwire.ScanReport{State: agentwire.ScanRunning}, 204},
		{"failed with a reason", "12", agentwire.ScanReport{State: agentwire.ScanFailed, Reason: "worker ended"}, 204},
		{"rejected without a reason", "12", agentwire.ScanReport{State: agentwire.ScanRejected}, 400},
		{"complete, which only the platform says", "12", agentwire.ScanReport{State: "complete"}, 400},
		{"an endless reason", "12", agentwire.ScanReport{State: agentwire.ScanFailed, Reason: strings.Repeat("x", maxReasonBytes+1)}, 400},
		{"a request of another host", "13", agentwire.ScanReport{State: agentwire.ScanRunning}, 404},
		{"no number", "x", agentwire.ScanReport{State: agentwire.ScanRunning}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			status, body := send(t, b.request(t, http.MethodPost, agentwire.PathScans+test.id+"/state", test.report))
			if status != test.status || (status == 204) != (len(b.reports) == 1) {
				t.Errorf("got %d %s, want %d", status, body, test.status)
			}
		})
	}
}
