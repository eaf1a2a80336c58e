package agentwire

import "time"

// Paths of the agent endpoints below the platform's base URL. Fragment and
// commit paths carry the upload's digest, ScanStatePath the request's id.
const (
	PathProvision = "/agent/v1/provision"
	PathStatus    = "/agent/v1/status"
	PathWakeup    = "/agent/v1/wakeup"
	PathConfig    = "/agent/v1/config"
	PathManifest  = "/agent/v1/manifest"
	PathDemands   = "/agent/v1/demands"
	PathScans     = "/agent/v1/scans/"   // + id + "/state"
	PathUploads   = "/agent/v1/uploads/" // + digest [+ "/fragments" | "/commit"]
	PathUninstall = "/agent/v1/uninstall"
	// PathRevocation answers with nothing, unless the agent shall uninstall itself.
	PathRevocation = "/agent/v1/revocation"
)

// Paths below the base URL for a host that is not an agent yet; nothing there is
// signed. A package is asked for with the customer id as user and the activation
// key as password (RFC 7617).
const (
	PathAuthority = "/agent/v1/authority"  // certificate to trust, DER
	PathInstall   = "/agent/v1/install.sh" // what the install line runs
	PathPackages  = "/agent/v1/packages/"  // + system + "/" + machine
)

// ProvisionRequest asks the platform to register a host. It is signed with the
// key pair it brings: possession is proven, nothing else. The same public key
// always gets the same agent id, so a lost answer is asked for again safely.
type ProvisionRequest struct {
	ActivationID string `json:"activationId"` // the activation key, a UUID
	CustomerID   string `json:"customerId"`   // the subscription, a UUID
	PublicKey    []byte `json:"publicKey"`    // Ed25519, 32 bytes
	AgentVersion string `json:"agentVersion"`
	Host         Host   `json:"host"` // name, OS and platform are enough
}

// ProvisionAnswer makes the host an agent.
type ProvisionAnswer struct {
	AgentID string    `json:"agentId"` // UUID; the key id of every later request
	Root    []byte    `json:"root"`    // Ed25519 public key that the instruction key is signed with; pinned by the agent
	Time    time.Time `json:"time"`    // the platform's clock
}

// StatusRequest is the consolidated check-in: what the agent holds and does.
type StatusRequest struct {
	AgentVersion string `json:"v"`
	Profile      int64  `json:"p,omitempty"` // version of the applied profile; 0 for none
	Manifest     int64  `json:"m,omitempty"` // version of the stored manifest
	Demands      int64  `json:"d,omitempty"` // highest on-demand request recorded durably
	Event        string `json:"e,omitempty"` // last event, e.g. "Manifest Downloaded"
	// Run and Fingerprint tell apart machines that have come to share an identity.
	// Run is drawn anew whenever an agent starts and is never written to disk, so no
	// copy of a disk has it; Fingerprint is a digest of hardware facts, empty where
	// there are none to tell.
	Run         string `json:"r,omitempty"`
	Fingerprint string `json:"f,omitempty"`
	// Echo is that of the StatusAnswer before, in the same run. It proves that the run
	// lives beside others that came later.
	Echo string `json:"o,omitempty"`
	// Ahead is how many seconds the host's clock is ahead of the platform's, negative
	// when it is behind; 0 for less than a minute.
	Ahead int64 `json:"c,omitempty"`
	// Release is the version of the release metadata it holds, NoRelease for none;
	// 0 for an agent that is not to upgrade itself, which is told of none.
	Release int64 `json:"u,omitempty"`
}

// StatusAnswer names what differs from what the agent holds; the unchanged
// answer is "{}". A version is fetched from its endpoint.
type StatusAnswer struct {
	Profile  int64 `json:"p,omitempty"`
	Manifest int64 `json:"m,omitempty"`
	Demands  int64 `json:"d,omitempty"`
	Release  int64 `json:"u,omitempty"`
	// Echo shall be in the next StatusRequest of this run, which follows at once.
	Echo string `json:"o,omitempty"`
}

// Unchanged reports whether there is nothing to fetch and nothing to say.
func (a StatusAnswer) Unchanged() bool { return a == StatusAnswer{} }

// Events an agent reports in its status. They appear as chirpStatus in the API.
const (
	EventProvisioned  = "Provisioned"
	EventConfigured   = "Configuration Downloaded"
	EventManifest     = "Manifest Downloaded"
	EventScanning     = "Inventory Scan Started"
	EventScanComplete = "Inventory Scan Complete"
	EventUpgraded     = "Agent Downloaded"
	EventNotUpgraded  = "Agent Upgrade Failed"
)

// Profile is the configuration profile as an agent needs it.
type Profile struct {
	ID              int64             `json:"id"`
	Name            string            `json:"name"`
	SuspendScanning bool              `json:"suspendScanning,omitempty"`
	PreventUpdate   bool              `json:"preventUpdate,omitempty"`
	Performance     map[string]string `json:"performance"` // parameter key -> value, see package performance
	Blackout        []Blackout        `json:"blackout,omitempty"`
	// Schedules say when each module is scanned; one that is missing has
	// DefaultSchedule.
	Schedules map[Module]Schedule `json:"schedules,omitempty"`
}

