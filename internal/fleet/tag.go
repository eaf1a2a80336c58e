package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// SystemTag is the name of the tag every agent carries and nobody can remove.
const SystemTag = "Cloud Agent"

// Limits on tags.
const (
	// MaxTagNameBytes bounds a tag's name: a longer one no criterion could ask for.
	MaxTagNameBytes = MaxTextBytes
	// MaxTagTextBytes bounds a description.
	MaxTagTextBytes = 4096
	// MaxRuleBytes bounds the text of a rule; asset searches are XML documents of
	// a few kilobytes.
	MaxRuleBytes = 32 << 10
	// MaxTags bounds the tags of a subscription. All of them are read at every
	// search and every change, which takes about 50 ms at this number.
	MaxTags = 20_000
	// MaxTagsPerRequest bounds a tree made in one call, and a bulk change: each is
	// one transaction.
	MaxTagsPerRequest = 1000
	// MaxTagDepth bounds the levels of the hierarchy, far above what people use.
	MaxTagDepth = 32
)

// Tag labels host assets. Static tags are put on them by hand and by activation
// keys, all others by their rule alone.
type Tag struct {
	ID          int64
	ParentID    int64 // 0 for a root tag; siblings have different names
	Name        string
	System      bool   // made by Vedette; cannot be changed or deleted
	Color       string // #RGB, #RRGGBB or empty
	RuleType    RuleType
	RuleText    string
	Criticality int // 1 to 5, 0 for none
	Description string
	Provider    string    // of the rule type CLOUD_ASSET
	Evaluating  bool      // the rule has yet to be evaluated for some hosts
	Created     time.Time // to the second, as Modified
	Modified    time.Time
}

// Tags is the storage of tags. Every change is one transaction; what the rules
// of Forest refuse is refused without a trace.
type Tags interface {
	// Tags returns every tag in ascending order of id.
	Tags(ctx context.Context) ([]Tag, error)
	// CreateTag makes a tag with the children it names, and returns its id.
	CreateTag(ctx context.Context, change qps.TagChange) (int64, error)
	// UpdateTags makes the change to each of the tags.
	UpdateTags(ctx context.Context, ids []int64, change qps.TagChange) error
	// DeleteTags removes the tags, and from every host and activation key. A tag
	// that has children which stay, or by which a configuration profile selects
	// its agents, is fault.Conflict.
	DeleteTags(ctx context.Context, ids []int64) error
}

// NewTagSchema returns what criteria on tags may ask for (Qualys Asset
// Management API, search tags). children and dates are not among them.
func NewTagSchema() Schema[Tag] {
	return NewSchema(map[Field]Property[Tag]{
		"id":       Integer(func(t *Tag) []int64 { return []int64{t.ID} }),
		"name":     Text(func(t *Tag) string { return t.Name }),
		"parent":   Integer(func(t *Tag) []int64 { return present(t.ParentID) }),
		"ruleType": Keyword(func(t *Tag) string { return string(t.RuleType) }),
		"provider": Keyword(func(t *Tag) string { return t.Provider }),
		"color":    Text(func(t *Tag) string { return t.Color }),
	})
}

// providers are the clouds of rules of the type CLOUD_ASSET.
var providers = []string{"EC2", "AZURE", "GCP", "IBM", "OCI"}

// ChangesRule reports whether a change of the tags with these ids, none for a new
// tag, gives a tag a rule, changes one or takes one away. all is every tag there
// is.
func ChangesRule(all []Tag, ids []int64, c qps.TagChange) bool {
	if c.HasRule() {
		return true
	}
	if c.RuleType != nil || c.RuleText != nil {
		for i := range all {
			if slices.Contains(ids, all[i].ID) && all[i].RuleType != RuleStatic {
				return true
			}
		}
	}
	if c.Children == nil {
		return false
	}
	return slices.ContainsFunc(c.Children.Add, func(child qps.TagChange) bool {
		return ChangesRule(all, childIDs(all, ids, child), child)
	})
}

// childIDs returns the tags that a child in a change may mean: the one with its
// id, or those of its name below one of the parents.
func childIDs(all []Tag, parents []int64, child qps.TagChange) []int64 {
	if child.ID != nil {
		return []int64{*child.ID}
	}
	var ids []int64
	for i := range all {
		if child.Name != nil && all[i].Name == *child.Name && slices.Contains(parents, all[i].ParentID) {
			ids = append(ids, all[i].ID)
		}
	}
	return ids
}

