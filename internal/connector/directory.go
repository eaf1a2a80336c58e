package connector

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// Directory manages connectors, authentication records, base accounts and the
// options of the subscription. It is safe for concurrent use.
//
// All of it is for managers (Qualys Connectors API, permissions): a caller whose
// scope is limited gets fault.Forbidden, since connectors create assets of any
// tags and their keys open whole accounts.
type Directory struct {
	Connectors Connectors
	Accounts   Accounts
	Now        func() time.Time
}

// now is cut to the second, as what clients read.
func (d *Directory) now() time.Time { return d.Now().UTC().Truncate(time.Second) }

// managed refuses callers who are no managers.
func managed(scope fleet.Scope) error {
	if scope.All {
		return nil
	}
	return fault.New(fault.Forbidden, "Connectors are for managers, and your scope is limited to tags.", "Ask a manager.")
}

// Search returns the connectors that meet all criteria, in ascending order of id;
// all of them without criteria.
func (d *Directory) Search(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]Connector, error) {
	if err := managed(scope); err != nil {
		return nil, err
	}
	all, err := d.Connectors.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	return matching(connectorSchema, all, criteria)
}

// Get returns one connector, or fault.NotFound.
func (d *Directory) Get(ctx context.Context, scope fleet.Scope, id int64) (Connector, error) {
	if err := managed(scope); err != nil {
		return Connector{}, err
	}
	return d.Connectors.Connector(ctx, id)
}

// Create makes a connector. It is due at once; what is wrong with it is
// fault.Invalid.
func (d *Directory) Create(ctx context.Context, scope fleet.Scope, change qps.AwsAssetDataConnectorChange) (Connector, error) {
	if err := managed(scope); err != nil {
		return Connector{}, err
	}
	return d.Connectors.CreateConnector(ctx, func(s Subscription) (Connector, error) {
		return changed(Connector{}, change, s, d.now())
	})
}

// Update changes a connector; what the change does not say stays.
func (d *Directory) Update(ctx context.Context, scope fleet.Scope, id int64, change qps.AwsAssetDataConnectorChange) (Connector, error) {
	if err := managed(scope); err != nil {
		return Connector{}, err
	}
	updated, err := d.update(ctx, []int64{id}, change)
	if err != nil {
		return Connector{}, err
	}
	return updated[0], nil
}

// UpdateMatching changes all connectors that meet the criteria, or none when one
// cannot be changed so.
func (d *Directory) UpdateMatching(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion, change qps.AwsAssetDataConnectorChange) ([]Connector, error) {
	selected, err := d.selected(ctx, scope, criteria, "update connectors")
	if err != nil || len(selected) == 0 {
		return nil, err
	}
	return d.update(ctx, ids(selected), change)
}

func (d *Directory) update(ctx context.Context, ids []int64, change qps.AwsAssetDataConnectorChange) ([]Connector, error) {
	return d.Connectors.UpdateConnectors(ctx, ids, func(c Connector, s Subscription) (Connector, error) {
		after, err := changed(c, change, s, d.now())
		if refused, ok := errors.AsType[*fault.Error](err); ok && len(ids) > 1 {
			err = fault.New(refused.Code, fmt.Sprintf("Connector %d: %s", c.ID, refused.Message), refused.Resolution)
		}
		return after, err
	})
}

// Delete removes a connector, or is fault.NotFound. The assets it has found stay.
func (d *Directory) Delete(ctx context.Context, scope fleet.Scope, id int64) error {
	if err := managed(scope); err != nil {
		return err
	}
	return d.Connectors.DeleteConnectors(ctx, []int64{id})
}

// DeleteMatching removes all connectors that meet the criteria and returns them.
func (d *Directory) DeleteMatching(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]Connector, error) {
	selected, err := d.selected(ctx, scope, criteria, "delete connectors")
	if err != nil || len(selected) == 0 {
		return nil, err
	}
	return selected, d.Connectors.DeleteConnectors(ctx, ids(selected))
}

// Run asks for a run of a connector, by a user, and returns it at once in the
// state it has then. A run that is queued or at work is joined. A connector that
// is disabled or incomplete is fault.Conflict.
func (d *Directory) Run(ctx context.Context, scope fleet.Scope, id int64, by string) (Connector, error) {
	if err := managed(scope); err != nil {
		return Connector{}, err
	}
	queued, err := d.Connectors.QueueRuns(ctx, []int64{id}, by, d.now(), runnable)
	if err != nil {
		return Connector{}, err
	}
	return queued[0], nil
}

