package qps

import (
	"bytes"
	"strconv"
	"strings"
)

// Form is one of the two representations of the protocol. Request and response
// may differ in form.
type Form int

// The forms. XML is the protocol's default.
const (
	XML Form = iota
	JSON
)

// String returns "xml" or "json".
func (f Form) String() string {
	if f == JSON {
		return "json"
	}
	return "xml"
}

// ContentType returns the media type of the form, without a charset as the
// Qualys platform sends it.
func (f Form) ContentType() string {
	if f == JSON {
		return "application/json"
	}
	return "application/xml"
}

// AcceptForm returns the form an Accept header asks for: the XML or JSON media
// type with the highest quality, the first of equals. Everything else, a
// wildcard and an absent header included, means XML.
func AcceptForm(accept string) Form {
	best, bestQuality := XML, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		media, params, _ := strings.Cut(part, ";")
		form, known := mediaForm(media)
		if !known {
			continue
		}
		if q := quality(params); q > bestQuality {
			best, bestQuality = form, q
		}
	}
	return best
}

// quality reads the q parameter of one Accept entry (RFC 9110, section 12.4.2);
// anything unreadable counts as absent, that is 1.
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			return q
		}
	}
	return 1
}

// mediaForm returns the form of a media type, with or without parameters.
func mediaForm(media string) (form Form, known bool) {
	media, _, _ = strings.Cut(media, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case media == "application/json", media == "text/json", strings.HasSuffix(media, "+json"):
		return JSON, true
	case media == "application/xml", media == "text/xml", strings.HasSuffix(media, "+xml"):
		return XML, true
	}
	return XML, false
}

// sniffForm tells the form of a body from its first byte that is not white
// space. Bodies that begin with neither "<" nor an object or array count as
// JSON: clients post a bare id that way.
func sniffForm(body []byte) Form {
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '<' {
		return XML
	}
	return JSON
}
