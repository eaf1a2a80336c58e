package qps

import "fmt"

// Response is the envelope of an answer. Three shapes occur, for which there
// are constructors: a page of a search (NewPage), the result of any other call
// (NewResult, NewCount), and an error (NewError).
//
// The writer keeps the rules of the protocol whatever is set: an error carries
// only its details, and a page without records only its count, which is how the
// Qualys platform answers a search without a match.
type Response struct {
	Code  ResponseCode
	Error *ErrorDetails // only with a Code other than CodeSuccess

	Count    int64 // records in this page, affected objects, or matches of a count
	HasCount bool
	HasMore  *bool // searches only: whether records follow this page
	LastID   int64 // searches only: id of the page's last record; 0: not written

	// BaseURL and Schema together are the location of the schema that the
	// XML form names, such as "https://api.example.com" and SchemaHostAsset.
	// No location is written when Schema is empty.
	BaseURL string
	Schema  string

	Records []Record
}

// ErrorDetails explains an error. Both parts are always written, because
// clients join them.
type ErrorDetails struct {
	Message    string
	Resolution string
}

// Schema paths of the objects, for Response.Schema.
const (
	SchemaHostAsset     = "/qps/xsd/2.0/am/hostasset.xsd"
	SchemaAsset         = "/qps/xsd/2.0/am/asset.xsd"
	SchemaAgentAsset    = "/qps/xsd/1.0/ca/agentasset.xsd"
	SchemaPortalVersion = "/qps/xsd/version.xsd"
	SchemaAgentActKey   = "/qps/xsd/1.0/ca/agentactkey.xsd"
)

// NewPage returns a page of a search. hasMore says whether records follow;
// lastID is the id of the page's last record.
func NewPage(schema string, records []Record, hasMore bool, lastID int64) *Response {
	return &Response{
		Code: CodeSuccess, Count: int64(len(records)), HasCount: true, HasMore: &hasMore, LastID: lastID,
		Schema: schema, Records: records,
	}
}

// NewResult returns the answer to a get or to an action; its count is the
// number of records.
func NewResult(schema string, records ...Record) *Response {
	return &Response{Code: CodeSuccess, Count: int64(len(records)), HasCount: true, Schema: schema, Records: records}
}

// NewCount returns the answer to a count.
func NewCount(schema string, count int64) *Response {
	return &Response{Code: CodeSuccess, Count: count, HasCount: true, Schema: schema}
}

// NewError returns an error answer.
func NewError(schema string, code ResponseCode, message, resolution string) *Response {
	return &Response{Code: code, Error: &ErrorDetails{message, resolution}, Schema: schema}
}

// Err returns nil for a success and a *ResponseError otherwise. status is the
// HTTP status of the answer, 0 when there was none.
func (r *Response) Err(status int) error {
	if r.Code == CodeSuccess {
		return nil
	}
	e := &ResponseError{Code: r.Code, HTTPStatus: status}
	if r.Error != nil {
		e.Message, e.Resolution = r.Error.Message, r.Error.Resolution
	}
	return e
}

// ResponseError is the error a platform answered with.
type ResponseError struct {
	Code       ResponseCode
	Message    string
	Resolution string // may be empty
	HTTPStatus int    // business errors come with status 200
}

// Error returns the code, the message and the resolution.
func (e *ResponseError) Error() string {
	text := fmt.Sprintf("platform answered %s", e.Code)
	if e.HTTPStatus != 0 {
		text += fmt.Sprintf(" (HTTP %d)", e.HTTPStatus)
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	if e.Resolution != "" {
		text += " " + e.Resolution
	}
	return text
}
