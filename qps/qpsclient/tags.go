package qpsclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/qps"
)

// maxIDsPerCall bounds the ids of one bulk call: platforms take lists of a few
// hundred ids and answer with as many records.
const maxIDsPerCall = 500

// Tags returns the tags that meet all criteria, all tags without any, in
// ascending order of id. There are hundreds of them, rarely thousands.
func (c *Client) Tags(ctx context.Context, criteria ...qps.Criterion) ([]*qps.Tag, error) {
	tags, err := searchAll(ctx, c, smallSearch[*qps.Tag]{
		path: c.assetPath("search/am/tag"), criteria: criteria,
		id: func(t *qps.Tag) int64 { return t.ID },
	})
	if err != nil {
		return nil, fmt.Errorf("search tags: %w", err)
	}
	return tags, nil
}

// GetTag returns one tag by its id.
func (c *Client) GetTag(ctx context.Context, id int64) (*qps.Tag, error) {
	resp, err := c.envelope(ctx, get(c.assetPath("get/am/tag/"+strconv.FormatInt(id, 10))))
	if err == nil {
		var tag *qps.Tag
		if tag, err = c.answeredTag(resp); err == nil {
			return tag, nil
		}
	}
	return nil, fmt.Errorf("get tag %d: %w", id, err)
}

// CreateTag makes a tag with the children it names, and returns it. It is a
// write: after a *TransportError there may be one.
func (c *Client) CreateTag(ctx context.Context, change qps.TagChange) (*qps.Tag, error) {
	resp, err := c.envelope(ctx, c.assetWrite("create/am/tag", change.Node()))
	if err == nil {
		var tag *qps.Tag
		if tag, err = c.answeredTag(resp); err == nil {
			return tag, nil
		}
	}
	return nil, fmt.Errorf("create tag: %w", err)
}

func (c *Client) answeredTag(resp *qps.Response) (*qps.Tag, error) {
	for _, r := range resp.Records {
		if t, ok := r.(*qps.Tag); ok {
			return t, nil
		}
	}
	return nil, c.badAnswer("there is no Tag")
}

// UpdateTag changes a tag; what change does not say stays. The platform answers
// with no more of the tag than its id, so ask for it to see the result.
func (c *Client) UpdateTag(ctx context.Context, id int64, change qps.TagChange) error {
	if _, err := c.envelope(ctx, c.assetWrite("update/am/tag/"+strconv.FormatInt(id, 10), change.Node())); err != nil {
		return fmt.Errorf("update tag %d: %w", id, err)
	}
	return nil
}

// DeleteTags deletes tags in one call, all of them or none. There must be an id.
func (c *Client) DeleteTags(ctx context.Context, ids ...int64) error {
	if len(ids) == 0 {
		return errors.New("delete tags: at least one id is required")
	}
	if _, err := c.envelope(ctx, c.assetWrite("delete/am/tag", nil, idList(ids))); err != nil {
		return fmt.Errorf("delete tags: %w", err)
	}
	return nil
}

// AssignTags changes the tags of host assets by their ids and returns the ids of
// those that were changed: ids of which there is no asset are passed over.
// Several calls are made for many ids; those before an error have been made.
func (c *Client) AssignTags(ctx context.Context, assetIDs []int64, a qps.TagAssignment) ([]int64, error) {
	var changed []int64
	for chunk := range slices.Chunk(assetIDs, maxIDsPerCall) {
		resp, err := c.envelope(ctx, c.assetWrite("update/am/hostasset", a.Node(), idList(chunk)))
		if err != nil {
			return changed, fmt.Errorf("change tags of %d host assets: %w", len(chunk), err)
		}
		for _, r := range resp.Records {
			if h, ok := r.(*qps.HostAsset); ok {
				changed = append(changed, h.ID)
			}
		}
	}
	return changed, nil
}

// assetWrite describes a write of the Asset Management API; data may be nil.
func (c *Client) assetWrite(path string, data *qps.Node, criteria ...qps.Criterion) call {
	req := &qps.Request{Criteria: criteria}
	if data != nil {
		req.Data = &qps.Node{Name: "data", Children: []*qps.Node{data}}
	}
	in := post(c.assetPath(path), req)
	in.write = true
	return in
}

// assetPath returns the path of a call of the Asset Management API.
func (c *Client) assetPath(path string) string { return "/qps/rest/" + c.apiVersion + "/" + path }

func idList(ids []int64) qps.Criterion {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return qps.Criterion{Field: "id", Operator: qps.OpIn, Value: strings.Join(texts, ",")}
}
