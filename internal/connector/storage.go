package connector

import (
	"context"
	"errors"
	"time"
)

// ErrSuperseded says that a run is not its connector's newest any more, or that
// the connector is gone: it must store nothing and end.
var ErrSuperseded = errors.New("the run was superseded")

// Runs is the storage Syncer needs. A run whose connector was deleted or begun
// anew gets ErrSuperseded from every call.
type Runs interface {
	// BeginRun makes the queued run of a connector RUNNING and returns it with the
	// connector and its credentials. A run that was cut off is begun anew
	// under a new number. ErrSuperseded: there is nothing to run.
	BeginRun(ctx context.Context, connectorID int64, at time.Time) (Run, Connector, Credentials, error)
	// AccountOpened notes whose account it is, and the regions of the run.
	AccountOpened(ctx context.Context, r Run, accountID string, regions []string) error
	// StoreInstances stores a page of one region in transactions of at most 50 ms,
	// each instance wholly or not at all: host asset, source, history,
	// default tags, modules, rules. What did not change is not written. It
	// adds up into result.
	StoreInstances(ctx context.Context, r Run, c Connector, page []Instance, result *RegionResult, at time.Time) error
	// MarkVanished marks as TERMINATED what is known of the account and region and not
	// among seen. Call it after a complete listing only.
	MarkVanished(ctx context.Context, r Run, accountID, region string, seen map[string]bool, result *RegionResult, at time.Time) error
	// Progress shows where the run stands.
	Progress(ctx context.Context, r Run) error
	// FinishRun stores the result and sets the connector's state, error and times.
	FinishRun(ctx context.Context, r Run) error
}
