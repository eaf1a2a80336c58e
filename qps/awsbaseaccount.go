package qps

import "time"

// Schema paths of what belongs to connectors, for Response.Schema.
const (
	SchemaAwsBaseAccount           = "/qps/xsd/3.0/am/awsbaseaccount.xsd"
	SchemaAssetDataConnectorErrors = "/qps/xsd/3.0/am/assetdataconnectorerrors.xsd"
)

// AwsBaseAccount says which AWS account calls AssumeRole in each partition
// (Qualys Connectors API, object awsbaseaccount, version 3.0). Account ids are 12
// digits, leading zeros included; zero values of the ids are not written.
type AwsBaseAccount struct {
	ID              int64
	GlobalAccountID string
	GovAccountID    string
	ChinaAccountID  string
	// Whether the account is one the customer has registered.
	CustomerGlobalAccount bool
	CustomerGovAccount    bool
	CustomerChinaAccount  bool
}

const (
	awsBaseAccountElement  = "AwsBaseAccount"
	connectorErrorsElement = "AssetDataConnectorErrors"
)

// ElementName returns "AwsBaseAccount".
func (*AwsBaseAccount) ElementName() string { return awsBaseAccountElement }

func (a *AwsBaseAccount) writeTo(s sink) {
	optInteger(s, "id", a.ID)
	optText(s, "globalAccountId", a.GlobalAccountID)
	optText(s, "govAccountId", a.GovAccountID)
	optText(s, "chinaAccountId", a.ChinaAccountID)
	s.boolean("customerGlobalAccount", a.CustomerGlobalAccount)
	s.boolean("customerGovAccount", a.CustomerGovAccount)
	s.boolean("customerChinaAccount", a.CustomerChinaAccount)
}

func readAwsBaseAccount(n *Node) *AwsBaseAccount {
	return &AwsBaseAccount{
		ID: n.integer("id"), GlobalAccountID: n.Value("globalAccountId"), GovAccountID: n.Value("govAccountId"), ChinaAccountID: n.Value("chinaAccountId"),
		CustomerGlobalAccount: n.boolean("customerGlobalAccount"), CustomerGovAccount: n.boolean("customerGovAccount"),
		CustomerChinaAccount: n.boolean("customerChinaAccount"),
	}
}

// AssetDataConnectorErrors is an error of a run of a connector (Qualys
// Connectors API, object assetdataconnectorerrors, version 3.0).
type AssetDataConnectorErrors struct {
	ErrorMessage string
	// Created is when it happened. Only the day is on the wire; the zero time is
	// not written.
	Created time.Time
}

// ElementName returns "AssetDataConnectorErrors".
func (*AssetDataConnectorErrors) ElementName() string { return connectorErrorsElement }

func (e *AssetDataConnectorErrors) writeTo(s sink) {
	s.text("errorMessage", e.ErrorMessage)
	if writable(e.Created) {
		s.text("created", e.Created.UTC().Format(time.DateOnly))
	}
}

func readAssetDataConnectorErrors(n *Node) *AssetDataConnectorErrors {
	return &AssetDataConnectorErrors{ErrorMessage: n.Value("errorMessage"), Created: n.time("created")}
}

// AwsCloudformationTemplate asks for a CloudFormation template that makes the
// role of a connector (Qualys Connectors API, object awscloudformationtemplate,
// version 3.0). The answer is the template itself, without an envelope. The words
// that the elements take are not published, so they are for the server to judge;
// an empty one is not said.
type AwsCloudformationTemplate struct {
	AWSCloudType string // the partition
	ExternalID   string
	Capability   string // the applications of the connector
}

const templateElement = "AwsCloudformationTemplate"

// ParseAwsCloudformationTemplate reads an AwsCloudformationTemplate element of a
// request's data. What is wrong with it comes back as a *RequestError.
func ParseAwsCloudformationTemplate(n *Node) (AwsCloudformationTemplate, error) {
	e, err := elementsOfObject(n, templateElement, []string{"awsCloudType", "externalId", "capability"}, nil)
	if err != nil {
		return AwsCloudformationTemplate{}, err
	}
	t := AwsCloudformationTemplate{
		AWSCloudType: e.plain("awsCloudType"), ExternalID: e.plain("externalId"), Capability: e.plain("capability"),
	}
	return t, e.err
}

// Node returns the AwsCloudformationTemplate element of a request's data.
func (t AwsCloudformationTemplate) Node() *Node {
	n := &Node{Name: templateElement}
	for _, e := range []struct{ name, text string }{{"awsCloudType", t.AWSCloudType}, {"externalId", t.ExternalID}, {"capability", t.Capability}} {
		if e.text != "" {
			n.add(e.name, e.text)
		}
	}
	return n
}
