package plan

import (
	"encoding/json"
	"maps"
	"slices"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/qps/qpsclient"
)

// compareTarget compares what the schedule runs.
func (m *maker) compareTarget(p *plannedSchedule) error {
	d, said := p.described, p.said
	command := said.Connection != nil || said.Command != nil
	switch {
	case said.Playbook != nil && command:
		return d.refuseAt("playbook", "Write one of them: a playbook, or a connection and a command.", "a command is given as well")
	case p.current != nil && p.now.Playbook.ID == 0 && said.Playbook != nil:
		return d.refuseAt("playbook", anotherTarget, "schedule %s runs a command", quote(p.text()))
	case p.current != nil && p.now.Playbook.ID != 0 && command:
		return d.refuse(anotherTarget, "schedule %s runs a playbook", quote(p.text()))
	case said.Playbook != nil || p.now.Playbook.ID != 0:
		return m.comparePlaybook(p)
	}
	return m.compareCommand(p)
}

// anotherTarget is the next step where a platform changes nothing.
const anotherTarget = "Delete the schedule first, or give the one in the file another name."

// comparePlaybook compares which playbook the schedule starts, and with what. Inputs are
// compared as the platform keeps them.
func (m *maker) comparePlaybook(p *plannedSchedule) error {
	d, said, isNew := p.described, p.said, p.current == nil
	of := m.layer.playbooks.byID(p.now.Playbook.ID)
	if said.Playbook != nil {
		named, err := m.layer.playbooks.resolve(d, "playbook", *said.Playbook)
		switch {
		case err != nil:
			return err
		case !isNew && named != of:
			return d.refuseAt("playbook", anotherTarget, "schedule %s runs another playbook", quote(p.text()))
		case named.site != p.item.site:
			return d.refuseAt("site", "Write site: "+named.site+".", "playbook %s belongs to another site, and its schedules with it", quote(named.text()))
		}
		of = named
	}
	m.layer.starts[p.item] = of
	if isNew {
		p.playbook = of
		p.differ = append(p.differ, Property{"playbook", nil, of.text()})
	}
	if said.Inputs == nil && !isNew {
		return nil
	}
	wanted, err := given(valueOf(said.Inputs))
	if err != nil {
		return asInvalidAt(d, "inputs", err)
	}
	now, err := given(p.now.Inputs)
	if err != nil {
		return err
	}
	if p.compareInputs(inputTexts(plain(now)), inputTexts(plain(wanted))) || isNew {
		p.change.Inputs = plain(wanted)
		return m.checkStart(d, of, wanted)
	}
	return nil
}

// given returns inputs as playbooks have them; null is none.
func given(inputs map[string]any) (map[string]any, error) {
	doc, err := json.Marshal(inputs)
	if err != nil {
		return nil, err
	}
	decoded, err := expression.Decode(doc)
	values, _ := decoded.(map[string]any) // none for null
	maps.DeleteFunc(values, func(_ string, v any) bool { return v == nil })
	return values, err
}

// checkStart refuses what a playbook would not start with. What the caller does not see
// is left for the platform to judge.
func (m *maker) checkStart(d *Document, of *item[keptPlaybook], inputs map[string]any) error {
	if of == nil {
		return nil
	}
	live := m.layer.liveText(of)
	if live == "" {
		return d.refuseAt("playbook", "Write live: true in its document, or publish it: vedette automation playbooks publish "+shellWord(of.text())+".", "playbook %s is not live, and nothing starts it", quote(of.text()))
	}
	definition, problems := playbook.Parse([]byte(live))
	if len(problems) > 0 {
		return nil // of a platform that knows more of the notation
	}
	for _, in := range definition.Inputs {
		if value, said := inputs[in.Name]; said {
			if _, err := in.Take(value); err != nil {
				return d.refuseAt("inputs."+in.Name, "Its type is "+string(in.Type)+".", "%v", err)
			}
		}
	}
	if _, err := definition.TakeInputs(inputs); err != nil {
		return asInvalidAt(d, "inputs", err)
	}
	return nil
}

