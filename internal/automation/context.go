package automation

import (
	"time"

	"vedette.dev/vedette/qps"
)

// agentRecord is an agent as context data: what filters and later steps commonly
// ask for, flat and with short names.
type agentRecord struct {
	ID            int64     `json:"id"`
	Name          string    `json:"name"`
	OS            string    `json:"os"`
	Address       string    `json:"address"`
	FQDN          string    `json:"fqdn"`
	AgentID       string    `json:"agentId"`
	AgentVersion  string    `json:"agentVersion"`
	Status        string    `json:"status"`
	LastCheckedIn time.Time `json:"lastCheckedIn,omitzero"`
	LastVulnScan  time.Time `json:"lastVulnScan,omitzero"`
	Tags          []string  `json:"tags"`
}

func agentRecords(assets []*qps.HostAsset) []agentRecord {
	records := make([]agentRecord, len(assets))
	for i, h := range assets {
		r := agentRecord{ID: h.ID, Name: h.Name, OS: h.OS, Address: h.Address, FQDN: h.FQDN, LastVulnScan: h.LastVulnScan, Tags: []string{}}
		if a := h.AgentInfo; a != nil {
			r.AgentID, r.AgentVersion, r.Status, r.LastCheckedIn = a.AgentID, a.AgentVersion, a.Status, a.LastCheckedIn
		}
		for _, tag := range h.Tags {
			r.Tags = append(r.Tags, tag.Name)
		}
		records[i] = r
	}
	return records
}
