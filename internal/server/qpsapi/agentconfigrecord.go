package qpsapi

import (
	"context"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

func (a *api) profileReply(ctx context.Context, profile fleet.Profile, selected profileFields) (reply, error) {
	records, err := a.profileRecords(ctx, []fleet.Profile{profile}, selected)
	if err != nil {
		return reply{}, err
	}
	return reply{qps.NewResult(qps.SchemaAgentConfig, records...), selected.fields}, nil
}

// profileRecords returns profiles in the words of the API. How many agents have
// each of them is counted only for those who want to know.
func (a *api) profileRecords(ctx context.Context, profiles []fleet.Profile, selected profileFields) ([]qps.Record, error) {
	var agents map[int64]int64
	if selected.agents && len(profiles) > 0 {
		var err error
		if agents, err = a.Profiles.Agents(ctx, server.ScopeOf(ctx), profiles); err != nil {
			return nil, err
		}
	}
	records := make([]qps.Record, len(profiles))
	for i := range profiles {
		record := profileRecord(&profiles[i])
		record.TotalAgents = agents[profiles[i].ID]
		if selected.priority {
			record.Priority = int64(profiles[i].Priority)
		}
		records[i] = record
	}
	return records, nil
}

func profileRecord(p *fleet.Profile) *qps.AgentConfig {
	record := &qps.AgentConfig{
		ID: p.ID, Name: p.Name, IsDefault: p.Default, CreatedDate: p.Created, CreatedBy: p.CreatedBy, Description: p.Description,
		Tags: qps.ConfigTags{
			Include: configTags(p.Include), IncludeResolution: resolution(p.Include),
			Exclude: configTags(p.Exclude), ExcludeResolution: resolution(p.Exclude), TagSetUUID: p.TagSetUUID,
		},
		SuspendScanning: p.SuspendScanning, PreventAgentUpdate: p.PreventAgentUpdate, InMemoryDBEnabled: p.InMemoryDB,
	}
	for _, w := range p.Blackout {
		record.Blackouts = append(record.Blackouts, qps.BlackoutConfig{StartHour: int64(w.StartHour), EndHour: int64(w.EndHour), Days: w.Days})
	}
	for _, s := range p.Performance.Ordered() {
		record.PerformanceSettings = append(record.PerformanceSettings, qps.PerformanceLevelSettings{Key: s.Key, Value: s.Value})
	}
	return record
}

func configTags(side fleet.ProfileTags) []qps.ConfigTag {
	var tags []qps.ConfigTag
	for _, tag := range side.Tags {
		tags = append(tags, qps.ConfigTag{ID: tag.ID, Name: tag.Name})
	}
	return tags
}

func resolution(side fleet.ProfileTags) string {
	if side.All {
		return qps.ResolveAll
	}
	return qps.ResolveAny
}
