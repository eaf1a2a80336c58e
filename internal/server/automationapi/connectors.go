package automationapi

import (
	"context"
	"fmt"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
)

// OwnAccounts says whose account the platform's own credentials open.
type OwnAccounts interface {
	// OwnAccount returns the twelve digits of the account in a partition, empty when
	// the platform has no credentials there. The first answer may take seconds.
	OwnAccount(ctx context.Context, p connector.Partition) string
}

// Instances is where it is noted how EC2 instances went on.
type Instances interface {
	// InstanceHistory returns the states of the instance of a host asset in scope,
	// oldest first, or fault.NotFound.
	InstanceHistory(ctx context.Context, scope fleet.Scope, hostID int64) ([]connector.StateChange, error)
}

// partitions are those that connectors can list, in the order in which they are
// shown.
var partitions = []connector.Partition{connector.Commercial, connector.GovCloud, connector.China}

// ListPartitions implements GET /automation/v1/aws/partitions.
func (a api) ListPartitions(ctx context.Context, _ ListPartitionsRequestObject) (ListPartitionsResponseObject, error) {
	scope := server.ScopeOf(ctx)
	options, err := a.Connectors.Options(ctx, scope)
	if err != nil {
		return nil, err
	}
	bases, err := a.Connectors.BaseAccounts(ctx, scope)
	if err != nil {
		return nil, err
	}
	answer := ListPartitions200JSONResponse{}
	for _, p := range partitions {
		answer.Partitions = append(answer.Partitions, a.partition(ctx, p, options, bases))
	}
	return answer, nil
}

func (a api) partition(ctx context.Context, p connector.Partition, options connector.Options, bases []connector.BaseAccount) Partition {
	shown := Partition{Partition: string(p), Name: p.Name(), Enabled: options.Allow(p)}
	for _, base := range bases {
		if base.Partition == p {
			shown.BaseAccount = &BaseAccount{AccountId: base.AccountID, Modified: wireTime(base.Modified)}
		}
	}
	if a.OwnAccounts != nil && p != connector.China { // there only a base account will do
		shown.OwnAccountId = known(a.OwnAccounts.OwnAccount(ctx, p))
	}
	return shown
}

// onePartition returns a partition as it is now.
func (a api) onePartition(ctx context.Context, p connector.Partition) (Partition, error) {
	scope := server.ScopeOf(ctx)
	options, err := a.Connectors.Options(ctx, scope)
	if err != nil {
		return Partition{}, err
	}
	bases, err := a.Connectors.BaseAccounts(ctx, scope)
	return a.partition(ctx, p, options, bases), err
}

// UpdatePartition implements PATCH /automation/v1/aws/partitions/{partition}.
func (a api) UpdatePartition(ctx context.Context, request UpdatePartitionRequestObject) (UpdatePartitionResponseObject, error) {
	p := connector.Partition(request.Partition)
	server.Describe(ctx, request.Partition, "")
	if request.Body.Enabled == nil {
		return nil, fault.New(fault.Invalid, "enabled: the member is missing.", "Specify true or false.")
	}
	if err := a.Connectors.SetOption(ctx, server.ScopeOf(ctx), p, *request.Body.Enabled); err != nil {
		return nil, err
	}
	server.Describe(ctx, request.Partition, fmt.Sprintf("enabled %t", *request.Body.Enabled))
	shown, err := a.onePartition(ctx, p)
	return UpdatePartition200JSONResponse(shown), err
}

// SetBaseAccount implements PUT /automation/v1/aws/partitions/{partition}/base-account.
func (a api) SetBaseAccount(ctx context.Context, request SetBaseAccountRequestObject) (SetBaseAccountResponseObject, error) {
	p, body := connector.Partition(request.Partition), request.Body
	server.Describe(ctx, request.Partition, "")
	keys := connector.Keys{AccessKeyID: body.AccessKeyID, SecretKey: body.SecretKey}
	if err := a.Connectors.SetBaseAccount(ctx, server.ScopeOf(ctx), p, body.AccountID, keys); err != nil {
		return nil, err
	}
	server.Describe(ctx, request.Partition, "account "+body.AccountID)
	shown, err := a.onePartition(ctx, p)
	return SetBaseAccount200JSONResponse(shown), err
}

// DeleteBaseAccount implements DELETE /automation/v1/aws/partitions/{partition}/base-account.
func (a api) DeleteBaseAccount(ctx context.Context, request DeleteBaseAccountRequestObject) (DeleteBaseAccountResponseObject, error) {
	server.Describe(ctx, request.Partition, "")
	return DeleteBaseAccount204Response{}, a.Connectors.DeleteBaseAccount(ctx, server.ScopeOf(ctx), connector.Partition(request.Partition))
}

// ListConnectorRuns implements GET /automation/v1/connectors/{id}/runs.
func (a api) ListConnectorRuns(ctx context.Context, request ListConnectorRunsRequestObject) (ListConnectorRunsResponseObject, error) {
	limit := defaultPage
	if request.Params.Limit != nil {
		if limit = int(*request.Params.Limit); limit < 1 || limit > maxPage {
			return nil, invalid("limit", fmt.Sprint(limit), fmt.Sprintf("an integer from 1 to %d", maxPage))
		}
	}
	runs, err := a.Connectors.Runs(ctx, server.ScopeOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	runs = runs[:min(limit, len(runs))]
	answer := ListConnectorRuns200JSONResponse{Runs: make([]ConnectorRun, len(runs))}
	for i := range runs {
		answer.Runs[i] = runOf(&runs[i])
	}
	return answer, nil
}

func runOf(r *connector.Run) ConnectorRun {
	run := ConnectorRun{
		Id: r.ID, ConnectorId: r.ConnectorID, State: string(r.State), StartedBy: known(r.StartedBy), Queued: wireTime(r.Queued),
		Started: reached(r.Started), Ended: reached(r.Ended), Error: known(r.Error), Regions: make([]RegionResult, len(r.Regions)),
	}
	for i, region := range r.Regions {
		run.Regions[i] = RegionResult{
			Region: region.Region, Listed: region.Listed, Created: region.Created, Updated: region.Updated, Vanished: region.Vanished,
			Dropped: region.Dropped, Complete: region.Complete, Error: known(region.Error),
		}
	}
	return run
}

// ListInstanceStates implements GET /automation/v1/assets/{id}/instance-states.
func (a api) ListInstanceStates(ctx context.Context, request ListInstanceStatesRequestObject) (ListInstanceStatesResponseObject, error) {
	history, err := a.Instances.InstanceHistory(ctx, server.ScopeOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	answer := ListInstanceStates200JSONResponse{States: make([]InstanceState, len(history))}
	for i, change := range history {
		answer.States[i] = InstanceState{State: change.State, Since: wireTime(change.Since)}
	}
	return answer, nil
}
