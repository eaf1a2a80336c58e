package qpsclient

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ErrNoScanStates says that the platform does not report the states of scans.
// Vedette does, in its automation API; Qualys has no counterpart.
var ErrNoScanStates = errors.New("the platform does not report scan states")

// errNotJSON is an answer to a call of the automation API in another form.
var errNotJSON = errors.New("it is not JSON")

// ScanState is where an on-demand scan stands.
type ScanState string

// The states of a scan; the last four are final.
const (
	ScanQueued    ScanState = "queued"
	ScanDelivered ScanState = "delivered"
	ScanRunning   ScanState = "running"
	ScanUploaded  ScanState = "uploaded"
	ScanComplete  ScanState = "complete"
	ScanRejected  ScanState = "rejected"
	ScanExpired   ScanState = "expired"
	ScanFailed    ScanState = "failed"
)

// ScanStates lists all states in the order of a scan's life.
func ScanStates() []ScanState {
	return []ScanState{ScanQueued, ScanDelivered, ScanRunning, ScanUploaded, ScanComplete, ScanRejected, ScanExpired, ScanFailed}
}

// Final reports whether the scan will not change any more.
func (s ScanState) Final() bool {
	switch s {
	case ScanComplete, ScanRejected, ScanExpired, ScanFailed:
		return true
	}
	return false
}

// Scan is one on-demand scan of one host. Times are zero until reached.
type Scan struct {
	ID                int64     `json:"id"`
	AssetID           int64     `json:"assetId"`
	AgentID           string    `json:"agentId"` // UUID
	Type              ScanType  `json:"type"`
	OverrideConfigCPU bool      `json:"overrideConfigCpu"`
	State             ScanState `json:"state"`
	Reason            string    `json:"reason"` // why it was rejected or failed
	RequestedBy       string    `json:"requestedBy"`
	Created           time.Time `json:"created"`
	Delivered         time.Time `json:"delivered,omitzero"`
	Started           time.Time `json:"started,omitzero"`
	Ended             time.Time `json:"ended,omitzero"`
}

// ScanQuery selects scans; zero values select everything.
type ScanQuery struct {
	AssetID int64
	Type    ScanType
	State   ScanState
	Limit   int   // at most so many; zero leaves it to the platform
	Before  int64 // only ids below
}

// scansPath is where a Vedette platform reports the state of scans.
const scansPath = "/automation/v1/scans"

// encode returns the query as it goes on the wire.
func (q ScanQuery) encode() string {
	v := url.Values{}
	if q.AssetID != 0 {
		v.Set("assetId", strconv.FormatInt(q.AssetID, 10))
	}
	if q.Type != "" {
		v.Set("type", string(q.Type))
	}
	if q.State != "" {
		v.Set("state", string(q.State))
	}
	if q.Limit != 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Before != 0 {
		v.Set("before", strconv.FormatInt(q.Before, 10))
	}
	return v.Encode()
}

// Scans lists on-demand scans, newest first. Platforms without them give
// ErrNoScanStates.
func (c *Client) Scans(ctx context.Context, q ScanQuery) ([]Scan, error) {
	var answer struct {
		Scans []Scan `json:"scans"`
	}
	err := c.state(ctx, call{method: http.MethodGet, path: scansPath, query: q.encode(), accept: mediaJSON}, &answer)
	if err != nil {
		return nil, fmt.Errorf("list on-demand scans: %w", noScanStates(err))
	}
	return answer.Scans, nil
}

// Scan returns one on-demand scan. A *StatusError with status 404 means that
// there is none with this id.
func (c *Client) Scan(ctx context.Context, id int64) (Scan, error) {
	var scan Scan
	in := call{method: http.MethodGet, path: scansPath + "/" + strconv.FormatInt(id, 10), accept: mediaJSON}
	if err := c.state(ctx, in, &scan); err != nil {
		return Scan{}, fmt.Errorf("read on-demand scan %d: %w", id, noScanStates(err))
	}
	if scan.ID != id {
		return Scan{}, fmt.Errorf("read on-demand scan %d: %w", id, c.badAnswer(fmt.Sprintf("it describes scan %d", scan.ID)))
	}
	return scan, nil
}

// state reads a JSON answer of the automation API.
func (c *Client) state(ctx context.Context, in call, out any) error {
	in.maxBytes = cmp.Or(in.maxBytes, stateBytes)
	return c.retry(ctx, in.write, func() error {
		return c.attempt(ctx, in, func(h http.Header, body io.Reader) error {
			if mediaType(h) != mediaJSON {
				return errNotJSON
			}
			text, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			return json.Unmarshal(text, out)
		})
	})
}

// noScanStates recognises a platform that does not know the automation API: it
// has no such route, or it sends a page or a redirect to its user interface. A
// 404 of the automation API itself has a code.
func noScanStates(err error) error {
	if status, ok := errors.AsType[*StatusError](err); ok {
		if status.Code == "" && (status.StatusCode == http.StatusNotFound || status.StatusCode == http.StatusMethodNotAllowed) {
			return ErrNoScanStates
		}
	}
	if broken, ok := errors.AsType[*TransportError](err); ok && (broken.Kind == KindRedirect || errors.Is(err, errNotJSON)) {
		return ErrNoScanStates
	}
	return err
}
