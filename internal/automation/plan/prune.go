package plan

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/qps"
)

// systemTags are the root tags that a platform makes for itself (Qualys Asset
// Management API, default system tags). What is below them is made by it, too, or
// belongs to what it makes.
var systemTags = []string{"Business Units", "Asset Groups", "Cloud Agent", "Asset Search Tags", "Malware Domain Assets"}

// prune plans the deletion of what no document mentions: of the automation layer, then profiles and keys,
// because they use tags, then tags, children before their parents.
func (m *maker) prune(ctx context.Context, r Reader) error {
	m.pruneLayer()
	if m.described[KindConnector] {
		m.pruneConnectors()
	}
	if m.described[KindProfile] {
		m.pruneProfiles()
	}
	if m.described[KindKey] {
		if err := m.pruneKeys(ctx, r); err != nil {
			return err
		}
	}
	if m.described[KindTag] {
		return m.pruneTags(ctx, r)
	}
	return nil
}

func (m *maker) keep(kind Kind, name string, id int64, format string, args ...any) {
	m.plan.Kept = append(m.plan.Kept, Kept{kind, name, id, fmt.Sprintf(format, args...)})
}

func (m *maker) pruneProfiles() {
	for _, p := range m.profiled {
		if p.described != nil {
			continue
		}
		c := p.current
		switch {
		case p.belongsToPlatform():
			m.keep(KindProfile, c.Name, c.ID, "it belongs to the platform")
		case m.becomesDefault(p):
			m.keep(KindProfile, c.Name, c.ID, "it is the default profile")
		case m.sharesName(p) || !nameable(c.Name):
			m.keep(KindProfile, c.Name, c.ID, "it has no name of its own, so no file could name it")
		default:
			p.deleted = true
			m.deletions = append(m.deletions, Change{
				Action: ActionDelete, Kind: KindProfile, Name: c.Name, ID: c.ID, Properties: []Property{{"agents", c.TotalAgents, nil}},
				make: func(ctx context.Context, a *applier, change *Change) error { return a.deleteProfile(ctx, change.ID) },
			})
		}
	}
}

func (m *maker) sharesName(p *plannedProfile) bool {
	return slices.ContainsFunc(m.state.profiles, func(c *qps.AgentConfig) bool { return c != p.current && c.Name == p.current.Name })
}

func (m *maker) pruneKeys(ctx context.Context, r Reader) error {
	described := map[string]bool{}
	for _, d := range m.documents[KindKey] {
		described[*d.Key.Title] = true
	}
	titles := map[string]int{}
	for _, k := range m.state.keys {
		titles[strings.TrimSpace(k.Title)]++
	}
	for _, k := range m.state.keys {
		title := strings.TrimSpace(k.Title)
		if described[title] {
			continue
		}
		if titles[title] > 1 || !nameable(title) {
			m.keep(KindKey, k.Title, k.ID, "it has no title of its own, so no file could name it")
			continue
		}
		agents, err := agentsOf(ctx, r, k)
		if err != nil {
			return err
		}
		if agents > 0 {
			m.keep(KindKey, k.Title, k.ID, "agents still have it: %d", agents)
			continue
		}
		delete(m.keyTags, k.ID)
		m.deletions = append(m.deletions, Change{
			Action: ActionDelete, Kind: KindKey, Name: k.Title, ID: k.ID,
			make: func(ctx context.Context, a *applier, c *Change) error { return a.deleteKey(ctx, c.ID) },
		})
	}
	return nil
}

// agentsOf counts the agents of a key. Not every platform gives countUsed, so
// where it says none they are counted.
func agentsOf(ctx context.Context, r Reader, k *qps.AgentActKey) (int64, error) {
	if k.CountUsed > 0 {
		return k.CountUsed, nil
	}
	n, err := r.CountHostAssets(ctx, []qps.Criterion{{Field: "activationKey", Operator: qps.OpEquals, Value: k.ActivationKey}})
	if err != nil {
		return 0, fmt.Errorf("count the agents of %s: %w", label(k), err)
	}
	return n, nil
}

// pruneTags deletes tags that nothing which stays needs.
func (m *maker) pruneTags(ctx context.Context, r Reader) error {
	users := m.tagUsers()
	nodes := slices.Clone(m.state.tags.nodes)
	slices.SortStableFunc(nodes, func(a, b *tagNode) int { return byDepth(b, a) })
	for _, n := range nodes {
		if n.described != nil || n.current == nil {
			continue
		}
		reason, err := reasonToKeep(ctx, r, n, users)
		if err != nil {
			return err
		}
		if reason != "" {
			m.keep(KindTag, n.text(), n.id, "%s", reason)
			continue
		}
		n.deleted = true
		m.deletions = append(m.deletions, Change{
			Action: ActionDelete, Kind: KindTag, Name: n.text(), ID: n.id,
			make: func(ctx context.Context, a *applier, c *Change) error { return a.deleteTag(ctx, c.ID) },
		})
	}
	return nil
}

func reasonToKeep(ctx context.Context, r Reader, n *tagNode, users map[*tagNode]string) (string, error) {
	switch {
	case belongsToPlatform(n):
		return "it belongs to the platform", nil
	case !nameable(n.name):
		return "no file could name it", nil
	case users[n] != "":
		return "it is used by " + users[n], nil
	case slices.ContainsFunc(n.children, func(child *tagNode) bool { return !child.deleted }):
		return "it has children that stay", nil
	}
	// Some platforms tell only when asked for the one tag that it is reserved.
	tag, err := r.GetTag(ctx, n.id)
	if err != nil {
		return "", err
	}
	if reserved(tag) {
		return "it belongs to the platform", nil
	}
	return "", nil
}

// belongsToPlatform reports whether a tag, or one above it, was made by the
// platform.
func belongsToPlatform(n *tagNode) bool {
	for levels := 0; n != nil && levels < maxLevels; n, levels = n.parent, levels+1 {
		if n.parent == nil && slices.Contains(systemTags, n.name) || n.current != nil && reserved(n.current) {
			return true
		}
	}
	return false
}

func reserved(t *qps.Tag) bool {
	return t.ReservedType != "" || t.SrcAssetGroupID != 0 || t.SrcBusinessUnitID != 0 || t.SrcOperatingSystemName != ""
}

// tagUsers returns what uses each tag after the plan.
func (m *maker) tagUsers() map[*tagNode]string {
	users := map[*tagNode]string{}
	use := func(nodes []*tagNode, user string) {
		for _, n := range nodes {
			users[n] = user
		}
	}
	for _, k := range m.state.keys {
		use(m.keyTags[k.ID], label(k))
	}
	for title, nodes := range m.newKeyTags {
		use(nodes, "the new activation key "+quote(title))
	}
	for user, nodes := range m.connectorTags {
		use(nodes, user)
	}
	for _, p := range m.profiled {
		switch {
		case p.deleted:
		case p.current == nil:
			use(slices.Concat(p.include, p.exclude), "the new configuration profile "+quote(p.change.Name))
		default:
			use(slices.Concat(p.include, p.exclude), profileLabel(p.current))
		}
	}
	return users
}

// label names a key in a sentence.
func label(k *qps.AgentActKey) string {
	return "activation key " + strconv.FormatInt(k.ID, 10) + " (" + quote(k.Title) + ")"
}

func profileLabel(p *qps.AgentConfig) string {
	return "configuration profile " + strconv.FormatInt(p.ID, 10) + " (" + quote(p.Name) + ")"
}
