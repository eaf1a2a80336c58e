package qps

import (
	"fmt"
	"slices"
	"strings"
)

// AssetDataConnectorChange is what a request says about a connector of any cloud
// to create or to change. What is nil is not said and stays as it is. An empty
// name or description is said; other empty elements say nothing, but an empty
// set or list empties a collection.
//
// In the collections, Add holds the items of add and of update: both leave the
// rest alone. Replacing and adding in one request is refused.
type AssetDataConnectorChange struct {
	ID          *int64 // only needed where the path has none
	Name        *string
	Description *string
	DefaultTags CollectionChange[TagSimple] // each with an id or a name
	Activation  CollectionChange[string]    // ActivationVM, …

	Disabled             *bool
	IsGovCloudConfigured *bool
	IsChinaConfigured    *bool // version 3.0 documents it as read-only
	RunFrequency         *int64

	// What follows came with version 3.0.
	IsRemediationEnabled *bool
	IsCPSEnabled         *bool
	ConnectorAppInfos    CollectionChange[ConnectorAppInfo] // without TagMetadata
	ConnectorScanSetting *ConnectorScanSetting
	ConnectorScanConfig  CollectionChange[ConnectorScanConfiguration]
}

// AwsAssetDataConnectorChange is what a request says about an AWS connector to
// create or to change. What AssetDataConnectorChange says of what is empty holds
// for its elements; an empty arn or externalId is said.
type AwsAssetDataConnectorChange struct {
	AssetDataConnectorChange
	ARN             *string
	ExternalID      *string
	AuthRecordID    *int64
	Endpoints       CollectionChange[string] // region codes
	AllRegions      *bool
	UseForCloudView *bool
}

// Names of what connectors are made of.
const (
	tagSimpleElement   = "TagSimple"
	activationElement  = "ActivationModule"
	appInfoListElement = "ConnectorAppInfoQList"
	appInfoElement     = "ConnectorAppInfo"
	scanConfigElement  = "ConnectorScanConfiguration"
	dayElement         = "Day"
	endpointElement    = "AwsEndpointSimple"
)

// The elements of a connector that a request may have. Those in the read-only
// lists are in connectors as clients read them; those that send a connector back
// do not mean to change them.
var (
	connectorElements = []string{
		"id", "name", "description", "defaultTags", "activation", "disabled", "isGovCloudConfigured", "isChinaConfigured", "runFrequency",
		"isRemediationEnabled", "isCPSEnabled", "connectorAppInfos", "connectorScanSetting", "connectorScanConfig",
	}
	readOnlyConnectorElements = []string{
		"awsAccountId", "lastSync", "lastError", "connectorState", "type", "isDeleted", "nextSync", "cloudviewUuid", "isInstantAssessmentEnabled",
		"isAttachedToOrgConnector", "isWrapperAPI",
	}
	awsConnectorElements         = slices.Concat(connectorElements, []string{"arn", "externalId", "authRecord", "endpoints", "allRegions", "useForCloudView"})
	readOnlyAwsConnectorElements = slices.Concat(readOnlyConnectorElements, []string{"qualysAwsAccountId"})
)

// ParseAssetDataConnectorChange reads an AssetDataConnector element of a
// request's data. What is wrong with its form comes back as a *RequestError;
// values are for the server to judge.
func ParseAssetDataConnectorChange(n *Node) (AssetDataConnectorChange, error) {
	e, err := elementsOfObject(n, connectorElement, connectorElements, readOnlyConnectorElements)
	if err != nil {
		return AssetDataConnectorChange{}, err
	}
	c := e.connectorChange()
	return c, e.err
}

