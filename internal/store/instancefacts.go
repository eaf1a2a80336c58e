package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
)

const (
	// maxHistory is how many states an instance remembers, the newest ones.
	maxHistory = 50
	// maxInstanceTags bounds the tags of an instance; EC2 allows 50.
	maxInstanceTags = 200
	// awsProvider is the only one there is so far, as cloudProvider says it.
	awsProvider = "AWS"
)

// storedInstance is a row of cloud_instances: what is in facts is not searched.
type storedInstance struct {
	hostID  int64
	agent   bool // the host has one
	digest  string
	facts   connector.Instance
	history []connector.StateChange
	first   time.Time
	last    time.Time
}

// instanceFacts is the column facts.
type instanceFacts struct {
	ReservationID         string     `json:"reservation,omitempty"`
	PrivateDNSName        string     `json:"privateDnsName,omitempty"`
	PublicDNSName         string     `json:"publicDnsName,omitempty"`
	KeyName               string     `json:"keyName,omitempty"`
	GroupID               string     `json:"groupId,omitempty"`
	GroupName             string     `json:"groupName,omitempty"`
	SpotInstance          bool       `json:"spot,omitempty"`
	SpotInstanceRequestID string     `json:"spotRequest,omitempty"`
	PlacementGroupName    string     `json:"placementGroup,omitempty"`
	ProductCode           string     `json:"productCode,omitempty"`
	SourceDestCheck       bool       `json:"sourceDestCheck,omitempty"`
	PublicIPAddress       string     `json:"publicIp,omitempty"`
	PrivateIPAddress      string     `json:"privateIp,omitempty"`
	MACAddress            string     `json:"mac,omitempty"`
	MonitoringEnabled     bool       `json:"monitoring,omitempty"`
	Launched              time.Time  `json:"launched,omitzero"`
	Platform              string     `json:"platform,omitempty"`
	Tags                  []cloudTag `json:"tags,omitempty"`
}

type cloudTag struct {
	Key   string `json:"k"`
	Value string `json:"v"`
}

func factsOf(i *connector.Instance) instanceFacts {
	f := instanceFacts{
		ReservationID: i.ReservationID, PrivateDNSName: i.PrivateDNSName, PublicDNSName: i.PublicDNSName, KeyName: i.KeyName,
		GroupID: i.GroupID, GroupName: i.GroupName, SpotInstance: i.SpotInstance, SpotInstanceRequestID: i.SpotInstanceRequestID,
		PlacementGroupName: i.PlacementGroupName, ProductCode: i.ProductCode, SourceDestCheck: i.SourceDestCheck,
		PublicIPAddress: i.PublicIPAddress, PrivateIPAddress: i.PrivateIPAddress, MACAddress: i.MACAddress,
		MonitoringEnabled: i.MonitoringEnabled, Launched: i.Launched, Platform: i.Platform,
	}
	for _, t := range i.Tags {
		f.Tags = append(f.Tags, cloudTag(t))
	}
	return f
}

// into puts the facts back beside those that have columns of their own.
func (f instanceFacts) into(i *connector.Instance) {
	i.ReservationID, i.PrivateDNSName, i.PublicDNSName, i.KeyName = f.ReservationID, f.PrivateDNSName, f.PublicDNSName, f.KeyName
	i.GroupID, i.GroupName, i.SpotInstance, i.SpotInstanceRequestID = f.GroupID, f.GroupName, f.SpotInstance, f.SpotInstanceRequestID
	i.PlacementGroupName, i.ProductCode, i.SourceDestCheck = f.PlacementGroupName, f.ProductCode, f.SourceDestCheck
	i.PublicIPAddress, i.PrivateIPAddress, i.MACAddress = f.PublicIPAddress, f.PrivateIPAddress, f.MACAddress
	i.MonitoringEnabled, i.Launched, i.Platform = f.MonitoringEnabled, f.Launched, f.Platform
	for _, t := range f.Tags {
		i.Tags = append(i.Tags, connector.Tag(t))
	}
}