// compareCommand compares the command that the schedule runs. Inputs are compared as the
// command understands them.
func (m *maker) compareCommand(p *plannedSchedule) error {
	d, said, isNew := p.described, p.said, p.current == nil
	of := m.layer.connections.byID(p.now.Connection.ID)
	if said.Connection != nil {
		var err error
		if of, err = m.layer.connections.resolve(d, "connection", *said.Connection); err != nil {
			return err
		}
		before := connectionText(m, p.now.Connection)
		if compare(&p.differ, "connection", before, new(of.text())) {
			p.connection = of
		}
		m.layer.runsWith[p.item] = of
	}
	for _, key := range []struct {
		name  string
		known bool
	}{{"connection", said.Connection != nil}, {"command", said.Command != nil}} {
		if isNew && !key.known {
			return d.refuse("Write it.", "%s: the key is missing, and the schedule is new", key.name)
		}
	}
	propose(&p.differ, "command", p.now.Command, said.Command, &p.change.Command, isNew)
	if said.Inputs == nil && p.change.Command == nil && p.connection == nil {
		return nil
	}
	name := valueOrNow(said.Command, p.now.Command)
	command, known := commandOf(of, name)
	if !known {
		return d.refuseAt("command", "'vedette automation commands list' shows them.", "connection %s has no command %s", quote(connectionText(m, p.now.Connection)), quote(name))
	}
	inputs := map[string]any(p.now.Inputs)
	if said.Inputs != nil {
		inputs = *said.Inputs
	}
	wanted, err := command.Check(inputs, nil)
	if err != nil {
		return asInvalidAt(d, "inputs", err)
	}
	for name := range wanted {
		if in, _ := command.Input(name); in.Type == integration.Secret {
			return d.refuseAt("inputs."+name, "Use a command without secret inputs, or a connection that has the secret.", "it is secret, and a schedule keeps its inputs where people read them")
		}
	}
	before, after := inputTexts(p.now.Inputs), inputTexts(plain(wanted))
	if !isNew {
		if now, err := command.Check(p.now.Inputs, nil); err == nil {
			before = inputTexts(plain(now))
		}
	}
	if p.compareInputs(before, after) || isNew {
		p.change.Inputs = plain(wanted)
	}
	return nil
}

// compareInputs compares inputs as they are shown.
func (p *plannedSchedule) compareInputs(before, after map[string]string) bool {
	names := slices.Collect(maps.Keys(before))
	for name := range after {
		if _, both := before[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	differs := false
	for _, name := range names {
		differs = compare(&p.differ, "inputs."+name, before[name], new(after[name])) || differs
	}
	return differs
}

func valueOrNow(said *string, now string) string {
	if said != nil {
		return *said
	}
	return now
}

// commandOf returns a command of the integration of a connection.
func commandOf(c *item[qpsclient.Connection], name string) (integration.Command, bool) {
	if c == nil {
		return integration.Command{}, false
	}
	of := ""
	if c.current != nil {
		of = c.current.Integration
	} else if c.described != nil {
		of = valueOf(c.described.Connection.Integration)
	}
	return integration.FindCommand(of + "/" + name)
}

// connectionText names the connection of a schedule as files do.
func connectionText(m *maker, ref qpsclient.Reference) string {
	if i := m.layer.connections.byID(ref.ID); i != nil {
		return i.text()
	}
	return ref.Name
}

// plain returns the values of a command as JSON has them.
func plain(values integration.Values) map[string]any {
	doc, err := json.Marshal(values)
	if err != nil {
		return map[string]any{} // values are texts, numbers, times and lists of them
	}
	var read integration.Values
	_ = read.UnmarshalJSON(doc) // what was just written
	return read
}

// inputTexts are inputs as a plan shows them.
func inputTexts(inputs map[string]any) map[string]string {
	texts := make(map[string]string, len(inputs))
	for name, v := range inputs {
		text, isText := v.(string)
		if !isText {
			doc, _ := json.Marshal(v) // JSON has made it
			text = string(doc)
		}
		texts[name] = text
	}
	return texts
}
