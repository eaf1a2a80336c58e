package aws

import (
	"slices"
	"strings"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"vedette.dev/vedette/internal/connector"
)

func (a *account) mapPage(region string, reservations []types.Reservation) []connector.Instance {
	var found []connector.Instance
	for _, r := range reservations {
		for i := range r.Instances {
			instance := mapInstance(&r.Instances[i])
			instance.Region = region
			instance.ReservationID = sdk.ToString(r.ReservationId)
			instance.AccountID = sdk.ToString(r.OwnerId)
			if instance.AccountID == "" {
				instance.AccountID = a.id
			}
			found = append(found, instance)
		}
	}
	return found
}

// mapInstance says of an instance what DescribeInstances says of it alone.
func mapInstance(i *types.Instance) connector.Instance {
	mapped := connector.Instance{
		InstanceID:            sdk.ToString(i.InstanceId),
		PrivateDNSName:        sdk.ToString(i.PrivateDnsName),
		PublicDNSName:         sdk.ToString(i.PublicDnsName),
		InstanceType:          string(i.InstanceType),
		ImageID:               sdk.ToString(i.ImageId),
		KeyName:               sdk.ToString(i.KeyName),
		SubnetID:              sdk.ToString(i.SubnetId),
		VPCID:                 sdk.ToString(i.VpcId),
		SpotInstance:          i.InstanceLifecycle == types.InstanceLifecycleTypeSpot,
		SpotInstanceRequestID: sdk.ToString(i.SpotInstanceRequestId),
		SourceDestCheck:       sdk.ToBool(i.SourceDestCheck),
		PublicIPAddress:       sdk.ToString(i.PublicIpAddress),
		PrivateIPAddress:      sdk.ToString(i.PrivateIpAddress),
		MACAddress:            primaryMAC(i.NetworkInterfaces),
		Platform:              sdk.ToString(i.PlatformDetails),
		Tags:                  mapTags(i.Tags),
	}
	if i.State != nil {
		mapped.State = strings.ReplaceAll(strings.ToUpper(string(i.State.Name)), "-", "_")
	}
	if i.Placement != nil {
		mapped.AvailabilityZone = sdk.ToString(i.Placement.AvailabilityZone)
		mapped.PlacementGroupName = sdk.ToString(i.Placement.GroupName)
	}
	if len(i.SecurityGroups) > 0 {
		mapped.GroupID = sdk.ToString(i.SecurityGroups[0].GroupId)
		mapped.GroupName = sdk.ToString(i.SecurityGroups[0].GroupName)
	}
	if len(i.ProductCodes) > 0 {
		mapped.ProductCode = sdk.ToString(i.ProductCodes[0].ProductCodeId)
	}
	if i.Monitoring != nil {
		mapped.MonitoringEnabled = i.Monitoring.State == types.MonitoringStateEnabled
	}
	if i.LaunchTime != nil {
		mapped.Launched = i.LaunchTime.UTC().Truncate(time.Second)
	}
	return mapped
}

// primaryMAC returns the address of the interface that an instance has first: of
// device 0 on network card 0.
func primaryMAC(interfaces []types.InstanceNetworkInterface) string {
	for _, n := range interfaces {
		if n.Attachment != nil && sdk.ToInt32(n.Attachment.DeviceIndex) == 0 && sdk.ToInt32(n.Attachment.NetworkCardIndex) == 0 {
			return sdk.ToString(n.MacAddress)
		}
	}
	return ""
}

func mapTags(tags []types.Tag) []connector.Tag {
	var mapped []connector.Tag
	for _, t := range tags {
		mapped = append(mapped, connector.Tag{Key: sdk.ToString(t.Key), Value: sdk.ToString(t.Value)})
	}
	slices.SortFunc(mapped, func(a, b connector.Tag) int { return strings.Compare(a.Key, b.Key) })
	return mapped
}
