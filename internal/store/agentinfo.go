package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// readAgents reads the agentInfo of each host that has an agent.
func (p *pageOf) readAgents(ctx context.Context) error {
	var info qps.AgentInfo
	var keyID, keyTitle sql.NullString
	var checkedIn sql.NullInt64
	err := p.each(ctx, `SELECT a.host_id, a.agent_id, a.agent_version, b.last_checked_in, b.connected_from, b.event,
			a.profile_id, f.name, k.activation_key, k.title
		FROM agents AS a JOIN heartbeats AS b ON b.host_id = a.host_id JOIN profiles AS f ON f.id = a.profile_id
		LEFT JOIN activation_keys AS k ON k.id = a.activation_key_id WHERE `+p.tx.dialect.InIDs("a.host_id"),
		[]any{&info.AgentID, &info.AgentVersion, &checkedIn, &info.ConnectedFrom, &info.ChirpStatus,
			&info.AgentConfiguration.ID, &info.AgentConfiguration.Name, &keyID, &keyTitle},
		func(h *qps.HostAsset) {
			agent := info
			agent.LastCheckedIn = when(checkedIn)
			agent.ActivationKey = qps.ActivationKeyRef{ActivationID: keyID.String, Title: keyTitle.String}
			h.AgentInfo = &agent
		})
	if err != nil {
		return fmt.Errorf("read agents: %w", err)
	}
	var module string
	err = p.each(ctx, "SELECT host_id, module FROM host_modules WHERE "+p.tx.dialect.InIDs("host_id")+" ORDER BY host_id, module",
		[]any{&module}, func(h *qps.HostAsset) {
			if h.AgentInfo == nil { // activated by a connector, for the agent that may come
				return
			}
			h.AgentInfo.ActivatedModules = append(h.AgentInfo.ActivatedModules, module)
		})
	if err != nil {
		return fmt.Errorf("read modules: %w", err)
	}
	return p.judgeAgents(ctx)
}

// judgeAgents sets the status of each agent from the interval its profile asks
// it to check in at.
func (p *pageOf) judgeAgents(ctx context.Context) error {
	intervals := make(map[int64]time.Duration)
	for _, h := range p.hosts {
		if h.AgentInfo != nil {
			intervals[h.AgentInfo.AgentConfiguration.ID] = 0
		}
	}
	for id := range intervals {
		var doc []byte
		var settings performance.Settings
		err := p.tx.QueryRow(ctx, "SELECT performance FROM profiles WHERE id = ?", id).Scan(&doc)
		if err == nil {
			err = decode(doc, &settings)
		}
		if err != nil {
			return fmt.Errorf("read settings of profile %d: %w", id, err)
		}
		intervals[id] = settings.StatusInterval()
	}
	for i := range p.hosts {
		a := p.hosts[i].AgentInfo
		if a == nil {
			continue
		}
		a.Status = qps.AgentActive
		if p.now.Sub(a.LastCheckedIn) > missedContacts*intervals[a.AgentConfiguration.ID] {
			a.Status = qps.AgentInactive
		}
	}
	return nil
}
