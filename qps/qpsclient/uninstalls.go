package qpsclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrNoAutomationAPI says that the platform has no automation API. Vedette has
// one; Qualys has no counterpart.
var ErrNoAutomationAPI = errors.New("the platform has no automation API")

// Where a Vedette platform lists uninstall orders and purges agents.
const (
	uninstallsPath = "/automation/v1/uninstalls"
	purgePath      = "/automation/v1/agents/purge"
)

// UninstallState says whether an uninstalled agent is known to be gone.
type UninstallState string

// The states of an uninstall.
const (
	UninstallOpen      UninstallState = "open"
	UninstallConfirmed UninstallState = "confirmed"
)

// Uninstall is the order to one agent to remove itself.
type Uninstall struct {
	ID          int64          `json:"id"`
	AssetID     int64          `json:"assetId"` // id the asset had
	AgentID     string         `json:"agentId"` // UUID
	HostName    string         `json:"hostName"`
	State       UninstallState `json:"state"`
	RequestedBy string         `json:"requestedBy"`
	Created     time.Time      `json:"created"`
	Confirmed   time.Time      `json:"confirmed,omitzero"` // zero while open
}

// UninstallQuery selects uninstalls; zero values select everything.
type UninstallQuery struct {
	State  UninstallState
	Limit  int   // at most so many; zero leaves it to the platform
	Before int64 // only ids below
}

// Uninstalls lists orders to agents to remove themselves, newest first. Platforms
// without them give ErrNoAutomationAPI.
func (c *Client) Uninstalls(ctx context.Context, q UninstallQuery) ([]Uninstall, error) {
	v := url.Values{}
	if q.State != "" {
		v.Set("state", string(q.State))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Before != 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	var answer struct {
		Uninstalls []Uninstall `json:"uninstalls"`
	}
	in := call{method: http.MethodGet, path: uninstallsPath, query: v.Encode(), accept: mediaJSON}
	if err := c.state(ctx, in, &answer); err != nil {
		return nil, fmt.Errorf("list uninstalls: %w", noAutomationAPI(err))
	}
	return answer.Uninstalls, nil
}

// PurgeRule selects agents that have been silent. Empty texts select all.
type PurgeRule struct {
	InactiveFor   time.Duration // since the last check-in, in whole seconds
	ActivationKey string        // UUID of the key they came with
	AgentVersion  string
	Profile       string // name of the configuration profile
}

// PurgedAgent is an agent that was, or would be, purged.
type PurgedAgent struct {
	AssetID       int64     `json:"assetId"`
	AgentID       string    `json:"agentId"` // UUID
	HostName      string    `json:"hostName"`
	AgentVersion  string    `json:"agentVersion"`
	LastCheckedIn time.Time `json:"lastCheckedIn"`
}

// PurgeAgents removes the assets of silent agents without uninstalling the
// agents; unless apply is set it only returns which they are. Applied, it is a
// write: after a *TransportError it may have been done. Platforms without it give
// ErrNoAutomationAPI.
func (c *Client) PurgeAgents(ctx context.Context, r PurgeRule, apply bool) ([]PurgedAgent, error) {
	body, err := json.Marshal(struct {
		InactiveFor   int64  `json:"inactiveFor"`
		ActivationKey string `json:"activationKey,omitempty"`
		AgentVersion  string `json:"agentVersion,omitempty"`
		Profile       string `json:"profile,omitempty"`
		Apply         bool   `json:"apply"`
	}{int64(r.InactiveFor / time.Second), r.ActivationKey, r.AgentVersion, r.Profile, apply})
	if err != nil {
		return nil, fmt.Errorf("purge agents: %w", err)
	}
	var answer struct {
		Applied bool          `json:"applied"`
		Agents  []PurgedAgent `json:"agents"`
	}
	in := call{method: http.MethodPost, path: purgePath, body: body, media: mediaJSON, accept: mediaJSON, write: apply}
	if err := c.state(ctx, in, &answer); err != nil {
		return nil, fmt.Errorf("purge agents: %w", noAutomationAPI(err))
	}
	if answer.Applied != apply {
		return nil, fmt.Errorf("purge agents: %w", c.badAnswer(fmt.Sprintf("applied is %t, asked was %t", answer.Applied, apply)))
	}
	return answer.Agents, nil
}

func noAutomationAPI(err error) error {
	if errors.Is(noScanStates(err), ErrNoScanStates) {
		return ErrNoAutomationAPI
	}
	return err
}