// Blackout is one window of host-local hours, half-open [StartHour, EndHour).
// A window that crosses midnight belongs to the day on which it began.
type Blackout struct {
	StartHour int     `json:"startHour"` // 0..23
	EndHour   int     `json:"endHour"`   // 1..24; below StartHour it crosses midnight
	Days      [7]bool `json:"days"`      // by time.Weekday, Sunday first
}

// Manifest says what to collect for each activated module.
type Manifest struct {
	Name    string            `json:"name"` // e.g. "INVENTORY-1.0.0", shown as the manifest version in the API
	Modules map[Module]Recipe `json:"modules"`
}

// Recipe lists the collectors of one module by name.
type Recipe struct {
	Collectors []string `json:"collectors"`
}

// Demand is one on-demand scan request as delivered to its agent.
type Demand struct {
	ID          int64    `json:"id"`
	Type        ScanType `json:"type"`
	OverrideCPU bool     `json:"overrideCpu,omitempty"` // ignore the profile's CPU limits for this scan
}

// DemandList is the body of a demands instruction.
type DemandList struct {
	Demands []Demand `json:"demands"`
}

// Uninstall is the body of an uninstall instruction: the agent stops its work,
// removes everything local but its identity and confirms at PathUninstall.
type Uninstall struct {
	Ordered time.Time `json:"ordered"` // when an operator asked for it
}

// Clone is the body of a clone instruction: the identity belongs to another
// machine, and the one it is shared with takes an identity of its own. Only the
// run it names obeys: both machines have the agent id and the key it is for.
type Clone struct {
	Run string `json:"run"`
}

// UnknownAgent is the body of an unknown-agent instruction: the platform has no
// such agent, any more or yet. It answers one request and says nothing of others.
type UnknownAgent struct {
	Request string `json:"request"` // see RequestSignature.ID
}

// ScanState is a state an agent reports for an on-demand scan.
type ScanState string

// The states an agent may report; the platform sets the others itself.
const (
	ScanRunning  ScanState = "running"
	ScanRejected ScanState = "rejected"
	ScanFailed   ScanState = "failed"
)

// ScanReport reports the progress of an on-demand scan.
type ScanReport struct {
	State  ScanState `json:"state"`
	Reason string    `json:"reason,omitempty"` // for people; required when rejected or failed
}

// UploadStart announces an upload. It is idempotent by (agent, digest). With Data, a
// platform that does not have the upload takes it whole, as by a fragment and a
// commit, and its answer is that to the commit.
type UploadStart struct {
	Module Module  `json:"module"`
	Base   string  `json:"base,omitempty"`  // digest of the confirmed snapshot the delta applies to; empty for a baseline
	Result string  `json:"result"`          // digest of the snapshot it leads to
	Size   int64   `json:"size"`            // bytes of the compressed delta
	Scans  []int64 `json:"scans,omitempty"` // on-demand requests this scan answers
	Data   []byte  `json:"data,omitempty"`  // all of the compressed delta, where that is at most MaxStartData
}

// UploadState is where an upload stands.
type UploadState string

// The states of an upload; docs/states.md draws them.
const (
	UploadOpen      UploadState = "open"      // waiting for fragments from Offset on
	UploadCommitted UploadState = "committed" // applied and durable
	UploadStale     UploadState = "stale"     // its base is not what the platform holds: send a baseline
)

// UploadAnswer is the answer to start, fragment and commit alike.
type UploadAnswer struct {
	State     UploadState `json:"state"`
	Offset    int64       `json:"offset"`              // bytes the platform holds; send from here
	Confirmed string      `json:"confirmed,omitempty"` // digest of the snapshot the platform holds now
}

// Problem is the body of every answer outside 2xx.
type Problem struct {
	Code    string `json:"code"`    // stable word, see the Problem codes
	Message string `json:"message"` // for people
	// Instruction is what ProblemUninstall, ProblemCloned and ProblemUnknownAgent
	// stand for.
	Instruction *SignedInstruction `json:"instruction,omitempty"`
}

// Problem codes an agent acts on; any other is only logged.
const (
	ProblemUnknownAgent   = "unknown_agent"   // no such agent: it was removed, as the signed instruction that comes with it says
	ProblemUninstall      = "uninstall"       // obey the signed instruction that comes with it
	ProblemCloned         = "cloned"          // obey the signed instruction that comes with it
	ProblemBadSignature   = "bad_signature"   // never a reason to provision again
	ProblemClockSkew      = "clock_skew"      // correct the clock from the Date header and repeat
	ProblemReplayed       = "replayed"        // sequence already seen: take the next one and repeat
	ProblemKeyRefused     = "key_refused"     // activation key unknown, disabled, expired or used up
	ProblemOffsetMismatch = "offset_mismatch" // continue from the offset of a new start
	ProblemInvalid        = "invalid"
	ProblemTooLarge       = "too_large"
	ProblemBusy           = "busy"
	ProblemInternal       = "internal"
)
