package qps

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// sink receives one response, element by element. Each method that opens
// something has a closing counterpart with the same name argument. Names are
// valid XML names; values may hold anything.
type sink interface {
	// begin opens an object.
	begin(name string)
	end(name string)
	// list opens a collection: the element and the list inside it.
	list(name string)
	endList(name string)
	// item opens an object of a list or of data.
	item(name string)
	endItem(name string)
	// itemText is an item of a list that is a plain value.
	itemText(name, value string)
	// itemList opens an item of a list that is a collection itself.
	itemList(name string)
	endItemList(name string)
	// data opens the list of records of the envelope.
	data()
	endData()

	text(name, value string)
	integer(name string, value int64)
	boolean(name string, value bool)
	timestamp(name string, value time.Time)
	// nodes writes elements whose structure is not known beforehand.
	nodes(nodes []*Node)
}

func optText(s sink, name, value string) {
	if value != "" {
		s.text(name, value)
	}
}

func optInteger(s sink, name string, value int64) {
	if value != 0 {
		s.integer(name, value)
	}
}

func optTime(s sink, name string, value time.Time) {
	if writable(value) {
		s.timestamp(name, value)
	}
}

// optBoolean writes a yes or no that is known.
func optBoolean(s sink, name string, value *bool) {
	if value != nil {
		s.boolean(name, *value)
	}
}

// writeTexts writes a collection of plain values.
func writeTexts(s sink, name, item string, values []string) {
	s.list(name)
	for _, value := range values {
		s.itemText(item, value)
	}
	s.endList(name)
}

// writeList writes a collection with one element per item.
func writeList[T any](s sink, name, item string, items []T, write func(sink, *T)) {
	s.list(name)
	for i := range items {
		s.item(item)
		write(s, &items[i])
		s.endItem(item)
	}
	s.endList(name)
}

func writeTags(s sink, tags []TagSimple) {
	writeList(s, "tags", tagSimpleElement, tags, writeTagSimple)
}

func writeTagSimple(s sink, t *TagSimple) {
	s.integer("id", t.ID)
	s.text("name", t.Name)
}

// expandAddress returns an IPv6 address in the platform's expanded form, eight
// groups without leading zeros and without a zone. IPv4 addresses, and text
// that is no address, come back unchanged.
func expandAddress(s string) string {
	if strings.IndexByte(s, ':') < 0 {
		return s
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return s
	}
	raw := addr.As16()
	out := make([]byte, 0, len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))
	for i := 0; i < len(raw); i += 2 {
		if i > 0 {
			out = append(out, ':')
		}
		out = strconv.AppendUint(out, uint64(raw[i])<<8|uint64(raw[i+1]), 16)
	}
	return string(out)
}
