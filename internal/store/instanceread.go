package store

import (
	"context"
	"fmt"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// InstanceHistory returns the states that the instance of a host asset in scope
// has been in, oldest first and at most the last 50: none for a host that is no
// instance or that no connector found. Without the host asset it is
// fault.NotFound.
func (s *Store) InstanceHistory(ctx context.Context, scope fleet.Scope, hostID int64) ([]connector.StateChange, error) {
	var history []connector.StateChange
	err := s.view(ctx, func(tx *Tx) error {
		ids, err := tx.searchIDs(ctx, fleet.Query{Scope: scope, Conditions: []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpEquals, Ints: []int64{hostID}}}, Limit: 1})
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return fault.Newf(fault.NotFound, "There is no host asset %d.", hostID)
		}
		list, err := tx.instances(ctx, ids)
		if len(list) == 1 {
			history = list[0].history
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read history of host %d: %w", hostID, err)
	}
	return history, nil
}

// readInstances reads which instance of a cloud each host is. The interfaces of a
// host without an agent are those that the cloud told.
func (p *pageOf) readInstances(ctx context.Context) error {
	list, err := p.tx.instancesIn(ctx, p.ids)
	if err != nil {
		return err
	}
	for n := range list {
		i := &list[n]
		at, ok := p.at[i.hostID]
		if !ok {
			continue
		}
		h := &p.hosts[at]
		if p.want("cloudProvider") {
			h.CloudProvider = awsProvider
		}
		if p.want("sourceInfo") {
			h.Sources = []qps.Source{i.source()}
		}
		if p.want("networkInterface") && !i.agent {
			h.NetworkInterfaces = i.interfaces()
		}
	}
	return nil
}

// source is the instance in the words of the API.
func (i *storedInstance) source() *qps.EC2Source {
	f := &i.facts
	s := &qps.EC2Source{
		AssetID: i.hostID, FirstDiscovered: i.first, LastUpdated: i.last,
		ReservationID: f.ReservationID, AvailabilityZone: f.AvailabilityZone, PrivateDNSName: f.PrivateDNSName, PublicDNSName: f.PublicDNSName,
		InstanceID: f.InstanceID, InstanceType: f.InstanceType, CreatedDate: f.Launched, LaunchTime: f.Launched, InstanceState: f.State,
		GroupID: f.GroupID, GroupName: f.GroupName, SpotInstance: f.SpotInstance, SpotInstanceRequestID: f.SpotInstanceRequestID,
		AccountID: f.AccountID, SubnetID: f.SubnetID, VPCID: f.VPCID, Region: f.Region, ImageID: f.ImageID, KeyName: f.KeyName,
		PlacementGroupName: f.PlacementGroupName, ProductCode: f.ProductCode, PublicIPAddress: f.PublicIPAddress,
		PrivateIPAddress: f.PrivateIPAddress, MACAddress: f.MACAddress, MonitoringEnabled: f.MonitoringEnabled,
	}
	if f.VPCID != "" {
		s.Zone = "VPC"
	}
	if i.digest != "" { // an agent is not told
		s.SourceDestinationCheck = &f.SourceDestCheck
	}
	for _, t := range f.Tags {
		s.Tags = append(s.Tags, qps.CloudTag(t))
	}
	return s
}

func (i *storedInstance) interfaces() []qps.NetworkInterface {
	var list []qps.NetworkInterface
	f := &i.facts
	if f.PrivateIPAddress != "" || f.MACAddress != "" {
		list = append(list, qps.NetworkInterface{Hostname: f.PrivateDNSName, MACAddress: f.MACAddress, Type: "PRIVATE", Address: f.PrivateIPAddress})
	}
	if f.PublicIPAddress != "" {
		list = append(list, qps.NetworkInterface{Hostname: f.PublicDNSName, Type: "PUBLIC", Address: f.PublicIPAddress})
	}
	return list
}