// ParseAwsAssetDataConnectorChange reads an AwsAssetDataConnector element of a
// request's data. What is wrong with its form comes back as a *RequestError;
// values are for the server to judge.
func ParseAwsAssetDataConnectorChange(n *Node) (AwsAssetDataConnectorChange, error) {
	e, err := elementsOfObject(n, awsConnectorElement, awsConnectorElements, readOnlyAwsConnectorElements)
	if err != nil {
		return AwsAssetDataConnectorChange{}, err
	}
	c := AwsAssetDataConnectorChange{
		AssetDataConnectorChange: e.connectorChange(),
		ARN:                      e.emptiable("arn"), ExternalID: e.emptiable("externalId"),
		AllRegions: e.boolean("allRegions"), UseForCloudView: e.boolean("useForCloudView"),
	}
	c.Endpoints = parseInto(e, "endpoints", parseEndpoint)
	c.AuthRecordID = inner(e, "authRecord", "id", (*elements).integer)
	return c, e.err
}

func (e *elements) connectorChange() AssetDataConnectorChange {
	return AssetDataConnectorChange{
		ID: e.integer("id"), Name: e.emptiable("name"), Description: e.emptiable("description"),
		DefaultTags: parseInto(e, "defaultTags", parseTagReference), Activation: parseInto(e, "activation", parseActivationModule),
		Disabled: e.boolean("disabled"), IsGovCloudConfigured: e.boolean("isGovCloudConfigured"), IsChinaConfigured: e.boolean("isChinaConfigured"),
		RunFrequency: e.integer("runFrequency"), IsRemediationEnabled: e.boolean("isRemediationEnabled"), IsCPSEnabled: e.boolean("isCPSEnabled"),
		ConnectorAppInfos:    parseInto(e, "connectorAppInfos", parseAppInfoList),
		ConnectorScanSetting: e.scanSetting(),
		ConnectorScanConfig:  parseInto(e, "connectorScanConfig", parseScanConfiguration),
	}
}

// emptiable reads a text that a request may empty.
func (e *elements) emptiable(name string) *string {
	if e.nodes[name] != nil && e.given(name) == nil {
		return new("")
	}
	return e.text(name)
}

// plain reads a text; absent and empty are alike.
func (e *elements) plain(name string) string {
	if text := e.text(name); text != nil {
		return *text
	}
	return ""
}

// inner reads an element that holds one value in an element of its own. It
// returns nil when nothing is said, as an answer's empty authRecord, or when it
// is wrong.
func inner[T any](e *elements, name, value string, read func(e *elements, name string) *T) *T {
	n := e.given(name)
	if n == nil || e.err != nil {
		return nil
	}
	in, err := elementsOfObject(n, name, []string{value}, nil)
	if err != nil {
		e.err = err
		return nil
	}
	v := read(in, value)
	e.err = in.err
	return v
}

func (e *elements) scanSetting() *ConnectorScanSetting {
	custom := inner(e, "connectorScanSetting", "isCustomScanConfigEnabled", (*elements).boolean)
	if custom == nil {
		return nil
	}
	return &ConnectorScanSetting{IsCustomScanConfigEnabled: *custom}
}

// parseInto reads a collection of an object. What is wrong goes to e.err.
func parseInto[T any](e *elements, name string, item func(collection string, n *Node) ([]T, error)) CollectionChange[T] {
	n := e.given(name)
	if n == nil || e.err != nil {
		return CollectionChange[T]{}
	}
	if len(n.Children) == 0 {
		e.refuse(n, "Elements expected: list, set, add, remove, update.")
		return CollectionChange[T]{}
	}
	var c CollectionChange[T]
	c, e.err = parseConnectorCollection(n, item)
	return c
}

// parseConnectorCollection reads a collection in all the parts that the Qualys
// schema gives it. count is how many items an answer says there are.
func parseConnectorCollection[T any](n *Node, item func(collection string, n *Node) ([]T, error)) (CollectionChange[T], error) {
	standard := &Node{Name: n.Name}
	var updated []T
	for _, part := range n.Children {
		switch part.Name {
		case "count":
			continue
		case "update":
			values, err := parsePart(n.Name, part, item)
			if err != nil {
				return CollectionChange[T]{}, err
			}
			updated = append(updated, values...)
		default:
			standard.Children = append(standard.Children, part)
		}
	}
	c, err := parseCollection(standard, item)
	if err != nil {
		return c, err
	}
	c.Add = append(c.Add, updated...)
	if c.Set != nil && (c.Add != nil || c.Remove != nil) {
		return c, invalidRequest(fmt.Sprintf("%s: set is given together with another element.", n.Name), "Use set alone, or add and remove.")
	}
	return c, nil
}

