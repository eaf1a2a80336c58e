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

	// Kept is what other applications of the Qualys platform read (remediation,
	// perimeter scans, app infos, …): JSON, stored and returned as it was sent.
	Kept []byte

	State     State
	AccountID string    // twelve digits, of the role or, after a run, of the credentials
	LastSync  time.Time // end of the last run that listed something
	NextSync  time.Time // zero while disabled or incomplete
	LastError string
	Created   time.Time
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
