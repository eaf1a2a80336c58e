package qps

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// xmlSink appends indented XML. Elements without content are closed at once
// (<list/>), so that an empty collection looks as on the Qualys platform.
type xmlSink struct {
	b     []byte
	depth int
	// open says that b ends with the start tag of a still empty element.
	open bool
}

const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>`

// maxIndent is the deepest indentation, line feed included; deeper elements are
// merely not indented further. Host assets reach 21.
const maxIndent = 32

// lineStart is a line feed and blanks.
var lineStart = [maxIndent]byte([]byte("\n                               "))

// Nearly every byte of a response passes through the next few functions. They
// make room once per element and write into it, and copy the line start as a
// block of fixed size of which only the first part counts.

// room returns the next size bytes of the buffer, and maxIndent spare ones so
// that a line start may be copied anywhere among them. commit makes the first
// of them part of the document.
func (s *xmlSink) room(size int) []byte {
	size += maxIndent
	if cap(s.b)-len(s.b) < size {
		s.b = slices.Grow(s.b, size)
	}
	return s.b[len(s.b) : len(s.b)+size]
}

func (s *xmlSink) commit(size int) { s.b = s.b[:len(s.b)+size] }

// start makes room for an element with text of up to size bytes, writes the
// start tag on a line of its own and returns the room and what is used of it.
func (s *xmlSink) start(name string, size int) (w []byte, n int) {
	indent := min(1+2*s.depth, maxIndent)
	w = s.room(indent + 2*len(name) + size + len("<></>"))
	*(*[maxIndent]byte)(w) = lineStart
	w[indent] = '<'
	n = indent + 1 + copy(w[indent+1:], name)
	w[n] = '>'
	return w, n + 1
}

// finish writes the end tag after the n bytes used of w.
func (s *xmlSink) finish(w []byte, n int, name string) {
	w[n], w[n+1] = '<', '/'
	n += 2 + copy(w[n+2:], name)
	w[n] = '>'
	s.commit(n + 1)
}

func (s *xmlSink) begin(name string) {
	_, n := s.start(name, 0)
	s.commit(n)
	s.depth++
	s.open = true
}

func (s *xmlSink) end(name string) {
	s.depth--
	if s.open {
		s.open = false
		s.b = append(s.b[:len(s.b)-1], '/', '>')
		return
	}
	indent := min(1+2*s.depth, maxIndent)
	w := s.room(indent + len(name) + len("</>"))
	*(*[maxIndent]byte)(w) = lineStart
	s.finish(w, indent, name)
}

func (s *xmlSink) list(name string) {
	s.begin(name)
	s.begin("list")
}

func (s *xmlSink) endList(name string) {
	s.end("list")
	s.end(name)
}

func (s *xmlSink) item(name string)            { s.begin(name) }
func (s *xmlSink) endItem(name string)         { s.end(name) }
func (s *xmlSink) itemText(name, value string) { s.text(name, value) }
func (s *xmlSink) itemList(name string)        { s.list(name) }
func (s *xmlSink) endItemList(name string)     { s.endList(name) }
func (s *xmlSink) data()                       { s.begin("data") }
func (s *xmlSink) endData()                    { s.end("data") }

func (s *xmlSink) text(name, value string) {
	s.open = false
	if !isPlain(value) {
		s.escaped(name, value)
		return
	}
	w, n := s.start(name, len(value))
	n += copy(w[n:], value)
	s.finish(w, n, name)
}

func (s *xmlSink) escaped(name, value string) {
	_, n := s.start(name, 0)
	s.commit(n)
	s.b = appendXMLText(s.b, value)
	s.finish(s.room(len(name)+len("</>")), 0, name)
}

func (s *xmlSink) integer(name string, value int64) {
	s.open = false
	w, n := s.start(name, len("-9223372036854775808"))
	n += len(strconv.AppendInt(w[n:n], value, 10))
	s.finish(w, n, name)
}

func (s *xmlSink) boolean(name string, value bool) {
	s.text(name, strconv.FormatBool(value))
}

func (s *xmlSink) timestamp(name string, value time.Time) {
	s.open = false
	w, n := s.start(name, len(time.RFC3339))
	n += len(appendTime(w[n:n], value))
	s.finish(w, n, name)
}

func (s *xmlSink) nodes(nodes []*Node) {
	for _, n := range nodes {
		name := elementName(n.Name)
		if len(n.Children) == 0 && n.Text != "" {
			s.text(name, n.Text)
			continue
		}
		s.begin(name)
		s.nodes(n.Children)
		s.end(name)
	}
}

// How a byte is written in XML text.
const (
	xmlPlain   = iota // zero: isPlain joins the classes by or
	xmlEscape         // has an entity or character reference
	xmlReplace        // not allowed in XML 1.0
	xmlWide           // first byte of a longer sequence
)

// xmlClass is how each byte is written in text, xmlReference how the escaped
// ones are. A carriage return needs a reference because readers turn a plain
// one into a line feed (XML 1.0, section 2.11).
var (
	xmlClass     = classifyBytes()
	xmlReference = [128]string{
		'&': "&amp;", '<': "&lt;", '>': "&gt;", '\'': "&apos;", '"': "&quot;", '\r': "&#xD;",
	}
)

func classifyBytes() (class [256]byte) {
	for c := range class {
		switch {
		case c >= utf8.RuneSelf:
			class[c] = xmlWide
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			class[c] = xmlReplace
		}
	}
	for _, c := range "&<>'\"\r" {
		class[c] = xmlEscape
	}
	return class
}

const replacement = "\uFFFD"

// isPlain reports whether s goes into text unchanged. Most text does, so it looks
// at four bytes before it branches.
func isPlain(s string) bool {
	class := byte(xmlPlain)
	for ; len(s) >= 4; s = s[4:] {
		class |= xmlClass[s[0]] | xmlClass[s[1]] | xmlClass[s[2]] | xmlClass[s[3]]
	}
	for i := range len(s) {
		class |= xmlClass[s[i]]
	}
	return class == xmlPlain
}

// plainLength returns how many leading bytes of s go into text unchanged.
func plainLength(s string) int {
	for i := range len(s) {
		if xmlClass[s[i]] != xmlPlain {
			return i
		}
	}
	return len(s)
}

// appendXMLText appends s escaped for element content.
func appendXMLText(dst []byte, s string) []byte {
	for {
		i := plainLength(s)
		dst = append(dst, s[:i]...)
		if i == len(s) {
			return dst
		}
		s = s[i:]
		size := 1
		switch xmlClass[s[0]] {
		case xmlEscape:
			dst = append(dst, xmlReference[s[0]]...)
		case xmlReplace:
			dst = append(dst, replacement...)
		case xmlWide:
			var ok bool
			if size, ok = wideRune(s); ok {
				dst = append(dst, s[:size]...)
			} else {
				dst = append(dst, replacement...)
			}
		}
		s = s[size:]
	}
}

// wideRune returns the size of the first character of s and whether it may be
// written; one that may not counts as one replacement in both forms.
func wideRune(s string) (size int, ok bool) {
	r, size := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError && size == 1:
		return 1, false
	case r == 0xFFFE, r == 0xFFFF:
		return size, false
	}
	return size, true
}

// appendXMLAttribute appends s escaped for an attribute value, where white
// space other than a blank needs a character reference as well (XML 1.0,
// section 3.3.3).
func appendXMLAttribute(dst []byte, s string) []byte {
	for s != "" {
		i := 0
		for i < len(s) && s[i] != '\t' && s[i] != '\n' {
			i++
		}
		dst = appendXMLText(dst, s[:i])
		if i == len(s) {
			break
		}
		dst = append(dst, '&', '#', 'x')
		dst = strconv.AppendUint(dst, uint64(s[i]), 16)
		dst = append(dst, ';')
		s = s[i+1:]
	}
	return dst
}
