package automation

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// KeyAgentIDs is the key field with the ids of the agents a command found or
// acted on.
const KeyAgentIDs = "cloudAgentIds"

// DefaultMaxRecords bounds the agents of one search (10,000): their host assets
// are held in memory, up to a megabyte each.
const DefaultMaxRecords = 10_000

// maxTextLength bounds a host name or operating system to search for, in bytes.
// A host name has at most 255 (RFC 1035, section 2.3.4).
const maxTextLength = 255

// SearchInput are the inputs of Search Cloud Agents, all optional.
type SearchInput struct {
	// LastCheckedInFrom and LastCheckedInTo bound the time of the last check-in,
	// both exclusively, in one of the forms of ParseTime. Without From agents
	// count from their installation on; without To, up to now.
	LastCheckedInFrom string
	LastCheckedInTo   string
	// HostName and OS are the full name or a part of it, case-sensitive.
	HostName string
	OS       string
	// Tag is the full name of a tag that the agents carry.
	Tag string
	// Criteria are further ones, such as those of instances of a cloud.
	Criteria []qps.Criterion
	// AnyHost counts hosts without an agent as well: instances that a connector found.
	AnyHost bool
	// AfterID leaves out agents up to this id, as a search that stopped at its
	// limit is continued; zero leaves out none.
	AfterID int64
	// Fields limits what is read of each agent; none means everything, which
	// the raw data is meant to have.
	Fields []string
	// MaxRecords bounds the agents; zero means DefaultMaxRecords.
	MaxRecords int
}

// TableFields are the fields that the result table of a search shows.
func TableFields() []string {
	return []string{"id", "name", "os", "address", "agentInfo.lastCheckedIn", "agentInfo.status", "agentInfo.agentVersion"}
}

// SearchCloudAgents returns the agents that meet all filters, in order of id. A
// search without a match is successful. The assets are those of the raw data.
func (c *Commands) SearchCloudAgents(ctx context.Context, in SearchInput) (Outcome, []*qps.HostAsset) {
	criteria, err := c.searchCriteria(in)
	if err != nil {
		return failed(searchAgents.failure(err)), nil
	}
	limit := in.MaxRecords
	if limit <= 0 {
		limit = DefaultMaxRecords
	}
	found := []*qps.HostAsset{}
	truncated := false
	search := qpsclient.HostAssetSearch{Criteria: criteria, Fields: in.Fields, MaxRecords: limit}
	for page, err := range c.platform.SearchHostAssets(ctx, search) {
		if err != nil {
			return searchAgents.failedRead(err), nil
		}
		found = append(found, page.Assets...)
		truncated = page.More && len(found) >= limit
	}
	out := Outcome{
		State:       Successful,
		Result:      agentTable(found),
		RawData:     qps.AppendRawData(nil, searchResponse(found, truncated)),
		ContextData: encoded(agentRecords(found)),
		KeyFields:   map[string][]int64{KeyAgentIDs: assetIDs(found)},
	}
	if truncated {
		out.Notes = append(out.Notes, fmt.Sprintf("There are more Cloud Agents: the search stopped at %d. Narrow the filters or raise the limit.", limit))
	}
	return out, found
}

// searchCriteria checks the inputs and translates them.
func (c *Commands) searchCriteria(in SearchInput) ([]qps.Criterion, error) {
	from, err := optionalTime("Last Checked In Time From", in.LastCheckedInFrom)
	if err != nil {
		return nil, err
	}
	to, err := optionalTime("Last Checked In Time To", in.LastCheckedInTo)
	if err != nil {
		return nil, err
	}
	until := to
	if until.IsZero() {
		until = c.now()
	}
	if from.After(until) {
		return nil, invalid("Last Checked In Time From parameter should not be bigger than Last Checked In Time To parameter.")
	}
	var criteria []qps.Criterion
	if !in.AnyHost {
		criteria = append(criteria, cloudAgents())
	}
	criteria = append(criteria, in.Criteria...)
	if !from.IsZero() {
		criteria = append(criteria, qps.Criterion{Field: "lastCheckedIn", Operator: qps.OpGreater, Value: qps.FormatTime(from)})
	}
	// The default, now, is not sent: it selects nothing away but the agents
	// that check in during this very second.
	if !to.IsZero() {
		criteria = append(criteria, qps.Criterion{Field: "lastCheckedIn", Operator: qps.OpLesser, Value: qps.FormatTime(to)})
	}
	for _, text := range []struct{ name, field, value string }{{"Host Name", "name", in.HostName}, {"OS", "os", in.OS}} {
		if len(text.value) > maxTextLength {
			return nil, invalid(fmt.Sprintf("%s parameter has %d bytes, at most %d are allowed.", text.name, len(text.value), maxTextLength))
		}
		if strings.TrimSpace(text.value) != "" {
			criteria = append(criteria, qps.Criterion{Field: text.field, Operator: qps.OpContains, Value: text.value})
		}
	}
	if in.Tag != "" {
		criteria = append(criteria, qps.Criterion{Field: "tagName", Operator: qps.OpEquals, Value: in.Tag})
	}
	if in.AfterID > 0 {
		criteria = append(criteria, qps.Criterion{Field: "id", Operator: qps.OpGreater, Value: strconv.FormatInt(in.AfterID, 10)})
	}
	return criteria, nil
}

// invalid is an error about the input; the command ends before any call.
func invalid(message string) error { return fault.New(fault.Invalid, message, "") }

func optionalTime(name, value string) (time.Time, error) {
	if strings.TrimSpace(value) == "" {
		return time.Time{}, nil
	}
	t, err := ParseTime(value)
	if err != nil {
		return time.Time{}, invalid(fmt.Sprintf("%s parameter: %v.", name, err))
	}
	return t, nil
}

func searchResponse(found []*qps.HostAsset, truncated bool) *qps.Response {
	records := make([]qps.Record, len(found))
	lastID := int64(0)
	for i, h := range found {
		records[i], lastID = h, h.ID
	}
	return qps.NewPage(qps.SchemaHostAsset, records, truncated, lastID)
}

// SearchResponse returns the agents of a search as one answer of the API.
func SearchResponse(found []*qps.HostAsset) *qps.Response { return searchResponse(found, false) }

func assetIDs(assets []*qps.HostAsset) []int64 {
	ids := make([]int64, len(assets))
	for i, h := range assets {
		ids[i] = h.ID
	}
	return ids
}

func agentTable(assets []*qps.HostAsset) Table {
	t := Table{
		Columns:     []string{"ID", "NAME", "OS", "ADDRESS", "LAST CHECKED IN", "STATUS", "VERSION"},
		Rows:        make([][]string, 0, len(assets)),
		TimeColumns: []string{"LAST CHECKED IN"},
	}
	for _, h := range assets {
		row := []string{strconv.FormatInt(h.ID, 10), h.Name, h.OS, h.Address, "", "", ""}
		if a := h.AgentInfo; a != nil {
			row[4], row[5], row[6] = qps.FormatTime(a.LastCheckedIn), a.Status, a.AgentVersion
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
