package qps

func (e *EC2Source) writeTo(s sink) {
	writeSourceHead(s, e.AssetID, ec2SourceType, e.FirstDiscovered, e.LastUpdated)
	writeCloudTags(s, "ec2InstanceTags", "EC2Tags", e.Tags)
	optText(s, "reservationId", e.ReservationID)
	optText(s, "availabilityZone", e.AvailabilityZone)
	optText(s, "privateDnsName", e.PrivateDNSName)
	optText(s, "publicDnsName", e.PublicDNSName)
	optText(s, "localHostname", e.LocalHostname)
	optText(s, "instanceId", e.InstanceID)
	optText(s, "instanceType", e.InstanceType)
	optTime(s, "createdDate", e.CreatedDate)
	optTime(s, "launchTime", e.LaunchTime)
	optText(s, "instanceState", e.InstanceState)
	optText(s, "groupId", e.GroupID)
	optText(s, "groupName", e.GroupName)
	optText(s, "instanceGroupId", e.InstanceGroupID)
	optText(s, "instanceGroupName", e.InstanceGroupName)
	s.boolean("spotInstance", e.SpotInstance)
	optText(s, "spotInstanceRequestId", e.SpotInstanceRequestID)
	optText(s, "accountId", e.AccountID)
	optText(s, "subnetId", e.SubnetID)
	optText(s, "vpcId", e.VPCID)
	optText(s, "region", e.Region)
	optText(s, "zone", e.Zone)
	optText(s, "imageId", e.ImageID)
	optText(s, "keyName", e.KeyName)
	optText(s, "placementGroupName", e.PlacementGroupName)
	optText(s, "productCode", e.ProductCode)
	optBoolean(s, "sourceDestinationCheck", e.SourceDestinationCheck)
	optText(s, "publicIpAddress", e.PublicIPAddress)
	optText(s, "privateIpAddress", e.PrivateIPAddress)
	optText(s, "macAddress", e.MACAddress)
	s.boolean("monitoringEnabled", e.MonitoringEnabled)
}

func readEC2Source(n *Node) *EC2Source {
	zone := n.Value("availabilityZone")
	if zone == "" {
		zone = n.Value("availibilityZone") // the Qualys schema has both spellings
	}
	return &EC2Source{
		AssetID:                n.integer("assetId"),
		FirstDiscovered:        n.time("firstDiscovered"),
		LastUpdated:            n.time("lastUpdated"),
		Tags:                   readCloudTags(n, "ec2InstanceTags"),
		ReservationID:          n.Value("reservationId"),
		AvailabilityZone:       zone,
		PrivateDNSName:         n.Value("privateDnsName"),
		PublicDNSName:          n.Value("publicDnsName"),
		LocalHostname:          n.Value("localHostname"),
		InstanceID:             n.Value("instanceId"),
		InstanceType:           n.Value("instanceType"),
		CreatedDate:            n.time("createdDate"),
		LaunchTime:             n.time("launchTime"),
		InstanceGroupID:        n.Value("instanceGroupId"),
		InstanceGroupName:      n.Value("instanceGroupName"),
		SpotInstanceRequestID:  n.Value("spotInstanceRequestId"),
		KeyName:                n.Value("keyName"),
		PlacementGroupName:     n.Value("placementGroupName"),
		ProductCode:            n.Value("productCode"),
		SourceDestinationCheck: n.optBoolean("sourceDestinationCheck"),
		InstanceState:          n.Value("instanceState"),
		GroupID:                n.Value("groupId"),
		GroupName:              n.Value("groupName"),
		SpotInstance:           n.boolean("spotInstance"),
		AccountID:              n.Value("accountId"),
		SubnetID:               n.Value("subnetId"),
		VPCID:                  n.Value("vpcId"),
		Region:                 n.Value("region"),
		Zone:                   n.Value("zone"),
		ImageID:                n.Value("imageId"),
		PublicIPAddress:        n.Value("publicIpAddress"),
		PrivateIPAddress:       n.Value("privateIpAddress"),
		MACAddress:             n.Value("macAddress"),
		MonitoringEnabled:      n.boolean("monitoringEnabled"),
	}
}

