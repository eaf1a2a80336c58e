package qpsclient

import (
	"context"
	"fmt"
	"strconv"

	"vedette.dev/vedette/qps"
)

// kind describes the calls on one kind of object.
type kind[R qps.Record] struct {
	client *Client
	what   string // such an object, in errors
	all    string // such objects
	// prefix and suffix are the path before and after the operation.
	prefix, suffix string
	id             func(R) int64
}

func (k kind[R]) path(operation string) string { return k.prefix + operation + k.suffix }

func (k kind[R]) pathOf(operation string, id int64) string {
	return k.path(operation) + "/" + strconv.FormatInt(id, 10)
}

func (k kind[R]) search(ctx context.Context, criteria []qps.Criterion) ([]R, error) {
	found, err := searchAll(ctx, k.client, smallSearch[R]{path: k.path("search"), criteria: criteria, id: k.id})
	if err != nil {
		return nil, fmt.Errorf("search %s: %w", k.all, err)
	}
	return found, nil
}

func (k kind[R]) count(ctx context.Context, criteria []qps.Criterion) (int64, error) {
	resp, err := k.client.envelope(ctx, post(k.path("count"), &qps.Request{Criteria: criteria}))
	if err == nil && !resp.HasCount {
		err = k.client.badAnswer("there is no count")
	}
	if err != nil {
		return 0, fmt.Errorf("count %s: %w", k.all, err)
	}
	return resp.Count, nil
}

func (k kind[R]) get(ctx context.Context, id int64) (R, error) {
	object, err := answered[R](ctx, k.client, get(k.pathOf("get", id)))
	if err != nil {
		return object, fmt.Errorf("get %s %d: %w", k.what, id, err)
	}
	return object, nil
}

func (k kind[R]) create(ctx context.Context, object *qps.Node) (R, error) {
	created, err := answered[R](ctx, k.client, act(k.path("create"), object))
	if err != nil {
		return created, fmt.Errorf("create %s: %w", k.what, err)
	}
	return created, nil
}

// update does not look at the object of the answer, of which platforms show as
// little as the id.
func (k kind[R]) update(ctx context.Context, id int64, object *qps.Node) error {
	if _, err := k.client.envelope(ctx, act(k.pathOf("update", id), object)); err != nil {
		return fmt.Errorf("update %s %d: %w", k.what, id, err)
	}
	return nil
}

func (k kind[R]) delete(ctx context.Context, id int64) error {
	if _, err := k.client.envelope(ctx, act(k.pathOf("delete", id), nil)); err != nil {
		return fmt.Errorf("delete %s %d: %w", k.what, id, err)
	}
	return nil
}

// act describes a call that acts on the platform; object may be nil.
func act(path string, object *qps.Node, criteria ...qps.Criterion) call {
	req := &qps.Request{Criteria: criteria}
	if object != nil {
		req.Data = &qps.Node{Name: "data", Children: []*qps.Node{object}}
	}
	in := post(path, req)
	in.write = true
	return in
}

// answered makes a call and returns the first object of a kind in its answer.
func answered[R qps.Record](ctx context.Context, c *Client, in call) (R, error) {
	var none R
	resp, err := c.envelope(ctx, in)
	if err != nil {
		return none, err
	}
	for _, r := range resp.Records {
		if object, ok := r.(R); ok {
			return object, nil
		}
	}
	return none, c.badAnswer("there is no " + none.ElementName())
}
