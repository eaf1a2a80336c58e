package plan

import (
	"context"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/qps/qpsclient"
)

// Playbook is what somebody says about a playbook. nil is not said and stays as it
// is.
type Playbook struct {
	Name, Site *string
	Text       *string // of the newest version, in the notation of playbooks
	Live       *bool   // whether people and triggers start it
	LiveText   *string // of the version that is live, where that is not the newest
}

// PlaybookWriter changes playbooks.
type PlaybookWriter interface {
	CreatePlaybook(ctx context.Context, siteID int64, text string) (qpsclient.Playbook, error)
	SavePlaybook(ctx context.Context, id, base int64, text string) (qpsclient.Playbook, error)
	PublishPlaybook(ctx context.Context, id, number int64) (qpsclient.Playbook, error)
	WithdrawPlaybook(ctx context.Context, id int64) (qpsclient.Playbook, error)
	DeletePlaybook(ctx context.Context, id int64) error
}

// keptPlaybook is a playbook with its texts.
type keptPlaybook struct {
	qpsclient.Playbook
	text, live string // of the newest version, and of the one that is live
}

func (p *Playbook) fields() []field {
	return []field{
		{"name", nameInto(&p.Name)},
		{"site", nameInto(&p.Site)},
		{"live", booleanInto(&p.Live)},
		{"text", scriptInto(&p.Text)},
		{"liveText", scriptInto(&p.LiveText)},
	}
}

// scriptInto reads the text of a playbook as it is.
func scriptInto(target **string) func(value) error {
	return func(v value) error {
		text, err := v.text(playbook.MaxFileBytes)
		if err == nil {
			*target = &text
		}
		return err
	}
}

func (l *layer) readPlaybooks(ctx context.Context, r LayerReader) error {
	all, err := r.Playbooks(ctx, "")
	if err != nil {
		return err
	}
	for _, p := range all {
		newest, err := r.PlaybookVersion(ctx, p.ID, p.Latest)
		if err != nil {
			return err
		}
		kept := keptPlaybook{Playbook: p, text: newest.Text}
		switch p.Live {
		case 0:
		case p.Latest:
			kept.live = newest.Text
		default:
			live, err := r.PlaybookVersion(ctx, p.ID, p.Live)
			if err != nil {
				return err
			}
			kept.live = live.Text
		}
		l.playbooks.add(p.Site.Name, p.Name, p.ID, &kept)
	}
	return nil
}

// plannedPlaybook is a playbook that is made or changed.
type plannedPlaybook struct {
	*item[keptPlaybook]
	now      keptPlaybook // as it is
	text     string       // of the newest version afterwards
	live     string       // of the live one, empty for none
	differ   differences
	calls    []string // other playbooks of its site, by name
	siteItem *item[qpsclient.Site]
}

// planPlaybooks plans those that others call before their callers: what is called has
// to be live.
func (m *maker) planPlaybooks() error {
	var pending []*plannedPlaybook
	for _, i := range m.layer.playbooks.items {
		if i.described == nil {
			continue
		}
		p, err := m.planPlaybook(i)
		if err != nil {
			return err
		}
		pending = append(pending, p)
	}
	for len(pending) > 0 {
		waits := func(p *plannedPlaybook) bool {
			return slices.ContainsFunc(pending, func(other *plannedPlaybook) bool {
				return other != p && other.site == p.site && slices.Contains(p.calls, other.name)
			})
		}
		at := max(slices.IndexFunc(pending, func(p *plannedPlaybook) bool { return !waits(p) }), 0) // in a circle, the platform says so
		m.addPlaybook(pending[at])
		pending = slices.Delete(slices.Clone(pending), at, at+1)
	}
	return nil
}

func (m *maker) addPlaybook(p *plannedPlaybook) {
	if p.current != nil && len(p.differ) == 0 {
		return
	}
	c := p.change(KindPlaybook)
	c.Properties = p.differ
	c.make = func(ctx context.Context, a *applier, c *Change) error { return a.writePlaybook(ctx, p, c) }
	m.changes[KindPlaybook] = append(m.changes[KindPlaybook], c)
}

