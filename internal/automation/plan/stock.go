package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// item is an object of the automation layer that there is, or that the plan makes.
type item[T any] struct {
	site, name string // the site is empty of a kind that belongs to none
	current    *T     // nil for one that is to be made
	described  *Document
	id         int64 // 0 until it is made
	deleted    bool  // by the plan
}

// text is the name that no other object of the kind has, such as Main/prod.
func (i *item[T]) text() string {
	if i.site == "" {
		return i.name
	}
	return pathEscaper.Replace(i.site) + pathSlash + pathEscaper.Replace(i.name)
}

// change is what happens to the object, without its properties.
func (i *item[T]) change(kind Kind) Change {
	c := Change{Action: ActionChange, Kind: kind, Name: i.text(), ID: i.id}
	if i.current == nil {
		c.Action = ActionCreate
	}
	if i.described != nil {
		c.Source = i.described.Source
	}
	return c
}

// stock is all objects of a kind, by the names that files use.
type stock[T any] struct {
	kind  Kind
	items []*item[T]
}

func (s *stock[T]) add(site, name string, id int64, current *T) *item[T] {
	i := &item[T]{site: site, name: name, id: id, current: current}
	s.items = append(s.items, i)
	return i
}

// inOrder returns the items by site and name, which are the same on every platform.
func (s *stock[T]) inOrder() []*item[T] {
	items := slices.Clone(s.items)
	slices.SortStableFunc(items, func(a, b *item[T]) int { return cmp.Or(cmp.Compare(a.site, b.site), cmp.Compare(a.name, b.name)) })
	return items
}

// byID returns the object with an id, nil for one that is not seen.
func (s *stock[T]) byID(id int64) *item[T] {
	for _, i := range s.items {
		if i.id == id && id != 0 {
			return i
		}
	}
	return nil
}

// place finds or makes what each document describes.
func (s *stock[T]) place(documents []*Document) error {
	for _, d := range documents {
		site := ""
		keys := d.knownBy()
		if len(keys) > 1 {
			site = *keys[1].text
		}
		name := *keys[0].text
		at := slices.IndexFunc(s.items, func(i *item[T]) bool { return i.site == site && i.name == name })
		var i *item[T]
		if at < 0 {
			i = s.add(site, name, 0, nil)
		} else {
			i = s.items[at]
		}
		if i.described != nil {
			return d.refuse("Describe it once.", "the %s %s is described in %s already", s.kind.phrase(), quote(i.text()), i.described.Source)
		}
		i.described = d
	}
	return nil
}

// resolve returns the one object that a value of a document names, as NAME or as
// SITE/NAME. The error says where the value is.
func (s *stock[T]) resolve(d *Document, key, text string) (*item[T], error) {
	found := s.named(text)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, d.refuseAt(key, "Names are case-sensitive. '"+listCommands[s.kind]+"' shows those there are, as far as this account sees them.",
			"there is no %s %s, neither on the platform nor in the files", s.kind.phrase(), quote(text))
	}
	texts := make([]string, len(found))
	for i := range found {
		texts[i] = found[i].text()
	}
	return nil, d.refuseAt(key, "Write which one: "+strings.Join(texts, ", ")+".", "%d %ss are called %s", len(found), s.kind.phrase(), quote(text))
}

func (s *stock[T]) named(text string) []*item[T] {
	var found []*item[T]
	path := splitPath(text)
	for _, i := range s.items {
		byPath := s.kind.ofSite() && len(path) == 2 && i.site == path[0] && i.name == path[1]
		if i.name == text || byPath {
			found = append(found, i)
		}
	}
	return found
}

// listCommands show the objects of each kind.
var listCommands = map[Kind]string{
	KindSite: "vedette automation sites list", KindRelay: "vedette relays list",
	KindConnection: "vedette automation connections list", KindPlaybook: "vedette automation playbooks list", KindSchedule: "vedette automation schedules list",
}

// keepItem lists an object as one that pruning leaves alone.
func keepItem[T any](m *maker, kind Kind, i *item[T], format string, args ...any) {
	m.plan.Kept = append(m.plan.Kept, Kept{kind, i.text(), i.id, fmt.Sprintf(format, args...)})
}

// asInvalidAt makes a mistake at a value of a document of an error about it.
func asInvalidAt(d *Document, key string, err error) error {
	f, ok := asFault(err)
	if !ok {
		return err
	}
	// The messages of settings begin with the name of theirs.
	message := strings.TrimSuffix(f.Message, ".")
	if name, rest, found := strings.Cut(message, ": "); found && (name == key || d.places[name] != "") {
		key, message = name, rest
	}
	at := d.refuseAt(key, f.Resolution, "%s", message)
	if g, ok := asFault(at); ok {
		g.Code = fault.Invalid
	}
	return at
}
