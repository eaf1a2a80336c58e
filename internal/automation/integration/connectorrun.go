package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

// runConnectors asks for runs, and follows them to their end when the call waits.
func runConnectors(ctx context.Context, x *execution) automation.Outcome {
	if x.state.Watch != nil {
		var ids []int64
		if err := json.Unmarshal(x.state.Watch, &ids); err != nil {
			return x.fail(err)
		}
		return x.lookAtRuns(ctx, ids)
	}
	var ids []int64
	for _, text := range x.call.Values.Texts("connectors") {
		id, err := x.findConnector(ctx, text)
		if err != nil {
			return x.fail(err)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	queued, err := x.session.Client.RunAWSConnectors(ctx, ids...)
	if err != nil {
		return x.fail(err)
	}
	out := connectors().outcome(queued...)
	out.Errors = passedOver(x.command.Indicator, ids, queued)
	out.State = stateOf(len(queued), len(out.Errors))
	if x.call.Wait == nil || len(queued) == 0 {
		return out
	}
	x.state.Began, x.state.Done = x.session.Now(), &automation.Outcome{Errors: out.Errors}
	return x.awaitRuns(out.KeyFields[connectors().keyField], queued)
}

// passedOver describes connectors that were asked to run and will not: platforms
// pass over those that are disabled.
func passedOver(indicator string, ids []int64, queued []*qps.AwsAssetDataConnector) []automation.Error {
	var errs []automation.Error
	for _, id := range ids {
		if !slices.ContainsFunc(queued, func(c *qps.AwsAssetDataConnector) bool { return c.ID == id }) {
			errs = append(errs, automation.Error{
				Indicator: fmt.Sprintf("%s Connector ID %d does not run.", indicator, id), StatusCode: http.StatusConflict,
				Message: fmt.Sprintf("The platform passed over the connector with ID %d.", id), Resolution: "Check that it is there and not disabled.",
			})
		}
	}
	return errs
}

// stateOf is the state word of a command with a list.
func stateOf(good, bad int) automation.State {
	switch {
	case good == 0:
		return automation.Failed
	case bad > 0:
		return automation.PartiallySuccessful
	}
	return automation.Successful
}

// lookAtRuns looks once at the connectors that run.
func (x *execution) lookAtRuns(ctx context.Context, ids []int64) automation.Outcome {
	found, err := x.session.Client.AWSConnectors(ctx, qps.Criterion{Field: "id", Operator: qps.OpIn, Value: strings.Join(idTexts(ids), ",")})
	if err != nil {
		out := automation.FailureOf(x.command.Indicator, x.command.Permission, false, err)
		out.Errors = append(out.Errors, x.state.Done.Errors...)
		return out
	}
	return x.awaitRuns(ids, found)
}

// awaitRuns asks for another look at connectors, or says how their runs ended.
func (x *execution) awaitRuns(ids []int64, list []*qps.AwsAssetDataConnector) automation.Outcome {
	out := connectors().outcome(list...)
	out.Errors = slices.Clone(x.state.Done.Errors)
	var active []int64
	good := 0
	for _, id := range ids {
		i := slices.IndexFunc(list, func(c *qps.AwsAssetDataConnector) bool { return c.ID == id })
		if i < 0 {
			out.Errors = append(out.Errors, x.vanished(id))
			continue
		}
		switch c := list[i]; c.ConnectorState {
		case qps.ConnectorPending, qps.ConnectorQueued, qps.ConnectorRunning, qps.ConnectorProcessing:
			active = append(active, id)
		case qps.ConnectorFinishedSuccess, qps.ConnectorSuccess:
			good++
		default:
			if c.ConnectorState == qps.ConnectorFinishedErrors {
				good++ // some of its regions were listed
			}
			out.Errors = append(out.Errors, runError(x.command.Indicator, c))
		}
	}
	rest := x.timeLeft()
	if len(active) > 0 && rest > 0 {
		return x.lookLater(ids, active, rest, out)
	}
	if len(active) > 0 {
		out.Errors = append(out.Errors, automation.Error{
			Indicator:  fmt.Sprintf("%s Not known to be finished: Connector ID %s.", x.command.Indicator, strings.Join(idTexts(active), ", ")),
			StatusCode: http.StatusGatewayTimeout, Message: "The time to wait is over. The runs go on.",
		})
	}
	out.State = stateOf(good, len(out.Errors))
	return out
}

// lookLater asks for another look, not later than when the time to wait is over.
func (x *execution) lookLater(ids, active []int64, rest time.Duration, out automation.Outcome) automation.Outcome {
	stored, err := json.Marshal(ids)
	if err != nil {
		return x.fail(err)
	}
	x.state.Watch = stored
	interval := cmp.Or(x.call.Wait.Interval, DefaultWaitInterval)
	x.pause = &pause{min(interval, rest), fmt.Sprintf("Connectors that run: %d of %d.", len(active), len(ids))}
	return out
}

func (x *execution) vanished(id int64) automation.Error {
	return automation.Error{
		Indicator:  fmt.Sprintf("%s Failed to follow Connector ID %d.", x.command.Indicator, id),
		StatusCode: http.StatusNotFound, Message: fmt.Sprintf("There is no connector with ID %d any more.", id),
	}
}

func runError(indicator string, c *qps.AwsAssetDataConnector) automation.Error {
	message := "The run ended in the state " + c.ConnectorState + "."
	if c.LastError != "" {
		message = strings.TrimRight(c.LastError, ".") + "."
	}
	return automation.Error{
		Indicator:  fmt.Sprintf("%s Connector ID %d is %s.", indicator, c.ID, c.ConnectorState),
		StatusCode: http.StatusInternalServerError, Message: message,
	}
}
