package integration

import (
	"context"
	"encoding/json"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

func testConnection(ctx context.Context, x *execution) automation.Outcome {
	return x.commands().TestConnection(ctx)
}

// lastSearch is what a search hands down to the next one by the same schedule.
type lastSearch struct {
	LastCheckedInTo time.Time `json:"lastCheckedInTo"`
}

// checkInOverlap is by how much a search that goes on where the last one ended
// reaches back: platforms write check-ins some seconds after they happened.
const checkInOverlap = time.Minute

func searchCloudAgents(ctx context.Context, x *execution) automation.Outcome {
	v := x.call.Values
	in := automation.SearchInput{
		HostName: v.Text("hostName"), OS: v.Text("os"), Tag: v.Text("tag"), AfterID: v.Integer("afterId"), MaxRecords: int(v.Integer("maxRecords")),
	}
	from, to := v.Time("lastCheckedInFrom"), v.Time("lastCheckedInTo")
	if v.Boolean("sinceLastRun") && from.IsZero() {
		from = x.sinceLastSearch()
	}
	if !from.IsZero() {
		in.LastCheckedInFrom = from.UTC().Format(time.RFC3339)
	}
	handed := lastSearch{x.session.Now().UTC()}
	if !to.IsZero() {
		in.LastCheckedInTo = to.UTC().Format(time.RFC3339)
		handed.LastCheckedInTo = to
	}
	out, _ := x.commands().SearchCloudAgents(ctx, in)
	if out.State == automation.Successful {
		out.Passdown, _ = json.Marshal(handed) // a time that was read has a form
	}
	return out
}

// sinceLastSearch is where the last search by the same schedule ended, the zero
// time for none.
func (x *execution) sinceLastSearch() time.Time {
	var last lastSearch
	if json.Unmarshal(x.call.Passdown, &last) != nil || last.LastCheckedInTo.IsZero() {
		return time.Time{}
	}
	return last.LastCheckedInTo.Add(-checkInOverlap)
}

func getCloudAgent(ctx context.Context, x *execution) automation.Outcome {
	out, _ := x.commands().GetCloudAgent(ctx, x.call.Values.Integer("cloudAgentId"))
	return out
}

// act does something to the agents of the call, and goes on where it has stopped.
func (x *execution) act(ctx context.Context, action automation.AgentAction) automation.Outcome {
	return action.Run(ctx, idTexts(x.call.Values.IDs("cloudAgentIds")), x.state.Tally)
}

func activateModules(ctx context.Context, x *execution) automation.Outcome {
	modules, err := automation.ParseModules(x.call.Values.Texts("modules"))
	if err != nil {
		return x.fail(err)
	}
	return x.act(ctx, automation.Activation(x.session.Client, modules))
}

func deactivateModules(ctx context.Context, x *execution) automation.Outcome {
	modules, err := automation.ParseModules(x.call.Values.Texts("modules"))
	if err != nil {
		return x.fail(err)
	}
	return x.act(ctx, automation.Deactivation(x.session.Client, modules))
}

func uninstallCloudAgents(ctx context.Context, x *execution) automation.Outcome {
	return x.act(ctx, automation.Uninstallation(x.session.Client))
}

func tagCloudAgents(ctx context.Context, x *execution) automation.Outcome {
	return x.changeTags(ctx, "tagged", func(ids []int64) qps.TagAssignment { return qps.TagAssignment{Add: ids} })
}

func untagCloudAgents(ctx context.Context, x *execution) automation.Outcome {
	return x.changeTags(ctx, "untagged", func(ids []int64) qps.TagAssignment { return qps.TagAssignment{Remove: ids} })
}

// tags are named by id or by name.
func tags() kind[*qps.Tag] {
	return kind[*qps.Tag]{what: "tag", id: func(t *qps.Tag) int64 { return t.ID }}
}

func (x *execution) changeTags(ctx context.Context, done string, assignment func(ids []int64) qps.TagAssignment) automation.Outcome {
	var ids []int64
	for _, text := range x.call.Values.Texts("tags") {
		id, err := named(ctx, tags(), text, "Make the tag on the platform first, or check upper and lower case.", x.session.Client.Tags)
		if err != nil {
			return x.fail(err)
		}
		ids = append(ids, id)
	}
	return x.act(ctx, automation.Tagging(x.session.Client, x.command.DisplayName, done, assignment(ids)))
}
