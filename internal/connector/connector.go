package connector

import (
	"time"

	"vedette.dev/vedette/qps"
)

// State is where a connector stands, the words of connectorState. docs/states.md
// draws the transitions.
type State string

// The states. SUCCESS, which Qualys lists too, is accepted in searches and never
// produced.
const (
	Pending          State = "PENDING"          // created or changed, no run asked for since
	Queued           State = "QUEUED"           // a run is asked for or due
	Running          State = "RUNNING"          // AWS is being listed
	Processing       State = "PROCESSING"       // what is listed is being stored
	FinishedSuccess  State = "FINISHED_SUCCESS" // every region was listed and stored
	FinishedErrors   State = "FINISHED_ERRORS"  // some regions were, others failed: see LastError
	Failed           State = "ERROR"            // nothing could be listed: see LastError
	DisabledState    State = "DISABLED"         // switched off
	Incomplete       State = "INCOMPLETE"       // no way to authenticate
	SuccessForSearch State = "SUCCESS"          // of other platforms
)

// Connector lists the EC2 instances of one AWS account, or of what its
// credentials can see, in one partition.
type Connector struct {
	ID          int64
	Name        string
	Description string
	Partition   Partition

	// Either a role to assume, with the external id its trust policy asks for, or
	// an authentication record with access keys; neither makes the connector
	// incomplete.
	RoleARN      string
	ExternalID   string
	AuthRecordID int64

	AllRegions bool
	Regions    []string // sorted; ignored with AllRegions

	Disabled     bool
	RunFrequency time.Duration // whole minutes, 1 to 24 hours

	DefaultTags []qps.TagSimple // put on every asset found
	Modules     []string        // activated on every instance found, words of the API: VM, PC, …; sorted

	Kept Kept

	State     State
	AccountID string    // twelve digits, of the role or, after a run, of the credentials
	LastSync  time.Time // end of the last run that listed something
	NextSync  time.Time // when it is due; zero while disabled, incomplete or with a run that nothing follows
	LastError string    // why the last run did not succeed; empty when it did
	Created   time.Time
	Modified  time.Time
}

// Kept is what other applications of the Qualys platform read. It is stored and
// returned as it was sent, and moves nothing here.
type Kept struct {
	RemediationEnabled *bool                            `json:"remediationEnabled,omitempty"`
	CPSEnabled         *bool                            `json:"cpsEnabled,omitempty"` // cloud perimeter scan
	UseForCloudView    *bool                            `json:"useForCloudView,omitempty"`
	AppInfos           []qps.ConnectorAppInfo           `json:"appInfos,omitempty"`
	ScanSetting        *qps.ConnectorScanSetting        `json:"scanSetting,omitempty"`
	ScanConfig         []qps.ConnectorScanConfiguration `json:"scanConfig,omitempty"`
}

// Active reports whether a connector in this state has a run that is queued or at
// work.
func (s State) Active() bool { return s == Queued || s == Running || s == Processing }

// Complete reports whether the connector has a way to authenticate: a role with
// an external id, or an authentication record.
func (c Connector) Complete() bool {
	return c.AuthRecordID != 0 || (c.RoleARN != "" && c.ExternalID != "")
}

// BaseAccount is the account whose keys assume the roles of a partition, in place
// of the platform's own credentials. Trust policies name it. The keys leave the
// storage for a run only; see Credentials.
type BaseAccount struct {
	Partition Partition
	AccountID string // twelve digits
	Modified  time.Time
}

// AuthRecord is a pair of access keys. The keys leave the storage for a run
// only; see Credentials.
type AuthRecord struct {
	ID          int64
	Name        string
	Description string
	Created     time.Time
	Modified    time.Time
}

// Run is one run of a connector. Its number is never used again and fences: a
// run that is not its connector's newest any more can store nothing.
type Run struct {
	ID          int64
	ConnectorID int64
	StartedBy   string // username, empty when the run was due
	Queued      time.Time
	Started     time.Time
	Ended       time.Time // zero while it runs
	State       State
	Error       string
	Regions     []RegionResult // sorted by region
}

// RegionResult is what a run did in one region. What is not counted there did not
// change.
type RegionResult struct {
	Region   string `json:"region"`
	Listed   int    `json:"listed"`   // instances AWS told
	Created  int    `json:"created"`  // new host assets
	Updated  int    `json:"updated"`  // changed ones
	Vanished int    `json:"vanished"` // not told any more, marked TERMINATED
	Dropped  int    `json:"dropped"`  // could not be stored; Error says the first
	Complete bool   `json:"complete"` // listed to the end
	Error    string `json:"error,omitempty"`
}
