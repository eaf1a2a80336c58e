package plan

import (
	"context"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// plannedProfile is a profile of the platform, or one that the plan makes.
type plannedProfile struct {
	current   *qps.AgentConfig // nil for a new one
	described *Document        // nil where the files do not mention it
	include   []*tagNode       // after the plan
	exclude   []*tagNode
	change    Change
	request   func() qps.AgentConfigChange // nil where nothing but the priority changes
	position  int64                        // it is moved to when its turn comes; 0 where it stays
	deleted   bool
}

func (p *plannedProfile) isDefault() bool { return p.current != nil && p.current.IsDefault }

// belongsToPlatform reports whether a profile was made by no user: such profiles
// have no creator (Qualys Cloud Agent API, configuration profiles), and neither
// have those of a platform that does not tell.
func (p *plannedProfile) belongsToPlatform() bool {
	return p.current != nil && (p.current.CreatedBy == "" || strings.HasPrefix(p.current.Name, "Initial Profile"))
}

// planProfiles plans the configuration profiles that are described, without their
// order; see finishProfiles.
func (m *maker) planProfiles() error {
	byName := map[string][]*plannedProfile{}
	for _, current := range m.state.profiles {
		p := &plannedProfile{current: current, include: m.nodesOf(simple(current.Tags.Include)), exclude: m.nodesOf(simple(current.Tags.Exclude))}
		m.profiled = append(m.profiled, p)
		byName[current.Name] = append(byName[current.Name], p)
	}
	for _, d := range m.documents[KindProfile] {
		found := byName[*d.Profile.Name]
		if len(found) > 1 {
			return d.refuse("Give all but one another name.", "%d configuration profiles have the name %s, among them %d and %d",
				len(found), quote(*d.Profile.Name), found[0].current.ID, found[1].current.ID)
		}
		if len(found) == 0 {
			found = []*plannedProfile{{}}
			m.profiled, byName[*d.Profile.Name] = append(m.profiled, found[0]), found
		}
		p := found[0]
		if p.described != nil {
			return d.refuse("Describe it once.", "the configuration profile %s is described in %s already", quote(*d.Profile.Name), p.described.Source)
		}
		p.described = d
		if err := m.planProfile(p); err != nil {
			return err
		}
	}
	return m.checkDefault()
}

func simple(tags []qps.ConfigTag) []qps.TagSimple {
	list := make([]qps.TagSimple, len(tags))
	for i, t := range tags {
		list[i] = qps.TagSimple{ID: t.ID, Name: t.Name}
	}
	return list
}

func (m *maker) planProfile(p *plannedProfile) error {
	d := p.described
	current := p.current
	p.change = Change{Action: ActionChange, Kind: KindProfile, Name: *d.Profile.Name, Source: d.Source}
	if current == nil {
		p.change.Action, current = ActionCreate, &qps.AgentConfig{}
	} else {
		p.change.ID = current.ID
	}
	before := [2][]string{m.texts(p.include), m.texts(p.exclude)}
	var err error
	if p.include, err = m.resolveAll(d, "includeTags", d.Profile.IncludeTags, p.include); err != nil {
		return err
	}
	if p.exclude, err = m.resolveAll(d, "excludeTags", d.Profile.ExcludeTags, p.exclude); err != nil {
		return err
	}
	for _, n := range p.exclude {
		if slices.Contains(p.include, n) {
			return d.refuse("Include or exclude it.", "excludeTags: the tag %s is included as well", quote(m.state.tags.shortest(n)))
		}
	}
	differ, err := m.profileDifferences(p, current, before)
	if err != nil {
		return err
	}
	p.change.Properties = differ
	if len(differ) > 0 || p.current == nil {
		said := onlyDifferentProfile(*d.Profile, differ, p.current == nil)
		tagged := slices.ContainsFunc(differ, func(c Property) bool { return slices.Contains(tagKeys, c.Name) })
		include, exclude := p.include, p.exclude
		p.request = func() qps.AgentConfigChange {
			return profileRequest(said, current, tagged || p.current == nil, include, exclude)
		}
	}
	return nil
}

// tagKeys are the keys of what the API takes as one block.
var tagKeys = []string{"includeTags", "includeAll", "excludeTags", "excludeAll"}

// profileRequest returns the request for a profile, at a time when all its tags
// exist.
func profileRequest(said description.ConfigurationProfile, current *qps.AgentConfig, tagged bool, include, exclude []*tagNode) qps.AgentConfigChange {
	if tagged {
		said.IncludeTags, said.ExcludeTags = new([]string{}), new([]string{})
	}
	// No text is looked up: the tags are filled in below.
	c, _ := said.Change(current, nil)
	if tagged {
		c.Tags.Include, c.Tags.Exclude = configTags(include), configTags(exclude)
	}
	c.Priority = nil // a create refuses it; see plannedProfile.position
	return c
}

func configTags(nodes []*tagNode) []qps.ConfigTag {
	var tags []qps.ConfigTag
	for _, n := range nodes {
		tags = append(tags, qps.ConfigTag{ID: n.id, Name: n.name})
	}
	return tags
}

// onlyDifferentProfile leaves out what is said and is so already, except the name
// and the tag rule, which the API wants as a whole.
func onlyDifferentProfile(p description.ConfigurationProfile, differ differences, isNew bool) description.ConfigurationProfile {
	only := description.ConfigurationProfile{Name: p.Name, IncludeAll: p.IncludeAll, ExcludeAll: p.ExcludeAll}
	if isNew {
		only.Default = new(false) // a create wants it
	}
	tagged, measured := isNew, false
	for _, d := range differ {
		switch d.Name {
		case "description":
			only.Description = p.Description
		case "default":
			only.Default = p.Default
		case "suspendScanning":
			only.SuspendScanning = p.SuspendScanning
		case "preventAgentUpdate":
			only.PreventAgentUpdate = p.PreventAgentUpdate
		case "inMemoryDatabase":
			only.InMemoryDatabase = p.InMemoryDatabase
		case "blackouts":
			only.Blackouts = p.Blackouts
		}
		tagged = tagged || slices.Contains(tagKeys, d.Name)
		measured = measured || strings.HasPrefix(d.Name, performancePrefix)
	}
	if measured {
		only.Level, only.Performance = p.Level, p.Performance
	}
	if !tagged {
		only.IncludeAll, only.ExcludeAll = nil, nil
	}
	return only
}

// performancePrefix is before the key of a parameter in the name of a property.
const performancePrefix = "performance."

func (m *maker) profileDifferences(p *plannedProfile, current *qps.AgentConfig, before [2][]string) (differences, error) {
	var d differences
	said := p.described.Profile
	if compare(&d, "description", strings.TrimSpace(current.Description), said.Description) && *said.Description == "" {
		return nil, p.described.refuse("Write another one, or leave the key out.", "description: the API cannot empty the description of a profile")
	}
	if said.Default != nil && (*said.Default || !m.replaced(p)) {
		compare(&d, "default", current.IsDefault, said.Default)
	}
	for i, side := range []struct {
		tags, all  string
		after      []*tagNode
		resolution string
		said       *bool
	}{
		{"includeTags", "includeAll", p.include, current.Tags.IncludeResolution, said.IncludeAll},
		{"excludeTags", "excludeAll", p.exclude, current.Tags.ExcludeResolution, said.ExcludeAll},
	} {
		compareList(&d, side.tags, before[i], new(m.texts(side.after)))
		if len(side.after) > 0 { // without tags there is nothing to resolve, and no answer has it
			compare(&d, side.all, side.resolution == qps.ResolveAll, side.said)
		}
	}
	compare(&d, "suspendScanning", current.SuspendScanning, said.SuspendScanning)
	compare(&d, "preventAgentUpdate", current.PreventAgentUpdate, said.PreventAgentUpdate)
	compare(&d, "inMemoryDatabase", current.InMemoryDBEnabled, said.InMemoryDatabase)
	if said.Blackouts != nil {
		compareList(&d, "blackouts", blackoutTexts(current.Blackouts), new(blackoutTexts(*said.Blackouts)))
	}
	if err := comparePerformance(&d, p.described, current); err != nil {
		return nil, err
	}
	m.noteUnknownParameters(*said.Name, d)
	return d, nil
}

// noteUnknownParameters names parameters that may be misspelled. They are no
// mistake: a platform may have some that this program does not know.
func (m *maker) noteUnknownParameters(profile string, d differences) {
	for _, change := range d {
		key, is := strings.CutPrefix(change.Name, performancePrefix)
		if _, known := performance.Lookup(key); is && !known {
			m.note("ConfigurationProfile %s: 'vedette profiles parameters' does not list %s.", profile, key)
		}
	}
}

// replaced reports whether another profile is to be the default one instead of p,
// which needs no change of p.
func (m *maker) replaced(p *plannedProfile) bool {
	return slices.ContainsFunc(m.documents[KindProfile], func(d *Document) bool {
		return d != p.described && d.Profile.Default != nil && *d.Profile.Default
	})
}

func blackoutTexts(windows []qps.BlackoutConfig) []string {
	texts := make([]string, len(windows))
	for i, w := range windows {
		texts[i] = description.BlackoutText(w)
	}
	return texts
}

// comparePerformance adds the parameters that change. Those that do must be in
// the range of the catalogue; values that a platform has already need not.
func comparePerformance(d *differences, doc *Document, current *qps.AgentConfig) error {
	now := description.SettingsOf(current.PerformanceSettings)
	changed := performance.Settings{}
	for _, s := range doc.Profile.Settings(description.SettingsOf(current.PerformanceSettings)).Ordered() {
		if old, held := now[s.Key]; !held || !sameValue(s.Key, old, s.Value) {
			changed[s.Key] = s.Value
			p := Property{Name: performancePrefix + s.Key, New: s.Value}
			if held {
				p.Old = old
			}
			*d = append(*d, p)
		}
	}
	if err := performance.Validate(changed); err != nil {
		return doc.refuse("'vedette profiles parameters' lists the keys with their ranges.", "%s", err.Error())
	}
	return nil
}

// sameValue reports whether two values of a parameter mean the same: a logging
// level has words and numbers.
func sameValue(key, a, b string) bool {
	if key == performance.KeyLoggingLevel {
		levelA, okA := performance.ParseLoggingLevel(a)
		levelB, okB := performance.ParseLoggingLevel(b)
		return a == b || (okA && okB && levelA == levelB)
	}
	return a == b
}

// checkDefault refuses files after which there would be two default profiles, or
// none.
func (m *maker) checkDefault() error {
	var chosen *plannedProfile
	for _, p := range m.profiled {
		if p.described == nil || p.described.Profile.Default == nil || !*p.described.Profile.Default {
			continue
		}
		if chosen != nil {
			return p.described.refuse("Exactly one profile is the default one.", "default: %s in %s is the default profile as well",
				quote(*chosen.described.Profile.Name), chosen.described.Source)
		}
		chosen = p
	}
	for _, p := range m.profiled {
		switch {
		case !p.isDefault() || p == chosen:
		case chosen != nil:
			m.note("%s is no longer the default profile.", quote(p.current.Name))
		case p.described != nil && p.described.Profile.Default != nil:
			return p.described.refuse("Write default: true at another profile.", "default: %s is the default profile, and no other is to replace it", quote(p.current.Name))
		}
	}
	return nil
}

// becomesDefault reports whether p is the default profile after the plan.
func (m *maker) becomesDefault(p *plannedProfile) bool {
	for _, other := range m.profiled {
		if other.described != nil && other.described.Profile.Default != nil && *other.described.Profile.Default {
			return other == p
		}
	}
	return p.isDefault()
}

// finishProfiles plans the order of the profiles and orders their changes so that
// each is moved to its place when those before it are at theirs.
func (m *maker) finishProfiles() error {
	for _, p := range m.profiled {
		if p.belongsToPlatform() && slices.ContainsFunc(p.change.Properties, func(c Property) bool {
			return c.Name == "description" || strings.HasPrefix(c.Name, performancePrefix)
		}) {
			m.note("%s seems to belong to the platform, which may refuse to change it.", quote(p.current.Name))
		}
	}
	ordered, err := m.orderProfiles()
	if err != nil {
		return err
	}
	for _, p := range ordered {
		if p.request == nil && p.position == 0 {
			continue
		}
		request, position, isNew := p.request, p.position, p.current == nil
		name := *p.described.Profile.Name
		p.change.make = func(ctx context.Context, a *applier, c *Change) error {
			move := qps.AgentConfigChange{Name: &name}
			if position > 0 {
				move.Priority = &position
			}
			if request == nil {
				return a.updateProfile(ctx, c.ID, move)
			}
			said := request()
			if isNew {
				return a.createProfile(ctx, said, move, c)
			}
			said.Priority = move.Priority
			return a.updateProfile(ctx, c.ID, said)
		}
		m.changes[KindProfile] = append(m.changes[KindProfile], p.change)
	}
	return nil
}
