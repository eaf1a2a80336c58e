package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// maxLevels bounds the levels of the hierarchy that are looked at, so that a
// platform whose tags go in circles does not keep anybody busy.
const maxLevels = 64

// tagNode is a tag of the platform, or one that the plan makes.
type tagNode struct {
	name      string
	parent    *tagNode // nil for a root tag
	children  []*tagNode
	current   *qps.Tag  // nil for one that is to be made
	described *Document // nil where the files do not mention it
	id        int64     // 0 until it is made
	deleted   bool      // by the plan
}

// forest is all tags in their hierarchy, by the paths that files use.
type forest struct {
	nodes []*tagNode // in ascending order of id, new ones last
	named map[string][]*tagNode
	byID  map[int64]*tagNode
}

// newForest returns the tags of a platform. A tag whose parent the account cannot
// see is taken for a root tag.
func newForest(tags []*qps.Tag) *forest {
	f := &forest{named: map[string][]*tagNode{}, byID: map[int64]*tagNode{}}
	for _, t := range tags {
		n := &tagNode{name: t.Name, current: t, id: t.ID}
		f.byID[t.ID] = n
		f.add(n)
	}
	for _, n := range f.nodes {
		if above := f.byID[n.current.ParentTagID]; above != nil && !n.isAbove(above) {
			n.parent = above
			above.children = append(above.children, n)
		}
	}
	return f
}

func (f *forest) add(n *tagNode) {
	f.nodes = append(f.nodes, n)
	f.named[n.name] = append(f.named[n.name], n)
}

// isAbove reports whether other is n or below it.
func (n *tagNode) isAbove(other *tagNode) bool {
	for levels := 0; other != nil && levels < maxLevels; levels++ {
		if other == n {
			return true
		}
		other = other.parent
	}
	return other != nil
}

func (n *tagNode) depth() int {
	depth := 0
	for above := n.parent; above != nil && depth < maxLevels; above = above.parent {
		depth++
	}
	return depth
}

// path returns the names from the root down to the tag.
func (n *tagNode) path() []string {
	var names []string
	for at := n; at != nil && len(names) < maxLevels; at = at.parent {
		names = append(names, at.name)
	}
	slices.Reverse(names)
	return names
}

