package qps

import "time"

// Source is what a cloud says of an asset: *EC2Source, *AzureSource, *GCPSource
// or *UnknownSource.
type Source interface {
	sourceElement() string
	writeTo(s sink)
}

// Element names and type words of the sources.
const (
	plainSourceElement = "AssetSource"
	ec2SourceElement   = "Ec2AssetSourceSimple"
	azureSourceElement = "AzureAssetSourceSimple"
	gcpSourceElement   = "GcpAssetSourceSimple"
	ec2SourceType      = "EC_2"
	azureSourceType    = "AZURE"
	gcpSourceType      = "GCP"
)

// CloudTag is a key and value that the cloud's owner gave to a machine.
type CloudTag struct {
	Key   string
	Value string
}

// Values of EC2Source.InstanceState: the states of EC2 in upper case, with an
// underscore for the hyphen.
const (
	InstancePending      = "PENDING"
	InstanceRunning      = "RUNNING"
	InstanceShuttingDown = "SHUTTING_DOWN"
	InstanceTerminated   = "TERMINATED"
	InstanceStopping     = "STOPPING"
	InstanceStopped      = "STOPPED"
)

// EC2Source is an asset's Amazon EC2 instance, element Ec2AssetSourceSimple,
// type EC_2. CreatedDate is not trustworthy on the Qualys platform, which
// returns the time of the request. Of an instance's security groups there is
// the first.
type EC2Source struct {
	AssetID                int64
	FirstDiscovered        time.Time
	LastUpdated            time.Time
	Tags                   []CloudTag
	ReservationID          string
	AvailabilityZone       string
	PrivateDNSName         string
	PublicDNSName          string
	LocalHostname          string
	InstanceID             string
	InstanceType           string
	CreatedDate            time.Time
	LaunchTime             time.Time
	InstanceState          string // InstanceRunning, …
	GroupID                string
	GroupName              string
	InstanceGroupID        string
	InstanceGroupName      string
	SpotInstance           bool
	SpotInstanceRequestID  string
	AccountID              string // 12 digits, leading zeros included
	SubnetID               string
	VPCID                  string
	Region                 string
	Zone                   string // VPC
	ImageID                string
	KeyName                string
	PlacementGroupName     string
	ProductCode            string
	SourceDestinationCheck *bool // nil when not known
	PublicIPAddress        string
	PrivateIPAddress       string
	MACAddress             string
	MonitoringEnabled      bool
}

// AzureSource is an asset's Azure machine, element AzureAssetSourceSimple, type
// AZURE.
type AzureSource struct {
	AssetID           int64
	FirstDiscovered   time.Time
	LastUpdated       time.Time
	Tags              []CloudTag
	Name              string
	Location          string
	VMSize            string
	VMID              string
	Offer             string
	State             string
	Publisher         string
	Version           string
	OSType            string
	Subnet            string
	SubscriptionID    string
	ResourceGroupName string
	MACAddress        string
	PrivateIPAddress  string
	PublicIPAddress   string
}

// GCPSource is an asset's Google Cloud instance, element GcpAssetSourceSimple,
// type GCP.
type GCPSource struct {
	AssetID          int64
	FirstDiscovered  time.Time
	LastUpdated      time.Time
	Tags             []CloudTag
	InstanceID       string
	Hostname         string
	MachineType      string
	ImageID          string
	Zone             string
	ProjectIDNo      string
	State            string
	ProjectID        string
	Network          string
	MACAddress       string
	PublicIPAddress  string
	PrivateIPAddress string
}

// UnknownSource is a source of a provider this package has no type for, kept as
// it came.
type UnknownSource struct {
	Node *Node
}

func (*EC2Source) sourceElement() string       { return ec2SourceElement }
func (*AzureSource) sourceElement() string     { return azureSourceElement }
func (*GCPSource) sourceElement() string       { return gcpSourceElement }
func (u *UnknownSource) sourceElement() string { return elementName(u.Node.Name) }

// writeSources writes the empty AssetSource, which every asset has, and the
// cloud sources after it.
func writeSources(s sink, sources []Source) {
	s.list("sourceInfo")
	s.item(plainSourceElement)
	s.endItem(plainSourceElement)
	for _, source := range sources {
		name := source.sourceElement()
		s.item(name)
		source.writeTo(s)
		s.endItem(name)
	}
	s.endList("sourceInfo")
}

func readSources(n *Node) []Source {
	var sources []Source
	for _, item := range n.Items("sourceInfo") {
		switch item.Name {
		case plainSourceElement:
		case ec2SourceElement:
			sources = append(sources, readEC2Source(item))
		case azureSourceElement:
			sources = append(sources, readAzureSource(item))
		case gcpSourceElement:
			sources = append(sources, readGCPSource(item))
		default:
			sources = append(sources, &UnknownSource{Node: item})
		}
	}
	return sources
}

// writeSourceHead writes what all cloud sources begin with.
func writeSourceHead(s sink, assetID int64, kind string, first, last time.Time) {
	optInteger(s, "assetId", assetID)
	s.text("type", kind)
	optTime(s, "firstDiscovered", first)
	optTime(s, "lastUpdated", last)
}

// writeCloudTags writes name/tags/list/item.
func writeCloudTags(s sink, name, item string, tags []CloudTag) {
	s.begin(name)
	writeList(s, "tags", item, tags, func(s sink, t *CloudTag) {
		s.text("key", t.Key)
		s.text("value", t.Value)
	})
	s.end(name)
}

func readCloudTags(n *Node, name string) []CloudTag {
	return readItems(n.Child(name), "tags", func(n *Node) CloudTag {
		return CloudTag{n.Value("key"), n.Value("value")}
	})
}

func (u *UnknownSource) writeTo(s sink) { s.nodes(u.Node.Children) }
