package plan

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// planKeys plans the activation keys that are described.
func (m *maker) planKeys() error {
	m.keyTags, m.newKeyTags = map[int64][]*tagNode{}, map[string][]*tagNode{}
	for _, k := range m.state.keys {
		m.keyTags[k.ID] = m.nodesOf(k.Tags)
	}
	seen := map[string]string{}
	for _, d := range m.documents[KindKey] {
		title := *d.Key.Title
		if first, twice := seen[title]; twice {
			return d.refuse("Describe it once.", "the activation key %s is described in %s already", quote(title), first)
		}
		seen[title] = d.Source
		current, err := m.keyTitled(d)
		if err != nil {
			return err
		}
		if err := m.planKey(d, current); err != nil {
			return err
		}
	}
	return nil
}

// keyTitled returns the key that a document describes, nil for a new one.
func (m *maker) keyTitled(d *Document) (*qps.AgentActKey, error) {
	var found []*qps.AgentActKey
	var ids []string
	for _, k := range m.state.keys {
		if strings.TrimSpace(k.Title) == *d.Key.Title {
			found, ids = append(found, k), append(ids, strconv.FormatInt(k.ID, 10))
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, d.refuse("Give all but one another title: vedette keys update "+ids[len(ids)-1]+" --title …",
		"the activation keys %s all have the title %s", strings.Join(ids, ", "), quote(*d.Key.Title))
}

func (m *maker) planKey(d *Document, current *qps.AgentActKey) error {
	c := Change{Action: ActionChange, Kind: KindKey, Name: *d.Key.Title, Source: d.Source}
	isNew := current == nil
	if isNew {
		c.Action, current = ActionCreate, &qps.AgentActKey{}
	} else {
		c.ID = current.ID
	}
	now := m.nodesOf(current.Tags)
	wanted, err := m.resolveAll(d, "tags", d.Key.Tags, now)
	if err != nil {
		return err
	}
	if isNew {
		m.newKeyTags[c.Name] = wanted
	} else {
		m.keyTags[current.ID] = wanted
	}
	differ, err := m.keyDifferences(d, current, now, wanted)
	if err != nil {
		return err
	}
	if c.Properties = differ; !isNew && len(differ) == 0 {
		return nil
	}
	said := *d.Key
	if !isNew {
		said = onlyDifferentKey(said, differ)
	}
	said.Tags = nil // those of the plan have no ids yet
	setTags := d.Key.Tags != nil && (isNew || slices.ContainsFunc(differ, func(p Property) bool { return p.Name == "tags" }))
	before := *current
	c.make = func(ctx context.Context, a *applier, c *Change) error {
		change, err := said.Change(before, nil)
		if err != nil {
			return err
		}
		if setTags {
			change.Tags.Set = simpleTags(wanted)
		}
		return a.writeKey(ctx, change, c)
	}
	m.changes[KindKey] = append(m.changes[KindKey], c)
	return nil
}

// onlyDifferentKey leaves out what is said and is so already.
func onlyDifferentKey(k description.ActivationKey, differ differences) description.ActivationKey {
	var only description.ActivationKey
	for _, p := range differ {
		switch p.Name {
		case "maxAgents":
			only.MaxAgents = k.MaxAgents
		case "expires":
			only.Expires = k.Expires
		case "disabled":
			only.Disabled = k.Disabled
		case "modules":
			only.Modules = k.Modules
		}
	}
	return only
}

func (m *maker) keyDifferences(doc *Document, current *qps.AgentActKey, now, wanted []*tagNode) (differences, error) {
	var d differences
	k := doc.Key
	if k.MaxAgents != nil && *k.MaxAgents != current.CountPurchased {
		d = append(d, Property{"maxAgents", maximum(current.CountPurchased), maximum(*k.MaxAgents)})
	}
	if k.Expires != nil && !k.Expires.Equal(current.ExpireDate) {
		d = append(d, Property{"expires", expiry(current.ExpireDate), expiry(*k.Expires)})
	}
	compare(&d, "disabled", current.IsDisabled, k.Disabled)
	if k.Modules != nil {
		held, modules := licenses(current.Licenses), licenses(*k.Modules)
		if slices.Contains(modules, everyLicense) && !slices.Contains(held, everyLicense) {
			return nil, doc.refuse("List the licenses, such as [VM_LICENSE, PC_LICENSE].", "modules: ALL cannot be compared with what a platform has")
		}
		compareList(&d, "modules", held, &modules)
	}
	if k.Tags != nil {
		compareList(&d, "tags", m.texts(now), new(m.texts(wanted)))
	}
	return d, nil
}

func maximum(n int64) any {
	if n == 0 {
		return description.NoMaximum
	}
	return n
}

func expiry(t time.Time) any {
	if t.IsZero() {
		return description.NoExpiry
	}
	return qps.FormatTime(t)
}

// everyLicense stands for several licenses. What it stands for is another thing
// on each platform, and no answer of Vedette has it, so that a plan with it would
// never be done.
const everyLicense = "ALL"

// licenses returns license words as platforms answer them.
func licenses(words []string) []string {
	list := make([]string, 0, len(words))
	for _, word := range words {
		word = strings.ToUpper(strings.TrimSpace(word))
		if word == "IOC" { // what EDR was called before
			word = "EDR"
		}
		list = append(list, word)
	}
	return list
}

// nodesOf returns the tags that an object has. Tags that the account cannot see
// are known by what the object says of them.
func (m *maker) nodesOf(tags []qps.TagSimple) []*tagNode {
	nodes := make([]*tagNode, 0, len(tags))
	for _, t := range tags {
		n := m.state.tags.byID[t.ID]
		if found := m.state.tags.named[t.Name]; n == nil && t.ID == 0 && len(found) == 1 {
			n = found[0]
		}
		if n == nil {
			n = &tagNode{name: t.Name, id: t.ID}
			if t.ID != 0 {
				m.state.tags.byID[t.ID] = n
			}
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// resolveAll returns the tags of a list of a document, otherwise those there are.
func (m *maker) resolveAll(d *Document, key string, said *[]string, otherwise []*tagNode) ([]*tagNode, error) {
	if said == nil {
		return otherwise, nil
	}
	nodes := make([]*tagNode, 0, len(*said))
	for i, text := range *said {
		n, err := m.resolveOne(text, otherwise)
		if err != nil {
			return nil, asInvalid(d.located(key, itemKey(key, i), err))
		}
		if slices.Contains(nodes, n) {
			return nil, d.refuse("List it once.", "%s: the tag %s is listed twice", key, quote(text))
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// resolveOne finds a tag, also one that only the object itself tells of.
func (m *maker) resolveOne(text string, held []*tagNode) (*tagNode, error) {
	n, err := m.state.tags.resolve(text)
	if fault.Is(err, fault.NotFound) {
		for _, other := range held {
			if other.current == nil && other.id != 0 && other.name == text {
				return other, nil
			}
		}
	}
	return n, err
}

func (m *maker) texts(nodes []*tagNode) []string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		if texts[i] = n.name; len(m.state.tags.named[n.name]) > 0 {
			texts[i] = m.state.tags.shortest(n)
		}
	}
	return texts
}

// simpleTags names tags for a request, at the time when all of them exist.
func simpleTags(nodes []*tagNode) []qps.TagSimple {
	tags := make([]qps.TagSimple, len(nodes))
	for i, n := range nodes {
		tags[i] = qps.TagSimple{ID: n.id, Name: n.name}
	}
	return tags
}