var (
	pathEscaper = strings.NewReplacer(`\`, `\\`, `/`, `\/`)
	pathSlash   = "/"
)

// text is the path of a tag, such as /Edge/West, which names no other tag.
func (n *tagNode) text() string {
	var b strings.Builder
	for _, name := range n.path() {
		b.WriteString(pathSlash)
		b.WriteString(pathEscaper.Replace(name))
	}
	return b.String()
}

// splitPath returns the names in a path, in which a backslash takes a slash, or
// another one, for a part of a name.
func splitPath(text string) []string {
	var names []string
	var name strings.Builder
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			name.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped = true
		case r == '/':
			names = append(names, name.String())
			name.Reset()
		default:
			name.WriteRune(r)
		}
	}
	return append(names, name.String())
}

// candidates returns the tags that a text names. One that begins with a slash is
// the path from the root; any other is a name, or the end of a path.
func (f *forest) candidates(text string) []*tagNode {
	absolute := strings.HasPrefix(text, pathSlash)
	names := splitPath(strings.TrimPrefix(text, pathSlash))
	var found []*tagNode
	for _, n := range f.named[names[len(names)-1]] {
		path := n.path()
		if len(path) < len(names) || (absolute && len(path) != len(names)) {
			continue
		}
		if slices.Equal(path[len(path)-len(names):], names) {
			found = append(found, n)
		}
	}
	if !absolute && text != names[0] { // a name may have slashes of its own
		for _, n := range f.named[text] {
			if !slices.Contains(found, n) {
				found = append(found, n)
			}
		}
	}
	return found
}

// resolve returns the one tag that a text names: fault.NotFound without one, and
// fault.Invalid with several.
func (f *forest) resolve(text string) (*tagNode, error) {
	found := f.candidates(text)
	switch len(found) {
	case 0:
		return nil, fault.New(fault.NotFound, fmt.Sprintf("there is no tag %s, neither on the platform nor in the files", quote(text)),
			"Names are case-sensitive. 'vedette tags list' shows the tags there are.")
	case 1:
		return found[0], nil
	}
	const most = 5
	var paths []string
	for _, n := range found[:min(most, len(found))] {
		paths = append(paths, n.text())
	}
	return nil, fault.New(fault.Invalid, fmt.Sprintf("%d tags are called %s", len(found), quote(text)), "Write which one: "+strings.Join(paths, ", ")+".")
}

// shortest returns the shortest text that names only this tag: its name, or else
// its path from the root.
func (f *forest) shortest(n *tagNode) string {
	escaped := pathEscaper.Replace(n.name)
	for _, text := range []string{n.name, escaped} {
		if found := f.candidates(text); len(found) == 1 && found[0] == n && text != description.NoParent {
			return text
		}
	}
	return n.text()
}

// place finds or makes the tag of each document. A tag is known by its name and
// its parent, which may be one that another document makes.
func (f *forest) place(documents []*Document) error {
	for pending := documents; len(pending) > 0; {
		var waiting []*Document
		var reason error
		for _, d := range pending {
			parent, err := f.parentOf(d)
			if fault.Is(err, fault.NotFound) {
				// The document of the parent may be yet to come.
				if waiting = append(waiting, d); reason == nil {
					reason = err
				}
				continue
			}
			if err == nil {
				err = f.put(d, parent)
			}
			if err != nil {
				return err
			}
		}
		if len(waiting) == len(pending) {
			return circleOr(pending, reason)
		}
		pending = waiting
	}
	// What named one tag at first may name several by now.
	for _, d := range documents {
		if _, err := f.parentOf(d); err != nil {
			return err
		}
	}
	return nil
}

// circleOr explains why no document can be placed.
func circleOr(pending []*Document, reason error) error {
	for _, d := range pending {
		above := splitPath(*d.Tag.Parent)
		for _, other := range pending {
			if *other.Tag.Name == above[len(above)-1] {
				return d.refuse("Make one of them a root tag, or name a parent that there is.",
					"parent: the tags %s and %s wait for each other's parent", quote(*d.Tag.Name), quote(*other.Tag.Name))
			}
		}
	}
	return asInvalid(reason)
}

// parentOf returns the parent that a document says, nil for a root tag.
func (f *forest) parentOf(d *Document) (*tagNode, error) {
	if d.Tag.Parent == nil || *d.Tag.Parent == description.NoParent {
		return nil, nil
	}
	parent, err := f.resolve(*d.Tag.Parent)
	return parent, d.located("parent", "parent", err)
}

func (f *forest) put(d *Document, parent *tagNode) error {
	name := *d.Tag.Name
	for _, n := range f.named[name] {
		if n.parent != parent {
			continue
		}
		if n.described != nil {
			return d.refuse("Describe it once.", "the tag %s is described in %s already", quote(n.text()), n.described.Source)
		}
		n.described = d
		return nil
	}
	n := &tagNode{name: name, parent: parent, described: d}
	if parent != nil {
		parent.children = append(parent.children, n)
	}
	f.add(n)
	return nil
}

// located adds to an error about a value of the document where it is, and its key.
func (d *Document) located(key, place string, err error) error {
	f, ok := asFault(err)
	if !ok {
		return err
	}
	return fault.New(f.Code, fmt.Sprintf("%s: %s: %s.", cmp.Or(d.places[place], d.Source), key, f.Message), f.Resolution)
}

// FindIn returns what finds a tag among tags by its name or path, as documents
// name it. A text that names none, or several, is fault.Invalid.
func FindIn(tags []*qps.Tag) description.FindTag {
	f := newForest(tags)
	return func(text string) (qps.TagSimple, error) {
		n, err := f.resolve(text)
		if err != nil {
			return qps.TagSimple{}, asInvalid(err)
		}
		return qps.TagSimple{ID: n.id, Name: n.name}, nil
	}
}
