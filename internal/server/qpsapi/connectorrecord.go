package qpsapi

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/qps"
)

func awsConnectorSchema(r *http.Request) string {
	if isVersion3(r) {
		return qps.SchemaAwsAssetDataConnectorV3
	}
	return qps.SchemaAwsAssetDataConnector
}

// connectorRecord returns what connectors of every cloud have in common, with the
// elements of version 3.0.
func connectorRecord(c *connector.Connector) *qps.AssetDataConnector {
	return &qps.AssetDataConnector{
		ID: c.ID, Name: c.Name, AWSAccountID: c.AccountID, Description: c.Description, LastSync: c.LastSync, LastError: c.LastError,
		ConnectorState: string(c.State), Type: qps.CloudAWS,
		DefaultTags: append([]qps.TagSimple{}, c.DefaultTags...), Activation: activation(c.Modules),
		Disabled: new(c.Disabled), IsGovCloudConfigured: new(c.Partition == connector.GovCloud), IsChinaConfigured: new(c.Partition == connector.China),
		RunFrequency: int64(c.RunFrequency / time.Minute), NextSync: c.NextSync,
		IsRemediationEnabled: c.Kept.RemediationEnabled, IsCPSEnabled: c.Kept.CPSEnabled, ConnectorAppInfos: c.Kept.AppInfos,
		ConnectorScanSetting: c.Kept.ScanSetting, ConnectorScanConfig: c.Kept.ScanConfig,
	}
}

// activation lists modules in the order of the API, as the release note's answer
// does.
func activation(modules []string) []string {
	order := qps.ActivationModules()
	sorted := append([]string{}, modules...)
	slices.SortFunc(sorted, func(a, b string) int { return cmp.Compare(slices.Index(order, a), slices.Index(order, b)) })
	return sorted
}

// awsConnectorRecord returns a connector in the version that a request is to.
// Version 2.0 has the shape of the release note's answer (2017, EC2 scanning
// support for AWS GovCloud): isChinaConfigured and runFrequency are there only
// when they say something.
func awsConnectorRecord(r *http.Request, c *connector.Connector, assuming accounts) qps.Record {
	record := &qps.AwsAssetDataConnector{
		AssetDataConnector: *connectorRecord(c), ARN: c.RoleARN, ExternalID: c.ExternalID,
		Endpoints: append([]string{}, c.Regions...), AllRegions: new(c.AllRegions), UseForCloudView: c.Kept.UseForCloudView,
	}
	if c.RoleARN != "" {
		record.QualysAWSAccountID, _ = assuming.assuming(c.Partition)
	}
	if c.AuthRecordID != 0 {
		record.AuthRecord = &qps.AuthRecordReference{ID: c.AuthRecordID}
	}
	if isVersion3(r) {
		return record.InVersion3()
	}
	record = record.InVersion2()
	if c.Partition != connector.China {
		record.IsChinaConfigured = nil
	}
	if c.RunFrequency == connector.DefaultRunFrequency {
		record.RunFrequency = 0
	}
	return record
}
