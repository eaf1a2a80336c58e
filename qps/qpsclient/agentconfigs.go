package qpsclient

import (
	"context"
	"fmt"
	"strconv"

	"vedette.dev/vedette/qps"
)

// profilePath is where an operation on configuration profiles is.
func profilePath(operation string) string { return "/qps/rest/1.0/" + operation + "/ca/agentconfig" }

// AgentConfigs returns the configuration profiles that meet all criteria, all of
// them without any, in ascending order of id. There are at most a few hundred.
func (c *Client) AgentConfigs(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AgentConfig, error) {
	profiles, err := c.searchProfiles(ctx, "", criteria)
	if err != nil {
		return nil, fmt.Errorf("search configuration profiles: %w", err)
	}
	return profiles, nil
}

// AgentConfigPriorities returns the priority of each configuration profile by
// its id. Vedette gives it only when it is asked for, because a create refuses
// it; of a platform that does not give it at all the map is empty.
func (c *Client) AgentConfigPriorities(ctx context.Context) (map[int64]int64, error) {
	profiles, err := c.searchProfiles(ctx, "fields=id,priority", nil)
	if err != nil {
		return nil, fmt.Errorf("read priorities of configuration profiles: %w", err)
	}
	priorities := make(map[int64]int64)
	for _, p := range profiles {
		if p.Priority != 0 {
			priorities[p.ID] = p.Priority
		}
	}
	return priorities, nil
}

func (c *Client) searchProfiles(ctx context.Context, query string, criteria []qps.Criterion) ([]*qps.AgentConfig, error) {
	return searchAll(ctx, c, smallSearch[*qps.AgentConfig]{
		path: profilePath("search"), query: query, criteria: criteria,
		id: func(p *qps.AgentConfig) int64 { return p.ID },
	})
}

// GetAgentConfig returns one configuration profile by its id, without its
// priority; see AgentConfigPriorities.
func (c *Client) GetAgentConfig(ctx context.Context, id int64) (*qps.AgentConfig, error) {
	resp, err := c.envelope(ctx, get(profilePath("get")+"/"+strconv.FormatInt(id, 10)))
	if err == nil {
		var profile *qps.AgentConfig
		if profile, err = c.answeredProfile(resp); err == nil {
			return profile, nil
		}
	}
	return nil, fmt.Errorf("get configuration profile %d: %w", id, err)
}

// CreateAgentConfig makes a configuration profile and returns it. It is a write:
// after a *TransportError there may be one.
func (c *Client) CreateAgentConfig(ctx context.Context, change qps.AgentConfigChange) (*qps.AgentConfig, error) {
	resp, err := c.envelope(ctx, profileWrite(profilePath("create"), change))
	if err == nil {
		var profile *qps.AgentConfig
		if profile, err = c.answeredProfile(resp); err == nil {
			return profile, nil
		}
	}
	return nil, fmt.Errorf("create configuration profile: %w", err)
}

// UpdateAgentConfig changes a configuration profile; what change does not say
// stays, and its name must be said. The platform may answer with no more of the
// profile than its id, so ask for it to see the result.
func (c *Client) UpdateAgentConfig(ctx context.Context, id int64, change qps.AgentConfigChange) error {
	change.ID = &id
	if _, err := c.envelope(ctx, profileWrite(profilePath("update")+"/"+strconv.FormatInt(id, 10), change)); err != nil {
		return fmt.Errorf("update configuration profile %d: %w", id, err)
	}
	return nil
}

// DeleteAgentConfig deletes a configuration profile. Its agents get another one.
func (c *Client) DeleteAgentConfig(ctx context.Context, id int64) error {
	in := post(profilePath("delete")+"/"+strconv.FormatInt(id, 10), &qps.Request{})
	in.write = true
	if _, err := c.envelope(ctx, in); err != nil {
		return fmt.Errorf("delete configuration profile %d: %w", id, err)
	}
	return nil
}

func profileWrite(path string, change qps.AgentConfigChange) call {
	in := post(path, &qps.Request{Data: &qps.Node{Name: "data", Children: []*qps.Node{change.Node()}}})
	in.write = true
	return in
}

// answeredProfile returns the profile of an answer.
func (c *Client) answeredProfile(resp *qps.Response) (*qps.AgentConfig, error) {
	for _, r := range resp.Records {
		if p, ok := r.(*qps.AgentConfig); ok {
			return p, nil
		}
	}
	return nil, c.badAnswer("there is no AgentConfig")
}
