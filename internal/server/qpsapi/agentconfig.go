package qpsapi

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

// Profiles are the configuration profiles; *fleet.Profiles implements it.
type Profiles interface {
	Matching(ctx context.Context, criteria []qps.Criterion) ([]fleet.Profile, error)
	Get(ctx context.Context, id int64) (fleet.Profile, error)
	Agents(ctx context.Context, scope fleet.Scope, profiles []fleet.Profile) (map[int64]int64, error)
	Create(ctx context.Context, scope fleet.Scope, change fleet.ProfileChange, by string) (fleet.Profile, error)
	Update(ctx context.Context, scope fleet.Scope, id int64, change fleet.ProfileChange) (fleet.Profile, error)
	Delete(ctx context.Context, scope fleet.Scope, id int64) error
}

func (a *api) countProfiles(r *http.Request) (reply, error) {
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return reply{}, err
	}
	profiles, err := a.Profiles.Matching(r.Context(), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	return reply{response: qps.NewCount(qps.SchemaAgentConfig, int64(len(profiles)))}, nil
}

func (a *api) searchProfiles(r *http.Request) (reply, error) {
	selected, err := selectProfileFields(r)
	if err != nil {
		return reply{}, err
	}
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return reply{}, err
	}
	profiles, err := a.Profiles.Matching(r.Context(), req.Criteria)
	if err != nil {
		return reply{}, err
	}
	profiles, more := profilePage(profiles, req.Preferences)
	records, err := a.profileRecords(r.Context(), profiles, selected)
	if err != nil {
		return reply{}, err
	}
	var lastID int64
	if len(profiles) > 0 {
		lastID = profiles[len(profiles)-1].ID
	}
	return reply{qps.NewPage(qps.SchemaAgentConfig, records, more, lastID), selected.fields}, nil
}

// profilePage cuts a page out of profiles in ascending order of id.
func profilePage(profiles []fleet.Profile, p qps.Preferences) (page []fleet.Profile, more bool) {
	for len(profiles) > 0 && profiles[0].ID < p.StartFromID {
		profiles = profiles[1:]
	}
	profiles = profiles[min(int64(len(profiles)), p.StartFromOffset-1):]
	if len(profiles) > p.LimitResults {
		return profiles[:p.LimitResults], true
	}
	return profiles, false
}

// getProfile answers with one profile. A body, which some clients send, is not
// read.
func (a *api) getProfile(r *http.Request) (reply, error) {
	selected, err := selectProfileFields(r)
	if err != nil {
		return reply{}, err
	}
	id, err := profileID(r.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	profile, err := a.Profiles.Get(r.Context(), id)
	if err != nil {
		return reply{}, err
	}
	return a.profileReply(r.Context(), profile, selected)
}

func (a *api) createProfile(r *http.Request) (reply, error) {
	selected, change, err := profileChange(r)
	if err != nil {
		return reply{}, err
	}
	user := server.UserOf(r.Context())
	profile, err := a.Profiles.Create(r.Context(), server.ScopeOf(r.Context()), domainChange(change), fullName(user))
	if err != nil {
		return reply{}, err
	}
	describeMade(r, profile.ID, profile.Name)
	return a.profileReply(r.Context(), profile, selected)
}

func fullName(user access.User) string {
	if name := strings.TrimSpace(user.FirstName + " " + user.LastName); name != "" {
		return name
	}
	return user.Username
}

// updateProfile changes the profile of the path or, as clients send it, of the
// id in the body.
func (a *api) updateProfile(r *http.Request) (reply, error) {
	selected, change, err := profileChange(r)
	if err != nil {
		return reply{}, err
	}
	text := r.PathValue("id")
	if text == "" && change.ID == nil {
		return reply{}, fault.New(fault.Invalid, "AgentConfig: there is no id.", "Specify the id of the profile in the path or as AgentConfig.id.")
	}
	if text == "" {
		text = strconv.FormatInt(*change.ID, 10)
	}
	id, err := profileID(text)
	if err != nil {
		return reply{}, err
	}
	if change.ID != nil && *change.ID != id {
		return reply{}, fault.New(fault.Invalid, fmt.Sprintf("AgentConfig: id '%d' is not the id '%d' of the path.", *change.ID, id), "Specify one of them.")
	}
	profile, err := a.Profiles.Update(r.Context(), server.ScopeOf(r.Context()), id, domainChange(change))
	if err != nil {
		return reply{}, err
	}
	return a.profileReply(r.Context(), profile, selected)
}

// deleteProfile answers with the id alone. A body is not read.
func (a *api) deleteProfile(r *http.Request) (reply, error) {
	id, err := profileID(r.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	if err := a.Profiles.Delete(r.Context(), server.ScopeOf(r.Context()), id); err != nil {
		return reply{}, err
	}
	onlyID, err := qps.ParseFields("id")
	if err != nil {
		return reply{}, err
	}
	return reply{qps.NewResult(qps.SchemaAgentConfig, &qps.AgentConfig{ID: id}), onlyID}, nil
}

func profileID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fault.New(fault.Invalid, fmt.Sprintf("Profile id: invalid value '%s'.", server.Echo(text)),
			"Specify the id of the profile (AgentConfig.id) as Long.")
	}
	return id, nil
}

