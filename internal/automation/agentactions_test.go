package automation

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// actor has agents 1 to 999; number 13 refuses everything, and an id of refuse
// ends the connection.
type actor struct {
	AgentPlatform
	calls  []qpsclient.AgentSelection
	broken bool
}

func (a *actor) UninstallAgents(_ context.Context, s qpsclient.AgentSelection) (qpsclient.Affected, error) {
	a.calls = append(a.calls, s)
	if a.broken {
		return qpsclient.Affected{}, &qpsclient.StatusError{StatusCode: http.StatusUnauthorized}
	}
	ids := []string{strconv.FormatInt(s.AssetID, 10)}
	if len(s.Criteria) > 0 {
		ids = strings.Split(s.Criteria[1].Value, ",")
	}
	if slices.Contains(ids, "13") {
		return qpsclient.Affected{}, &qps.ResponseError{Code: qps.CodeInvalidRequest, Message: "Not this one", Resolution: "Leave it."}
	}
	var done qpsclient.Affected
	for _, text := range ids {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && id < 1000 {
			done.AssetIDs = append(done.AssetIDs, id)
		}
	}
	if len(done.AssetIDs) == 0 && s.AssetID != 0 {
		return done, &qps.ResponseError{Code: qps.CodeNotFound, Message: "Unknown", Resolution: "Search."}
	}
	done.Count, done.HasCount = int64(len(done.AssetIDs)), true
	return done, nil
}

func (a *actor) SearchHostAssets(_ context.Context, s qpsclient.HostAssetSearch) iter.Seq2[qpsclient.HostAssetPage, error] {
	return func(yield func(qpsclient.HostAssetPage, error) bool) {
		var page qpsclient.HostAssetPage
		for text := range strings.SplitSeq(s.Criteria[1].Value, ",") {
			if id, err := strconv.ParseInt(text, 10, 64); err == nil && id < 1000 {
				page.Assets = append(page.Assets, &qps.HostAsset{ID: id})
			}
		}
		yield(page, nil)
	}
}

func agentTexts(ids ...int) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(id)
	}
	return texts
}

func TestActionsReachEveryAgentWithFewCalls(t *testing.T) {
	t.Parallel()
	var hundreds []int
	for id := 100; id < 350; id++ {
		hundreds = append(hundreds, id)
	}
	for _, tt := range []struct {
		name     string
		ids      []string
		state    State
		affected int
		errors   []int64 // agents with an error
		calls    int
	}{
		{"few", agentTexts(1, 2, 2), Successful, 2, nil, 2},
		{"many", agentTexts(hundreds...), Successful, 250, nil, 3},
		{"an unknown one of few", agentTexts(1, 4711), PartiallySuccessful, 1, []int64{4711}, 2},
		{"an unknown one of many", agentTexts(1, 2, 3, 4, 5, 4711), PartiallySuccessful, 5, []int64{4711}, 1},
		{"one of many is refused", agentTexts(1, 2, 3, 4, 5, 13), PartiallySuccessful, 5, []int64{13}, 7},
		{"none", agentTexts(13, 4711), Failed, 0, []int64{13, 4711}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := &actor{}
			out := UninstallCloudAgents(t.Context(), a, tt.ids)
			var failed []int64
			for _, e := range out.Errors {
				failed = append(failed, e.AgentIDs...)
			}
			if out.State != tt.state || len(out.KeyFields[KeyAgentIDs]) != tt.affected || len(a.calls) != tt.calls {
				t.Errorf("%s with %d agents after %d calls, want %s with %d after %d", out.State, len(out.KeyFields[KeyAgentIDs]), len(a.calls), tt.state, tt.affected, tt.calls)
			}
			if diff := cmp.Diff(tt.errors, failed); diff != "" {
				t.Errorf("agents with errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnActionEndsWithTheConnection(t *testing.T) {
	t.Parallel()
	a := &actor{broken: true}
	out := UninstallCloudAgents(t.Context(), a, agentTexts(1, 2, 3))
	if out.State != Failed || len(out.Errors) != 1 || len(a.calls) != 1 || !strings.Contains(out.Errors[0].Resolution, "Uninstall Agent") {
		t.Errorf("outcome %+v after %d calls, want one error that names the permission", out, len(a.calls))
	}
}

func TestAgentsAreFoundBeforeAnythingHappensToThem(t *testing.T) {
	t.Parallel()
	out, agents := FindCloudAgents(t.Context(), &actor{}, agentTexts(1, 4711))
	if out.State != PartiallySuccessful || len(agents) != 1 || len(out.Errors) != 1 || out.Errors[0].StatusCode != http.StatusNotFound {
		t.Errorf("outcome %+v with %d agents", out, len(agents))
	}
}

func TestModulesAreReadInAnyForm(t *testing.T) {
	t.Parallel()
	got, err := ParseModules([]string{"vm, AGENT_pc", "agent_swca,,AGENT_PAF"})
	if err != nil {
		t.Fatal(err)
	}
	want := []qpsclient.Module{qpsclient.ModuleVM, qpsclient.ModulePC, qpsclient.ModuleSwCA, "AGENT_PAF"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range [][]string{nil, {","}, {"firewall"}, {"AGENT_"}, {"AGENT_VM&x=y"}} {
		if modules, err := ParseModules(bad); err == nil {
			t.Errorf("%q became %v", bad, modules)
		}
	}
}
