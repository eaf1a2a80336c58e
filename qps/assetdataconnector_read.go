package qps

func readAssetDataConnectorRecord(n *Node) (*AssetDataConnector, error) {
	c, err := readAssetDataConnector(n)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// readAssetDataConnector reads the common part of a connector of any cloud.
func readAssetDataConnector(n *Node) (AssetDataConnector, error) {
	id, err := readID(n)
	if err != nil {
		return AssetDataConnector{}, err
	}
	c := AssetDataConnector{
		ID: id, Name: n.Value("name"), AWSAccountID: n.Value("awsAccountId"), Description: n.Value("description"),
		LastSync: n.time("lastSync"), LastError: n.Value("lastError"), ConnectorState: n.Value("connectorState"), Type: n.Value("type"),
		DefaultTags: readKnown(n, "defaultTags", readTagSimple),
		Activation:  readKnown(n, "activation", func(n *Node) string { return n.Text }),
		Disabled:    n.optBoolean("disabled"), IsGovCloudConfigured: n.optBoolean("isGovCloudConfigured"),
		IsChinaConfigured: n.optBoolean("isChinaConfigured"), IsDeleted: n.optBoolean("isDeleted"), RunFrequency: n.integer("runFrequency"),
		NextSync: n.time("nextSync"), IsRemediationEnabled: n.optBoolean("isRemediationEnabled"), IsCPSEnabled: n.optBoolean("isCPSEnabled"),
		ConnectorAppInfos: readAppInfos(n), CloudviewUUID: n.Value("cloudviewUuid"),
		ConnectorScanConfig:        readKnown(n, "connectorScanConfig", readScanConfiguration),
		IsInstantAssessmentEnabled: n.optBoolean("isInstantAssessmentEnabled"),
		IsAttachedToOrgConnector:   n.optBoolean("isAttachedToOrgConnector"), IsWrapperAPI: n.optBoolean("isWrapperAPI"),
	}
	if setting := n.Child("connectorScanSetting"); setting != nil {
		c.ConnectorScanSetting = &ConnectorScanSetting{setting.boolean("isCustomScanConfigEnabled")}
	}
	return c, nil
}

// readKnown reads a collection of which absent and empty differ: nil and no
// items.
func readKnown[T any](n *Node, name string, read func(*Node) T) []T {
	if n.Child(name) == nil {
		return nil
	}
	if items := readItems(n, name, read); items != nil {
		return items
	}
	return []T{}
}

// readAppInfos joins the lists of all applications. Platforms print the inner
// ones as list or, like requests, as set.
func readAppInfos(n *Node) []ConnectorAppInfo {
	lists := readKnown(n, "connectorAppInfos", func(n *Node) []ConnectorAppInfo {
		var infos []ConnectorAppInfo
		for _, part := range n.Children {
			for _, item := range part.All(appInfoElement) {
				infos = append(infos, readAppInfo(item))
			}
		}
		return infos
	})
	if lists == nil {
		return nil
	}
	infos := []ConnectorAppInfo{}
	for _, list := range lists {
		infos = append(infos, list...)
	}
	return infos
}

func readAppInfo(n *Node) ConnectorAppInfo {
	info := ConnectorAppInfo{Name: n.Value("name"), Identifier: n.Value("identifier"), TagID: n.integer("tagId")}
	if tag := n.Child("tagMetadata"); tag != nil {
		info.TagMetadata = &TagMetadata{
			ID: tag.integer("id"), Name: tag.Value("name"), Icon: tag.Value("icon"), Color: tag.Value("color"),
			ForegroundColor: tag.Value("foregroundColor"), BackgroundColor: tag.Value("backgroundColor"),
		}
	}
	return info
}

func readScanConfiguration(n *Node) ConnectorScanConfiguration {
	return ConnectorScanConfiguration{
		ScanPrefix: n.Value("scanPrefix"), OptionProfileID: n.integer("optionProfileId"), Recurrence: n.Value("recurrence"),
		StartDate: n.Value("startDate"), StartTime: n.Value("startTime"),
		DaysOfWeek: readItems(n, "daysOfWeek", func(n *Node) string { return n.Text }), Timezone: n.Value("timezone"),
	}
}
