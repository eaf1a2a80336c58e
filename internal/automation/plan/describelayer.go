package plan

import (
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// hiddenReason says why nothing of a kind is described.
const hiddenReason = "this account may not see them"

// checkSite refuses a selected site that there is not.
func (d *describer) checkSite() error {
	if d.selection.Site == "" || len(d.layer.sites.named(d.selection.Site)) > 0 {
		return nil
	}
	return fault.New(fault.Invalid, "There is no site "+quote(d.selection.Site)+".", "'"+listCommands[KindSite]+"' shows those there are.")
}

// chosen reports whether what belongs to a site is selected.
func (d *describer) chosen(site string) bool {
	return d.selection.Site == "" || d.selection.Site == site
}

// hides says once of a kind that the caller may not see it.
func (d *describer) hides(kind Kind) bool {
	if d.layer.hidden[kind] {
		d.keepOut(kind, "", 0, hiddenReason)
	}
	return d.layer.hidden[kind]
}

func (m mapping) addNode(key string, n *yaml.Node) {
	m.node.Content = append(m.node.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, n)
}

// block returns a mapping within a document.
func block() mapping { return mapping{&yaml.Node{Kind: yaml.MappingNode}} }

func (d *describer) describeSites() []*yaml.Node {
	var list []*yaml.Node
	for _, i := range d.layer.sites.inOrder() {
		if !d.chosen(i.name) {
			continue
		}
		if !nameable(i.name) {
			d.keepOut(KindSite, i.name, i.id, "no file could name it")
			continue
		}
		m := newMapping(KindSite)
		m.add("name", i.name)
		m.add("siteKind", i.current.Kind)
		m.add("description", i.current.Description)
		if d.layer.me.Manager { // others are not told
			m.add("members", sorted(i.current.Members))
		}
		list = append(list, m.node)
	}
	return list
}

// describeRelays describes the relays; of one site those that are kept to it, and
// those its connections use.
func (d *describer) describeRelays() []*yaml.Node {
	if d.hides(KindRelay) {
		return nil
	}
	used := map[int64]bool{}
	for _, i := range d.layer.connections.items {
		if i.current.Relay != nil && d.chosen(i.site) {
			used[i.current.Relay.ID] = true
		}
	}
	var list []*yaml.Node
	for _, i := range d.layer.relays.inOrder() {
		site := siteText(i.current.Site)
		if d.selection.Site != "" && !used[i.id] && site != d.selection.Site {
			continue
		}
		m := newMapping(KindRelay)
		m.add("name", i.name)
		m.add("site", site)
		m.add("description", i.current.Description)
		list = append(list, m.node)
	}
	return list
}

func (d *describer) describeConnections() []*yaml.Node {
	if d.hides(KindConnection) {
		return nil
	}
	var list []*yaml.Node
	for _, i := range d.layer.connections.inOrder() {
		if !d.chosen(i.site) {
			continue
		}
		if reason := d.unsayable(i); reason != "" {
			d.keepOut(KindConnection, i.text(), i.id, reason)
			continue
		}
		list = append(list, d.describeConnection(i))
	}
	return list
}

// unsayable says why no file can describe a connection, empty for none.
func (d *describer) unsayable(i *item[qpsclient.Connection]) string {
	vault := i.current.PasswordVault.Connection
	switch {
	case !nameable(i.name) || !nameable(i.site):
		return "no file could name it"
	case vault != nil && d.layer.connections.byID(vault.ID) == nil:
		return fmt.Sprintf("this account does not see its password vault, connection %d", vault.ID)
	case i.current.Relay != nil && (i.current.Relay.Name == "" || i.current.Relay.Name == NoRelay):
		return "no file could name its relay"
	}
	return ""
}

func (d *describer) describeConnection(i *item[qpsclient.Connection]) *yaml.Node {
	c := i.current
	m := newMapping(KindConnection)
	m.add("name", i.name)
	m.add("site", i.site)
	m.add("integration", c.Integration)
	m.add("shareToInternalSites", c.ShareToInternalSites)
	relay := NoRelay
	if c.Relay != nil {
		relay = c.Relay.Name
	}
	m.add("relay", relay)
	m.add("description", c.Description)
	m.add("active", c.Active)
	m.add("userPermissions", permissionTexts(c.UserPermissions))
	parameters := block()
	for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
		if value := c.Parameters[name]; value != qpsclient.KeptSecret {
			parameters.add(name, value)
		}
	}
	m.addNode("parameters", parameters.node)
	vault := block()
	if c.PasswordVault.Connection != nil {
		vault.add("connection", d.layer.connections.byID(c.PasswordVault.Connection.ID).text())
	}
	items := block()
	for _, name := range slices.Sorted(maps.Keys(c.PasswordVault.Items)) {
		one := block()
		one.add("path", c.PasswordVault.Items[name].Path)
		one.add("field", c.PasswordVault.Items[name].Field)
		one.node.Style = yaml.FlowStyle
		items.addNode(name, one.node)
	}
	vault.addNode("items", items.node)
	m.addNode("passwordVault", vault.node)
	limits := block()
	limits.add("requestsPerMinute", valueOf(c.Limits.RequestsPerMinute))
	limits.add("concurrency", valueOf(c.Limits.Concurrency))
	m.addNode("limits", limits.node)
	check := block()
	check.add("enabled", valueOf(c.HealthCheck.Enabled))
	check.add("intervalMinutes", valueOf(c.HealthCheck.IntervalMinutes))
	check.add("mailAfter", valueOf(c.HealthCheck.MailAfter))
	check.add("mailTo", sorted(c.HealthCheck.MailTo))
	m.addNode("healthCheck", check.node)
	return m.node
}

