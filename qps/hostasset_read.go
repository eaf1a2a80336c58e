package qps

import "strings"

func readHostAsset(n *Node) (*HostAsset, error) {
	id, err := readID(n)
	if err != nil {
		return nil, err
	}
	h := &HostAsset{
		ID:                         id,
		Name:                       n.Value("name"),
		Created:                    n.time("created"),
		Modified:                   n.time("modified"),
		Type:                       n.Value("type"),
		Tags:                       readTags(n),
		Sources:                    readSources(n),
		CriticalityScore:           n.integer("criticalityScore"),
		QWebHostID:                 n.integer("qwebHostId"),
		LastComplianceScan:         n.time("lastComplianceScan"),
		LastVulnScan:               n.time("lastVulnScan"),
		VulnsUpdated:               n.time("vulnsUpdated"),
		InformationGatheredUpdated: n.time("informationGatheredUpdated"),
		LastSystemBoot:             n.time("lastSystemBoot"),
		LastLoggedOnUser:           n.Value("lastLoggedOnUser"),
		Domain:                     n.Value("domain"),
		FQDN:                       n.Value("fqdn"),
		OS:                         n.Value("os"),
		DNSHostName:                n.Value("dnsHostName"),
		AgentInfo:                  readAgentInfo(n.Child("agentInfo")),
		NetBIOSName:                n.Value("netbiosName"),
		NetBIOSNetworkID:           n.Value("netbiosNetworkId"),
		NetworkGUID:                n.Value("networkGuid"),
		Address:                    n.Value("address"),
		TrackingMethod:             n.Value("trackingMethod"),
		Manufacturer:               n.Value("manufacturer"),
		Model:                      n.Value("model"),
		TotalMemory:                n.integer("totalMemory"),
		Timezone:                   n.Value("timezone"),
		BIOSDescription:            n.Value("biosDescription"),
		IsDockerHost:               n.boolean("isDockerHost"),
		DockerInfo:                 readDockerInfo(n.Child("dockerInfo")),
		CloudProvider:              n.Value("cloudProvider"),
	}
	readCollections(n, h)
	return h, nil
}

func readCollections(n *Node, h *HostAsset) {
	h.OpenPorts = readItems(n, "openPort", func(n *Node) OpenPort {
		return OpenPort{n.integer("port"), n.Value("protocol"), n.integer("serviceId"), n.Value("serviceName")}
	})
	h.Software = readItems(n, "software", func(n *Node) Software {
		return Software{n.Value("name"), n.Value("version")}
	})
	h.Vulns = readItems(n, "vuln", func(n *Node) Vuln {
		return Vuln{n.integer("qid"), n.integer("hostInstanceVulnId"), n.time("firstFound"), n.time("lastFound")}
	})
	h.Processors = readItems(n, "processor", func(n *Node) Processor {
		return Processor{n.Value("name"), n.integer("speed")}
	})
	h.Volumes = readItems(n, "volume", func(n *Node) Volume {
		return Volume{n.Value("name"), n.integer("size"), n.integer("free")}
	})
	h.Accounts = readItems(n, "account", func(n *Node) Account {
		return Account{n.Value("username")}
	})
	h.NetworkInterfaces = readItems(n, "networkInterface", func(n *Node) NetworkInterface {
		return NetworkInterface{
			n.Value("hostname"), n.Value("interfaceId"), n.Value("interfaceName"), n.Value("macAddress"),
			n.Value("type"), n.Value("address"), n.Value("gatewayAddress"),
		}
	})
}

// readItems reads a collection whatever its item element is called; absent and
// empty collections are both nil.
func readItems[T any](n *Node, name string, read func(*Node) T) []T {
	nodes := n.Items(name)
	if len(nodes) == 0 {
		return nil
	}
	items := make([]T, len(nodes))
	for i, item := range nodes {
		items[i] = read(item)
	}
	return items
}

func readTags(n *Node) []TagSimple {
	return readItems(n, "tags", readTagSimple)
}

func readTagSimple(n *Node) TagSimple { return TagSimple{n.integer("id"), n.Value("name")} }

func readAgentInfo(n *Node) *AgentInfo {
	if n == nil {
		return nil
	}
	longitude := n.Value("locationGeoLongtitude")
	if longitude == "" {
		longitude = n.Value("locationGeoLongitude")
	}
	configuration, key := n.Child("agentConfiguration"), n.Child("activationKey")
	return &AgentInfo{
		AgentVersion:         n.Value("agentVersion"),
		AgentID:              n.Value("agentId"),
		Status:               n.Value("status"),
		LastCheckedIn:        n.time("lastCheckedIn"),
		ConnectedFrom:        n.Value("connectedFrom"),
		Location:             n.Value("location"),
		LocationGeoLatitude:  n.Value("locationGeoLatitude"),
		LocationGeoLongitude: longitude,
		ChirpStatus:          n.Value("chirpStatus"),
		Platform:             n.Value("platform"),
		ActivatedModules:     splitModules(n.Value("activatedModule")),
		ManifestVersions:     readManifestVersions(n.Child("manifestVersion")),
		AgentConfiguration:   AgentConfiguration{configuration.integer("id"), configuration.Value("name")},
		ActivationKey:        ActivationKeyRef{key.Value("activationId"), key.Value("title")},
	}
}

func splitModules(s string) []string {
	var modules []string
	for m := range strings.SplitSeq(s, ",") {
		if m = strings.TrimSpace(m); m != "" {
			modules = append(modules, m)
		}
	}
	return modules
}

func readManifestVersions(n *Node) []ManifestVersion {
	if n == nil {
		return nil
	}
	var versions []ManifestVersion
	for _, c := range n.Children {
		versions = append(versions, ManifestVersion{c.Name, c.Text})
	}
	return versions
}

func readDockerInfo(n *Node) *DockerInfo {
	if n == nil {
		return nil
	}
	return &DockerInfo{n.Value("dockerVersion"), n.integer("noOfContainers"), n.integer("noOfImages")}
}
