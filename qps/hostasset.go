package qps

import "time"

// TypeHost is the asset type of hosts.
const TypeHost = "HOST"

// Values of HostAsset.TrackingMethod: of hosts that run an agent, and of machines
// that a connector found in a cloud.
const (
	TrackingAgent    = "QAGENT"
	TrackingInstance = "INSTANCE_ID"
)

// Values of AgentInfo.Status.
const (
	AgentActive   = "STATUS_ACTIVE"
	AgentInactive = "STATUS_INACTIVE"
)

// HostAsset is a host with everything the platform knows of it (Qualys Asset
// Management API, object hostasset). An agent is a host asset with AgentInfo;
// its id in URLs is ID, never AgentInfo.AgentID.
//
// Zero values mean "not known" and are not written, with these exceptions: ID
// and Name are always written, and so are the tags and sourceInfo collections.
// A host with an agent also always carries isDockerHost and every collection,
// empty ones as an empty list. Times are written in UTC to the second.
type HostAsset struct {
	ID       int64
	Name     string
	Created  time.Time
	Modified time.Time
	Type     string // TypeHost
	Tags     []TagSimple
	// Sources are the cloud sources. The empty AssetSource element, which
	// stands for the agent or scanner itself, is written first always and
	// not listed here.
	Sources                    []Source
	CriticalityScore           int64 // 1 to 5
	QWebHostID                 int64 // id in the vulnerability module; exceeds 2^31 in practice
	LastComplianceScan         time.Time
	LastVulnScan               time.Time
	VulnsUpdated               time.Time
	InformationGatheredUpdated time.Time
	LastSystemBoot             time.Time
	LastLoggedOnUser           string
	Domain                     string
	FQDN                       string
	OS                         string
	DNSHostName                string
	AgentInfo                  *AgentInfo // nil for hosts without an agent
	NetBIOSName                string
	NetBIOSNetworkID           string
	NetworkGUID                string
	Address                    string
	TrackingMethod             string
	Manufacturer               string
	Model                      string
	TotalMemory                int64  // MB
	Timezone                   string // "UTC" or an offset such as "-07:00"
	BIOSDescription            string // vendor, version and date
	OpenPorts                  []OpenPort
	Software                   []Software
	Vulns                      []Vuln
	Processors                 []Processor
	Volumes                    []Volume
	Accounts                   []Account
	NetworkInterfaces          []NetworkInterface
	IsDockerHost               bool
	DockerInfo                 *DockerInfo // nil unless the engine of a Docker host answered
	CloudProvider              string      // CloudAWS, …
}

// TagSimple refers to a tag by id and name.
type TagSimple struct {
	ID   int64
	Name string
}

// AgentInfo is what the platform knows of a host's agent.
type AgentInfo struct {
	AgentVersion  string // dotted, such as 5.6.0.12
	AgentID       string // UUID of the agent
	Status        string // AgentActive or AgentInactive
	LastCheckedIn time.Time
	ConnectedFrom string // address the platform saw
	Location      string // city, region, country
	// LocationGeoLatitude and LocationGeoLongitude are decimal degrees as
	// text. The wire name of the latter is misspelled,
	// locationGeoLongtitude; the correct spelling is read as well.
	LocationGeoLatitude  string
	LocationGeoLongitude string
	ChirpStatus          string // last agent event, such as "Inventory Scan Complete"
	Platform             string // Windows, Linux, MacOS
	// ActivatedModules are module tokens such as AGENT_VM, on the wire one
	// comma-separated string in this order. Tokens hold no comma.
	ActivatedModules []string
	// ManifestVersions are written in this order; a module occurs once.
	ManifestVersions   []ManifestVersion
	AgentConfiguration AgentConfiguration // not written when zero
	ActivationKey      ActivationKeyRef   // not written when zero
}

// ManifestVersion is the manifest one module of an agent holds. Module is the
// element name, lower case: vm, pc, sca.
type ManifestVersion struct {
	Module  string
	Version string
}

// AgentConfiguration refers to the configuration profile of an agent.
type AgentConfiguration struct {
	ID   int64
	Name string
}

// ActivationKeyRef refers to the activation key an agent was installed with.
type ActivationKeyRef struct {
	ActivationID string // UUID
	Title        string
}

// OpenPort is a listening port.
type OpenPort struct {
	Port        int64
	Protocol    string // TCP or UDP
	ServiceID   int64  // zero: unknown
	ServiceName string
}

// Software is an installed package.
type Software struct {
	Name    string
	Version string
}

// Vuln is a finding on a host.
type Vuln struct {
	QID                int64
	HostInstanceVulnID int64 // exceeds 2^31 in practice
	FirstFound         time.Time
	LastFound          time.Time
}

// Processor is a processor of a host; Speed is in MHz.
type Processor struct {
	Name  string
	Speed int64
}

// Volume is a mounted file system; Size and Free are bytes, Size may be zero.
type Volume struct {
	Name string
	Size int64
	Free int64
}

// Account is a local account of a host.
type Account struct {
	Username string
}

// NetworkInterface is one address of one interface. IPv6 addresses, also short
// ones, are written expanded, as fe80:0:0:0:0:0:0:1 and without a zone; readers
// get them as they are on the wire.
type NetworkInterface struct {
	Hostname       string
	InterfaceID    string
	InterfaceName  string
	MACAddress     string
	Type           string // PRIVATE or PUBLIC, only from cloud sources
	Address        string
	GatewayAddress string
}

// DockerInfo describes the container engine of a Docker host.
type DockerInfo struct {
	DockerVersion  string
	NoOfContainers int64
	NoOfImages     int64
}

// ElementName returns "HostAsset".
func (*HostAsset) ElementName() string { return "HostAsset" }
