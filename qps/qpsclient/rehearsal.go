package qpsclient

import "errors"

// ErrRehearsed is what calls of a rehearsing client return: the request was
// recorded and not sent.
var ErrRehearsed = errors.New("rehearsed: the request was not sent")

// Request is a request of the API as a rehearsal records it. Header fields are
// left out, and with them the credentials.
type Request struct {
	Method string `json:"method"`
	Path   string `json:"path"` // below the base URL, escaped
	Query  string `json:"query,omitempty"`
	Body   string `json:"body,omitempty"`
}

// Rehearsal says what becomes of requests that are not sent.
type Rehearsal struct {
	// Record is called with each of them by the goroutine that makes the call.
	Record func(Request)
	// Reads says that reads are not sent either, so that of a search in several
	// pages the first request is recorded.
	Reads bool
}

// Rehearse returns a client that shares everything with c but sends no writes: it
// records them and returns ErrRehearsed in place of an answer.
func (c *Client) Rehearse(r Rehearsal) *Client {
	rehearsing := *c
	rehearsing.rehearsal = &r
	return &rehearsing
}
