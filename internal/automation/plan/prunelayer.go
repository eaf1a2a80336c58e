package plan

import (
	"context"

	"vedette.dev/vedette/qps/qpsclient"
)

// pruneLayer plans the deletion of what no document mentions: schedules first, then
// playbooks, connections, then relays and sites. What belongs to a site is only deleted from the
// sites that the files mention, so that the files of one team never delete what
// another team has.
func (m *maker) pruneLayer() {
	if m.layer == nil {
		return
	}
	if m.described[KindSchedule] {
		m.pruneSchedules()
	}
	if m.described[KindPlaybook] {
		m.prunePlaybooks()
	}
	if m.described[KindConnection] {
		m.pruneConnections()
	}
	if m.described[KindRelay] {
		m.pruneRelays()
	}
	if m.described[KindSite] {
		m.pruneSites()
	}
}

// mentioned returns the sites that the files describe, or describe objects of a kind
// of.
func (m *maker) mentioned(kind Kind) map[string]bool {
	sites := map[string]bool{}
	for _, d := range m.documents[KindSite] {
		sites[*d.Site.Name] = true
	}
	for _, d := range m.documents[kind] {
		sites[*d.knownBy()[1].text] = true
	}
	return sites
}

// deleteItem plans the deletion of an object.
func deleteItem[T any](m *maker, kind Kind, i *item[T], remove func(ctx context.Context, a *applier, id int64) error) {
	i.deleted = true
	m.deletions = append(m.deletions, Change{
		Action: ActionDelete, Kind: kind, Name: i.text(), ID: i.id,
		make: func(ctx context.Context, a *applier, c *Change) error { return a.wrote(remove(ctx, a, c.ID)) },
	})
}

func (m *maker) pruneSchedules() {
	sites := m.mentioned(KindSchedule)
	for _, i := range m.layer.schedules.items {
		if i.described == nil && sites[i.site] {
			deleteItem(m, KindSchedule, i, func(ctx context.Context, a *applier, id int64) error { return a.to.DeleteAutomationSchedule(ctx, id) })
		}
	}
}

// pruneConnections deletes those that use a vault before the vaults.
func (m *maker) pruneConnections() {
	sites := m.mentioned(KindConnection)
	for _, vaults := range []bool{false, true} {
		for _, i := range m.layer.connections.items {
			if i.described != nil || !sites[i.site] || m.isVault(i) != vaults {
				continue
			}
			switch user := m.userOf(i); {
			case user != "":
				keepItem(m, KindConnection, i, "it is used by %s", user)
			case i.current.Level != "own":
				keepItem(m, KindConnection, i, "this account does not own it")
			default:
				deleteItem(m, KindConnection, i, func(ctx context.Context, a *applier, id int64) error { return a.to.DeleteConnection(ctx, id) })
			}
		}
	}
}

// isVault reports whether a connection is the vault of another one now.
func (m *maker) isVault(i *item[qpsclient.Connection]) bool {
	for _, other := range m.layer.connections.items {
		if other.current != nil && other.current.PasswordVault.Connection != nil && other.current.PasswordVault.Connection.ID == i.id {
			return true
		}
	}
	return false
}

// userOf names what will use a connection after the plan, empty for nothing.
func (m *maker) userOf(i *item[qpsclient.Connection]) string {
	for _, s := range m.layer.schedules.items {
		if !s.deleted && m.layer.runsWith[s] == i {
			return "schedule " + quote(s.text())
		}
	}
	for _, c := range m.layer.connections.items {
		if !c.deleted && m.layer.fetchesFrom[c] == i {
			return "connection " + quote(c.text())
		}
	}
	return ""
}

func (m *maker) pruneRelays() {
	for _, i := range m.layer.relays.items {
		if i.described != nil || i.current == nil {
			continue
		}
		user := ""
		for _, c := range m.layer.connections.items {
			if !c.deleted && m.layer.reachedBy[c] == i {
				user = c.text()
			}
		}
		if user != "" {
			keepItem(m, KindRelay, i, "it is used by connection %s", quote(user))
			continue
		}
		name := i.name
		deleteItem(m, KindRelay, i, func(ctx context.Context, a *applier, _ int64) error {
			_, err := a.to.DeleteRelay(ctx, name)
			return err
		})
	}
}

func (m *maker) pruneSites() {
	for _, i := range m.layer.sites.items {
		if i.described != nil {
			continue
		}
		if owner := m.belongsTo(i.name); owner != "" {
			keepItem(m, KindSite, i, "%s belongs to it", owner)
			continue
		}
		if members := i.current.Members; len(members) > 0 {
			keepItem(m, KindSite, i, "it has members: %d", len(members))
			continue
		}
		deleteItem(m, KindSite, i, func(ctx context.Context, a *applier, id int64) error { return a.to.DeleteSite(ctx, id) })
	}
}

// belongsTo names something that will belong to a site after the plan, empty for
// nothing.
func (m *maker) belongsTo(site string) string {
	for _, i := range m.layer.connections.items {
		if i.site == site && !i.deleted {
			return "connection " + quote(i.text())
		}
	}
	for _, i := range m.layer.playbooks.items {
		if i.site == site && !i.deleted {
			return "playbook " + quote(i.text())
		}
	}
	for _, i := range m.layer.schedules.items {
		if i.site == site && !i.deleted {
			return "schedule " + quote(i.text())
		}
	}
	for _, i := range m.layer.relays.items {
		if i.current != nil && siteText(i.current.Site) == site && !i.deleted {
			return "relay " + quote(i.text())
		}
	}
	return ""
}