// instanceDigest tells whether AWS says the same of an instance as before.
func instanceDigest(i *connector.Instance) string {
	doc, _ := json.Marshal(i)
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:16])
}

// checkInstance refuses what cannot be stored. Errors name the instance.
func checkInstance(i *connector.Instance) error {
	identified := agentwire.Cloud{Provider: agentwire.CloudAWS, AccountID: i.AccountID, InstanceID: i.InstanceID, Region: i.Region}
	if err := identified.Check(); err != nil {
		return fault.Newf(fault.Invalid, "instance %q: %s", i.InstanceID, err)
	}
	switch {
	case i.State == "":
		return fault.Newf(fault.Invalid, "instance %s: it has no state", i.InstanceID)
	case len(i.Tags) > maxInstanceTags:
		return fault.Newf(fault.Invalid, "instance %s: it has %d tags, at most %d are allowed", i.InstanceID, len(i.Tags), maxInstanceTags)
	}
	var check checker
	for _, t := range [...]struct{ field, value string }{
		{"region", i.Region}, {"availability zone", i.AvailabilityZone}, {"state", i.State}, {"type", i.InstanceType}, {"image id", i.ImageID},
		{"vpc id", i.VPCID}, {"subnet id", i.SubnetID}, {"private DNS name", i.PrivateDNSName}, {"private address", i.PrivateIPAddress},
		{"name", hostName(i)},
	} {
		check.indexed(t.field, t.value)
	}
	for _, t := range [...]struct{ field, value string }{
		{"reservation id", i.ReservationID}, {"public DNS name", i.PublicDNSName}, {"key name", i.KeyName}, {"security group id", i.GroupID},
		{"security group name", i.GroupName}, {"spot request id", i.SpotInstanceRequestID}, {"placement group", i.PlacementGroupName},
		{"product code", i.ProductCode}, {"public address", i.PublicIPAddress}, {"MAC address", i.MACAddress}, {"platform", i.Platform},
	} {
		check.text(t.field, t.value)
	}
	for _, t := range i.Tags {
		check.text("tag key", t.Key)
		check.text("value of tag "+t.Key, t.Value)
	}
	if check.err != nil {
		return fmt.Errorf("instance %s: %w", i.InstanceID, check.err)
	}
	return nil
}

// hostName is the name of a host without an agent (Qualys Asset Management API,
// host assets of EC2): the tag Name, else the private DNS name, else the id.
func hostName(i *connector.Instance) string {
	for _, t := range i.Tags {
		if t.Key == "Name" && t.Value != "" {
			return t.Value
		}
	}
	if i.PrivateDNSName != "" {
		return i.PrivateDNSName
	}
	return i.InstanceID
}

// keepTerminated gives a terminated instance what AWS takes from it sooner or
// later and it had before: addresses, names, network.
func keepTerminated(now *connector.Instance, before *connector.Instance) {
	if now.State != connector.Terminated {
		return
	}
	for _, kept := range []struct {
		now    *string
		before string
	}{
		{&now.PrivateIPAddress, before.PrivateIPAddress}, {&now.PublicIPAddress, before.PublicIPAddress}, {&now.MACAddress, before.MACAddress},
		{&now.PrivateDNSName, before.PrivateDNSName}, {&now.PublicDNSName, before.PublicDNSName},
		{&now.VPCID, before.VPCID}, {&now.SubnetID, before.SubnetID}, {&now.GroupID, before.GroupID}, {&now.GroupName, before.GroupName},
	} {
		if *kept.now == "" {
			*kept.now = kept.before
		}
	}
	if len(now.Tags) == 0 {
		now.Tags = before.Tags
	}
}

// extended returns a history with the state an instance has now.
func extended(history []connector.StateChange, state string, at time.Time) []connector.StateChange {
	if n := len(history); state == "" || n > 0 && history[n-1].State == state {
		return history
	}
	history = append(history, connector.StateChange{State: state, Since: at.UTC().Truncate(time.Second)})
	return history[max(0, len(history)-maxHistory):]
}
