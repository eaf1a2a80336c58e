package qps

// AwsAssetDataConnector is a connector of an AWS account (Qualys Asset
// Management API, object awsassetdataconnector). What AssetDataConnector says of
// values that are not known holds for its elements, too.
//
// It authenticates with a role, ARN and ExternalID, or with the keys of an
// AwsAuthRecord.
type AwsAssetDataConnector struct {
	AssetDataConnector
	ARN        string // of the role to assume
	ExternalID string // what AssumeRole passes as the external id
	// QualysAWSAccountID is the account that calls AssumeRole, which the trust
	// policy of the role names; leading zeros included.
	QualysAWSAccountID string
	AuthRecord         *AuthRecordReference
	Endpoints          []string // region codes, such as us-gov-west-1
	AllRegions         *bool    // every region is listed; Endpoints do not matter
	UseForCloudView    *bool    // version 2.0 only; 3.0 has ConnectorAppInfos instead
}

// AuthRecordReference names the AwsAuthRecord of a connector. Without an id it
// is written as an empty element: the sample of the 2017 release note, "EC2
// Scanning Support for AWS GovCloud", does not show the id that was sent.
type AuthRecordReference struct {
	ID int64
}

const awsConnectorElement = "AwsAssetDataConnector"

// ElementName returns "AwsAssetDataConnector".
func (*AwsAssetDataConnector) ElementName() string { return awsConnectorElement }

// InVersion2 returns the connector without the elements that came with version
// 3.0. The copy shares its collections with c.
func (c *AwsAssetDataConnector) InVersion2() *AwsAssetDataConnector {
	old := *c
	old.AssetDataConnector = *c.AssetDataConnector.InVersion2()
	return &old
}

// InVersion3 returns the connector without the element that version 3.0 has no
// more. The copy shares its collections with c.
func (c *AwsAssetDataConnector) InVersion3() *AwsAssetDataConnector {
	current := *c
	current.UseForCloudView = nil
	return &current
}

func (c *AwsAssetDataConnector) writeTo(s sink) {
	c.AssetDataConnector.writeTo(s)
	optText(s, "arn", c.ARN)
	optText(s, "externalId", c.ExternalID)
	optText(s, "qualysAwsAccountId", c.QualysAWSAccountID)
	if c.AuthRecord != nil {
		s.begin("authRecord")
		optInteger(s, "id", c.AuthRecord.ID)
		s.end("authRecord")
	}
	if c.Endpoints != nil {
		writeList(s, "endpoints", endpointElement, c.Endpoints, func(s sink, region *string) { s.text("regionCode", *region) })
	}
	optBoolean(s, "allRegions", c.AllRegions)
	optBoolean(s, "useForCloudView", c.UseForCloudView)
}

func readAwsAssetDataConnector(n *Node) (*AwsAssetDataConnector, error) {
	common, err := readAssetDataConnector(n)
	if err != nil {
		return nil, err
	}
	c := &AwsAssetDataConnector{
		AssetDataConnector: common, ARN: n.Value("arn"), ExternalID: n.Value("externalId"), QualysAWSAccountID: n.Value("qualysAwsAccountId"),
		Endpoints:  readKnown(n, "endpoints", func(n *Node) string { return n.Value("regionCode") }),
		AllRegions: n.optBoolean("allRegions"), UseForCloudView: n.optBoolean("useForCloudView"),
	}
	if auth := n.Child("authRecord"); auth != nil {
		c.AuthRecord = &AuthRecordReference{auth.integer("id")}
	}
	return c, nil
}
