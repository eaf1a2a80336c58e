package integration

import (
	"context"
	"strconv"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

// operation is what a command does.
type operation func(ctx context.Context, x *execution) automation.Outcome

// operations are the functions of all commands.
func operations() map[string]operation {
	return map[string]operation{
		"test-connection":        testConnection,
		"search-cloud-agents":    searchCloudAgents,
		"launch-on-demand-scans": launchOnDemandScans,
	}
}

func (x *execution) commands() *automation.Commands {
	return automation.NewCommands(x.session.Client, x.session.Now)
}

func testConnection(ctx context.Context, x *execution) automation.Outcome {
	return x.commands().TestConnection(ctx)
}

func searchCloudAgents(ctx context.Context, x *execution) automation.Outcome {
	v := x.call.Values
	in := automation.SearchInput{HostName: v.Text("hostName"), OS: v.Text("os")}
	if from := v.Time("lastCheckedInFrom"); !from.IsZero() {
		in.LastCheckedInFrom = qps.FormatTime(from)
	}
	if to := v.Time("lastCheckedInTo"); !to.IsZero() {
		in.LastCheckedInTo = qps.FormatTime(to)
	}
	out, _ := x.commands().SearchCloudAgents(ctx, in)
	return out
}

func launchOnDemandScans(ctx context.Context, x *execution) automation.Outcome {
	v := x.call.Values
	var ids []string
	for _, id := range v.IDs("cloudAgentIds") {
		ids = append(ids, strconv.FormatInt(id, 10))
	}
	return x.commands().LaunchOnDemandScans(ctx, automation.LaunchInput{
		CloudAgentIDs: ids, ScanType: v.Text("scanType"), OverrideCPUThrottleLimits: v.Boolean("overrideCpuThrottleLimits"),
	})
}
