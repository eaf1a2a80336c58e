package automation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func TestSearchTranslatesItsFilters(t *testing.T) {
	t.Parallel()
	tag := qps.Criterion{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud Agent"}
	after := qps.Criterion{Field: "lastCheckedIn", Operator: qps.OpGreater, Value: "2024-12-29T09:00:00Z"}
	before := qps.Criterion{Field: "lastCheckedIn", Operator: qps.OpLesser, Value: "2025-01-02T20:00:00Z"}
	tests := []struct {
		name string
		in   SearchInput
		want []qps.Criterion
	}{
		{"none of them selects every agent", SearchInput{}, []qps.Criterion{tag}},
		{"both times in the user's format", SearchInput{LastCheckedInFrom: "12/29/2024 09:00 AM", LastCheckedInTo: "01/02/2025 08:00 PM"}, []qps.Criterion{tag, after, before}},
		{"times in RFC 3339 with a zone", SearchInput{LastCheckedInFrom: "2024-12-29T10:00:00+01:00"}, []qps.Criterion{tag, after}},
		{"only To, for agents that have not checked in since", SearchInput{LastCheckedInTo: "01/02/2025 08:00 PM"}, []qps.Criterion{tag, before}},
		{"a part of the host name as it is typed", SearchInput{HostName: "Web-"}, []qps.Criterion{tag, {Field: "name", Operator: qps.OpContains, Value: "Web-"}}},
		{"a part of the operating system as it is typed", SearchInput{OS: "Windows"}, []qps.Criterion{tag, {Field: "os", Operator: qps.OpContains, Value: "Windows"}}},
		{"instances of a cloud with an agent", SearchInput{Criteria: []qps.Criterion{{Field: "region", Operator: qps.OpEquals, Value: "us-east-1"}}},
			[]qps.Criterion{tag, {Field: "region", Operator: qps.OpEquals, Value: "us-east-1"}}},
		{"instances of a cloud, with an agent or without", SearchInput{AnyHost: true, Criteria: []qps.Criterion{{Field: "instanceState", Operator: qps.OpNotEquals, Value: "TERMINATED"}}},
			[]qps.Criterion{{Field: "instanceState", Operator: qps.OpNotEquals, Value: "TERMINATED"}}},
		{"the same moment twice is not backwards", SearchInput{LastCheckedInFrom: "12/29/2024 09:00 AM", LastCheckedInTo: "2024-12-29T09:00:00Z"},
			[]qps.Criterion{tag, after, {Field: "lastCheckedIn", Operator: qps.OpLesser, Value: "2024-12-29T09:00:00Z"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := platformWith(1)
			var got []qps.Criterion
			p.search = func(s qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error) {
				got = s.Criteria
				return nil, nil
			}
			if o, _ := NewCommands(p, testNow).SearchCloudAgents(context.Background(), tt.in); o.State != Successful {
				t.Fatalf("outcome = %+v", o)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("criteria (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSearchRefusesBadInputBeforeAnyCall(t *testing.T) {
	t.Parallel()
	const backwards = "Last Checked In Time From parameter should not be bigger than Last Checked In Time To parameter."
	tests := []struct {
		name string
		in   SearchInput
		want []string // parts of the message
	}{
		{"From after To", SearchInput{LastCheckedInFrom: "2025-01-01T00:00:01Z", LastCheckedInTo: "2025-01-01T00:00:00Z"}, []string{backwards}},
		{"From after now, the default of To", SearchInput{LastCheckedInFrom: "01/02/2025 08:01 PM"}, []string{backwards}},
		{"From in no known form", SearchInput{LastCheckedInFrom: "yesterday"},
			[]string{"Last Checked In Time From parameter", `"yesterday"`, "MM/DD/YYYY hh:mm AM/PM", "RFC 3339"}},
		{"To with day and month exchanged", SearchInput{LastCheckedInTo: "29/12/2024 09:00 AM"},
			[]string{"Last Checked In Time To parameter", "29/12/2024", "MM/DD/YYYY hh:mm AM/PM", "RFC 3339"}},
		{"a host name of a megabyte", SearchInput{HostName: strings.Repeat("a", 1<<20)}, []string{"Host Name parameter", "255"}},
		{"an operating system of a megabyte", SearchInput{OS: strings.Repeat("a", 1<<20)}, []string{"OS parameter", "255"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := platformWith(1)
			o, _ := NewCommands(p, testNow).SearchCloudAgents(context.Background(), tt.in)
			if o.State != Failed || len(o.Errors) != 1 || o.Errors[0].StatusCode != 400 {
				t.Fatalf("outcome = %+v, want Failed with status 400", o)
			}
			for _, part := range tt.want {
				if !strings.Contains(o.Errors[0].Message, part) {
					t.Errorf("message %q does not contain %q", o.Errors[0].Message, part)
				}
			}
			if len(p.calls) != 0 {
				t.Errorf("calls = %v, want none", p.calls)
			}
		})
	}
}

func TestSearchMergesPagesIntoRawData(t *testing.T) {
	t.Parallel()
	p := platformWith()
	host := func(id int64, name string) *qps.HostAsset {
		return &qps.HostAsset{ID: id, Name: name, OS: "Debian", Address: "192.0.2.1", AgentInfo: &qps.AgentInfo{
			AgentVersion: "2.0.0", Status: qps.AgentActive, LastCheckedIn: time.Date(2025, 1, 2, 19, 0, 0, 0, time.UTC)}}
	}
	p.search = func(qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error) {
		return []qpsclient.HostAssetPage{{Assets: []*qps.HostAsset{host(3, "a")}, More: true}, {Assets: []*qps.HostAsset{host(9, "b")}}}, nil
	}
	o, assets := NewCommands(p, testNow).SearchCloudAgents(context.Background(), SearchInput{})
	if diff := cmp.Diff([]int64{3, 9}, rawIDs(t, o)); diff != "" {
		t.Errorf("$.ServiceResponse.data.HostAsset[*].id (-want +got):\n%s", diff)
	}
	want := Table{
		Columns: []string{"ID", "NAME", "OS", "ADDRESS", "LAST CHECKED IN", "STATUS", "VERSION"},
		Rows: [][]string{
			{"3", "a", "Debian", "192.0.2.1", "2025-01-02T19:00:00Z", "STATUS_ACTIVE", "2.0.0"},
			{"9", "b", "Debian", "192.0.2.1", "2025-01-02T19:00:00Z", "STATUS_ACTIVE", "2.0.0"},
		},
		TimeColumns: []string{"LAST CHECKED IN"},
	}
	if diff := cmp.Diff(want, o.Result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]int64{"cloudAgentIds": {3, 9}}, o.KeyFields); diff != "" {
		t.Errorf("key fields (-want +got):\n%s", diff)
	}
	if len(assets) != 2 || o.State != Successful || len(o.Notes) != 0 {
		t.Errorf("%d assets, state %s, notes %v; want two, Successful, none", len(assets), o.State, o.Notes)
	}
}

// rawIDs reads what the path $.ServiceResponse.data.HostAsset[*].id finds.
func rawIDs(t *testing.T, o Outcome) []int64 {
	t.Helper()
	var raw struct {
		ServiceResponse struct {
			Data struct{ HostAsset []struct{ ID int64 } }
		}
	}
	if err := json.Unmarshal(o.RawData, &raw); err != nil {
		t.Fatalf("raw data %s: %v", o.RawData, err)
	}
	if raw.ServiceResponse.Data.HostAsset == nil {
		t.Fatalf("raw data %s has no HostAsset array", o.RawData)
	}
	ids := []int64{}
	for _, h := range raw.ServiceResponse.Data.HostAsset {
		ids = append(ids, h.ID)
	}
	return ids
}

func TestSearchWithoutAMatchIsSuccessful(t *testing.T) {
	t.Parallel()
	o, _ := NewCommands(platformWith(), testNow).SearchCloudAgents(context.Background(), SearchInput{OS: "Plan 9"})
	if ids := rawIDs(t, o); o.State != Successful || len(ids) != 0 {
		t.Errorf("state %s with ids %v, want Successful with none", o.State, ids)
	}
}

func TestSearchSaysWhenItStoppedAtTheLimit(t *testing.T) {
	t.Parallel()
	p := platformWith()
	limit := 0
	p.search = func(s qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error) {
		limit = s.MaxRecords
		return []qpsclient.HostAssetPage{{Assets: []*qps.HostAsset{{ID: 1}, {ID: 2}}, More: true}}, nil
	}
	o, _ := NewCommands(p, testNow).SearchCloudAgents(context.Background(), SearchInput{MaxRecords: 2})
	if limit != 2 || o.State != Successful || !slices.ContainsFunc(o.Notes, func(n string) bool { return strings.Contains(n, "stopped at 2") }) {
		t.Errorf("limit %d, state %s, notes %v; want a note about the limit of 2", limit, o.State, o.Notes)
	}
}

func TestSearchThatBreaksOffIsFailed(t *testing.T) {
	t.Parallel()
	p := platformWith()
	p.search = func(qpsclient.HostAssetSearch) ([]qpsclient.HostAssetPage, error) {
		return []qpsclient.HostAssetPage{{Assets: []*qps.HostAsset{{ID: 1}}, More: true}}, unreachableHost(qpsclient.KindTimeout)
	}
	o, assets := NewCommands(p, testNow).SearchCloudAgents(context.Background(), SearchInput{})
	if o.State != Failed || o.Errors[0].StatusCode != 504 || assets != nil || o.RawData != nil {
		t.Errorf("outcome = %+v, want Failed with 504 and no data", o)
	}
}

func TestConnectionIsTestedWithOneCount(t *testing.T) {
	t.Parallel()
	p := platformWith(1, 2)
	o := NewCommands(p, testNow).TestConnection(context.Background())
	if o.State != Successful || len(o.Errors) != 0 {
		t.Errorf("outcome = %+v, want Successful", o)
	}
	if diff := cmp.Diff([]string{"count"}, p.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestGetCloudAgent(t *testing.T) {
	t.Parallel()
	c := NewCommands(platformWith(7), testNow)
	if o, h := c.GetCloudAgent(context.Background(), 7); o.State != Successful || h == nil || !slices.Equal(rawIDs(t, o), []int64{7}) {
		t.Errorf("outcome = %+v, want agent 7", o)
	}
	o, _ := c.GetCloudAgent(context.Background(), 8)
	if o.State != Failed || o.Errors[0].StatusCode != 404 || o.Errors[0].Indicator != "Get Cloud Agent failed." {
		t.Errorf("outcome = %+v, want Failed with 404", o)
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in string
		want     time.Time // zero for an error
	}{
		{"the user's format in the morning", "12/29/2024 09:00 AM", time.Date(2024, 12, 29, 9, 0, 0, 0, time.UTC)},
		{"the user's format in the evening", "01/02/2025 08:00 PM", time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC)},
		{"midnight", "01/02/2025 12:00 AM", time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC)},
		{"noon in small letters and with more blanks", " 01/02/2025  12:00 pm ", time.Date(2025, 1, 2, 12, 0, 0, 0, time.UTC)},
		{"RFC 3339", "2025-01-02T20:00:00Z", time.Date(2025, 1, 2, 20, 0, 0, 0, time.UTC)},
		{"RFC 3339 with an offset", "2025-01-02T20:00:00-05:00", time.Date(2025, 1, 3, 1, 0, 0, 0, time.UTC)},
		{"hour 13 with PM", "01/02/2025 13:00 PM", time.Time{}},
		{"no AM or PM", "01/02/2025 08:00", time.Time{}},
		{"a date without a time", "2025-01-02", time.Time{}},
		{"30 February", "02/30/2025 08:00 AM", time.Time{}},
		{"a local time without a zone", "2025-01-02T20:00:00", time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseTime(tt.in)
			if !got.Equal(tt.want) || (err != nil) != tt.want.IsZero() {
				t.Errorf("ParseTime(%q) = %v, %v; want %v", tt.in, got, err, tt.want)
			}
		})
	}
}
