package qpsclient

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
)

func keyPageOf(more bool, ids ...int64) http.HandlerFunc {
	records := make([]qps.Record, len(ids))
	for i, id := range ids {
		records[i] = &qps.AgentActKey{ID: id, Type: "UNLIMITED"}
	}
	return envelope(200, qps.NewPage(qps.SchemaAgentActKey, records, more, 0))
}

func TestActivationKeysFollowThePages(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, keyPageOf(true, 2, 1), keyPageOf(false, 2, 7))
	c, _ := newClient(t, p.URL)
	keys, err := c.ActivationKeys(t.Context(), qps.Criterion{Field: "isDisabled", Operator: qps.OpEquals, Value: "false"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	if diff := cmp.Diff([]int64{1, 2, 7}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i, want := range []string{`operator="EQUALS">false<`, `field="id" operator="GREATER">2<`} {
		if r := p.requests[i]; r.uri != "/qps/rest/1.0/search/ca/agentactkey" || !strings.Contains(r.body, want) {
			t.Errorf("request %d is %s %s, want %s", i, r.uri, r.body, want)
		}
	}
}

func TestActivationKeyPagesThatDoNotEndAreAnError(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, keyPageOf(true, 1))
	c, _ := newClient(t, p.URL)
	if keys, err := c.ActivationKeys(t.Context()); err == nil || len(p.requests) != 2 {
		t.Errorf("got %d keys and %v after %d requests", len(keys), err, len(p.requests))
	}
}

func TestActivationKeyCallsSayWhatIsMeant(t *testing.T) {
	t.Parallel()
	const uuid = "5d2f0000-0000-4000-8000-00000000b002"
	for _, tc := range []struct {
		name string
		call func(c *Client) error
		uri  string
		body []string
	}{
		{"get", func(c *Client) error { _, err := c.GetActivationKey(t.Context(), 4402); return err }, "GET /qps/rest/1.0/get/ca/agentactkey/4402", nil},
		{"create", func(c *Client) error {
			key, err := c.CreateActivationKey(t.Context(), qps.AgentActKeyChange{Type: new("UNLIMITED"), Licenses: qps.CollectionChange[string]{Set: []string{"FIM"}}})
			if err == nil && key.ActivationKey != uuid {
				t.Errorf("got key %+v", key)
			}
			return err
		}, "POST /qps/rest/1.0/create/ca/agentactkey", []string{"<type>UNLIMITED</type>", "<license>FIM</license>"}},
		{"update", func(c *Client) error {
			return c.UpdateActivationKey(t.Context(), 4402, qps.AgentActKeyChange{IsDisabled: new(true)})
		}, "POST /qps/rest/1.0/update/ca/agentactkey/4402", []string{"<id>4402</id>", "<isDisabled>true</isDisabled>"}},
		{"delete", func(c *Client) error { return c.DeleteActivationKey(t.Context(), 4402) }, "POST /qps/rest/1.0/delete/ca/agentactkey/4402", nil},
		{"change", func(c *Client) error {
			changed, err := c.ChangeActivationKey(t.Context(), uuid, qps.Criterion{Field: "tagName", Operator: qps.OpEquals, Value: "Edge"})
			if err == nil && changed != (KeyChanged{Count: 1, HasCount: true}) {
				t.Errorf("got %+v", changed)
			}
			return err
		}, "POST /qps/rest/1.0/cak/ca/changeactkey", []string{"<newActivationKey>" + uuid + "</newActivationKey>", `<Criteria field="tagName" operator="EQUALS">Edge</Criteria>`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, envelope(200, qps.NewResult(qps.SchemaAgentActKey, &qps.AgentActKey{ID: 4402, ActivationKey: uuid})))
			c, _ := newClient(t, p.URL)
			if err := tc.call(c); err != nil {
				t.Fatal(err)
			}
			r := p.requests[0]
			if got := r.method + " " + r.uri; got != tc.uri {
				t.Errorf("called %s, want %s", got, tc.uri)
			}
			for _, want := range tc.body {
				if !strings.Contains(r.body, want) {
					t.Errorf("sent %s, want %s in it", r.body, want)
				}
			}
			refusing := newPlatform(t, refusal(200, qps.CodeNotFound, "There is no activation key 4402.", "List the keys."))
			c, _ = newClient(t, refusing.URL)
			if err := tc.call(c); err == nil || !strings.Contains(err.Error(), "activation key 4402.") {
				t.Errorf("refused, the call returned %v", err)
			}
		})
	}
}

func TestActivationKeyWritesAreNotRepeatedInDoubt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, answer(502, ""))
	c, _ := newClient(t, p.URL)
	if _, err := c.CreateActivationKey(t.Context(), qps.AgentActKeyChange{}); err == nil || len(p.requests) != 1 {
		t.Errorf("a create that may have acted was sent %d times: %v", len(p.requests), err)
	}
	if _, err := c.ChangeActivationKey(t.Context(), "x"); err == nil || len(p.requests) != 1 {
		t.Errorf("a change without a criterion was sent: %v", err)
	}
}
