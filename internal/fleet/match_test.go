package fleet

import (
	"testing"
	"time"

	"vedette.dev/vedette/qps"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)
	host := &qps.HostAsset{
		ID: 7003002, Name: "edge-cache-04", Created: at, Modified: at.Add(time.Hour), Type: "HOST", TrackingMethod: "QAGENT",
		Tags: []qps.TagSimple{{ID: 51001, Name: "Cloud Agent"}, {ID: 51002, Name: "Edge"}}, OS: "Rocky Linux 9.3", Address: "192.0.2.14",
		DNSHostName: "edge-cache-04.example.net", LastVulnScan: at,
		OpenPorts: []qps.OpenPort{{Port: 22}, {Port: 443}}, Software: []qps.Software{{Name: "curl", Version: "8.5.0"}, {Name: "bare"}},
		AgentInfo: &qps.AgentInfo{
			AgentVersion: "6.2.0.9", AgentID: "a004", LastCheckedIn: at,
			AgentConfiguration: qps.AgentConfiguration{ID: 3301, Name: "Edge profile"}, ActivationKey: qps.ActivationKeyRef{ActivationID: "b001"},
		},
	}
	bare := &qps.HostAsset{ID: 1, Name: "bare", Type: "HOST"}
	for _, c := range []struct {
		field    string
		op       qps.Operator
		value    string
		host     bool // matches the agent
		bareHost bool // matches the host without anything
	}{
		{"id", qps.OpEquals, "7003002", true, false},
		{"id", qps.OpGreater, "7003002", false, false},
		{"id", qps.OpLesser, "7003002", false, true},
		{"id", qps.OpIn, "1,7003002", true, true},
		{"qwebHostId", qps.OpNotEquals, "5", true, true},
		{"qwebHostId", qps.OpLesser, "5", false, false},
		{"name", qps.OpContains, "cache", true, false},
		{"name", qps.OpContains, "Cache", false, false},
		{"name", qps.OpEquals, "edge-cache", false, false},
		{"name", qps.OpIn, "bare,other", false, true},
		{"netbiosName", qps.OpNotEquals, "x", true, true},
		{"netbiosName", qps.OpEquals, "x", false, false},
		{"os", qps.OpContains, "Linux", true, false},
		{"os", qps.OpNotEquals, "Rocky Linux 9.3", false, true},
		{"type", qps.OpEquals, "HOST", true, true},
		{"type", qps.OpIn, "WEBAPP", false, false},
		{"trackingMethod", qps.OpNotEquals, "IP", true, true},
		{"port", qps.OpEquals, "443", true, false},
		{"port", qps.OpNotEquals, "443", false, true},
		{"port", qps.OpNotEquals, "80", true, true},
		{"port", qps.OpGreater, "442", true, false},
		{"port", qps.OpLesser, "23", true, false},
		{"installedSoftware", qps.OpEquals, "curl", true, false},
		{"installedSoftware", qps.OpEquals, "curl 8.5.0", true, false},
		{"installedSoftware", qps.OpContains, "rl 8", true, false},
		{"installedSoftware", qps.OpEquals, "bare ", true, false}, // trimmed
		{"installedSoftware", qps.OpNotEquals, "curl 8.5.0", false, true},
		{"tagName", qps.OpEquals, "Edge", true, false},
		{"tagName", qps.OpNotEquals, "Edge", false, true},
		{"tagName", qps.OpNotEquals, "edge", true, true},
		{"tagName", qps.OpContains, "Agent", true, false},
		{"tagId", qps.OpIn, "51002,9", true, false},
		{"tagId", qps.OpNotEquals, "51002", false, true},
		{"created", qps.OpEquals, "2031-04-01T06:12:44Z", true, false},
		{"created", qps.OpEquals, "2031-04-01", true, false},
		{"created", qps.OpNotEquals, "2031-04-01", false, true},
		{"created", qps.OpNotEquals, "2031-04-02", true, true},
		{"created", qps.OpEquals, "2031-04-01T06:12:44.5Z", false, false},
		{"created", qps.OpGreater, "2031-04-01", true, false},
		{"created", qps.OpGreater, "2031-04-01T06:12:44Z", false, false},
		{"created", qps.OpLesser, "2031-04-01T06:12:44.5Z", true, false},
		{"updated", qps.OpEquals, "2031-04-01T07:12:44Z", true, false},
		{"lastVulnScan", qps.OpLesser, "2031-04-02", true, false},
		{"lastComplianceScan", qps.OpLesser, "2031-04-02", false, false},
		{"lastComplianceScan", qps.OpNotEquals, "2031-04-02", true, true},
		{"lastCheckedIn", qps.OpEquals, "2031-04-01", true, false},
		{"activationKey", qps.OpEquals, "b001", true, false},
		{"agentConfigurationId", qps.OpEquals, "3301", true, false},
		{"agentConfigurationName", qps.OpContains, "profile", true, false},
		{"agentVersion", qps.OpEquals, "6.2.0.9", true, false},
		{"agentVersion", qps.OpLesser, "6.10", true, false},
		{"agentVersion", qps.OpGreater, "6.2.0.8", true, false},
		{"agentVersion", qps.OpGreater, "6.2.0.9.0", false, false},
		{"agentUuid", qps.OpIn, "a003,a004", true, false},
	} {
		conditions, err := ParseConditions([]qps.Criterion{{Field: c.field, Operator: c.op, Value: c.value}})
		if err != nil {
			t.Errorf("%s %s %s: %v", c.field, c.op, c.value, err)
			continue
		}
		if got := Match(host, conditions); got != c.host {
			t.Errorf("%s %s %s matches the agent: %t, want %t", c.field, c.op, c.value, got, c.host)
		}
		if got := Match(bare, conditions); got != c.bareHost {
			t.Errorf("%s %s %s matches the bare host: %t, want %t", c.field, c.op, c.value, got, c.bareHost)
		}
	}
	both, err := ParseConditions([]qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "Edge"}, {Field: "tagName", Operator: qps.OpNotEquals, Value: "Cloud Agent"}})
	if err != nil {
		t.Fatal(err)
	}
	if !Match(host, nil) || !Match(host, both[:1]) || Match(host, both) {
		t.Error("all conditions must hold, and none holds for every host")
	}
}
