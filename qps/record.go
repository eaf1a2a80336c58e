package qps

import "time"

// Record is one object under the data element of a response: *HostAsset,
// *Asset, *AgentAsset, *AgentActKey, *AgentConfig, *Tag, *AwsAssetDataConnector,
// *AssetDataConnector, *AssetDataConnectorErrors, *AwsAuthRecord,
// *AwsBaseAccount, *AllBinaryInfo, *PortalVersion, *QWebVersion or *Unknown. Only
// this package implements it, because the two output forms must stay alike.
type Record interface {
	// ElementName is the name of the object's element, such as HostAsset.
	ElementName() string
	writeTo(s sink)
}

// Asset is the part of an asset that is common to all asset types (Qualys Asset
// Management API, object asset). Zero values are not written, except ID and the
// tags collection.
type Asset struct {
	ID       int64
	Name     string
	Created  time.Time
	Modified time.Time
	Type     string
	Tags     []TagSimple
	Sources  []Source // see HostAsset.Sources
}

// ElementName returns "Asset".
func (*Asset) ElementName() string { return "Asset" }

func (a *Asset) writeTo(s sink) {
	s.integer("id", a.ID)
	optText(s, "name", a.Name)
	optTime(s, "created", a.Created)
	optTime(s, "modified", a.Modified)
	optText(s, "type", a.Type)
	writeTags(s, a.Tags)
	writeSources(s, a.Sources)
}

func readAsset(n *Node) (*Asset, error) {
	id, err := readID(n)
	if err != nil {
		return nil, err
	}
	return &Asset{
		ID: id, Name: n.Value("name"), Created: n.time("created"), Modified: n.time("modified"),
		Type: n.Value("type"), Tags: readTags(n), Sources: readSources(n),
	}, nil
}

// AgentAsset names an agent in the answer to an on-demand scan (Qualys Cloud
// Agent API, launch on-demand scan). ID is the asset id.
type AgentAsset struct {
	ID int64
}

// ElementName returns "AgentAsset".
func (*AgentAsset) ElementName() string { return "AgentAsset" }

func (a *AgentAsset) writeTo(s sink) { s.integer("id", a.ID) }

func readAgentAsset(n *Node) (*AgentAsset, error) {
	id, err := readID(n)
	if err != nil {
		return nil, err
	}
	return &AgentAsset{ID: id}, nil
}

// Unknown is a record of a kind this package has no type for, kept as it came.
// Node.Name is the element name. Text directly in the element, which no record
// of the protocol has, is not written.
type Unknown struct {
	Node *Node
}

// ElementName returns the name of the element, with characters that XML does
// not allow in names replaced.
func (u *Unknown) ElementName() string { return elementName(u.Node.Name) }

func (u *Unknown) writeTo(s sink) { s.nodes(u.Node.Children) }

// readRecord turns an element under data into the record of its type.
func readRecord(n *Node) (Record, error) {
	switch n.Name {
	case "HostAsset":
		return record(readHostAsset(n))
	case "Asset":
		return record(readAsset(n))
	case "AgentAsset":
		return record(readAgentAsset(n))
	case "AgentConfig":
		return record(readAgentConfig(n))
	case "AgentActKey":
		return record(readAgentActKey(n))
	case "Tag":
		return record(readTag(n))
	case awsConnectorElement:
		return record(readAwsAssetDataConnector(n))
	case connectorElement:
		return record(readAssetDataConnectorRecord(n))
	case connectorErrorsElement:
		return readAssetDataConnectorErrors(n), nil
	case awsAuthRecordElement:
		return record(readAwsAuthRecord(n))
	case awsBaseAccountElement:
		return readAwsBaseAccount(n), nil
	case "AllBinaryInfo":
		return readAllBinaryInfo(n), nil
	case portalVersionElement:
		return readPortalVersion(n), nil
	case qwebVersionElement:
		return readQWebVersion(n), nil
	}
	return &Unknown{Node: n}, nil
}

// record keeps a nil pointer from becoming a Record that is not nil.
func record[R Record](r R, err error) (Record, error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}
