package qps

import (
	"fmt"
	"strings"
	"time"
)

// Fields selects elements of records, as the fields parameter of get and search
// does. A nil *Fields selects everything.
type Fields struct {
	root fieldNode
}

// fieldNode is one step of the selected paths. Without next steps everything
// below it is selected.
type fieldNode struct {
	next map[string]*fieldNode
}

// anyStep matches every element name.
const anyStep = "*"

// ParseFields reads a fields parameter: comma-separated dot paths that start
// below the record and follow the XML through list and item elements, such as
// id,agentInfo.agentId,tags.list.TagSimple.name, where * stands for any one
// element. Blanks around paths are ignored; an empty parameter gives nil. Names
// that no record has select nothing. Errors are *RequestError.
func ParseFields(s string) (*Fields, error) {
	f := &Fields{}
	paths := 0
	for path := range strings.SplitSeq(s, ",") {
		if path = strings.TrimSpace(path); path == "" {
			continue
		}
		if paths++; paths > MaxFieldPaths {
			return nil, invalidRequest(
				fmt.Sprintf("Fields: there are more than %d paths.", MaxFieldPaths), "Name a collection to get all its elements.")
		}
		if err := f.add(path); err != nil {
			return nil, err
		}
	}
	if paths == 0 {
		return nil, nil
	}
	return f, nil
}

func (f *Fields) add(path string) error {
	steps := strings.Split(path, ".")
	if len(steps) > MaxDepth {
		return invalidRequest(fmt.Sprintf("Fields: the path '%s' has more than %d steps.", shorten(path), MaxDepth), fieldsResolution)
	}
	n := &f.root
	for i, step := range steps {
		if step != anyStep && !isElementName(step) {
			return invalidRequest(fmt.Sprintf("Fields: invalid path '%s'.", shorten(path)), fieldsResolution)
		}
		child, known := n.next[step]
		switch {
		case known && child.next == nil:
			return nil // a shorter path selects all of it already
		case !known:
			child = &fieldNode{next: map[string]*fieldNode{}}
			n.next = put(n.next, step, child)
		}
		if i == len(steps)-1 {
			child.next = nil
		}
		n = child
	}
	return nil
}

const fieldsResolution = "Separate paths by commas and their steps by dots, as in id,name,tags.list.TagSimple.id."

func put(m map[string]*fieldNode, key string, n *fieldNode) map[string]*fieldNode {
	if m == nil {
		m = make(map[string]*fieldNode)
	}
	m[key] = n
	return m
}

// limit returns a sink that passes the selected elements of records to s.
func (f *Fields) limit(s sink) sink {
	if f == nil {
		return s
	}
	return &fieldSink{to: s, path: [][]*fieldNode{{&f.root}}}
}

// follow returns the steps that an element of that name takes from here, and
// whether the element is selected with everything in it. No steps and not all
// means that the element is not selected.
func follow(from []*fieldNode, name string) (steps []*fieldNode, all bool) {
	for _, n := range from {
		for _, step := range [...]string{name, anyStep} {
			if next, ok := n.next[step]; ok {
				if next.next == nil {
					return nil, true
				}
				steps = append(steps, next)
			}
		}
	}
	return steps, false
}

// fieldSink drops what is not selected. path holds the steps taken at each open
// element; all and skip count the open elements below a fully selected and
// below a dropped one.
type fieldSink struct {
	to   sink
	path [][]*fieldNode
	all  int
	skip int
}

// enter follows the names of an opening element and reports whether it is
// written.
func (f *fieldSink) enter(names ...string) bool {
	switch {
	case f.skip > 0:
		f.skip++
		return false
	case f.all > 0:
		f.all++
		return true
	}
	steps := f.path[len(f.path)-1]
	for _, name := range names {
		var all bool
		if steps, all = follow(steps, name); all {
			f.all = 1
			return true
		}
	}
	if len(steps) == 0 {
		f.skip = 1
		return false
	}
	f.path = append(f.path, steps)
	return true
}

// leave undoes enter and reports whether the element is written.
func (f *fieldSink) leave() bool {
	switch {
	case f.skip > 0:
		f.skip--
		return false
	case f.all > 0:
		f.all--
		return true
	}
	f.path = f.path[:len(f.path)-1]
	return true
}

// selects reports whether an element without children is written.
func (f *fieldSink) selects(name string) bool {
	if f.skip > 0 || f.all > 0 {
		return f.all > 0
	}
	_, all := follow(f.path[len(f.path)-1], name)
	return all
}

func (f *fieldSink) begin(name string) {
	if f.enter(name) {
		f.to.begin(name)
	}
}

func (f *fieldSink) end(name string) {
	if f.leave() {
		f.to.end(name)
	}
}

func (f *fieldSink) list(name string) {
	if f.enter(name, "list") {
		f.to.list(name)
	}
}

func (f *fieldSink) endList(name string) {
	if f.leave() {
		f.to.endList(name)
	}
}

func (f *fieldSink) item(name string) {
	if f.enter(name) {
		f.to.item(name)
	}
}

func (f *fieldSink) endItem(name string) {
	if f.leave() {
		f.to.endItem(name)
	}
}

func (f *fieldSink) itemText(name, value string) {
	if f.selects(name) {
		f.to.itemText(name, value)
	}
}

func (f *fieldSink) itemList(name string) {
	if f.enter(name, "list") {
		f.to.itemList(name)
	}
}

func (f *fieldSink) endItemList(name string) {
	if f.leave() {
		f.to.endItemList(name)
	}
}

// data is never called: selection starts below the record.
func (f *fieldSink) data()    { f.to.data() }
func (f *fieldSink) endData() { f.to.endData() }

func (f *fieldSink) text(name, value string) {
	if f.selects(name) {
		f.to.text(name, value)
	}
}

func (f *fieldSink) integer(name string, value int64) {
	if f.selects(name) {
		f.to.integer(name, value)
	}
}

func (f *fieldSink) boolean(name string, value bool) {
	if f.selects(name) {
		f.to.boolean(name, value)
	}
}

func (f *fieldSink) timestamp(name string, value time.Time) {
	if f.selects(name) {
		f.to.timestamp(name, value)
	}
}

func (f *fieldSink) nodes(nodes []*Node) {
	var selected []*Node
	for _, n := range nodes {
		if n = f.prune(n); n != nil {
			selected = append(selected, n)
		}
	}
	f.to.nodes(selected)
}

// prune returns the selected part of n, nil when there is none.
func (f *fieldSink) prune(n *Node) *Node {
	if len(n.Children) == 0 {
		if f.selects(n.Name) {
			return n
		}
		return nil
	}
	if !f.enter(n.Name) {
		f.leave()
		return nil
	}
	pruned := &Node{Name: n.Name}
	for _, c := range n.Children {
		if c = f.prune(c); c != nil {
			pruned.Children = append(pruned.Children, c)
		}
	}
	f.leave()
	return pruned
}
