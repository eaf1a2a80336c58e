package connector

import "time"

// Instance is an EC2 instance as DescribeInstances tells it; empty is what AWS
// did not say (Qualys Asset Management API, Ec2AssetSourceSimple).
type Instance struct {
	AccountID             string // twelve digits, leading zeros kept
	Region                string
	InstanceID            string
	ReservationID         string
	AvailabilityZone      string
	PrivateDNSName        string
	PublicDNSName         string
	InstanceType          string
	ImageID               string
	KeyName               string
	SubnetID              string
	VPCID                 string
	State                 string // RUNNING, STOPPED, TERMINATED, SHUTTING_DOWN, …
	GroupID               string // of the first security group
	GroupName             string
	SpotInstance          bool
	SpotInstanceRequestID string
	PlacementGroupName    string
	ProductCode           string
	SourceDestCheck       bool
	PublicIPAddress       string
	PrivateIPAddress      string
	MACAddress            string // of the primary interface
	MonitoringEnabled     bool
	Launched              time.Time // to the second, UTC
	Platform              string    // PlatformDetails, e.g. Linux/UNIX
	Tags                  []Tag     // sorted by key
}

// Tag is a tag of an EC2 instance.
type Tag struct {
	Key   string
	Value string
}

// Terminated is the state of an instance that is gone for good.
const Terminated = "TERMINATED"
