package qpsclient

import "errors"

// ErrRehearsed is what writes of a rehearsing client return: they were recorded
// and not sent.
var ErrRehearsed = errors.New("rehearsed: the request was not sent")

// Request is a request of the API as a rehearsal records it. Header fields are
// left out, and with them the credentials.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"` // below the base URL, escaped
	Query  string `json:"query,omitempty"`
	Body   string `json:"body,omitempty"`
}

// Rehearse returns a client that shares everything with c but sends no writes: it
// passes each to record and returns ErrRehearsed in place of an answer. Reads are
// sent. record is called by the goroutine that makes the call.
func (c *Client) Rehearse(record func(Request)) *Client {
	rehearsing := *c
	rehearsing.record = record
	return &rehearsing
}