// profileFields are the elements a caller asked for.
type profileFields struct {
	fields   *qps.Fields // nil for all
	priority bool        // named: without that it is not in answers
	agents   bool
}

// selectProfileFields reads the fields parameter. The priority of a profile is
// given only to those who name it: the published answers have none, and a create
// refuses it, so that a profile that was read could not be created elsewhere.
func selectProfileFields(r *http.Request) (profileFields, error) {
	fields, include, err := selection(r)
	if err != nil || fields == nil {
		return profileFields{agents: true}, err
	}
	selected := profileFields{fields: fields, agents: include("totalAgents")}
	text, _ := parameter(r, "fields")
	for path := range strings.SplitSeq(text, ",") {
		selected.priority = selected.priority || strings.TrimSpace(path) == "priority"
	}
	return selected, nil
}

// profileChange reads the one profile of a request that writes.
func profileChange(r *http.Request) (profileFields, qps.AgentConfigChange, error) {
	selected, err := selectProfileFields(r)
	if err != nil {
		return selected, qps.AgentConfigChange{}, err
	}
	req, err := qps.DecodeRequest(r.Body, r.Header.Get("Content-Type"))
	if err != nil {
		return selected, qps.AgentConfigChange{}, err
	}
	if req.Data == nil || len(req.Data.Children) != 1 {
		count := 0
		if req.Data != nil {
			count = len(req.Data.Children)
		}
		return selected, qps.AgentConfigChange{}, fault.New(fault.Invalid, fmt.Sprintf("data: there are %d profiles.", count),
			"Specify one AgentConfig in data.")
	}
	change, err := qps.ParseAgentConfigChange(req.Data.Children[0])
	if err == nil {
		err = repeatedKey(change)
	}
	return selected, change, err
}

// repeatedKey refuses a parameter that is given twice: either could be meant.
func repeatedKey(change qps.AgentConfigChange) error {
	if change.PerformanceSettings == nil {
		return nil
	}
	seen := make(map[string]bool)
	for _, s := range *change.PerformanceSettings {
		if seen[s.Key] {
			return fault.New(fault.Invalid, fmt.Sprintf("performanceProfile: key '%s' is given more than once.", server.Echo(s.Key)), "Give each key once.")
		}
		seen[s.Key] = true
	}
	return nil
}

// domainChange says the same in the words of the domain.
func domainChange(c qps.AgentConfigChange) fleet.ProfileChange {
	change := fleet.ProfileChange{
		Name: c.Name, Description: c.Description, Default: c.IsDefault,
		SuspendScanning: c.SuspendScanning, PreventAgentUpdate: c.PreventAgentUpdate, InMemoryDB: c.InMemoryDBEnabled,
	}
	if c.Priority != nil {
		priority := int(*c.Priority)
		change.Priority = &priority
	}
	if c.Tags != nil {
		change.Tags = &fleet.ProfileTagRule{
			Include: domainTags(c.Tags.Include, c.Tags.IncludeResolution), Exclude: domainTags(c.Tags.Exclude, c.Tags.ExcludeResolution),
		}
	}
	if c.Blackouts != nil {
		windows := make([]agentwire.Blackout, len(*c.Blackouts))
		for i, b := range *c.Blackouts {
			windows[i] = agentwire.Blackout{StartHour: int(b.StartHour), EndHour: int(b.EndHour), Days: b.Days}
		}
		change.Blackout = &windows
	}
	if c.PerformanceSettings != nil {
		change.Performance = performance.Settings{}
		for _, s := range *c.PerformanceSettings {
			change.Performance[s.Key] = s.Value
		}
	}
	return change
}

func domainTags(tags []qps.ConfigTag, resolution string) fleet.ProfileTags {
	side := fleet.ProfileTags{All: resolution == qps.ResolveAll}
	for _, tag := range tags {
		side.Tags = append(side.Tags, fleet.TagRef{ID: tag.ID, Name: tag.Name})
	}
	return side
}
