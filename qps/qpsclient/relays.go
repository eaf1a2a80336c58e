package qpsclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// relaysPath is where a Vedette platform manages its relays.
const relaysPath = "/automation/v1/relays"

// Relay is a service in a closed network through which a platform reaches targets
// there. Version, Host and Addresses are its own word.
type Relay struct {
	ID           int64      `json:"id"`
	Name         string     `json:"name"`
	Description  string     `json:"description"`
	Site         *Reference `json:"site,omitempty"` // whose connections may use it; nil for those of every site
	Status       string     `json:"status"`         // registered, online, offline or revoked
	Version      string     `json:"version"`
	Host         string     `json:"host"`
	Addresses    []string   `json:"addresses"`
	Replicas     int        `json:"replicas"`          // of the platform that have a channel to it
	LastSeen     time.Time  `json:"lastSeen,omitzero"` // zero for never
	Created      time.Time  `json:"created"`
	TokenChanged time.Time  `json:"tokenChanged"`
}

// NewRelay is what a relay is made of. Site is a name or an id, empty for none.
type NewRelay struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Site        string `json:"site,omitempty"`
}

// RelayToken is a relay with its token, which can be had this once.
type RelayToken struct {
	Relay Relay  `json:"relay"`
	Token string `json:"token"`
}

// Relays lists the relays of a platform by name. Platforms that have none, such as
// Qualys, give ErrNoAutomationAPI, here and below.
func (c *Client) Relays(ctx context.Context) ([]Relay, error) {
	var answer struct {
		Relays []Relay `json:"relays"`
	}
	err := c.automation(ctx, "list relays", http.MethodGet, relaysPath, nil, &answer)
	return answer.Relays, err
}

// Relay returns one relay, by its name or id.
func (c *Client) Relay(ctx context.Context, reference string) (Relay, error) {
	var r Relay
	err := c.ofRelay(ctx, "read", reference, http.MethodGet, "", &r)
	return r, err
}

// RegisterRelay makes a relay and returns it with its token.
func (c *Client) RegisterRelay(ctx context.Context, n NewRelay) (RelayToken, error) {
	var made RelayToken
	err := c.automation(ctx, "register relay "+n.Name, http.MethodPost, relaysPath, n, &made)
	return made, err
}

// RotateRelay issues another token to a relay; the one before ends at once.
func (c *Client) RotateRelay(ctx context.Context, reference string) (RelayToken, error) {
	var issued RelayToken
	err := c.ofRelay(ctx, "rotate the token of", reference, http.MethodPost, "/token", &issued)
	return issued, err
}

// RevokeRelay ends the token of a relay, and with it every channel.
func (c *Client) RevokeRelay(ctx context.Context, reference string) (Relay, error) {
	var r Relay
	err := c.ofRelay(ctx, "revoke the token of", reference, http.MethodDelete, "/token", &r)
	return r, err
}

// DeleteRelay deletes a relay with its token and returns it as it was.
func (c *Client) DeleteRelay(ctx context.Context, reference string) (Relay, error) {
	var r Relay
	err := c.ofRelay(ctx, "delete", reference, http.MethodDelete, "", &r)
	return r, err
}

// ofRelay makes a call about a relay. Names that would make another path are no
// names of relays.
func (c *Client) ofRelay(ctx context.Context, act, reference, method, rest string, out any) error {
	if strings.Trim(reference, ".") == "" {
		return fmt.Errorf("%s relay: %q is not the name of a relay", act, reference)
	}
	return c.automation(ctx, act+" relay "+reference, method, relaysPath+"/"+url.PathEscape(reference)+rest, nil, out)
}
