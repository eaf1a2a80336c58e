package qpsclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPartitionsAndRunsAreAskedOfTheAutomationAPI(t *testing.T) {
	t.Parallel()
	const gov = `{"partition":"aws-us-gov","name":"US GovCloud","enabled":true,"ownAccountId":"000011112222","baseAccount":{"accountId":"012345678901","modified":"2031-04-01T06:00:00Z"}}`
	at := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	want := Partition{Partition: "aws-us-gov", Name: "US GovCloud", Enabled: true, OwnAccountID: "000011112222", BaseAccount: &BaseAccount{"012345678901", at}}
	for _, tt := range []struct {
		name, sent, answered string
		act                  func(ctx context.Context, c *Client) (any, error)
		want                 any
	}{
		{"list", "GET /automation/v1/aws/partitions ", `{"partitions":[` + gov + `]}`, func(ctx context.Context, c *Client) (any, error) { return c.Partitions(ctx) }, []Partition{want}},
		{"enable", `PATCH /automation/v1/aws/partitions/aws-us-gov {"enabled":true}`, gov, func(ctx context.Context, c *Client) (any, error) { return c.EnablePartition(ctx, "aws-us-gov", true) }, want},
		{"set", `PUT /automation/v1/aws/partitions/a%2Fb/base-account {"accountId":"1","accessKeyId":"2","secretKey":"3"}`, gov,
			func(ctx context.Context, c *Client) (any, error) {
				return c.SetBaseAccount(ctx, "a/b", NewBaseAccount{"1", "2", "3"})
			}, want},
		{"runs", "GET /automation/v1/connectors/7/runs?limit=1 ", `{"runs":[{"id":9,"connectorId":7,"state":"RUNNING","queued":"2031-04-01T06:00:00Z","regions":[{"region":"eu-west-1","listed":3}]}]}`,
			func(ctx context.Context, c *Client) (any, error) { return c.ConnectorRuns(ctx, 7, 1) },
			[]ConnectorRun{{ID: 9, ConnectorID: 7, State: "RUNNING", Queued: at, Regions: []RegionResult{{Region: "eu-west-1", Listed: 3}}}}},
		{"states", "GET /automation/v1/assets/7/instance-states ", `{"states":[{"state":"RUNNING","since":"2031-04-01T06:00:00Z"}]}`,
			func(ctx context.Context, c *Client) (any, error) { return c.InstanceStates(ctx, 7) }, []InstanceState{{"RUNNING", at}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, said(200, tt.answered), answer(404, ""))
			c, _ := newClient(t, p.URL)
			got, err := tt.act(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			sent := p.received()[0]
			if diff := cmp.Diff(tt.sent, fmt.Sprintf("%s %s %s", sent.method, sent.uri, sent.body)); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
			if _, err := tt.act(t.Context(), c); !errors.Is(err, ErrNoAutomationAPI) {
				t.Errorf("a platform without partitions: %v, want ErrNoAutomationAPI", err)
			}
		})
	}
}

func TestKeysOfABaseAccountAreNotPrinted(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if shown := fmt.Sprintf(verb, NewBaseAccount{"012345678901", "AKIA", "secret"}); strings.Contains(shown, "secret") || strings.Contains(shown, "AKIA") || strings.Contains(shown, "736563726574") {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	if got := (Partition{OwnAccountID: "1"}).AssumingAccountID() + (Partition{OwnAccountID: "1", BaseAccount: &BaseAccount{AccountID: "2"}}).AssumingAccountID(); got != "12" {
		t.Errorf("accounts %s, want the platform's own without a base account, and else that", got)
	}
}