func (m *maker) planPlaybook(i *item[keptPlaybook]) (*plannedPlaybook, error) {
	d, said := i.described, i.described.Playbook
	p := &plannedPlaybook{item: i}
	if i.current != nil {
		p.now = *i.current
	}
	var err error
	if p.siteItem, err = m.siteOf(d, "site", i.site); err != nil {
		return nil, err
	}
	if said.Text == nil && i.current == nil {
		return nil, d.refuse("Write it, in the notation of playbooks.", "text: the key is missing, and the playbook is new")
	}
	if said.LiveText != nil && said.Live != nil && !*said.Live {
		return nil, d.refuseAt("liveText", "Leave it out, or say live: true.", "the playbook is not live")
	}
	p.text, p.live = valueOrNow(said.Text, p.now.text), p.now.live
	switch {
	case said.LiveText != nil:
		p.live = *said.LiveText
	case said.Live != nil && *said.Live:
		p.live = p.text
	case said.Live != nil:
		p.live = ""
	}
	for key, text := range map[string]*string{"text": said.Text, "liveText": said.LiveText} {
		if err := p.check(d, key, text); err != nil {
			return nil, err
		}
	}
	m.layer.live[i] = p.live
	compare(&p.differ, "live", p.now.live != "", new(p.live != ""))
	compare(&p.differ, "text", shownValue(p.now.text), new(shownValue(p.text)))
	if p.live != p.text || p.now.live != p.now.text {
		compare(&p.differ, "liveText", shownValue(p.now.live), new(shownValue(p.live)))
	}
	if me := m.layer.me.User.Username; p.current != nil && p.live != "" && p.live != p.now.live {
		compare(&p.differ, "publisher", p.now.Publisher, &me)
	}
	return p, nil
}

// check refuses a text that is no playbook, or one of another name, and notes which
// playbooks it calls.
func (p *plannedPlaybook) check(d *Document, key string, text *string) error {
	if text == nil {
		return nil
	}
	definition, problems := playbook.Parse([]byte(*text))
	if len(problems) > 0 {
		return d.refuseAt(key, "'vedette automation playbooks check' shows everything that is wrong with a text.",
			"line %d, column %d of the playbook: %s", problems[0].Line, problems[0].Column, printable(problems[0].Message))
	}
	if definition.Name != p.name {
		return d.refuseAt(key, "Write the same name in both. A playbook gets another name by a text that has it, saved by hand.", "the playbook is called %s in its text", quote(definition.Name))
	}
	for _, step := range slices.Concat(definition.Steps, definition.Handlers) {
		if called, isPlaybook := strings.CutPrefix(step.Uses, playbook.PlaybookPrefix); isPlaybook {
			p.calls = append(p.calls, called)
		}
	}
	return nil
}

// writePlaybook makes the live text a version and publishes it, and then the newest.
func (a *applier) writePlaybook(ctx context.Context, p *plannedPlaybook, c *Change) error {
	newest := p.now.text
	if p.live != "" && p.live != p.now.live {
		if err := a.savePlaybook(ctx, p, &newest, p.live, c); err != nil {
			return err
		}
		_, err := a.to.PublishPlaybook(ctx, p.id, p.now.Latest)
		if err = a.wrote(err); err != nil {
			return err
		}
	}
	if p.live == "" && p.now.live != "" {
		_, err := a.to.WithdrawPlaybook(ctx, p.id)
		if err = a.wrote(err); err != nil {
			return err
		}
	}
	return a.savePlaybook(ctx, p, &newest, p.text, c)
}

// savePlaybook makes a text the newest version, unless it is.
func (a *applier) savePlaybook(ctx context.Context, p *plannedPlaybook, newest *string, text string, c *Change) error {
	if p.id != 0 && *newest == text {
		return nil
	}
	var saved qpsclient.Playbook
	var err error
	if p.id == 0 {
		saved, err = a.to.CreatePlaybook(ctx, p.siteItem.id, text)
	} else {
		saved, err = a.to.SavePlaybook(ctx, p.id, p.now.Latest, text)
	}
	if a.wrote(err) != nil {
		return err
	}
	p.id, c.ID, p.now.Latest, *newest = saved.ID, saved.ID, saved.Latest, text
	return nil
}

// liveText is the text of the live version after the plan, empty for none.
func (l *layer) liveText(i *item[keptPlaybook]) string {
	if text, described := l.live[i]; described {
		return text
	}
	return i.current.live
}

// prunePlaybooks deletes playbooks that no schedule which stays starts; the platform keeps
// those that others call.
func (m *maker) prunePlaybooks() {
	sites := m.mentioned(KindPlaybook)
	for _, i := range m.layer.playbooks.items {
		if i.described != nil || !sites[i.site] {
			continue
		}
		if schedule := m.starterOf(i); schedule != "" {
			keepItem(m, KindPlaybook, i, "it is used by schedule %s", quote(schedule))
		} else {
			deleteItem(m, KindPlaybook, i, func(ctx context.Context, a *applier, id int64) error { return a.to.DeletePlaybook(ctx, id) })
		}
	}
}

// starterOf names a schedule that will start a playbook after the plan, empty for none.
func (m *maker) starterOf(i *item[keptPlaybook]) string {
	for _, s := range m.layer.schedules.items {
		if !s.deleted && m.layer.starts[s] == i {
			return s.text()
		}
	}
	return ""
}
