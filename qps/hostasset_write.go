package qps

import "strings"

func (h *HostAsset) writeTo(s sink) {
	s.integer("id", h.ID)
	s.text("name", h.Name)
	optTime(s, "created", h.Created)
	optTime(s, "modified", h.Modified)
	optText(s, "type", h.Type)
	writeTags(s, h.Tags)
	writeSources(s, h.Sources)
	h.writeFacts(s)
	h.writeCollections(s)
	if h.AgentInfo != nil || h.IsDockerHost {
		s.boolean("isDockerHost", h.IsDockerHost)
	}
	h.DockerInfo.writeTo(s)
	optText(s, "cloudProvider", h.CloudProvider)
}

// writeFacts writes what a host has exactly one of.
func (h *HostAsset) writeFacts(s sink) {
	optInteger(s, "criticalityScore", h.CriticalityScore)
	optInteger(s, "qwebHostId", h.QWebHostID)
	optTime(s, "lastComplianceScan", h.LastComplianceScan)
	optTime(s, "lastVulnScan", h.LastVulnScan)
	optTime(s, "vulnsUpdated", h.VulnsUpdated)
	optTime(s, "informationGatheredUpdated", h.InformationGatheredUpdated)
	optTime(s, "lastSystemBoot", h.LastSystemBoot)
	optText(s, "lastLoggedOnUser", h.LastLoggedOnUser)
	optText(s, "domain", h.Domain)
	optText(s, "fqdn", h.FQDN)
	optText(s, "os", h.OS)
	optText(s, "dnsHostName", h.DNSHostName)
	h.AgentInfo.writeTo(s)
	optText(s, "netbiosName", h.NetBIOSName)
	optText(s, "netbiosNetworkId", h.NetBIOSNetworkID)
	optText(s, "networkGuid", h.NetworkGUID)
	optText(s, "address", h.Address)
	optText(s, "trackingMethod", h.TrackingMethod)
	optText(s, "manufacturer", h.Manufacturer)
	optText(s, "model", h.Model)
	optInteger(s, "totalMemory", h.TotalMemory)
	optText(s, "timezone", h.Timezone)
	optText(s, "biosDescription", h.BIOSDescription)
}

func (h *HostAsset) writeCollections(s sink) {
	always := h.AgentInfo != nil
	writeKnown(s, always, "openPort", "HostAssetOpenPort", h.OpenPorts, writeOpenPort)
	writeKnown(s, always, "software", "HostAssetSoftware", h.Software, writeSoftware)
	writeKnown(s, always, "vuln", "HostAssetVuln", h.Vulns, writeVuln)
	writeKnown(s, always, "processor", "HostAssetProcessor", h.Processors, writeProcessor)
	writeKnown(s, always, "volume", "HostAssetVolume", h.Volumes, writeVolume)
	writeKnown(s, always, "account", "HostAssetAccount", h.Accounts, writeAccount)
	writeKnown(s, always, "networkInterface", "HostAssetInterface", h.NetworkInterfaces, writeNetworkInterface)
}

// writeKnown writes a collection unless it is empty and nobody has looked.
func writeKnown[T any](s sink, always bool, name, item string, items []T, write func(sink, *T)) {
	if always || len(items) > 0 {
		writeList(s, name, item, items, write)
	}
}

func writeOpenPort(s sink, p *OpenPort) {
	s.integer("port", p.Port)
	optText(s, "protocol", p.Protocol)
	optInteger(s, "serviceId", p.ServiceID)
	optText(s, "serviceName", p.ServiceName)
}

func writeSoftware(s sink, p *Software) {
	s.text("name", p.Name)
	s.text("version", p.Version)
}

func writeVuln(s sink, v *Vuln) {
	s.integer("qid", v.QID)
	optInteger(s, "hostInstanceVulnId", v.HostInstanceVulnID)
	optTime(s, "firstFound", v.FirstFound)
	optTime(s, "lastFound", v.LastFound)
}

func writeProcessor(s sink, p *Processor) {
	s.text("name", p.Name)
	optInteger(s, "speed", p.Speed)
}

func writeVolume(s sink, v *Volume) {
	s.text("name", v.Name)
	s.integer("size", v.Size)
	s.integer("free", v.Free)
}

func writeAccount(s sink, a *Account) { s.text("username", a.Username) }

func writeNetworkInterface(s sink, i *NetworkInterface) {
	optText(s, "hostname", i.Hostname)
	optText(s, "interfaceId", i.InterfaceID)
	optText(s, "interfaceName", i.InterfaceName)
	optText(s, "macAddress", i.MACAddress)
	optText(s, "type", i.Type)
	optText(s, "address", expandAddress(i.Address))
	optText(s, "gatewayAddress", expandAddress(i.GatewayAddress))
}

func (d *DockerInfo) writeTo(s sink) {
	if d == nil {
		return
	}
	s.begin("dockerInfo")
	optText(s, "dockerVersion", d.DockerVersion)
	s.integer("noOfContainers", d.NoOfContainers)
	s.integer("noOfImages", d.NoOfImages)
	s.end("dockerInfo")
}

func (a *AgentInfo) writeTo(s sink) {
	if a == nil {
		return
	}
	s.begin("agentInfo")
	optText(s, "agentVersion", a.AgentVersion)
	optText(s, "agentId", a.AgentID)
	optText(s, "status", a.Status)
	optTime(s, "lastCheckedIn", a.LastCheckedIn)
	optText(s, "connectedFrom", a.ConnectedFrom)
	optText(s, "location", a.Location)
	optText(s, "locationGeoLatitude", a.LocationGeoLatitude)
	optText(s, "locationGeoLongtitude", a.LocationGeoLongitude)
	optText(s, "chirpStatus", a.ChirpStatus)
	optText(s, "platform", a.Platform)
	optText(s, "activatedModule", strings.Join(a.ActivatedModules, ","))
	a.writeReferences(s)
	s.end("agentInfo")
}

func (a *AgentInfo) writeReferences(s sink) {
	if len(a.ManifestVersions) > 0 {
		s.begin("manifestVersion")
		for _, m := range a.ManifestVersions {
			s.text(elementName(m.Module), m.Version)
		}
		s.end("manifestVersion")
	}
	if a.AgentConfiguration != (AgentConfiguration{}) {
		s.begin("agentConfiguration")
		s.integer("id", a.AgentConfiguration.ID)
		s.text("name", a.AgentConfiguration.Name)
		s.end("agentConfiguration")
	}
	if a.ActivationKey != (ActivationKeyRef{}) {
		s.begin("activationKey")
		s.text("activationId", a.ActivationKey.ActivationID)
		s.text("title", a.ActivationKey.Title)
		s.end("activationKey")
	}
}
