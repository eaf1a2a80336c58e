package qpsclient

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"vedette.dev/vedette/qps"
)

const keyPath = "/qps/rest/1.0/"

// ActivationKeys returns the activation keys that meet all criteria, all keys
// without any, in ascending order of id. There are at most a few hundred.
func (c *Client) ActivationKeys(ctx context.Context, criteria ...qps.Criterion) ([]*qps.AgentActKey, error) {
	keys, err := searchAll(ctx, c, smallSearch[*qps.AgentActKey]{
		path: keyPath + "search/ca/agentactkey", criteria: criteria,
		id: func(k *qps.AgentActKey) int64 { return k.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("search activation keys: %w", err)
	}
	return keys, nil
}

// GetActivationKey returns one activation key by its id.
func (c *Client) GetActivationKey(ctx context.Context, id int64) (*qps.AgentActKey, error) {
	resp, err := c.envelope(ctx, get(keyPath+"get/ca/agentactkey/"+strconv.FormatInt(id, 10)))
	if err == nil {
		var key *qps.AgentActKey
		if key, err = c.answeredKey(resp); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("get activation key %d: %w", id, err)
}

// CreateActivationKey makes an activation key and returns it. It is a write:
// after a *TransportError there may be one.
func (c *Client) CreateActivationKey(ctx context.Context, change qps.AgentActKeyChange) (*qps.AgentActKey, error) {
	resp, err := c.envelope(ctx, keyWrite("create/ca/agentactkey", change.Node()))
	if err == nil {
		var key *qps.AgentActKey
		if key, err = c.answeredKey(resp); err == nil {
			return key, nil
		}
	}
	return nil, fmt.Errorf("create activation key: %w", err)
}

// UpdateActivationKey changes an activation key; what change does not say stays.
// The platform may answer with no more of the key than its id, so ask for it to
// see the result.
func (c *Client) UpdateActivationKey(ctx context.Context, id int64, change qps.AgentActKeyChange) error {
	change.ID = &id
	if _, err := c.envelope(ctx, keyWrite("update/ca/agentactkey/"+strconv.FormatInt(id, 10), change.Node())); err != nil {
		return fmt.Errorf("update activation key %d: %w", id, err)
	}
	return nil
}

// DeleteActivationKey deletes an activation key. Agents that were made with it
// go on.
func (c *Client) DeleteActivationKey(ctx context.Context, id int64) error {
	in := post(keyPath+"delete/ca/agentactkey/"+strconv.FormatInt(id, 10), &qps.Request{})
	in.write = true
	if _, err := c.envelope(ctx, in); err != nil {
		return fmt.Errorf("delete activation key %d: %w", id, err)
	}
	return nil
}

// KeyChanged is what the platform says of agents whose activation key changes.
type KeyChanged struct {
	// Count is the number of agents; meaningful when HasCount.
	Count    int64
	HasCount bool
}

// ChangeActivationKey gives the agents that meet all criteria, by id, tagName or
// activationKey, the key with this UUID. There must be a criterion: no fleet
// changes its key by accident.
func (c *Client) ChangeActivationKey(ctx context.Context, key string, criteria ...qps.Criterion) (KeyChanged, error) {
	if len(criteria) == 0 {
		return KeyChanged{}, errors.New("change activation key: at least one criterion is required")
	}
	in := keyWrite("cak/ca/changeactkey", &qps.Node{Name: "ChangeActKey", Children: []*qps.Node{{Name: "newActivationKey", Text: key}}}, criteria...)
	resp, err := c.envelope(ctx, in)
	if err != nil {
		return KeyChanged{}, fmt.Errorf("change activation key: %w", err)
	}
	return KeyChanged{Count: resp.Count, HasCount: resp.HasCount}, nil
}

func keyWrite(path string, object *qps.Node, criteria ...qps.Criterion) call {
	in := post(keyPath+path, &qps.Request{Criteria: criteria, Data: &qps.Node{Name: "data", Children: []*qps.Node{object}}})
	in.write = true
	return in
}

// answeredKey returns the key of an answer.
func (c *Client) answeredKey(resp *qps.Response) (*qps.AgentActKey, error) {
	for _, r := range resp.Records {
		if k, ok := r.(*qps.AgentActKey); ok {
			return k, nil
		}
	}
	return nil, c.badAnswer("there is no AgentActKey")
}