func (e *AzureSource) writeTo(s sink) {
	writeSourceHead(s, e.AssetID, azureSourceType, e.FirstDiscovered, e.LastUpdated)
	writeCloudTags(s, "azureVmTags", "AzureTags", e.Tags)
	optText(s, "name", e.Name)
	optText(s, "location", e.Location)
	optText(s, "vmSize", e.VMSize)
	optText(s, "vmId", e.VMID)
	optText(s, "offer", e.Offer)
	optText(s, "state", e.State)
	optText(s, "publisher", e.Publisher)
	optText(s, "version", e.Version)
	optText(s, "osType", e.OSType)
	optText(s, "subnet", e.Subnet)
	optText(s, "subscriptionId", e.SubscriptionID)
	optText(s, "resourceGroupName", e.ResourceGroupName)
	optText(s, "macAddress", e.MACAddress)
	optText(s, "privateIpAddress", e.PrivateIPAddress)
	optText(s, "publicIpAddress", e.PublicIPAddress)
}

func readAzureSource(n *Node) *AzureSource {
	return &AzureSource{
		AssetID:           n.integer("assetId"),
		FirstDiscovered:   n.time("firstDiscovered"),
		LastUpdated:       n.time("lastUpdated"),
		Tags:              readCloudTags(n, "azureVmTags"),
		Name:              n.Value("name"),
		Location:          n.Value("location"),
		VMSize:            n.Value("vmSize"),
		VMID:              n.Value("vmId"),
		Offer:             n.Value("offer"),
		State:             n.Value("state"),
		Publisher:         n.Value("publisher"),
		Version:           n.Value("version"),
		OSType:            n.Value("osType"),
		Subnet:            n.Value("subnet"),
		SubscriptionID:    n.Value("subscriptionId"),
		ResourceGroupName: n.Value("resourceGroupName"),
		MACAddress:        n.Value("macAddress"),
		PrivateIPAddress:  n.Value("privateIpAddress"),
		PublicIPAddress:   n.Value("publicIpAddress"),
	}
}

func (e *GCPSource) writeTo(s sink) {
	writeSourceHead(s, e.AssetID, gcpSourceType, e.FirstDiscovered, e.LastUpdated)
	writeCloudTags(s, "gcpInstanceTags", "GCPTags", e.Tags)
	optText(s, "instanceId", e.InstanceID)
	optText(s, "hostname", e.Hostname)
	optText(s, "machineType", e.MachineType)
	optText(s, "imageId", e.ImageID)
	optText(s, "zone", e.Zone)
	optText(s, "projectIdNo", e.ProjectIDNo)
	optText(s, "state", e.State)
	optText(s, "projectId", e.ProjectID)
	optText(s, "network", e.Network)
	optText(s, "macAddress", e.MACAddress)
	optText(s, "publicIpAddress", e.PublicIPAddress)
	optText(s, "privateIpAddress", e.PrivateIPAddress)
}

func readGCPSource(n *Node) *GCPSource {
	return &GCPSource{
		AssetID:          n.integer("assetId"),
		FirstDiscovered:  n.time("firstDiscovered"),
		LastUpdated:      n.time("lastUpdated"),
		Tags:             readCloudTags(n, "gcpInstanceTags"),
		InstanceID:       n.Value("instanceId"),
		Hostname:         n.Value("hostname"),
		MachineType:      n.Value("machineType"),
		ImageID:          n.Value("imageId"),
		Zone:             n.Value("zone"),
		ProjectIDNo:      n.Value("projectIdNo"),
		State:            n.Value("state"),
		ProjectID:        n.Value("projectId"),
		Network:          n.Value("network"),
		MACAddress:       n.Value("macAddress"),
		PublicIPAddress:  n.Value("publicIpAddress"),
		PrivateIPAddress: n.Value("privateIpAddress"),
	}
}
