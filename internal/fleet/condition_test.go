package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

func TestParseConditionsTypesValues(t *testing.T) {
	t.Parallel()
	noon := time.Date(2031, 4, 2, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		in   qps.Criterion
		want Condition
	}{
		{qps.Criterion{Field: "qwebHostId", Operator: qps.OpEquals, Value: " 9120044000 "}, Condition{Field: FieldQWebHostID, Operator: qps.OpEquals, Ints: []int64{9120044000}}},
		{qps.Criterion{Field: "id", Operator: qps.OpIn, Value: "3, 1,,2,"}, Condition{Field: FieldID, Operator: qps.OpIn, Ints: []int64{3, 1, 2}}},
		{qps.Criterion{Field: "name", Operator: qps.OpIn, Value: "a , b"}, Condition{Field: FieldName, Operator: qps.OpIn, Texts: []string{"a", "b"}}},
		{qps.Criterion{Field: "name", Operator: qps.OpContains, Value: "a,b"}, Condition{Field: FieldName, Operator: qps.OpContains, Texts: []string{"a,b"}}},
		{qps.Criterion{Field: "networdGuid", Operator: qps.OpNotEquals, Value: "x"}, Condition{Field: FieldNetworkGUID, Operator: qps.OpNotEquals, Texts: []string{"x"}}},
		{qps.Criterion{Field: "networkGuid", Operator: qps.OpNotEquals, Value: "x"}, Condition{Field: FieldNetworkGUID, Operator: qps.OpNotEquals, Texts: []string{"x"}}},
		{qps.Criterion{Field: "update", Operator: qps.OpGreater, Value: "2031-04-02T12:00:00Z"}, Condition{Field: FieldUpdated, Operator: qps.OpGreater, Time: noon}},
		{qps.Criterion{Field: "updated", Operator: qps.OpEquals, Value: "2031-04-02T14:00:00.0000019+02:00"}, Condition{Field: FieldUpdated, Operator: qps.OpEquals, Time: noon.Add(time.Microsecond)}},
		{qps.Criterion{Field: "created", Operator: qps.OpNotEquals, Value: "2031-04-02"}, Condition{Field: FieldCreated, Operator: qps.OpNotEquals, Time: noon.Add(-12 * time.Hour), Day: true}},
		{qps.Criterion{Field: "created", Operator: qps.OpLesser, Value: "2031-04-02"}, Condition{Field: FieldCreated, Operator: qps.OpLesser, Time: noon.Add(-12 * time.Hour)}},
		{qps.Criterion{Field: "type", Operator: qps.OpIn, Value: "HOST,WEBAPP"}, Condition{Field: FieldType, Operator: qps.OpIn, Texts: []string{"HOST", "WEBAPP"}}},
		{qps.Criterion{Field: "agentVersion", Operator: qps.OpLesser, Value: "5.6.0.12"}, Condition{Field: FieldAgentVersion, Operator: qps.OpLesser, Texts: []string{"5.6.0.12"}}},
		{qps.Criterion{Field: "agentVersion", Operator: qps.OpEquals, Value: "5.6-rc"}, Condition{Field: FieldAgentVersion, Operator: qps.OpEquals, Texts: []string{"5.6-rc"}}},
		{qps.Criterion{Field: "agentUuid", Operator: qps.OpIn, Value: "a,b"}, Condition{Field: FieldAgentUUID, Operator: qps.OpIn, Texts: []string{"a", "b"}}},
	} {
		got, err := ParseConditions([]qps.Criterion{c.in})
		if err != nil {
			t.Errorf("%+v: %v", c.in, err)
			continue
		}
		if diff := cmp.Diff([]Condition{c.want}, got); diff != "" {
			t.Errorf("%+v: %s", c.in, diff)
		}
	}
}

func TestParseConditionsRefuses(t *testing.T) {
	t.Parallel()
	const long = "Specify criteria value(s) as Long."
	for _, c := range []struct {
		field, value string
		op           qps.Operator
		message      string
		resolution   string
	}{
		{"qwebHostId", "abc123", qps.OpEquals, "Criteria: Invalid value format for criteria 'qwebHostId' (abc123).", long},
		{"id", "1,x", qps.OpIn, "Criteria: Invalid value format for criteria 'id' (1,x).", long},
		{"port", "9223372036854775808", qps.OpGreater, "Criteria: Invalid value format for criteria 'port' (9223372036854775808).", long},
		{"id", " , ,", qps.OpIn, "Criteria: Invalid value format for criteria 'id' ( , ,).", "Specify at least one value."},
		{"name", "", qps.OpContains, "Criteria: Invalid value format for criteria 'name' ().", "Specify at least one value."},
		{"name", "a\x00b", qps.OpEquals, "Criteria: Invalid value format for criteria 'name' (a\uFFFDb).", "Specify criteria value(s) as String, in UTF-8 and without NUL characters."},
		{"name", strings.Repeat("ü", 600), qps.OpEquals, "Criteria: Invalid value format for criteria 'name' (" + strings.Repeat("ü", 100) + "…).", "Specify criteria value(s) of at most 1024 bytes."},
		{"update", "yesterday", qps.OpLesser, "Criteria: Invalid value format for criteria 'update' (yesterday).", "Specify criteria value(s) as Date: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ."},
		{"agentVersion", "5.x", qps.OpGreater, "Criteria: Invalid value format for criteria 'agentVersion' (5.x).", "Specify criteria value(s) as numbers separated by dots, such as 5.6.0.12."},
		{"name", "x", qps.OpGreater, "Criteria: Operator 'GREATER' is not supported for criteria 'name'.", "Operators expected: CONTAINS, EQUALS, NOT EQUALS, IN."},
		{"activationKey", "x", qps.OpIn, "Criteria: Operator 'IN' is not supported for criteria 'activationKey'.", "Operators expected: EQUALS."},
		{"lastCheckedIn", "2031-04-02", qps.OpNotEquals, "Criteria: Operator 'NOT EQUALS' is not supported for criteria 'lastCheckedIn'.", "Operators expected: EQUALS, LESSER, GREATER."},
		{"agentConfigurationName", "x", qps.OpNotEquals, "Criteria: Operator 'NOT EQUALS' is not supported for criteria 'agentConfigurationName'.", "Operators expected: EQUALS, CONTAINS."},
		{"Name", "x", qps.OpEquals, "Criteria: Unknown criteria 'Name'.", "Criteria expected: accountId, activationKey, address,"},
		{"id", strings.Repeat("1,", MaxListValues+1), qps.OpIn, "Criteria: The list of criteria 'id' has 10001 values.", "Specify at most 10000 values."},
	} {
		_, err := ParseConditions([]qps.Criterion{{Field: "id", Operator: qps.OpEquals, Value: "1"}, {Field: c.field, Operator: c.op, Value: c.value}})
		e, ok := errors.AsType[*fault.Error](err)
		if !ok {
			t.Errorf("%s: got error %v, want a fault", c.message, err)
			continue
		}
		if e.Code != fault.Invalid || e.Message != c.message || !strings.HasPrefix(e.Resolution, c.resolution) {
			t.Errorf("got %s %q %q, want %q %q", e.Code, e.Message, e.Resolution, c.message, c.resolution)
		}
	}
}

