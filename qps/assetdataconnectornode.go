package qps

import "strconv"

// Node returns the change as an AssetDataConnector element of a request's data.
func (c AssetDataConnectorChange) Node() *Node {
	n := &Node{Name: connectorElement}
	c.addTo(n)
	return n
}

// Node returns the change as an AwsAssetDataConnector element of a request's
// data.
func (c AwsAssetDataConnectorChange) Node() *Node {
	n := &Node{Name: awsConnectorElement}
	c.addTo(n)
	addText(n, "arn", c.ARN)
	addText(n, "externalId", c.ExternalID)
	if c.AuthRecordID != nil {
		addInteger(n.add("authRecord", ""), "id", c.AuthRecordID)
	}
	addCollection(n, "endpoints", "set", c.Endpoints, func(part *Node, regions []string) {
		for _, region := range regions {
			part.add(endpointElement, "").add("regionCode", region)
		}
	})
	addBoolean(n, "allRegions", c.AllRegions)
	addBoolean(n, "useForCloudView", c.UseForCloudView)
	return n
}

func (c AssetDataConnectorChange) addTo(n *Node) {
	addInteger(n, "id", c.ID)
	addText(n, "name", c.Name)
	addText(n, "description", c.Description)
	addCollection(n, "defaultTags", "set", c.DefaultTags, addTagReferences)
	addCollection(n, "activation", "set", c.Activation, func(part *Node, modules []string) { addWords(part, activationElement, modules) })
	addBoolean(n, "disabled", c.Disabled)
	addBoolean(n, "isGovCloudConfigured", c.IsGovCloudConfigured)
	addBoolean(n, "isChinaConfigured", c.IsChinaConfigured)
	addInteger(n, "runFrequency", c.RunFrequency)
	addBoolean(n, "isRemediationEnabled", c.IsRemediationEnabled)
	addBoolean(n, "isCPSEnabled", c.IsCPSEnabled)
	addCollection(n, "connectorAppInfos", "set", c.ConnectorAppInfos, addAppInfos)
	if c.ConnectorScanSetting != nil {
		addBoolean(n.add("connectorScanSetting", ""), "isCustomScanConfigEnabled", &c.ConnectorScanSetting.IsCustomScanConfigEnabled)
	}
	addCollection(n, "connectorScanConfig", "set", c.ConnectorScanConfig, addScanConfigurations)
}

func addBoolean(n *Node, name string, value *bool) {
	if value != nil {
		n.add(name, strconv.FormatBool(*value))
	}
}

func addTagReferences(part *Node, tags []TagSimple) {
	for _, tag := range tags {
		item := part.add(tagSimpleElement, "")
		if tag.ID != 0 {
			addInteger(item, "id", &tag.ID)
		}
		addPlain(item, "name", tag.Name)
	}
}

func addWords(part *Node, element string, words []string) {
	for _, word := range words {
		part.add(element, word)
	}
}

func addAppInfos(part *Node, infos []ConnectorAppInfo) {
	for start := 0; start < len(infos); {
		end := sameApp(infos, start)
		list := part.add(appInfoListElement, "").add("set", "")
		for _, info := range infos[start:end] {
			item := list.add(appInfoElement, "")
			addPlain(item, "name", info.Name)
			addPlain(item, "identifier", info.Identifier)
			if info.TagID != 0 {
				addInteger(item, "tagId", &info.TagID)
			}
		}
		start = end
	}
}

func addScanConfigurations(part *Node, scans []ConnectorScanConfiguration) {
	for _, scan := range scans {
		item := part.add(scanConfigElement, "")
		addPlain(item, "scanPrefix", scan.ScanPrefix)
		if scan.OptionProfileID != 0 {
			addInteger(item, "optionProfileId", &scan.OptionProfileID)
		}
		addPlain(item, "recurrence", scan.Recurrence)
		addPlain(item, "startDate", scan.StartDate)
		addPlain(item, "startTime", scan.StartTime)
		if len(scan.DaysOfWeek) > 0 {
			addWords(item.add("daysOfWeek", "").add("set", ""), dayElement, scan.DaysOfWeek)
		}
		addPlain(item, "timezone", scan.Timezone)
	}
}

// addPlain adds a text unless it is empty.
func addPlain(n *Node, name, text string) {
	if text != "" {
		n.add(name, text)
	}
}
