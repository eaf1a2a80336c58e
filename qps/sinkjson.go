package qps

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// jsonSink appends compact JSON in the platform's dialect: lists are arrays of
// one-key objects, booleans are strings, integers are numbers, elements without
// content are empty objects.
type jsonSink struct {
	b []byte
}

// separate appends a comma unless a container has just been opened. Looking at
// the last byte is enough: values end in a quote, a digit or a closing bracket.
func (s *jsonSink) separate() {
	if last := s.b[len(s.b)-1]; last != '{' && last != '[' {
		s.b = append(s.b, ',')
	}
}

func (s *jsonSink) key(name string) {
	s.separate()
	s.b = append(s.b, '"')
	s.b = append(s.b, name...)
	s.b = append(s.b, '"', ':')
}

func (s *jsonSink) begin(name string) {
	s.key(name)
	s.b = append(s.b, '{')
}

func (s *jsonSink) end(string) { s.b = append(s.b, '}') }

func (s *jsonSink) list(name string) {
	s.key(name)
	s.b = append(s.b, `{"list":[`...)
}

func (s *jsonSink) endList(string) { s.b = append(s.b, ']', '}') }

func (s *jsonSink) item(name string) {
	s.separate()
	s.b = append(s.b, '{', '"')
	s.b = append(s.b, name...)
	s.b = append(s.b, `":{`...)
}

func (s *jsonSink) endItem(string) { s.b = append(s.b, '}', '}') }

func (s *jsonSink) itemText(name, value string) {
	s.element()
	s.text(name, value)
	s.b = append(s.b, '}')
}

func (s *jsonSink) itemList(name string) {
	s.element()
	s.list(name)
}

func (s *jsonSink) endItemList(string) { s.b = append(s.b, ']', '}', '}') }

func (s *jsonSink) data() { s.array("data") }

func (s *jsonSink) endData() { s.endArray() }

func (s *jsonSink) array(name string) {
	s.key(name)
	s.b = append(s.b, '[')
}

func (s *jsonSink) endArray() { s.b = append(s.b, ']') }

// element opens an object of an array.
func (s *jsonSink) element() {
	s.separate()
	s.b = append(s.b, '{')
}

func (s *jsonSink) text(name, value string) {
	s.key(name)
	s.b = appendJSONText(s.b, value)
}

func (s *jsonSink) integer(name string, value int64) {
	s.key(name)
	s.b = strconv.AppendInt(s.b, value, 10)
}

func (s *jsonSink) boolean(name string, value bool) {
	s.key(name)
	s.b = append(s.b, '"')
	s.b = strconv.AppendBool(s.b, value)
	s.b = append(s.b, '"')
}

func (s *jsonSink) timestamp(name string, value time.Time) {
	s.key(name)
	s.b = append(s.b, '"')
	s.b = appendTime(s.b, value)
	s.b = append(s.b, '"')
}

// nodes writes siblings as members. Repeated names become one member with an
// array, at the place of the first.
func (s *jsonSink) nodes(nodes []*Node) {
	for _, group := range groupByName(nodes) {
		if len(group) == 1 {
			s.node(group[0])
			continue
		}
		s.array(elementName(group[0].Name))
		for _, n := range group {
			s.separate()
			s.value(n)
		}
		s.endArray()
	}
}

func (s *jsonSink) node(n *Node) {
	if n.Name != "list" || n.Text != "" {
		s.key(elementName(n.Name))
		s.value(n)
		return
	}
	s.array("list")
	for _, c := range n.Children {
		s.separate()
		s.b = append(s.b, '{')
		s.node(c)
		s.b = append(s.b, '}')
	}
	s.endArray()
}

func (s *jsonSink) value(n *Node) {
	if len(n.Children) == 0 && n.Text != "" {
		s.b = appendJSONText(s.b, n.Text)
		return
	}
	s.b = append(s.b, '{')
	s.nodes(n.Children)
	s.b = append(s.b, '}')
}

const hexDigits = "0123456789abcdef"

// appendJSONText appends s as a JSON string. It replaces exactly what
// appendXMLText replaces, so that both forms carry the same text.
func appendJSONText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		size := 1
		if c >= utf8.RuneSelf {
			var ok bool
			if size, ok = wideRune(s[i:]); ok {
				i += size
				continue
			}
		} else if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendJSONEscape(dst, c)
		i += size
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendJSONEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\t', '\n', '\r':
		return append(dst, '\\', 'u', '0', '0', '0', hexDigits[c])
	}
	return append(dst, replacement...)
}
