package qps

import "time"

// Schema paths of connectors, for Response.Schema. Version 3.0 of the API has
// elements that 2.0 has not; see AwsAssetDataConnector.InVersion2.
const (
	SchemaAssetDataConnector      = "/qps/xsd/2.0/am/assetdataconnector.xsd"
	SchemaAwsAssetDataConnector   = "/qps/xsd/2.0/am/awsassetdataconnector.xsd"
	SchemaAwsAssetDataConnectorV3 = "/qps/xsd/3.0/am/awsassetdataconnector.xsd"
)

// Values of AssetDataConnector.ConnectorState (Qualys schemas, type
// AssetDataConnectorState). ConnectorSuccess is of older platforms, which had no
// FINISHED states.
const (
	ConnectorPending         = "PENDING"
	ConnectorQueued          = "QUEUED"
	ConnectorRunning         = "RUNNING"
	ConnectorProcessing      = "PROCESSING"
	ConnectorSuccess         = "SUCCESS"
	ConnectorError           = "ERROR"
	ConnectorFinishedSuccess = "FINISHED_SUCCESS"
	ConnectorFinishedErrors  = "FINISHED_ERRORS"
	ConnectorDisabled        = "DISABLED"
	ConnectorIncomplete      = "INCOMPLETE"
)

// ConnectorStates returns every value of AssetDataConnector.ConnectorState.
func ConnectorStates() []string {
	return []string{
		ConnectorPending, ConnectorQueued, ConnectorRunning, ConnectorProcessing, ConnectorSuccess, ConnectorError, ConnectorFinishedSuccess,
		ConnectorFinishedErrors, ConnectorDisabled, ConnectorIncomplete,
	}
}

// Values of AssetDataConnector.Type: the cloud it lists. The first is also what
// HostAsset.CloudProvider says of an EC2 instance.
const (
	CloudAWS   = "AWS"
	CloudAzure = "AZURE"
	CloudGCP   = "GCP"
	CloudOCI   = "OCI"
)

// Words of AssetDataConnector.Activation: the modules that found assets are
// activated for (Qualys schemas, type ActivationModule; CSA is in the pages on
// version 3.0 only).
const (
	ActivationVM        = "VM"
	ActivationPC        = "PC"
	ActivationSCA       = "SCA"
	ActivationCloudView = "CLOUDVIEW"
	ActivationCertView  = "CERTVIEW"
	ActivationCSA       = "CSA"
)

// ActivationModules returns every word of AssetDataConnector.Activation.
func ActivationModules() []string {
	return []string{ActivationVM, ActivationPC, ActivationSCA, ActivationCloudView, ActivationCertView, ActivationCSA}
}

// Values of ConnectorAppInfo.Name: the applications a connector works for.
const (
	AppAssetInventory = "AI"
	AppCloudInventory = "CI"
	AppCloudSecurity  = "CSA"
)

// ConnectorApps returns every value of ConnectorAppInfo.Name.
func ConnectorApps() []string {
	return []string{AppAssetInventory, AppCloudInventory, AppCloudSecurity}
}

// AssetDataConnector is what connectors of all clouds have in common (Qualys
// Asset Management API, object assetdataconnector): a connector lists the
// machines of one cloud account, and each becomes a host asset. Elements are
// written in the order of the Qualys schema.
//
// ID is always written. Other zero values, nil collections and nil pointers mean
// "not known" and are not; a collection that is empty but not nil is written as
// an empty list. Reading keeps the difference.
type AssetDataConnector struct {
	ID             int64
	Name           string
	AWSAccountID   string // 12 digits, leading zeros included; of AWS only
	Description    string
	LastSync       time.Time // end of the last run that listed anything
	LastError      string
	ConnectorState string // ConnectorPending, …
	Type           string // CloudAWS, …

	DefaultTags []TagSimple // put on every asset the connector finds
	Activation  []string    // ActivationVM, …

	Disabled             *bool
	IsGovCloudConfigured *bool // lists AWS GovCloud (US) and no other region
	IsChinaConfigured    *bool // lists the regions of AWS in China and no other
	IsDeleted            *bool
	RunFrequency         int64 // minutes from run to run

	// What follows came with version 3.0.
	NextSync                   time.Time
	IsRemediationEnabled       *bool
	IsCPSEnabled               *bool // cloud perimeter scan
	ConnectorAppInfos          []ConnectorAppInfo
	CloudviewUUID              string // id in the older CloudView API
	ConnectorScanSetting       *ConnectorScanSetting
	ConnectorScanConfig        []ConnectorScanConfiguration
	IsInstantAssessmentEnabled *bool
	IsAttachedToOrgConnector   *bool
	IsWrapperAPI               *bool
}

// ConnectorAppInfo says that a connector works for an application, and with
// which tag it marks the assets there. On the wire each application has a list
// of its own inside the list.
type ConnectorAppInfo struct {
	Name        string       // AppAssetInventory, …
	Identifier  string       // the role ARN of an AWS connector
	TagID       int64        // zero for no tag
	TagMetadata *TagMetadata // answers only; nil when not known
}

// TagMetadata describes the tag of a ConnectorAppInfo.
type TagMetadata struct {
	ID              int64
	Name            string
	Icon            string
	Color           string
	ForegroundColor string
	BackgroundColor string
}

// ConnectorScanSetting says whether a connector has a perimeter scan of its own.
type ConnectorScanSetting struct {
	IsCustomScanConfigEnabled bool
}

