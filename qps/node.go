package qps

import (
	"strconv"
	"strings"
	"time"
)

// Node is one element of a decoded body. Bodies in XML and in JSON give the
// same tree: members of an object are children named by their key, an array is
// a repetition of its element, and an array under a collection name (data,
// filters, list, set, add, remove, update) is one element that holds the
// members of all its objects. Numbers keep their literal text, booleans are
// "true" or "false", null is empty.
//
// All methods work on a nil Node, which behaves as an element without content,
// so that look-ups can be chained.
type Node struct {
	Name     string
	Text     string // as sent, white space included; empty when there are children
	Children []*Node

	attributes []attribute // of XML elements, without namespace declarations
}

type attribute struct {
	name, value string
}

// Child returns the first child of that name, or nil.
func (n *Node) Child(name string) *Node {
	if n == nil {
		return nil
	}
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// All returns the children of that name in document order.
func (n *Node) All(name string) []*Node {
	if n == nil {
		return nil
	}
	var found []*Node
	for _, c := range n.Children {
		if c.Name == name {
			found = append(found, c)
		}
	}
	return found
}

// Value returns the text of the first child of that name exactly as sent, or
// "" when there is none.
func (n *Node) Value(name string) string {
	if c := n.Child(name); c != nil {
		return c.Text
	}
	return ""
}

// Trimmed returns Value without surrounding white space, which is what numbers,
// dates, keywords and ids want: clients break lines around them.
func (n *Node) Trimmed(name string) string { return strings.TrimSpace(n.Value(name)) }

// Items returns the elements of a collection as responses carry it: the
// children of name/list.
func (n *Node) Items(name string) []*Node {
	if list := n.Child(name).Child("list"); list != nil {
		return list.Children
	}
	return nil
}

// integer returns the value of a child, zero when it is absent or no integer.
func (n *Node) integer(name string) int64 {
	v, err := strconv.ParseInt(n.Trimmed(name), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

// time returns the value of a child, the zero time when it is absent or no date.
func (n *Node) time(name string) time.Time {
	t, err := ParseTime(n.Trimmed(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

// boolean reports whether a child says true, in any of the spellings in use.
func (n *Node) boolean(name string) bool {
	v := n.Trimmed(name)
	return v == "1" || strings.EqualFold(v, "true")
}

// optBoolean returns what a child says, nil when it is absent or empty.
func (n *Node) optBoolean(name string) *bool {
	if n.Trimmed(name) == "" {
		return nil
	}
	return new(n.boolean(name))
}

// parameter returns an attribute, or the child of that name: the same fact is
// an attribute in XML and a member in JSON.
func (n *Node) parameter(name string) (value string, found bool) {
	for _, a := range n.attributes {
		if a.name == name {
			return a.value, true
		}
	}
	if c := n.Child(name); c != nil {
		return c.Text, true
	}
	return "", false
}

// groupByName collects siblings of the same name, in order of first occurrence.
func groupByName(nodes []*Node) [][]*Node {
	var groups [][]*Node
	index := make(map[string]int, len(nodes))
	for _, n := range nodes {
		i, seen := index[n.Name]
		if !seen {
			i = len(groups)
			index[n.Name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], n)
	}
	return groups
}

// isElementName reports whether name can be an element name: an XML name of
// ASCII characters without a prefix, as all names of the protocol are.
func isElementName(name string) bool {
	for i := range len(name) {
		if !isNameByte(name[i], i == 0) {
			return false
		}
	}
	return name != ""
}

func isNameByte(c byte, first bool) bool {
	if c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
		return true
	}
	return !first && (c == '-' || c == '.' || '0' <= c && c <= '9')
}

// elementName returns name with every byte an element name may not have
// replaced by an underscore. It guards names that come from data.
func elementName(name string) string {
	if isElementName(name) {
		return name
	}
	if name == "" {
		return "_"
	}
	safe := []byte(name)
	for i, c := range safe {
		if !isNameByte(c, i == 0) {
			safe[i] = '_'
		}
	}
	return string(safe)
}
