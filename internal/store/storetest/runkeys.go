package storetest

import (
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/store"
)

func testRunKey(t *testing.T, l *layer) {
	c := l.connection(t, "lab")
	r := search(c)
	r.Key = "nightly-7"
	ids := make([]int64, 8)
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() {
			made, _, err := l.CreateRun(t.Context(), r, nil)
			if err != nil {
				t.Error(err)
			}
			ids[i] = made.ID
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id != ids[0] || id == 0 {
			t.Fatalf("one key made the runs %v", ids)
		}
	}
	// Somebody else, who may even have the name of the first.
	r.UserID = 42
	if other := l.queued(t, r, nil); other.ID == ids[0] {
		t.Error("another user got the run of the first")
	}
}

// wantOther wants a run that has the key of an earlier one to be refused, and what differs
// to be named.
func wantOther(t *testing.T, l *layer, r run.Run, secrets map[string]string, differs string) {
	t.Helper()
	_, _, err := l.CreateRun(t.Context(), r, secrets)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "whose request differs in "+differs+".") {
		t.Errorf("%s: got %v", differs, err)
	}
}

func testRunKeyOfAnother(t *testing.T, l *layer) {
	c := l.connection(t, "lab")
	r := search(c)
	r.Key, r.Wait = "k-1", &integration.Wait{Timeout: time.Hour}
	first := l.queued(t, r, nil)
	if again, created, err := l.CreateRun(t.Context(), r, nil); err != nil || created || again.ID != first.ID {
		t.Errorf("the same request got run %d, %t, %v", again.ID, created, err)
	}
	for differs, change := range map[string]func(r *run.Run){
		"connection":                 func(r *run.Run) { r.ConnectionID = l.connection(t, "other").ID },
		"command":                    func(r *run.Run) { r.Command, r.Inputs = "test-connection", nil },
		"dryRun":                     func(r *run.Run) { r.DryRun = true },
		"force":                      func(r *run.Run) { r.Force = true },
		"wait":                       func(r *run.Run) { r.Wait = nil },
		"test":                       func(r *run.Run) { r.Origin = run.ByTest },
		"inputs.os":                  func(r *run.Run) { r.Inputs = integration.Values{"os": "Linux"} },
		"inputs.hostName, inputs.os": func(r *run.Run) { r.Inputs = integration.Values{"hostName": "edge"} },
	} {
		other := r
		change(&other)
		wantOther(t, l, other, nil, differs)
	}
}

func testRunKeySecrets(t *testing.T, l *layer) {
	ctx := t.Context()
	r := search(l.connection(t, "lab"))
	r.Key, r.Inputs = "k-1", integration.Values{"os": "Windows", "pin": connection.Kept}
	secrets := map[string]string{"pin": "4711"}
	first := l.queued(t, r, secrets)
	same := func(when string) {
		t.Helper()
		if again, created, err := l.CreateRun(ctx, r, secrets); err != nil || created || again.ID != first.ID {
			t.Errorf("%s the same request got run %d, %t, %v", when, again.ID, created, err)
		}
		wantOther(t, l, r, map[string]string{"pin": "4712"}, "inputs.pin")
	}
	same("queued")
	b := must(l.BeginCommand(ctx, first.ID, Start))(t)
	b.Run.State, b.Run.Ended = run.Succeeded, Start
	if err := l.EndCommand(ctx, b.Run, nil); err != nil {
		t.Fatal(err)
	}
	same("ended")
	must(l.RotateSecrets(ctx, func(int64, int64) {}))(t)
	same("with another key of the platform")
	for _, kept := range []bool{true, false} {
		var text strings.Builder
		if err := l.InTx(ctx, func(tx *store.Tx) error { return dumpTable(ctx, tx, "secrets", &text) }); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text.String(), "run-key") != kept {
			t.Errorf("kept %t, secrets are %s", kept, text.String())
		}
		must(l.PruneRuns(ctx, Start.Add(time.Hour)))(t)
	}
	if anew := l.queued(t, r, map[string]string{"pin": "4712"}); anew.ID == first.ID {
		t.Error("the key of a run that is gone is still taken")
	}
}
