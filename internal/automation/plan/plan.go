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
// path from the root. Its JSON form is the machine-readable one.
type Change struct {
	Action     Action     `json:"action"`
	Kind       Kind       `json:"kind"`
	Name       string     `json:"name"`
	ID         int64      `json:"id,omitempty"` // 0 until it is made
	Source     string     `json:"source,omitempty"`
	Properties []Property `json:"properties,omitempty"`

	make func(ctx context.Context, a *applier, c *Change) error
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
	kinds := map[Kind]bool{}
	for _, d := range documents {
		kinds[d.Kind] = true
	}
	all := kinds
	if o.Prune { // to see which tags are in use
		all = map[Kind]bool{KindTag: true, KindKey: true, KindProfile: true}
	}
	now, err := read(ctx, r, all)
	if err != nil {
		return nil, err
	}
	m := &maker{state: now, plan: &Plan{Changes: []Change{}}, described: kinds}
	for i := range documents {
		d := &documents[i]
		m.documents[d.Kind.order()] = append(m.documents[d.Kind.order()], d)
	}
	for _, step := range []func() error{m.planTags, m.planKeys, m.planProfiles} {
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
	for _, changes := range [][]Change{m.tags, m.keys, m.profiles, m.deletions} {
		m.plan.Changes = append(m.plan.Changes, changes...)
	}
	m.plan.sum()
	return m.plan, nil
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

func (k Kind) order() int { return slices.Index(Kinds(), k) }

// maker makes a plan.
type maker struct {
	*state
	plan      *Plan
	described map[Kind]bool
	documents [3][]*Document // by Kind.order

	tags, keys, profiles, deletions []Change

	// What the keys that stay, and those that are made, have after the plan.
	keyTags    map[int64][]*tagNode
	newKeyTags map[string][]*tagNode // by title
	profiled   []*plannedProfile
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
		var name *string
		key := "name"
		switch d.Kind {
		case KindTag:
			name = d.Tag.Name
		case KindKey:
			name, key = d.Key.Title, "title"
		case KindProfile:
			name = d.Profile.Name
		}
		if name == nil {
			return d.refuse("Write "+key+", by which the "+d.Kind.phrase()+" is known.", "%s: the key is missing", key)
		}
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
