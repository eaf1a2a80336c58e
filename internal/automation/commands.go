package automation

import (
	"context"
	"iter"
	"strconv"
	"time"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// Platform is what the commands need of a platform; *qpsclient.Client has it.
type Platform interface {
	CountHostAssets(ctx context.Context, criteria []qps.Criterion) (int64, error)
	SearchHostAssets(ctx context.Context, s qpsclient.HostAssetSearch) iter.Seq2[qpsclient.HostAssetPage, error]
	GetHostAsset(ctx context.Context, id int64) (*qps.HostAsset, error)
	LaunchOnDemandScan(ctx context.Context, l qpsclient.ScanLaunch) (qpsclient.ScanLaunched, error)
}

// Commands runs the commands against one platform. It is safe for concurrent
// use if the platform and the clock are.
type Commands struct {
	platform Platform
	now      func() time.Time
}

// NewCommands returns the commands for a platform. now is the clock that the
// default of Last Checked In Time To is read from.
func NewCommands(platform Platform, now func() time.Time) *Commands {
	return &Commands{platform: platform, now: now}
}

// cloudAgents selects the host assets that have an agent: every agent carries
// the system tag of this name.
func cloudAgents() qps.Criterion {
	return qps.Criterion{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud Agent"}
}

// TestConnection checks address, credentials and permission with the cheapest
// read that needs all of them, a count of the agents.
func (c *Commands) TestConnection(ctx context.Context) Outcome {
	count, err := c.platform.CountHostAssets(ctx, []qps.Criterion{cloudAgents()})
	if err != nil {
		return testConnection.failedRead(err)
	}
	return Outcome{
		State: Successful,
		Result: Table{
			Columns: []string{"RETURN DATA", "CLOUD AGENTS"},
			Rows:    [][]string{{string(Successful), strconv.FormatInt(count, 10)}},
		},
		RawData: qps.AppendRawData(nil, qps.NewCount(qps.SchemaHostAsset, count)),
	}
}

// GetCloudAgent returns one agent's host asset as raw data and as a table.
func (c *Commands) GetCloudAgent(ctx context.Context, id int64) (Outcome, *qps.HostAsset) {
	asset, err := c.platform.GetHostAsset(ctx, id)
	if err != nil {
		out := getAgent.failedRead(err)
		out.Errors[0].AgentIDs = []int64{id}
		return out, nil
	}
	return Outcome{
		State:       Successful,
		Result:      agentTable([]*qps.HostAsset{asset}),
		RawData:     qps.AppendRawData(nil, qps.NewResult(qps.SchemaHostAsset, asset)),
		ContextData: encoded(agentRecords([]*qps.HostAsset{asset})),
		KeyFields:   map[string][]int64{KeyAgentIDs: {asset.ID}},
	}, asset
}