func (d *describer) describeSchedules() []*yaml.Node {
	if d.hides(KindSchedule) {
		return nil
	}
	var list []*yaml.Node
	for _, i := range d.layer.schedules.inOrder() {
		if !d.chosen(i.site) {
			continue
		}
		with, starts := d.layer.connections.byID(i.current.Connection.ID), d.layer.playbooks.byID(i.current.Playbook.ID)
		target := block()
		switch {
		case i.current.Playbook.ID != 0 && starts == nil:
			d.keepOut(KindSchedule, i.text(), i.id, "this account does not see its playbook")
			continue
		case starts != nil:
			target.add("playbook", starts.text())
		case with == nil:
			d.keepOut(KindSchedule, i.text(), i.id, "this account does not see its connection")
			continue
		default:
			target.add("connection", with.text())
			target.add("command", i.current.Command)
		}
		if !nameable(i.name) || !nameable(i.site) {
			d.keepOut(KindSchedule, i.text(), i.id, "no file could name it")
			continue
		}
		described := describeSchedule(i, target)
		if !sayable(described) {
			d.keepOut(KindSchedule, i.text(), i.id, "no file can say its inputs")
			continue
		}
		list = append(list, described)
	}
	return list
}

// sayable reports whether a document can be read again: inputs of playbooks may be as
// deep as their types let them.
func sayable(document *yaml.Node) bool {
	content, err := encode([]*yaml.Node{document})
	if err == nil {
		_, err = Decode("", content)
	}
	return err == nil
}

func describeSchedule(i *item[qpsclient.AutomationSchedule], target mapping) *yaml.Node {
	s := i.current
	m := newMapping(KindSchedule)
	m.add("name", i.name)
	m.add("site", i.site)
	m.node.Content = append(m.node.Content, target.node.Content...)
	inputs := block()
	for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
		if s.Inputs[name] != nil { // which is the same as none
			inputs.addNode(name, plainNode(s.Inputs[name]))
		}
	}
	m.addNode("inputs", inputs.node)
	m.addText("every", s.Every)
	m.addText("cron", s.Cron)
	m.add("timeZone", s.TimeZone)
	m.add("start", timeText(s.Start))
	m.add("end", timeText(s.End))
	m.add("catchUp", s.CatchUp)
	m.add("overlap", s.Overlap)
	m.add("jitterPercent", s.JitterPercent)
	m.add("pauseAfterFailures", s.PauseAfterFailures)
	m.add("active", s.Active)
	return m.node
}

func (d *describer) describePlaybooks() []*yaml.Node {
	if d.hides(KindPlaybook) {
		return nil
	}
	var list []*yaml.Node
	for _, i := range d.layer.playbooks.inOrder() {
		if !d.chosen(i.site) {
			continue
		}
		if !nameable(i.name) || !nameable(i.site) {
			d.keepOut(KindPlaybook, i.text(), i.id, "no file could name it")
			continue
		}
		m := newMapping(KindPlaybook)
		m.add("name", i.name)
		m.add("site", i.site)
		m.add("live", i.current.live != "")
		m.add("text", i.current.text)
		if i.current.live != "" && i.current.live != i.current.text {
			m.add("liveText", i.current.live)
		}
		list = append(list, m.node)
	}
	return list
}
