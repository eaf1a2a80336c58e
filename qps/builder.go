package qps

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// ErrTooLarge is in the chain of errors about a body that exceeds
// MaxRequestBytes or MaxResponseBytes.
var ErrTooLarge = errors.New("body is too large")

// builder puts a tree together from the events of a parser and enforces the
// limits that both forms share.
type builder struct {
	// root is the envelope element the body must have: ServiceRequest or
	// ServiceResponse.
	root string
	// strict refuses names and characters that XML does not allow, also
	// where JSON would.
	strict bool
	// record, when set, receives each element under data instead of the
	// tree, so that a large response never exists as one tree.
	record func(*Node) error

	top   Node // virtual parent of the root element
	stack []*Node
	text  []byte // of the innermost element, since its last child
	nodes int
}

const (
	recordDepth = 3 // ServiceResponse, data, the record
	dataElement = "data"
)

func (b *builder) open(name string) error {
	if len(b.stack) == MaxDepth {
		return fmt.Errorf("elements are nested more than %d deep", MaxDepth)
	}
	if b.nodes == MaxNodes {
		return fmt.Errorf("there are more than %d elements", MaxNodes)
	}
	if b.strict && !isElementName(name) {
		return fmt.Errorf("%q is not an element name", shorten(name))
	}
	if len(b.stack) == 0 {
		if name != b.root {
			return fmt.Errorf("the root element is %q instead of %s", shorten(name), b.root)
		}
		if len(b.top.Children) > 0 {
			return fmt.Errorf("there is a second %s", b.root)
		}
	}
	if b.strict && isCollection(name) && len(b.stack) > 0 && b.stack[len(b.stack)-1].Child(name) != nil {
		return fmt.Errorf("there is a second %s in %q", name, shorten(b.stack[len(b.stack)-1].Name))
	}
	b.nodes++
	b.text = b.text[:0]
	b.stack = append(b.stack, &Node{Name: name})
	return nil
}

// characters adds text to the innermost element; pieces are joined.
func (b *builder) characters(text []byte) error {
	if b.strict {
		if err := checkCharacters(text); err != nil {
			return err
		}
	}
	b.text = append(b.text, text...)
	return nil
}

func (b *builder) close() error {
	last := len(b.stack) - 1
	n := b.stack[last]
	b.stack = b.stack[:last]
	if len(n.Children) == 0 {
		n.Text = string(b.text)
	}
	b.text = b.text[:0]
	if b.record != nil && last == recordDepth-1 && b.stack[1].Name == dataElement {
		b.nodes = 0
		return b.record(n)
	}
	parent := &b.top
	if last > 0 {
		parent = b.stack[last-1]
	}
	parent.Children = append(parent.Children, n)
	return nil
}

// envelope returns the root element, nil when the body had none.
func (b *builder) envelope() *Node { return b.top.Child(b.root) }

// checkCharacters refuses what XML 1.0 does not allow in a document.
func checkCharacters(text []byte) error {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if xmlClass[c] == xmlReplace {
				return fmt.Errorf("the control character U+%04X is not allowed", c)
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return fmt.Errorf("byte 0x%02X is not valid UTF-8", text[i])
		case r == 0xFFFE, r == 0xFFFF:
			return fmt.Errorf("the character U+%04X is not allowed", r)
		}
		i += size
	}
	return nil
}

// shorten bounds a client's value for use in a message.
func shorten(s string) string {
	if len(s) <= maxEchoBytes {
		return s
	}
	cut := maxEchoBytes
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
