package plan

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"vedette.dev/vedette/qps"
)

// ruleStatic is the rule type of tags without a rule.
const ruleStatic = "STATIC"

// planTags plans the tags that are described, parents before children.
func (m *maker) planTags() error {
	documents := m.documents[KindTag]
	existing := len(m.state.tags.nodes)
	if err := m.state.tags.place(documents); err != nil {
		return err
	}
	var nodes []*tagNode
	for _, n := range m.state.tags.nodes {
		if n.described != nil {
			nodes = append(nodes, n)
		}
	}
	slices.SortStableFunc(nodes, byDepth)
	for _, n := range nodes {
		if err := m.planTag(n); err != nil {
			return err
		}
	}
	m.noteNamesakes(m.state.tags.nodes[existing:])
	return nil
}

func (m *maker) planTag(n *tagNode) error {
	d := n.described
	change := d.Tag.Change()
	if change.Color != nil && *change.Color == "" && n.current == nil {
		change.Color = nil
	}
	c := Change{Action: ActionCreate, Kind: KindTag, Name: n.text(), Source: d.Source}
	current := &qps.Tag{RuleType: ruleStatic}
	if n.current != nil {
		c.Action, c.ID, current = ActionChange, n.id, n.current
	}
	differ, err := tagDifferences(d, current)
	if err != nil {
		return err
	}
	c.Properties = differ
	if n.current != nil && len(differ) == 0 {
		return nil
	}
	differs := func(name string) bool {
		return slices.ContainsFunc(differ, func(p Property) bool { return p.Name == name })
	}
	if n.current != nil {
		change = onlyDifferent(change, differs)
	}
	if differs("ruleType") || differs("rule") { // the API wants the two together
		change.RuleType = new(ruleStatic)
		if d.Tag.RuleType == nil {
			change.RuleType = new(ruleTypeOf(current))
		}
		if d.Tag.RuleType != nil && *d.Tag.RuleType != "" {
			change.RuleType = d.Tag.RuleType
		}
		change.RuleText = nil
		if *change.RuleType != ruleStatic {
			change.RuleText = new(current.RuleText)
			if d.Tag.Rule != nil {
				change.RuleText = d.Tag.Rule
			}
		}
	}
	c.make = func(ctx context.Context, a *applier, c *Change) error { return a.writeTag(ctx, n, change, c) }
	m.changes[KindTag] = append(m.changes[KindTag], c)
	return nil
}

func ruleTypeOf(t *qps.Tag) string {
	if t.RuleType == "" {
		return ruleStatic
	}
	return t.RuleType
}

// onlyDifferent leaves out what is said and is so already.
func onlyDifferent(c qps.TagChange, differs func(string) bool) qps.TagChange {
	keep := func(name string, field **string) {
		if !differs(name) {
			*field = nil
		}
	}
	c.Name = nil // it is how the tag was found
	keep("color", &c.Color)
	keep("ruleType", &c.RuleType)
	keep("rule", &c.RuleText)
	keep("description", &c.Description)
	keep("provider", &c.Provider)
	if !differs("criticality") {
		c.CriticalityScore = nil
	}
	return c
}

var colorPattern = regexp.MustCompile(`^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$`)

// tagDifferences compares a tag with its document.
func tagDifferences(doc *Document, current *qps.Tag) (differences, error) {
	var d differences
	t := doc.Tag
	if t.Color != nil && !strings.EqualFold(*t.Color, current.Color) {
		// Platforms hold malformed ones from older days, and take no new ones.
		if *t.Color != "" && !colorPattern.MatchString(*t.Color) {
			return nil, doc.refuse("Write #RGB or #RRGGBB, in quotes.", "color: %s is no color", quote(*t.Color))
		}
		compare(&d, "color", current.Color, t.Color)
	}
	becomes := ruleTypeOf(current)
	if t.RuleType != nil {
		if becomes = *t.RuleType; becomes == "" {
			becomes = ruleStatic
		}
	}
	compare(&d, "ruleType", ruleTypeOf(current), &becomes)
	if becomes == ruleStatic {
		if t.Rule != nil && *t.Rule != "" {
			return nil, doc.refuse("Say the ruleType that it is for, such as OS_REGEX, or leave the rule out.", "rule: a static tag has no rule")
		}
	} else {
		compare(&d, "rule", trimRule(current.RuleText), t.Rule)
	}
	compare(&d, "criticality", current.CriticalityScore, t.Criticality)
	compare(&d, "description", strings.TrimSpace(current.Description), t.Description)
	compare(&d, "provider", current.Provider, t.Provider)
	return d, nil
}

// noteNamesakes says where a tag that is made has the name of one elsewhere: who
// wants it to move must move it, because its hosts would stay with the old one.
func (m *maker) noteNamesakes(made []*tagNode) {
	for _, n := range made {
		for _, other := range m.state.tags.named[n.name] {
			if other.current != nil && other.described == nil {
				m.note("%s is a new tag beside %s (id %d). If it is to be moved, use 'vedette tags update %d --parent' first: its hosts go with it.",
					n.text(), other.text(), other.id, other.id)
				break
			}
		}
	}
}
