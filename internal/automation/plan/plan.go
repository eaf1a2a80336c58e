package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/fault"
)

// Action says what a change does to its object.
type Action string

// The actions.
const (
	ActionCreate Action = "create"
	ActionChange Action = "change"
	ActionDelete Action = "delete"
)

// Change is what happens to one object. Name is its title or name, of a tag the
// path from the root; empty of what a platform has once. Its JSON form is the machine-readable one.
type Change struct {
	Action     Action     `json:"action"`
	Kind       Kind       `json:"kind"`
	Name       string     `json:"name"`
	ID         int64      `json:"id,omitempty"` // 0 until it is made
	Source     string     `json:"source,omitempty"`
	Properties []Property `json:"properties,omitempty"`

	make func(ctx context.Context, a *applier, c *Change) error
}

// object names the object within a sentence.
func (c *Change) object() string {
	if c.Name == "" {
		return c.Kind.phrase()
	}
	return c.Kind.phrase() + " " + quote(c.Name)
}

// Property is one property that changes, by its key in files. Values are texts,
// numbers, booleans or lists of texts; nil is none.
type Property struct {
	Name string `json:"name"`
	Old  any    `json:"old,omitempty"`
	New  any    `json:"new"`
}

// Kept is an object that no file mentions and that pruning leaves alone.
type Kept struct {
	Kind   Kind   `json:"kind"`
	Name   string `json:"name"`
	ID     int64  `json:"id"`
	Reason string `json:"reason"`
}

// Summary counts the changes of a plan.
type Summary struct {
	Create int `json:"create"`
	Change int `json:"change"`
	Delete int `json:"delete"`
}

