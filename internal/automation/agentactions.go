package automation

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// AgentPlatform is what actions on agents need of a platform; *qpsclient.Client
// has it.
type AgentPlatform interface {
	SearchHostAssets(ctx context.Context, s qpsclient.HostAssetSearch) iter.Seq2[qpsclient.HostAssetPage, error]
	ActivateModules(ctx context.Context, s qpsclient.AgentSelection, modules []qpsclient.Module) (qpsclient.Affected, error)
	DeactivateModules(ctx context.Context, s qpsclient.AgentSelection, modules []qpsclient.Module) (qpsclient.Affected, error)
	UninstallAgents(ctx context.Context, s qpsclient.AgentSelection) (qpsclient.Affected, error)
}

// Minimum permissions of the actions (Qualys Cloud Agent API, permissions).
const (
	permissionActivate   = "Cloud Agent > CA Agent Permissions > Activate Agent"
	permissionDeactivate = "Cloud Agent > CA Agent Permissions > Deactivate Agent"
	permissionUninstall  = "Cloud Agent > CA Agent Permissions > Uninstall Agent"
)

// ParseModules reads module tokens in any case, with or without AGENT_ in front;
// each text may hold several, separated by commas. Tokens this version does not
// know are passed on when they begin with AGENT_: platforms gain modules.
func ParseModules(texts []string) ([]qpsclient.Module, error) {
	var modules []qpsclient.Module
	for token := range strings.SplitSeq(strings.Join(texts, ","), ",") {
		if token = strings.TrimSpace(token); token == "" {
			continue
		}
		module, ok := parseModule(token)
		if !ok {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("Module %q is not known.", shorten(token)), "Use some of "+moduleTokens()+".")
		}
		modules = append(modules, module)
	}
	if len(modules) == 0 {
		return nil, fault.New(fault.Invalid, "At least one module is required.", "Use some of "+moduleTokens()+".")
	}
	return modules, nil
}