func parseActivationModule(collection string, n *Node) ([]string, error) {
	return parseWord(collection, activationElement, n)
}

// parseWord reads an item that is a plain value.
func parseWord(collection, element string, n *Node) ([]string, error) {
	if err := expectItem(collection, element, n); err != nil {
		return nil, err
	}
	word := strings.TrimSpace(n.Text)
	if word == "" {
		return nil, invalidRequest(fmt.Sprintf("%s: a %s has no value.", collection, element), "Give each "+element+" its value.")
	}
	return []string{word}, nil
}

func parseEndpoint(collection string, n *Node) ([]string, error) {
	if err := expectItem(collection, endpointElement, n); err != nil {
		return nil, err
	}
	e, err := elementsOf(n, []string{"regionCode"}, nil)
	if err != nil {
		return nil, err
	}
	region := e.plain("regionCode")
	if e.err == nil && region == "" {
		return nil, invalidRequest(fmt.Sprintf("%s: an %s has no regionCode.", collection, endpointElement), "Specify a region code such as us-gov-west-1.")
	}
	return []string{region}, e.err
}

// parseAppInfoList reads the list of one application inside the list.
func parseAppInfoList(collection string, n *Node) ([]ConnectorAppInfo, error) {
	if err := expectItem(collection, appInfoListElement, n); err != nil {
		return nil, err
	}
	c, err := parseConnectorCollection(n, parseAppInfo)
	if err == nil && c.Remove != nil {
		err = invalidRequest(fmt.Sprintf("%s: remove is given inside of %s.", collection, appInfoListElement), "Put remove around "+appInfoListElement+".")
	}
	return slices.Concat(c.Set, c.Add), err
}

func parseAppInfo(collection string, n *Node) ([]ConnectorAppInfo, error) {
	if err := expectItem(collection, appInfoElement, n); err != nil {
		return nil, err
	}
	e, err := elementsOf(n, []string{"name", "identifier", "tagId"}, []string{"tagMetadata"})
	if err != nil {
		return nil, err
	}
	info := ConnectorAppInfo{Name: e.plain("name"), Identifier: e.plain("identifier")}
	if e.err == nil && info.Name == "" {
		return nil, invalidRequest(fmt.Sprintf("%s: a %s has no name.", collection, appInfoElement), "Names expected: "+strings.Join(ConnectorApps(), ", ")+".")
	}
	if id := e.integer("tagId"); id != nil {
		info.TagID = *id
	}
	return []ConnectorAppInfo{info}, e.err
}

func parseScanConfiguration(collection string, n *Node) ([]ConnectorScanConfiguration, error) {
	if err := expectItem(collection, scanConfigElement, n); err != nil {
		return nil, err
	}
	e, err := elementsOf(n, []string{"scanPrefix", "optionProfileId", "recurrence", "startDate", "startTime", "daysOfWeek", "timezone"}, nil)
	if err != nil {
		return nil, err
	}
	scan := ConnectorScanConfiguration{
		ScanPrefix: e.plain("scanPrefix"), Recurrence: e.plain("recurrence"), StartDate: e.plain("startDate"), StartTime: e.plain("startTime"),
		Timezone: e.plain("timezone"),
	}
	if id := e.integer("optionProfileId"); id != nil {
		scan.OptionProfileID = *id
	}
	days := parseInto(e, "daysOfWeek", func(collection string, n *Node) ([]string, error) { return parseWord(collection, dayElement, n) })
	if e.err == nil && days.Remove != nil {
		return nil, invalidRequest("daysOfWeek: remove is given.", "Give all days as set.")
	}
	if all := slices.Concat(days.Set, days.Add); len(all) > 0 {
		scan.DaysOfWeek = all
	}
	return []ConnectorScanConfiguration{scan}, e.err
}