// ConnectorScanConfiguration is the perimeter scan of a connector.
type ConnectorScanConfiguration struct {
	ScanPrefix      string
	OptionProfileID int64
	Recurrence      string   // DAILY or WEEKLY
	StartDate       string   // MM/DD/YYYY
	StartTime       string   // HH:MM, 24 hours, in Timezone
	DaysOfWeek      []string // SUN to SAT
	Timezone        string
}

const connectorElement = "AssetDataConnector"

// ElementName returns "AssetDataConnector".
func (*AssetDataConnector) ElementName() string { return connectorElement }

// InVersion2 returns the connector without the elements that came with version
// 3.0. The copy shares its collections with c.
func (c *AssetDataConnector) InVersion2() *AssetDataConnector {
	old := *c
	old.NextSync, old.CloudviewUUID = time.Time{}, ""
	old.IsRemediationEnabled, old.IsCPSEnabled, old.ConnectorAppInfos = nil, nil, nil
	old.ConnectorScanSetting, old.ConnectorScanConfig = nil, nil
	old.IsInstantAssessmentEnabled, old.IsAttachedToOrgConnector, old.IsWrapperAPI = nil, nil, nil
	return &old
}

func (c *AssetDataConnector) writeTo(s sink) {
	s.integer("id", c.ID)
	optText(s, "name", c.Name)
	optText(s, "awsAccountId", c.AWSAccountID)
	optText(s, "description", c.Description)
	optTime(s, "lastSync", c.LastSync)
	optText(s, "lastError", c.LastError)
	optText(s, "connectorState", c.ConnectorState)
	optText(s, "type", c.Type)
	if c.DefaultTags != nil {
		writeList(s, "defaultTags", tagSimpleElement, c.DefaultTags, writeTagSimple)
	}
	if c.Activation != nil {
		writeTexts(s, "activation", activationElement, c.Activation)
	}
	optBoolean(s, "disabled", c.Disabled)
	optBoolean(s, "isGovCloudConfigured", c.IsGovCloudConfigured)
	optBoolean(s, "isChinaConfigured", c.IsChinaConfigured)
	optBoolean(s, "isDeleted", c.IsDeleted)
	optInteger(s, "runFrequency", c.RunFrequency)
	c.writeVersion3(s)
}

func (c *AssetDataConnector) writeVersion3(s sink) {
	optTime(s, "nextSync", c.NextSync)
	optBoolean(s, "isRemediationEnabled", c.IsRemediationEnabled)
	optBoolean(s, "isCPSEnabled", c.IsCPSEnabled)
	if c.ConnectorAppInfos != nil {
		writeAppInfos(s, c.ConnectorAppInfos)
	}
	optText(s, "cloudviewUuid", c.CloudviewUUID)
	if c.ConnectorScanSetting != nil {
		s.begin("connectorScanSetting")
		s.boolean("isCustomScanConfigEnabled", c.ConnectorScanSetting.IsCustomScanConfigEnabled)
		s.end("connectorScanSetting")
	}
	if c.ConnectorScanConfig != nil {
		writeList(s, "connectorScanConfig", scanConfigElement, c.ConnectorScanConfig, writeScanConfiguration)
	}
	optBoolean(s, "isInstantAssessmentEnabled", c.IsInstantAssessmentEnabled)
	optBoolean(s, "isAttachedToOrgConnector", c.IsAttachedToOrgConnector)
	optBoolean(s, "isWrapperAPI", c.IsWrapperAPI)
}

// writeAppInfos gives every run of one application a list of its own.
func writeAppInfos(s sink, infos []ConnectorAppInfo) {
	s.list("connectorAppInfos")
	for start := 0; start < len(infos); {
		end := sameApp(infos, start)
		s.itemList(appInfoListElement)
		for i := start; i < end; i++ {
			s.item(appInfoElement)
			infos[i].writeTo(s)
			s.endItem(appInfoElement)
		}
		s.endItemList(appInfoListElement)
		start = end
	}
	s.endList("connectorAppInfos")
}

// sameApp returns the index after the run of one application that begins at start.
func sameApp(infos []ConnectorAppInfo, start int) int {
	end := start + 1
	for end < len(infos) && infos[end].Name == infos[start].Name {
		end++
	}
	return end
}

func (a *ConnectorAppInfo) writeTo(s sink) {
	optText(s, "name", a.Name)
	optText(s, "identifier", a.Identifier)
	optInteger(s, "tagId", a.TagID)
	if a.TagMetadata == nil {
		return
	}
	s.begin("tagMetadata")
	optInteger(s, "id", a.TagMetadata.ID)
	optText(s, "name", a.TagMetadata.Name)
	optText(s, "icon", a.TagMetadata.Icon)
	optText(s, "color", a.TagMetadata.Color)
	optText(s, "foregroundColor", a.TagMetadata.ForegroundColor)
	optText(s, "backgroundColor", a.TagMetadata.BackgroundColor)
	s.end("tagMetadata")
}

func writeScanConfiguration(s sink, c *ConnectorScanConfiguration) {
	optText(s, "scanPrefix", c.ScanPrefix)
	optInteger(s, "optionProfileId", c.OptionProfileID)
	optText(s, "recurrence", c.Recurrence)
	optText(s, "startDate", c.StartDate)
	optText(s, "startTime", c.StartTime)
	if len(c.DaysOfWeek) > 0 {
		writeTexts(s, "daysOfWeek", dayElement, c.DaysOfWeek)
	}
	optText(s, "timezone", c.Timezone)
}
