package qps

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Request is the body of a call. The zero Request is an empty body, except that
// DecodeRequest fills in the default preferences.
type Request struct {
	Preferences Preferences
	Criteria    []Criterion
	// Data is the data element, whose children are the objects to create or
	// change; nil when the body has none.
	Data *Node
}

// Preferences choose a page of a search.
type Preferences struct {
	LimitResults    int   // records per page, 1 to MaxLimitResults
	StartFromOffset int64 // index of the first record, from 1
	StartFromID     int64 // smallest id to return, inclusive; 0: no bound
}

// Defaults and limits of Preferences.
const (
	DefaultLimitResults    = 100
	MaxLimitResults        = 1000
	DefaultStartFromOffset = 1
)

// DefaultPreferences returns what a request without preferences means.
func DefaultPreferences() Preferences {
	return Preferences{LimitResults: DefaultLimitResults, StartFromOffset: DefaultStartFromOffset}
}

// RequestError says what is wrong with a request, in the words the response
// should carry. A body that exceeds MaxRequestBytes has ErrTooLarge in its
// chain.
type RequestError struct {
	Code       ResponseCode // CodeInvalidXML or CodeInvalidRequest
	Message    string       // names what is wrong, the value included
	Resolution string       // what is allowed

	err error
}

// Error returns the code and the message.
func (e *RequestError) Error() string { return string(e.Code) + ": " + e.Message }

// Unwrap returns the cause, which may be nil.
func (e *RequestError) Unwrap() error { return e.err }

func invalidRequest(message, resolution string) *RequestError {
	return &RequestError{Code: CodeInvalidRequest, Message: message, Resolution: resolution}
}

const requestElement = "ServiceRequest"

// DecodeRequest reads a request. The content type chooses the form; when it is
// missing or names neither, the first byte of the body does. A body that is
// empty, or a bare JSON value such as an id, is an empty request, as some
// clients send with actions on one object.
//
// What the body gets wrong comes back as a *RequestError; errors of r come back
// wrapped.
func DecodeRequest(r io.Reader, contentType string) (*Request, error) {
	body, err := readRequestBody(r)
	if err != nil {
		return nil, err
	}
	req := &Request{Preferences: DefaultPreferences()}
	if len(bytes.TrimSpace(body)) == 0 {
		return req, nil
	}
	form, known := mediaForm(contentType)
	if !known {
		form = sniffForm(body)
	}
	envelope, err := parseRequest(body, form)
	if err != nil {
		return nil, err
	}
	if err := readEnvelope(envelope, req); err != nil {
		return nil, err
	}
	return req, nil
}

func readRequestBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, MaxRequestBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	if len(body) > MaxRequestBytes {
		return nil, &RequestError{
			Code:       CodeInvalidRequest,
			Message:    fmt.Sprintf("The request body is larger than %d bytes.", MaxRequestBytes),
			Resolution: "Split the request into smaller ones.",
			err:        ErrTooLarge,
		}
	}
	// Windows tools put a byte order mark in front.
	return bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")), nil
}

// parseRequest returns the envelope, nil for a bare JSON value or object.
func parseRequest(body []byte, form Form) (*Node, error) {
	b := &builder{root: requestElement, strict: true}
	err := checkCharacters(body)
	if err == nil && form == XML {
		err = parseXML(bytes.NewReader(body), b)
	} else if err == nil {
		err = parseJSON(bytes.NewReader(body), b)
	}
	switch {
	case err == nil:
		return b.envelope(), nil
	case form == XML:
		return nil, &RequestError{
			Code:       CodeInvalidXML,
			Message:    "The request body is not acceptable XML: " + shorten(err.Error()) + ".",
			Resolution: "Send one well-formed ServiceRequest document without a document type.",
			err:        err,
		}
	}
	return nil, &RequestError{
		Code:       CodeInvalidRequest,
		Message:    "The request body is not acceptable JSON: " + shorten(err.Error()) + ".",
		Resolution: "Send one JSON object with the member ServiceRequest.",
		err:        err,
	}
}

func readEnvelope(envelope *Node, req *Request) error {
	if envelope == nil {
		return nil
	}
	var preferences, filters *Node
	for _, c := range envelope.Children {
		var target **Node
		switch c.Name {
		case "preferences":
			target = &preferences
		case "filters":
			target = &filters
		case dataElement:
			target = &req.Data
		default:
			// Ignoring a misspelled filters element would widen the selection.
			return invalidRequest(
				fmt.Sprintf("ServiceRequest: unknown element '%s'.", shorten(c.Name)),
				"Elements expected: preferences, filters, data.")
		}
		if *target != nil {
			return invalidRequest(fmt.Sprintf("ServiceRequest: '%s' is given more than once.", c.Name), "Give each part of the request once.")
		}
		*target = c
	}
	if text := strings.TrimSpace(envelope.Text); text != "" {
		return invalidRequest(
			fmt.Sprintf("ServiceRequest: unexpected text '%s'.", shorten(text)), "Elements expected: preferences, filters, data.")
	}
	if err := readPreferences(preferences, &req.Preferences); err != nil {
		return err
	}
	var err error
	req.Criteria, err = readCriteria(filters)
	return err
}

// readPreferences overrides the defaults in p. Elements it does not know, such
// as verbose, choose nothing here and are ignored.
func readPreferences(n *Node, p *Preferences) error {
	limit, start, id := int64(p.LimitResults), p.StartFromOffset, p.StartFromID
	if err := readPreference(n, "limitResults", 1, MaxLimitResults, &limit); err != nil {
		return err
	}
	if err := readPreference(n, "startFromOffset", 0, maxInt64, &start); err != nil {
		return err
	}
	if err := readPreference(n, "startFromId", 0, maxInt64, &id); err != nil {
		return err
	}
	*p = Preferences{LimitResults: int(limit), StartFromOffset: max(start, DefaultStartFromOffset), StartFromID: id}
	return nil
}

const maxInt64 = 1<<63 - 1

func readPreference(n *Node, name string, low, high int64, value *int64) error {
	if len(n.All(name)) > 1 {
		return invalidRequest(fmt.Sprintf("Preferences: '%s' is given more than once.", name), "Give each preference once.")
	}
	text := n.Trimmed(name)
	if c := n.Child(name); text == "" && (c == nil || len(c.Children) == 0) {
		return nil
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err == nil && low <= v && v <= high {
		*value = v
		return nil
	}
	resolution := fmt.Sprintf("Specify %s as an integer from %d to %d.", name, low, high)
	if high == maxInt64 {
		resolution = fmt.Sprintf("Specify %s as an integer of at least %d.", name, low)
	}
	return invalidRequest(fmt.Sprintf("Preferences: invalid value '%s' for '%s'.", shorten(text), name), resolution)
}