// with returns the tag with the change made to it. Children are for Forest.
func (t Tag) with(c qps.TagChange) Tag {
	set := func(field *string, value *string) {
		if value != nil {
			*field = *value
		}
	}
	if c.RuleType != nil {
		t.RuleType = RuleType(*c.RuleType)
		if *c.RuleType == "" {
			t.RuleType = RuleStatic
		}
		if t.RuleType == RuleStatic {
			t.RuleText = ""
		}
		if t.RuleType != RuleCloudAsset {
			t.Provider = ""
		}
	}
	set(&t.Name, c.Name)
	set(&t.Color, c.Color)
	set(&t.RuleText, c.RuleText)
	set(&t.Description, c.Description)
	set(&t.Provider, c.Provider)
	if c.ParentTagID != nil {
		t.ParentID = *c.ParentTagID
	}
	if c.CriticalityScore != nil {
		// What does not fit is out of range, not something else.
		t.Criticality = int(min(max(*c.CriticalityScore, -1), maxCriticality+1))
	}
	return t
}

const maxCriticality = 5

// check refuses what a tag alone has wrong; fault.Invalid names field, value and
// what is allowed.
func (t *Tag) check() error {
	switch {
	case t.Name == "":
		return fault.New(fault.Invalid, "name: the value is missing.", "Give the tag a name.")
	case len(t.Name) > MaxTagNameBytes:
		return fault.New(fault.Invalid, fmt.Sprintf("name: '%s' has %d bytes.", echo(t.Name), len(t.Name)), fmt.Sprintf("Use at most %d bytes.", MaxTagNameBytes))
	case strings.ContainsFunc(t.Name, unicode.IsControl):
		return fault.New(fault.Invalid, fmt.Sprintf("name: %q has control characters.", echo(t.Name)), "Use printable characters.")
	case t.Color != "" && !validColor(t.Color):
		return fault.New(fault.Invalid, fmt.Sprintf("color: invalid value '%s'.", echo(t.Color)), "Specify a color as #RGB or #RRGGBB.")
	case t.Criticality < 0 || t.Criticality > maxCriticality:
		return fault.New(fault.Invalid, "criticalityScore: the value is out of range.", fmt.Sprintf("Specify an integer from 1 to %d.", maxCriticality))
	case len(t.Description) > MaxTagTextBytes:
		return fault.New(fault.Invalid, fmt.Sprintf("description: there are %d bytes.", len(t.Description)), fmt.Sprintf("Use at most %d bytes.", MaxTagTextBytes))
	case t.Provider != "" && t.RuleType != RuleCloudAsset:
		return fault.New(fault.Invalid, fmt.Sprintf("provider: '%s' is given with the ruleType %s.", echo(t.Provider), echo(string(t.RuleType))),
			"Use provider with the ruleType CLOUD_ASSET.")
	case t.Provider != "" && !slices.Contains(providers, t.Provider):
		return fault.New(fault.Invalid, fmt.Sprintf("provider: invalid value '%s'.", echo(t.Provider)), "Values expected: "+strings.Join(providers, ", ")+".")
	}
	for field, text := range map[string]string{"name": t.Name, "description": t.Description, "ruleText": t.RuleText} {
		if !storable(text) {
			return fault.New(fault.Invalid, field+": the value is not text.", "Send UTF-8 without NUL characters.")
		}
	}
	if t.RuleType == RuleCloudAsset && t.Provider != "" && t.Provider != CloudEC2 {
		// Of a cloud whose machines are not found here: stored, and put on no host.
		return checkRuleSize(t.RuleText)
	}
	return checkRule(t.RuleType, t.RuleText)
}

// validColor reports whether the text is #RGB or #RRGGBB.
func validColor(s string) bool {
	digits, found := strings.CutPrefix(s, "#")
	isHex := func(r rune) bool { return '0' <= r && r <= '9' || 'a' <= r && r <= 'f' || 'A' <= r && r <= 'F' }
	return found && (len(digits) == 3 || len(digits) == 6) && !strings.ContainsFunc(digits, func(r rune) bool { return !isHex(r) })
}

// Wire returns the tag as the API shows it, with its children.
func (t *Tag) Wire(children []qps.TagSimple) *qps.Tag {
	w := &qps.Tag{
		ID: t.ID, Name: t.Name, ParentTagID: t.ParentID, Created: t.Created, Modified: t.Modified, Color: t.Color,
		RuleType: string(t.RuleType), RuleText: t.RuleText, CriticalityScore: int64(t.Criticality), Description: t.Description,
		Provider: t.Provider, Children: children,
	}
	if t.Evaluating {
		w.ReEvalStatus = "QUEUED"
	}
	return w
}
