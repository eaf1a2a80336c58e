package automation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
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
	permissionTag        = "Asset Management > Asset Permissions > Update Asset"
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
	return Activation(p, modules).Run(ctx, agentIDs, Tally{})
}

// DeactivateModules deactivates modules on each of the agents; its outcome is
// that of ActivateModules.
func DeactivateModules(ctx context.Context, p AgentPlatform, agentIDs []string, modules []qpsclient.Module) Outcome {
	return Deactivation(p, modules).Run(ctx, agentIDs, Tally{})
}

// UninstallCloudAgents removes each of the agents from the platform, which tells
// them to uninstall themselves. Its outcome is that of ActivateModules.
func UninstallCloudAgents(ctx context.Context, p AgentPlatform, agentIDs []string) Outcome {
	return Uninstallation(p).Run(ctx, agentIDs, Tally{})
}

// Activation is what ActivateModules does.
func Activation(p AgentPlatform, modules []qpsclient.Module) AgentAction {
	return AgentAction{
		command: command{"Activate Modules failed.", permissionActivate}, done: "activated", phrase: "Failed to activate modules of",
		do: func(ctx context.Context, ids []int64) (qpsclient.Affected, error) {
			return p.ActivateModules(ctx, selected(ids), modules)
		},
	}
}

// Deactivation is what DeactivateModules does.
func Deactivation(p AgentPlatform, modules []qpsclient.Module) AgentAction {
	return AgentAction{
		command: command{"Deactivate Modules failed.", permissionDeactivate}, done: "deactivated", phrase: "Failed to deactivate modules of",
		do: func(ctx context.Context, ids []int64) (qpsclient.Affected, error) {
			return p.DeactivateModules(ctx, selected(ids), modules)
		},
	}
}

// Uninstallation is what UninstallCloudAgents does.
func Uninstallation(p AgentPlatform) AgentAction {
	return AgentAction{
		command: command{"Uninstall Cloud Agents failed.", permissionUninstall}, done: "uninstalled", phrase: "Failed to uninstall",
		do: func(ctx context.Context, ids []int64) (qpsclient.Affected, error) {
			return p.UninstallAgents(ctx, selected(ids))
		},
	}
}

// TagPlatform is what changing the tags of agents needs of a platform;
// *qpsclient.Client has it.
type TagPlatform interface {
	AssignTags(ctx context.Context, assetIDs []int64, a qps.TagAssignment) ([]int64, error)
}

// Tagging changes the static tags of agents. command names it in errors, such as
// "Tag Cloud Agents", and done is the result of an agent, such as "tagged".
func Tagging(p TagPlatform, name, done string, tags qps.TagAssignment) AgentAction {
	return AgentAction{
		command: command{name + " failed.", permissionTag}, done: done, phrase: "Failed to change the tags of",
		do: func(ctx context.Context, ids []int64) (qpsclient.Affected, error) {
			changed, err := p.AssignTags(ctx, ids, tags)
			return qpsclient.Affected{AssetIDs: changed, Count: int64(len(changed)), HasCount: true}, err
		},
	}
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

// AgentAction is one thing that can be done to many agents.
type AgentAction struct {
	command command
	done    string // the result of an agent it was done to
	phrase  string // of the error about one agent, before its id
	do      func(ctx context.Context, ids []int64) (qpsclient.Affected, error)
}

// Run acts on each of the agents. It is successful when all of them took it and
// partially successful when some did, with an error for each that did not. before
// is what earlier attempts of the same run came to.
func (a AgentAction) Run(ctx context.Context, agentIDs []string, before Tally) Outcome {
	ids, err := ParseAgentIDs(agentIDs)
	if err != nil {
		return failed(a.command.failure(err))
	}
	r := actionRun{newRoll(before), a}
	size := batchSize
	if len(ids) <= singleLaunches {
		size = 1
	}
	for batch := range slices.Chunk(r.left(ids), size) {
		if r.batch(ctx, batch); r.stopped != nil {
			break
		}
	}
	return r.outcome(ids, words{done: a.done, untried: "not tried"}, func(err error, untried []int64) Error {
		e := a.command.failure(err)
		e.AgentIDs = untried
		return e
	})
}

// actionRun is one Run.
type actionRun struct {
	*roll
	AgentAction
}

// batch acts on some agents with one call. One that is refused is repeated for
// each agent, which tells the one that is to blame.
func (r *actionRun) batch(ctx context.Context, ids []int64) {
	done, err := r.do(ctx, ids)
	switch {
	case errors.Is(err, qpsclient.ErrRehearsed):
		r.accept(ids, nil, false, 0)
	case err == nil:
		for _, id := range r.accept(ids, done.AssetIDs, done.HasCount, done.Count) {
			r.failures[id] = r.failureOf(id, noSuchAgent(id)) // platforms pass over those that are not there
		}
	case concernsConnection(err):
		r.stop(err, true)
	case len(ids) == 1:
		r.failures[ids[0]] = r.failureOf(ids[0], err)
	default:
		for i := range ids {
			if r.batch(ctx, ids[i:i+1]); r.stopped != nil {
				return
			}
		}
	}
}

// selected names agents to the platform: one by its id alone, which tells most
// when it is refused.
func selected(ids []int64) qpsclient.AgentSelection {
	if len(ids) == 1 {
		return qpsclient.AgentSelection{AssetID: ids[0]}
	}
	return qpsclient.AgentSelection{Criteria: []qps.Criterion{cloudAgents(), idsIn(ids)}}
}

func (r *actionRun) failureOf(id int64, err error) Error {
	e := r.command.failure(err)
	e.Indicator += fmt.Sprintf(" %s Cloud Agent ID %d.", r.phrase, id)
	e.AgentIDs = []int64{id}
	if e.StatusCode == http.StatusNotFound && e.Resolution == "" {
		e.Resolution = notFoundStep
	}
	return e
}
