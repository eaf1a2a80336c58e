package qps

import "time"

// SchemaTag is the schema path of tags, for Response.Schema.
const SchemaTag = "/qps/xsd/2.0/am/tag.xsd"

// Tag labels assets (Qualys Asset Management API, object tag). ID is always
// written; other zero values mean "not known" and are not.
type Tag struct {
	ID          int64
	Name        string
	ParentTagID int64 // zero for a root tag
	Created     time.Time
	Modified    time.Time
	// Color is #RGB or #RRGGBB. Platforms hold malformed ones from older days;
	// they are read as they are.
	Color                  string
	RuleType               string // STATIC, NAME_CONTAINS, …
	RuleText               string
	CriticalityScore       int64 // 1 to 5
	Description            string
	Provider               string // EC2, AZURE, …; only with the rule type CLOUD_ASSET
	SrcAssetGroupID        int64  // the three sources are set on tags the platform made
	SrcBusinessUnitID      int64
	SrcOperatingSystemName string
	ReservedType           string
	CreatedBy              string
	ReEvalStatus           string // set while the rule is evaluated for all assets
	Children               []TagSimple
}

// ElementName returns "Tag".
func (*Tag) ElementName() string { return "Tag" }

func (t *Tag) writeTo(s sink) {
	s.integer("id", t.ID)
	optText(s, "name", t.Name)
	optInteger(s, "parentTagId", t.ParentTagID)
	optTime(s, "created", t.Created)
	optTime(s, "modified", t.Modified)
	optText(s, "color", t.Color)
	optText(s, "ruleType", t.RuleType)
	optText(s, "ruleText", t.RuleText)
	optInteger(s, "criticalityScore", t.CriticalityScore)
	optText(s, "description", t.Description)
	optText(s, "provider", t.Provider)
	optInteger(s, "srcAssetGroupId", t.SrcAssetGroupID)
	optInteger(s, "srcBusinessUnitId", t.SrcBusinessUnitID)
	optText(s, "srcOperatingSystemName", t.SrcOperatingSystemName)
	optText(s, "reservedType", t.ReservedType)
	optText(s, "createdBy", t.CreatedBy)
	optText(s, "reEvalStatus", t.ReEvalStatus)
	if len(t.Children) > 0 {
		writeList(s, "children", tagSimpleElement, t.Children, writeTagSimple)
	}
}

func readTag(n *Node) (*Tag, error) {
	id, err := readID(n)
	if err != nil {
		return nil, err
	}
	return &Tag{
		ID: id, Name: n.Value("name"), ParentTagID: n.integer("parentTagId"), Created: n.time("created"), Modified: n.time("modified"),
		Color: n.Value("color"), RuleType: n.Value("ruleType"), RuleText: n.Value("ruleText"),
		CriticalityScore: n.integer("criticalityScore"), Description: n.Value("description"), Provider: n.Value("provider"),
		SrcAssetGroupID: n.integer("srcAssetGroupId"), SrcBusinessUnitID: n.integer("srcBusinessUnitId"),
		SrcOperatingSystemName: n.Value("srcOperatingSystemName"), ReservedType: n.Value("reservedType"),
		CreatedBy: n.Value("createdBy"), ReEvalStatus: n.Value("reEvalStatus"),
		Children: readItems(n, "children", readTagSimple),
	}, nil
}
