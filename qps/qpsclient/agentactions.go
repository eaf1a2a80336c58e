package qpsclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vedette.dev/vedette/qps"
)

// Module is an application module of an agent, by its activation token. A
// platform may know further ones.
type Module string

// The modules (Qualys Cloud Agent API, activate agents).
const (
	ModuleVM   Module = "AGENT_VM"   // Vulnerability Management
	ModulePC   Module = "AGENT_PC"   // Policy Compliance
	ModuleSCA  Module = "AGENT_SCA"  // Security Configuration Assessment
	ModuleFIM  Module = "AGENT_FIM"  // File Integrity Monitoring
	ModuleEDR  Module = "AGENT_EDR"  // Endpoint Detection and Response
	ModulePM   Module = "AGENT_PM"   // Patch Management
	ModuleCAPS Module = "AGENT_CAPS" // Cloud Agent as Passive Sensor
	ModuleSwCA Module = "AGENT_SwCA" // Software Composition Analysis
	ModuleMTG  Module = "AGENT_MTG"  // Mitigation
)

// Modules lists the modules above.
func Modules() []Module {
	return []Module{ModuleVM, ModulePC, ModuleSCA, ModuleFIM, ModuleEDR, ModulePM, ModuleCAPS, ModuleSwCA, ModuleMTG}
}

// AgentSelection says which agents an action is for. Either AssetID or Criteria
// is set: an empty selection is refused.
type AgentSelection struct {
	AssetID  int64 // the HostAsset id of one agent
	Criteria []qps.Criterion
}

// path returns where an operation on the selection is.
func (s AgentSelection) path(c *Client, operation string) (string, error) {
	path := "/qps/rest/" + c.apiVersion + "/" + operation + "/am/asset"
	switch {
	case s.AssetID != 0 && len(s.Criteria) > 0:
		return "", errors.New("name one asset or give criteria, not both")
	case s.AssetID > 0:
		return path + "/" + strconv.FormatInt(s.AssetID, 10), nil
	case s.AssetID < 0:
		return "", fmt.Errorf("asset id %d: use a positive number", s.AssetID)
	case len(s.Criteria) == 0:
		return "", errors.New("at least one criterion is required")
	}
	return path, nil
}

// Affected is what a platform says about an action.
type Affected struct {
	// Count is the number of agents; meaningful when HasCount.
	Count    int64
	HasCount bool
	// AssetIDs are the agents, where the platform names them.
	AssetIDs []int64
}

// ActivateModules activates modules on agents. Modules that are active stay so.
// It is a write: after a *TransportError it may have been done.
func (c *Client) ActivateModules(ctx context.Context, s AgentSelection, modules []Module) (Affected, error) {
	return c.changeModules(ctx, "activate", s, modules)
}

// DeactivateModules deactivates modules on agents, which stay installed. It is a
// write like ActivateModules.
func (c *Client) DeactivateModules(ctx context.Context, s AgentSelection, modules []Module) (Affected, error) {
	return c.changeModules(ctx, "deactivate", s, modules)
}

func (c *Client) changeModules(ctx context.Context, operation string, s AgentSelection, modules []Module) (Affected, error) {
	if len(modules) == 0 {
		return Affected{}, fmt.Errorf("%s modules: at least one module is required", operation)
	}
	tokens := make([]string, len(modules))
	for i, m := range modules {
		if !isToken(string(m)) {
			return Affected{}, fmt.Errorf("%s modules: %q is not a module token such as %s", operation, m, ModuleVM)
		}
		tokens[i] = string(m)
	}
	return c.act(ctx, operation, s, "module="+strings.Join(tokens, ","))
}

// isToken reports whether a module can be part of a query as it is. Commas are
// sent literally, so nothing may need escaping.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// UninstallAgents removes agents from the platform, which tells each of them to
// uninstall itself at its next contact. It is a write: after a *TransportError
// it may have been done.
func (c *Client) UninstallAgents(ctx context.Context, s AgentSelection) (Affected, error) {
	return c.act(ctx, "uninstall", s, "")
}

func (c *Client) act(ctx context.Context, operation string, s AgentSelection, query string) (Affected, error) {
	path, err := s.path(c, operation)
	if err != nil {
		return Affected{}, fmt.Errorf("%s agents: %w", operation, err)
	}
	in := post(path, &qps.Request{Criteria: s.Criteria})
	in.query, in.write = query, true
	resp, err := c.envelope(ctx, in)
	if err != nil {
		return Affected{}, fmt.Errorf("%s agents: %w", operation, err)
	}
	done := Affected{Count: resp.Count, HasCount: resp.HasCount}
	for _, r := range resp.Records {
		switch r := r.(type) {
		case *qps.Asset:
			done.AssetIDs = append(done.AssetIDs, r.ID)
		case *qps.HostAsset:
			done.AssetIDs = append(done.AssetIDs, r.ID)
		}
	}
	return done, nil
}
