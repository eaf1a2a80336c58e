package connector

import (
	"context"
	"errors"
	"time"
)

// RunJob is the kind of the job that carries out the run of the connector whose
// id it has.
const RunJob = "connector-run"

// Connectors is the storage Directory needs for connectors. What is wrong with a
// reference, to a tag or an authentication record, is fault.Invalid and named; a
// connector that does not exist fault.NotFound. Calls that change several change
// all of them or none.
type Connectors interface {
	// Connectors returns every connector in ascending order of id.
	Connectors(ctx context.Context) ([]Connector, error)
	// Connector returns one.
	Connector(ctx context.Context, id int64) (Connector, error)
	// CreateConnector stores what create makes and returns it as stored; create may
	// be called several times.
	CreateConnector(ctx context.Context, create func(Subscription) (Connector, error)) (Connector, error)
	// UpdateConnectors stores what change makes of each connector and returns them as
	// stored; change may be called several times. The run of a connector that
	// is Active no more is ended.
	UpdateConnectors(ctx context.Context, ids []int64, change func(Connector, Subscription) (Connector, error)) ([]Connector, error)
	// DeleteConnectors removes connectors with their runs. A run at work can store
	// nothing any more.
	DeleteConnectors(ctx context.Context, ids []int64) error
	// QueueRuns queues a run, with its job, for each of those that choose returns of
	// the connectors, unless it is Active. It returns the chosen ones as they are then.
	// Of many connectors choose gets some at a time, each time in a transaction of its
	// own: what was queued before an error stays queued.
	QueueRuns(ctx context.Context, ids []int64, by string, at time.Time, choose func([]Connector) ([]Connector, error)) ([]Connector, error)
	// ConnectorRuns returns the runs of a connector that are kept, newest first.
	ConnectorRuns(ctx context.Context, connectorID int64) ([]Run, error)
	// FailedRuns returns the runs of connectors that are kept and ended with an error,
	// those that ended last first, at most limit.
	FailedRuns(ctx context.Context, connectorIDs []int64, limit int) ([]Run, error)
}

// Accounts is the storage Directory needs for credentials and options.
type Accounts interface {
	// AuthRecords returns every authentication record in ascending order of id.
	AuthRecords(ctx context.Context) ([]AuthRecord, error)
	// CreateAuthRecord stores a record with its keys and returns it with its id.
	CreateAuthRecord(ctx context.Context, r AuthRecord, k Keys) (AuthRecord, error)
	// UpdateAuthRecords stores what change makes of each record, and new keys where
	// they are given; change may be called several times.
	UpdateAuthRecords(ctx context.Context, ids []int64, k Keys, change func(AuthRecord) AuthRecord) ([]AuthRecord, error)
	// DeleteAuthRecords removes records with their keys. One that a connector refers
	// to is fault.Conflict.
	DeleteAuthRecords(ctx context.Context, ids []int64) error

	// BaseAccounts returns the base accounts there are, at most one of a partition.
	BaseAccounts(ctx context.Context) ([]BaseAccount, error)
	// SetBaseAccount stores a base account in place of that of its partition.
	SetBaseAccount(ctx context.Context, a BaseAccount, k Keys) error
	// DeleteBaseAccount removes one. That of China is fault.Conflict while a
	// connector assumes a role there.
	DeleteBaseAccount(ctx context.Context, p Partition) error

	// PartitionOptions returns the options of the subscription.
	PartitionOptions(ctx context.Context) (Options, error)
	// SetPartitionOption switches the option of a partition other than the commercial
	// one. Off is fault.Conflict while an enabled connector lists it.
	SetPartitionOption(ctx context.Context, p Partition, on bool) error
}

// Schedule is the storage of what makes connectors run by themselves.
type Schedule interface {
	// QueueDue queues runs, with their jobs, of at most limit connectors that are due,
	// each in a transaction of its own, and returns how many it queued.
	QueueDue(ctx context.Context, at time.Time, limit int) (int, error)
	// ActiveRuns returns, in ascending order and at most limit, the ids greater than
	// after of connectors that have a run which is queued or at work: each needs a job.
	ActiveRuns(ctx context.Context, after int64, limit int) ([]int64, error)
	// GiveUpRun ends the active run of a connector, if it has one, as an ERROR with a
	// reason: its job failed for good. The connector is due again after its run
	// frequency.
	GiveUpRun(ctx context.Context, connectorID int64, at time.Time, reason string) error
}

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
	// Progress shows where the run stands, and that it is alive.
	Progress(ctx context.Context, r Run) error
	// FinishRun stores the result, of which Ended and State must be set, and sets
	// the connector's state, error and times.
	FinishRun(ctx context.Context, r Run) error
}