func TestEveryFieldRefusesOperatorsItIsNotDocumentedWith(t *testing.T) {
	t.Parallel()
	// Qualys Asset Management API, search host assets, and the filter types of the
	// framework; IN on text is what clients send beyond it.
	all := []qps.Operator{qps.OpEquals, qps.OpNotEquals, qps.OpGreater, qps.OpLesser, qps.OpIn, qps.OpContains}
	documented := map[string][]qps.Operator{
		"integer": {qps.OpEquals, qps.OpNotEquals, qps.OpGreater, qps.OpLesser, qps.OpIn},
		"text":    {qps.OpEquals, qps.OpNotEquals, qps.OpIn, qps.OpContains},
		"date":    {qps.OpEquals, qps.OpNotEquals, qps.OpGreater, qps.OpLesser},
		"keyword": {qps.OpEquals, qps.OpNotEquals, qps.OpIn},
		"equals":  {qps.OpEquals},
	}
	fields := map[string]string{
		"id": "integer", "qwebHostId": "integer", "port": "integer", "tagId": "integer",
		"name": "text", "dnsHostName": "text", "netbiosName": "text", "netbiosNetworkID": "text", "networkGuid": "text", "networdGuid": "text",
		"address": "text", "os": "text", "installedSoftware": "text", "tagName": "text", "type": "keyword", "trackingMethod": "keyword",
		"created": "date", "update": "date", "updated": "date", "lastVulnScan": "date", "lastComplianceScan": "date", "vulnsUpdated": "date",
		"informationGatheredUpdated": "date", "activationKey": "equals", "agentConfigurationId": "equals",
	}
	for field, kind := range fields {
		value := map[string]string{"date": "2031-04-02"}[kind]
		if value == "" {
			value = "1"
		}
		for _, op := range all {
			_, err := ParseConditions([]qps.Criterion{{Field: field, Operator: op, Value: value}})
			if allowed := slices.Contains(documented[kind], op); allowed != (err == nil) {
				t.Errorf("%s %s: got %v, want it allowed: %t", field, op, err, allowed)
			}
		}
	}
}

func TestVersionKeySortsAsNumbers(t *testing.T) {
	t.Parallel()
	ascending := [][]string{
		{"", "0", "0.0.0", "x"}, {"0.0.1"}, {"0.1"}, {"1", "1.0", "01", "1.0-beta"}, {"1.0.1"}, {"1.9"}, {"1.10", "1.10.0.0"}, {"1.10.0.1"},
		{"2"}, {"10.0"}, {"18446744073709551616"},
	}
	for i, group := range ascending {
		for _, a := range group {
			for j, other := range ascending {
				for _, b := range other {
					if got, want := strings.Compare(VersionKey(a), VersionKey(b)), min(max(i-j, -1), 1); got != want {
						t.Errorf("%q and %q compare %d, want %d", a, b, got, want)
					}
				}
			}
		}
	}
	if a, b := VersionKey(strings.Repeat("9", 21)), VersionKey(strings.Repeat("9", 30)); a != b {
		t.Errorf("parts beyond the limit differ: %q and %q", a, b)
	}
	if key := VersionKey(strings.Repeat("1.", 1000)); len(key) > 2*maxVersionParts {
		t.Errorf("a version of 1000 parts makes a key of %d bytes", len(key))
	}
}

func FuzzParseConditions(f *testing.F) {
	f.Add("name", "CONTAINS", "a%b")
	f.Add("id", "IN", "1,2")
	f.Add("created", "EQUALS", "2031-04-02")
	f.Add("agentVersion", "GREATER", "1.2")
	f.Fuzz(func(t *testing.T, field, op, value string) {
		conditions, err := ParseConditions([]qps.Criterion{{Field: field, Operator: qps.Operator(op), Value: value}})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("got %v, want it invalid", err)
			}
			return
		}
		// Whatever is accepted can be evaluated.
		Match(&qps.HostAsset{ID: 1, Name: fmt.Sprint(value), AgentInfo: &qps.AgentInfo{AgentVersion: value}}, conditions)
	})
}
