package qpsclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const upgradesPath = "/automation/v1/upgrades"

// Upgrade is how the last upgrade of an agent ended.
type Upgrade struct {
	AssetID  int64     `json:"assetId"`
	HostName string    `json:"hostName"`
	Outcome  string    `json:"outcome"` // upgraded, rolled_back or failed
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	At       time.Time `json:"at"` // by the clock of the host
	Reported time.Time `json:"reported"`
}

// UpgradeQuery selects upgrades; zero values select everything.
type UpgradeQuery struct {
	Unsuccessful bool
	Limit        int   // at most so many; zero leaves it to the platform
	After        int64 // only of assets with a higher id
}

// Upgrades lists how upgrades of agents ended, in the order of their assets.
// Platforms without them give ErrNoAutomationAPI.
func (c *Client) Upgrades(ctx context.Context, q UpgradeQuery) ([]Upgrade, error) {
	v := url.Values{}
	if q.Unsuccessful {
		v.Set("unsuccessful", "true")
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.After != 0 {
		v.Set("after", strconv.FormatInt(q.After, 10))
	}
	var answer struct {
		Upgrades []Upgrade `json:"upgrades"`
	}
	in := call{method: http.MethodGet, path: upgradesPath, query: v.Encode(), accept: mediaJSON}
	if err := c.state(ctx, in, &answer); err != nil {
		return nil, fmt.Errorf("list upgrades: %w", noAutomationAPI(err))
	}
	return answer.Upgrades, nil
}