func parseModule(token string) (qpsclient.Module, bool) {
	const prefix = "AGENT_"
	for _, m := range qpsclient.Modules() {
		if strings.EqualFold(token, string(m)) || strings.EqualFold(prefix+token, string(m)) {
			return m, true
		}
	}
	upper := strings.ToUpper(token)
	return qpsclient.Module(token), strings.HasPrefix(upper, prefix) && len(upper) > len(prefix) && strings.Trim(upper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

func moduleTokens() string {
	var tokens []string
	for _, m := range qpsclient.Modules() {
		tokens = append(tokens, string(m))
	}
	return strings.Join(tokens, ", ")
}

// ActivateModules activates modules on each of the agents. It is successful when
// all of them took it and partially successful when some did, with an error for
// each that did not.
func ActivateModules(ctx context.Context, p AgentPlatform, agentIDs []string, modules []qpsclient.Module) Outcome {
	a := action{
		command: command{"Activate Modules failed.", permissionActivate}, done: "activated", phrase: "Failed to activate modules of",
		do: func(ctx context.Context, s qpsclient.AgentSelection) (qpsclient.Affected, error) {
			return p.ActivateModules(ctx, s, modules)
		},
	}
	return a.run(ctx, agentIDs)
}

// DeactivateModules deactivates modules on each of the agents; its outcome is
// that of ActivateModules.
func DeactivateModules(ctx context.Context, p AgentPlatform, agentIDs []string, modules []qpsclient.Module) Outcome {
	a := action{
		command: command{"Deactivate Modules failed.", permissionDeactivate}, done: "deactivated", phrase: "Failed to deactivate modules of",
		do: func(ctx context.Context, s qpsclient.AgentSelection) (qpsclient.Affected, error) {
			return p.DeactivateModules(ctx, s, modules)
		},
	}
	return a.run(ctx, agentIDs)
}

// UninstallCloudAgents removes each of the agents from the platform, which tells
// them to uninstall themselves. Its outcome is that of ActivateModules.
func UninstallCloudAgents(ctx context.Context, p AgentPlatform, agentIDs []string) Outcome {
	a := action{
		command: command{"Uninstall Cloud Agents failed.", permissionUninstall}, done: "uninstalled", phrase: "Failed to uninstall",
		do: p.UninstallAgents,
	}
	return a.run(ctx, agentIDs)
}

// FindCloudAgents returns the agents with these ids for a person to look at
// before something happens to them. An id without an agent is an error.
func FindCloudAgents(ctx context.Context, p AgentPlatform, agentIDs []string) (Outcome, []*qps.HostAsset) {
	find := command{"Find Cloud Agents failed.", permissionRead}
	ids, err := ParseAgentIDs(agentIDs)
	if err != nil {
		return failed(find.failure(err)), nil
	}
	search := qpsclient.HostAssetSearch{Criteria: []qps.Criterion{cloudAgents(), idsIn(ids)}, Fields: TableFields()}
	found := make(map[int64]bool, len(ids))
	var agents []*qps.HostAsset
	for page, err := range p.SearchHostAssets(ctx, search) {
		if err != nil {
			return failed(find.failure(err)), nil
		}
		for _, h := range page.Assets {
			found[h.ID] = true
			agents = append(agents, h)
		}
	}
	out := Outcome{State: Successful, Result: agentTable(agents)}
	for _, id := range ids {
		if !found[id] {
			e := find.failure(noSuchAgent(id))
			e.AgentIDs = []int64{id}
			out.Errors = append(out.Errors, e)
		}
	}
	switch {
	case len(agents) == 0:
		out.State = Failed
	case len(out.Errors) > 0:
		out.State = PartiallySuccessful
	}
	return out, agents
}

func noSuchAgent(id int64) error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no Cloud Agent with ID %d.", id), notFoundStep)
}

// action is one thing done to many agents.
type action struct {
	command command
	done    string // the result of an agent it was done to
	phrase  string // of the error about one agent, before its id
	do      func(ctx context.Context, s qpsclient.AgentSelection) (qpsclient.Affected, error)

	affected []int64
	failures map[int64]Error
	stopped  error // ended it before every agent was tried
}

func (a *action) run(ctx context.Context, agentIDs []string) Outcome {
	ids, err := ParseAgentIDs(agentIDs)
	if err != nil {
		return failed(a.command.failure(err))
	}
	a.failures = make(map[int64]Error)
	size := batchSize
	if len(ids) <= singleLaunches {
		size = 1
	}
	for rest := ids; len(rest) > 0 && a.stopped == nil; {
		n := min(len(rest), size)
		a.batch(ctx, rest[:n])
		rest = rest[n:]
	}
	return a.outcome(ids)
}

// batch acts on some agents with one call. One that is refused is repeated for
// each agent, which tells the one that is to blame.
func (a *action) batch(ctx context.Context, ids []int64) {
	s := qpsclient.AgentSelection{AssetID: ids[0]}
	if len(ids) > 1 {
		s = qpsclient.AgentSelection{Criteria: []qps.Criterion{cloudAgents(), idsIn(ids)}}
	}
	done, err := a.do(ctx, s)
	switch {
	case err == nil:
		a.accept(ids, done)
	case concernsConnection(err):
		a.stopped = err
	case len(ids) == 1:
		a.failures[ids[0]] = a.failureOf(ids[0], err)
	default:
		for i := range ids {
			if a.batch(ctx, ids[i:i+1]); a.stopped != nil {
				return
			}
		}
	}
}

// accept records what a call has done. A platform that gives neither ids nor a
// count is taken at its word; agents it does not name are not there.
func (a *action) accept(ids []int64, done qpsclient.Affected) {
	all := len(done.AssetIDs) == 0 && (!done.HasCount || done.Count == int64(len(ids)))
	named := make(map[int64]bool, len(done.AssetIDs))
	for _, id := range done.AssetIDs {
		named[id] = true
	}
	for _, id := range ids {
		if all || named[id] {
			a.affected = append(a.affected, id)
		} else {
			a.failures[id] = a.failureOf(id, noSuchAgent(id))
		}
	}
}

func (a *action) failureOf(id int64, err error) Error {
	e := a.command.failure(err)
	e.Indicator += fmt.Sprintf(" %s Cloud Agent ID %d.", a.phrase, id)
	e.AgentIDs = []int64{id}
	if e.StatusCode == http.StatusNotFound && e.Resolution == "" {
		e.Resolution = notFoundStep
	}
	return e
}

// outcome sums up, in the order of the ids.
func (a *action) outcome(ids []int64) Outcome {
	out := Outcome{State: Successful, Result: Table{Columns: []string{"ID", "RESULT"}}}
	affected := make(map[int64]bool, len(a.affected))
	for _, id := range a.affected {
		affected[id] = true
	}
	var untried []int64
	for _, id := range ids {
		result := a.done
		failure, bad := a.failures[id]
		switch {
		case bad:
			out.Errors = append(out.Errors, failure)
			result = "failed"
		case !affected[id]:
			untried = append(untried, id)
			result = "not tried"
		}
		out.Result.Rows = append(out.Result.Rows, []string{strconv.FormatInt(id, 10), result})
	}
	if a.stopped != nil {
		e := a.command.failure(a.stopped)
		e.AgentIDs = untried
		out.Errors = append(out.Errors, e)
	}
	switch {
	case len(a.affected) == 0:
		out.State = Failed
	case len(out.Errors) > 0:
		out.State = PartiallySuccessful
	}
	if len(a.affected) > 0 {
		out.RawData = launchRawData(a.affected)
		out.KeyFields = map[string][]int64{KeyAgentIDs: a.affected}
	}
	return out
}