// Plan is what has to change for a platform to be as the files say. Make it with
// Make; its JSON form is the machine-readable one.
type Plan struct {
	Summary Summary  `json:"summary"`
	Changes []Change `json:"changes"` // in the order they are made
	// Kept are the objects that Options.Prune spares, with the reason.
	Kept []Kept `json:"kept,omitempty"`
	// Notes say what a reader must know, such as what cannot be compared.
	Notes []string `json:"notes,omitempty"`
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool { return len(p.Changes) == 0 }

// Options choose how a plan is made.
type Options struct {
	// Prune deletes what no document mentions, of the kinds that documents are of.
	// Left alone are the tags, and everything below them, and the profiles that
	// belong to the platform; the default profile; keys that still have agents;
	// keys and profiles that no document could name; and tags that something which
	// stays uses.
	Prune bool
}

// Make compares documents with a platform. A mistake in the documents is
// fault.Invalid; errors of the platform come back as they are. Nothing is
// changed.
func Make(ctx context.Context, r Reader, documents []Document, o Options) (*Plan, error) {
	if err := check(documents); err != nil {
		return nil, err
	}
	m := &maker{plan: &Plan{Changes: []Change{}}, described: map[Kind]bool{}, documents: map[Kind][]*Document{}, changes: map[Kind][]Change{}}
	for i := range documents {
		d := &documents[i]
		m.described[d.Kind] = true
		m.documents[d.Kind] = append(m.documents[d.Kind], d)
	}
	if err := m.read(ctx, r, o); err != nil {
		return nil, err
	}
	for _, step := range []func() error{m.planTags, m.planKeys, m.planProfiles, m.planConnectors, m.planLayer} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	if o.Prune {
		if err := m.prune(ctx, r); err != nil {
			return nil, err
		}
	}
	if err := m.finishProfiles(); err != nil {
		return nil, err
	}
	for _, kind := range Kinds() {
		m.plan.Changes = append(m.plan.Changes, m.changes[kind]...)
	}
	m.plan.Changes = append(m.plan.Changes, m.deletions...)
	m.plan.sum()
	return m.plan, nil
}

// read reads what the platform has of the kinds that the documents are of, and of
// those that have to be seen to know what is in use.
func (m *maker) read(ctx context.Context, r Reader, o Options) (err error) {
	fleet := map[Kind]bool{}
	for kind := range m.described {
		if !kind.inLayer() {
			fleet[kind] = true
		}
	}
	if o.Prune && len(fleet) > 0 { // to see which tags are in use
		fleet = map[Kind]bool{KindTag: true, KindKey: true, KindProfile: true, KindConnector: true}
	}
	optional := !m.described[KindConnector] // many an account has none
	m.state = &state{tags: newForest(nil)}
	if len(fleet) > 0 {
		if m.state, err = read(ctx, r, fleet, optional); err != nil {
			return err
		}
	}
	return m.readLayer(ctx, r, o)
}

// sum counts the changes and completes them for people.
func (p *Plan) sum() {
	for _, c := range p.Changes {
		switch c.Action {
		case ActionCreate:
			for i := range c.Properties {
				c.Properties[i].Old = nil // a default, which nothing had before
			}
			p.Summary.Create++
		case ActionChange:
			p.Summary.Change++
		case ActionDelete:
			p.Summary.Delete++
		}
	}
}

// maker makes a plan.
type maker struct {
	*state
	plan      *Plan
	described map[Kind]bool
	documents map[Kind][]*Document
	layer     *layer // nil where no document is of the automation layer

	changes   map[Kind][]Change // all but the deletions, which come last
	deletions []Change

	// What the keys that stay, and those that are made, have after the plan.
	keyTags    map[int64][]*tagNode
	newKeyTags map[string][]*tagNode // by title
	// connectorTags are those of connectors, by what names them in a sentence.
	connectorTags map[string][]*tagNode
	profiled      []*plannedProfile
}

func (m *maker) note(format string, args ...any) {
	m.plan.Notes = append(m.plan.Notes, fmt.Sprintf(format, args...))
}

// check refuses what documents have wrong without any platform.
func check(documents []Document) error {
	if len(documents) > MaxDocuments {
		return fault.New(fault.TooLarge, fmt.Sprintf("There are %d documents.", len(documents)), fmt.Sprintf("Use at most %d in one plan.", MaxDocuments))
	}
	for i := range documents {
		d := &documents[i]
		for _, key := range d.knownBy() {
			if key.text == nil {
				return d.refuse("Write "+key.name+", by which the "+d.Kind.phrase()+" is known.", "%s: the key is missing", key.name)
			}
		}
	}
	return nil
}

// identity is a key by which an object is known, and what the document says of it.
type identity struct {
	name string
	text *string
}

// knownBy returns what an object of the document's kind is known by.
func (d *Document) knownBy() []identity {
	switch d.Kind {
	case KindTag:
		return []identity{{"name", d.Tag.Name}}
	case KindKey:
		return []identity{{"title", d.Key.Title}}
	case KindProfile:
		return []identity{{"name", d.Profile.Name}}
	case KindConnector:
		return []identity{{"name", d.Connector.Name}}
	case KindSite:
		return []identity{{"name", d.Site.Name}}
	case KindRelay:
		return []identity{{"name", d.Relay.Name}}
	case KindConnection:
		return []identity{{"name", d.Connection.Name}, {"site", d.Connection.Site}}
	case KindPlaybook:
		return []identity{{"name", d.Playbook.Name}, {"site", d.Playbook.Site}}
	case KindSchedule:
		return []identity{{"name", d.Schedule.Name}, {"site", d.Schedule.Site}}
	}
	return nil
}

// differences collects the properties that change.
type differences []Property

// compare adds a property that is said and differs from what is there.
func compare[T comparable](d *differences, name string, old T, said *T) bool {
	if said == nil || *said == old {
		return false
	}
	*d = append(*d, Property{name, old, *said})
	return true
}

// compareList adds a list that is said and differs as a set.
func compareList(d *differences, name string, old []string, said *[]string) bool {
	if said == nil {
		return false
	}
	before, after := sorted(old), sorted(*said)
	if slices.Equal(before, after) {
		return false
	}
	*d = append(*d, Property{name, before, after})
	return true
}

func sorted(list []string) []string {
	list = append([]string{}, list...)
	slices.Sort(list)
	return slices.Compact(list)
}

// byDepth orders tags so that parents come before their children.
func byDepth(a, b *tagNode) int { return cmp.Compare(a.depth(), b.depth()) }
