package qpsclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const partitionsPath = "/automation/v1/aws/partitions"

// Partition is a part of AWS that shares no accounts with the others, and who
// assumes roles there.
type Partition struct {
	Partition    string       `json:"partition"` // by its name in ARNs: aws, aws-us-gov, aws-cn
	Name         string       `json:"name"`      // Global, US GovCloud, China
	Enabled      bool         `json:"enabled"`   // connectors may list it
	BaseAccount  *BaseAccount `json:"baseAccount,omitempty"`
	OwnAccountID string       `json:"ownAccountId,omitempty"` // of the platform's own credentials; empty when not known
}

// AssumingAccountID returns the account that assumes roles in the partition,
// which their trust policies have to name; empty when it is not known.
func (p Partition) AssumingAccountID() string {
	if p.BaseAccount != nil {
		return p.BaseAccount.AccountID
	}
	return p.OwnAccountID
}

// BaseAccount is an account that is set to assume the roles of a partition.
type BaseAccount struct {
	AccountID string    `json:"accountId"` // twelve digits
	Modified  time.Time `json:"modified"`
}

// NewBaseAccount is a base account with its keys. No formatting verb prints them.
type NewBaseAccount struct {
	AccountID   string `json:"accountId"`
	AccessKeyID string `json:"accessKeyId"`
	SecretKey   string `json:"secretKey"`
}

// Format writes the account alone, whatever the verb.
func (a NewBaseAccount) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(a.AccountID)) }

// Partitions returns the partitions of AWS that connectors may list. Platforms
// without an automation API, such as Qualys, give ErrNoAutomationAPI, here and
// below.
func (c *Client) Partitions(ctx context.Context) ([]Partition, error) {
	var answer struct {
		Partitions []Partition `json:"partitions"`
	}
	err := c.automation(ctx, "list partitions", http.MethodGet, partitionsPath, nil, &answer)
	return answer.Partitions, err
}

// EnablePartition lets connectors list a partition, or not, and returns it as it
// is then.
func (c *Client) EnablePartition(ctx context.Context, partition string, enabled bool) (Partition, error) {
	var answer Partition
	err := c.automation(ctx, "update partition "+partition, http.MethodPatch, partitionPath(partition), map[string]bool{"enabled": enabled}, &answer)
	return answer, err
}

// SetBaseAccount sets the account that assumes the roles of a partition, in place
// of the former one.
func (c *Client) SetBaseAccount(ctx context.Context, partition string, a NewBaseAccount) (Partition, error) {
	var answer Partition
	err := c.automation(ctx, "set base account of "+partition, http.MethodPut, partitionPath(partition)+"/base-account", a, &answer)
	return answer, err
}

// DeleteBaseAccount deletes the base account of a partition, and its keys.
func (c *Client) DeleteBaseAccount(ctx context.Context, partition string) error {
	return c.automation(ctx, "delete base account of "+partition, http.MethodDelete, partitionPath(partition)+"/base-account", nil, nil)
}

func partitionPath(partition string) string {
	return partitionsPath + "/" + url.PathEscape(partition)
}

// ConnectorRun is a run of a connector. Times that it has not reached are zero.
type ConnectorRun struct {
	ID          int64          `json:"id"`
	ConnectorID int64          `json:"connectorId"`
	State       string         `json:"state"`               // of connectorState
	StartedBy   string         `json:"startedBy,omitempty"` // empty when it was due
	Queued      time.Time      `json:"queued,omitzero"`
	Started     time.Time      `json:"started,omitzero"`
	Ended       time.Time      `json:"ended,omitzero"`
	Error       string         `json:"error,omitempty"`
	Regions     []RegionResult `json:"regions"` // by name
}

// RegionResult is what a run did in one region so far. What is not counted did
// not change.
type RegionResult struct {
	Region   string `json:"region"`
	Listed   int    `json:"listed"`   // instances AWS told
	Created  int    `json:"created"`  // new host assets
	Updated  int    `json:"updated"`  // changed ones
	Vanished int    `json:"vanished"` // not told any more
	Dropped  int    `json:"dropped"`  // could not be stored
	Complete bool   `json:"complete"` // listed to the end
	Error    string `json:"error,omitempty"`
}

// ConnectorRuns returns the runs of a connector, newest first, at most limit.
func (c *Client) ConnectorRuns(ctx context.Context, connectorID int64, limit int) ([]ConnectorRun, error) {
	path := fmt.Sprintf("/automation/v1/connectors/%d/runs", connectorID)
	var answer struct {
		Runs []ConnectorRun `json:"runs"`
	}
	in := call{method: http.MethodGet, path: path, query: "limit=" + strconv.Itoa(limit), accept: mediaJSON, maxBytes: accessBytes}
	if err := c.state(ctx, in, &answer); err != nil {
		return nil, fmt.Errorf("list runs of connector %d: %w", connectorID, noAutomationAPI(err))
	}
	return answer.Runs, nil
}

// InstanceState is a state that an EC2 instance was in.
type InstanceState struct {
	State string    `json:"state"` // such as RUNNING or TERMINATED
	Since time.Time `json:"since"` // when a run saw it first
}

// InstanceStates returns the states that the EC2 instance of a host asset was in,
// oldest first: none when it is no instance.
func (c *Client) InstanceStates(ctx context.Context, assetID int64) ([]InstanceState, error) {
	var answer struct {
		States []InstanceState `json:"states"`
	}
	what, path := fmt.Sprintf("list states of the instance of asset %d", assetID), fmt.Sprintf("/automation/v1/assets/%d/instance-states", assetID)
	err := c.automation(ctx, what, http.MethodGet, path, nil, &answer)
	return answer.States, err
}