// RunMatching asks for a run of all connectors that meet the criteria and can run
// and returns these; when there are some and none can run, it is fault.Conflict
// (Qualys Connectors API, run).
func (d *Directory) RunMatching(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion, by string) ([]Connector, error) {
	selected, err := d.selected(ctx, scope, criteria, "run connectors")
	if err != nil || len(selected) == 0 {
		return nil, err
	}
	can, err := runnable(selected)
	if err != nil {
		return nil, err
	}
	// One that was disabled meanwhile is left out.
	return d.Connectors.QueueRuns(ctx, ids(can), by, d.now(), func(some []Connector) ([]Connector, error) { return able(some), nil })
}

// able returns the connectors that can run.
func able(all []Connector) []Connector {
	var can []Connector
	for _, c := range all {
		if !c.Disabled && c.Complete() {
			can = append(can, c)
		}
	}
	return can
}

// runnable is able, with an error when there is none.
func runnable(all []Connector) ([]Connector, error) {
	can := able(all)
	switch {
	case len(can) > 0:
		return can, nil
	case len(all) > 1:
		return nil, fault.New(fault.Conflict, fmt.Sprintf("None of the %d connectors can run: they are disabled or have no way to authenticate.", len(all)),
			"Set disabled to false, or specify arn and externalId, or authRecord.")
	case all[0].Disabled:
		return nil, fault.New(fault.Conflict, fmt.Sprintf("Connector %d is disabled.", all[0].ID), "Set disabled to false first.")
	}
	return nil, fault.New(fault.Conflict, fmt.Sprintf("Connector %d has no way to authenticate.", all[0].ID), "Specify arn and externalId, or authRecord.")
}

// maxFailedRuns is of how many runs Errors tells: a run has up to MaxRegions errors.
const maxFailedRuns = 1000

// RunError is something that went wrong in a run.
type RunError struct {
	ConnectorID int64
	RunID       int64
	Region      string // empty when it was not of one region
	Message     string
	Created     time.Time
}

// Errors returns what went wrong in the last 1,000 runs with errors that are kept
// of the connectors that meet the criteria, which are on id, newest first.
func (d *Directory) Errors(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion) ([]RunError, error) {
	if err := managed(scope); err != nil {
		return nil, err
	}
	all, err := d.Connectors.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	selected, err := matching(errorSchema, all, criteria)
	if err != nil || len(selected) == 0 {
		return nil, err
	}
	runs, err := d.Connectors.FailedRuns(ctx, ids(selected), maxFailedRuns)
	if err != nil {
		return nil, err
	}
	var found []RunError
	for i := range runs {
		found = append(found, runs[i].errors()...)
	}
	slices.SortStableFunc(found, func(a, b RunError) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(b.RunID, a.RunID)) })
	return found, nil
}

// errors returns what went wrong in each region, or in the run as a whole where
// no region says more.
func (r *Run) errors() []RunError {
	var found []RunError
	for _, region := range r.Regions {
		if region.Error != "" {
			found = append(found, RunError{r.ConnectorID, r.ID, region.Region, region.Error, r.Ended})
		}
	}
	if len(found) == 0 && r.Error != "" {
		found = append(found, RunError{r.ConnectorID, r.ID, "", r.Error, r.Ended})
	}
	return found
}

// Runs returns the runs of a connector that are kept, newest first, or
// fault.NotFound.
func (d *Directory) Runs(ctx context.Context, scope fleet.Scope, id int64) ([]Run, error) {
	if _, err := d.Get(ctx, scope, id); err != nil {
		return nil, err
	}
	return d.Connectors.ConnectorRuns(ctx, id)
}

// selected returns the connectors that a call which changes them is about.
func (d *Directory) selected(ctx context.Context, scope fleet.Scope, criteria []qps.Criterion, what string) ([]Connector, error) {
	if err := managed(scope); err != nil {
		return nil, err
	}
	if err := checkSelection(criteria, what); err != nil {
		return nil, err
	}
	return d.Search(ctx, scope, criteria)
}

func ids(connectors []Connector) []int64 {
	list := make([]int64, len(connectors))
	for i := range connectors {
		list[i] = connectors[i].ID
	}
	return list
}
