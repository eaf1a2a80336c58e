package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

func configurationProfiles() kind[*qps.AgentConfig] {
	return kind[*qps.AgentConfig]{
		what: "configuration profile", schema: qps.SchemaAgentConfig, keyField: "configurationProfileIds", id: func(p *qps.AgentConfig) int64 { return p.ID },
		columns: []string{"ID", "PRIORITY", "NAME", "DEFAULT", "AGENTS", "INCLUDE", "EXCLUDE", "SCANNING"},
		row: func(p *qps.AgentConfig) []string {
			priority, isDefault, scanning := "", "", "on"
			if p.Priority > 0 {
				priority = strconv.FormatInt(p.Priority, 10)
			}
			if p.IsDefault {
				isDefault = "default"
			}
			if p.SuspendScanning {
				scanning = "suspended"
			}
			return []string{
				strconv.FormatInt(p.ID, 10), priority, p.Name, isDefault, strconv.FormatInt(p.TotalAgents, 10),
				tagRule(p.Tags.Include, p.Tags.IncludeResolution), tagRule(p.Tags.Exclude, p.Tags.ExcludeResolution), scanning,
			}
		},
		record: func(p *qps.AgentConfig) any {
			settings := make(map[string]string, len(p.PerformanceSettings))
			for _, s := range p.PerformanceSettings {
				settings[s.Key] = s.Value
			}
			return profileRecord{
				p.ID, p.Name, p.Description, p.IsDefault, p.Priority, p.TotalAgents, configTagNames(p.Tags.Include), p.Tags.IncludeResolution,
				configTagNames(p.Tags.Exclude), p.Tags.ExcludeResolution, p.SuspendScanning, p.PreventAgentUpdate, settings,
			}
		},
	}
}

// profileRecord is a configuration profile as context data.
type profileRecord struct {
	ID                 int64             `json:"id"`
	Name               string            `json:"name"`
	Description        string            `json:"description"`
	Default            bool              `json:"default"`
	Priority           int64             `json:"priority"` // 0 when the platform does not say
	Agents             int64             `json:"agents"`
	IncludeTags        []string          `json:"includeTags"`
	IncludeResolution  string            `json:"includeResolution"`
	ExcludeTags        []string          `json:"excludeTags"`
	ExcludeResolution  string            `json:"excludeResolution"`
	SuspendScanning    bool              `json:"suspendScanning"`
	PreventAgentUpdate bool              `json:"preventAgentUpdate"`
	Performance        map[string]string `json:"performance"`
}

func configTagNames(list []qps.ConfigTag) []string {
	names := make([]string, len(list))
	for i, tag := range list {
		if names[i] = tag.Name; tag.Name == "" {
			names[i] = strconv.FormatInt(tag.ID, 10)
		}
	}
	return names
}

// tagRule is one side of the tag rule, such as "ANY of Edge, West".
func tagRule(list []qps.ConfigTag, resolution string) string {
	names := strings.Join(configTagNames(list), ", ")
	if len(list) > 1 {
		return resolution + " of " + names
	}
	return names
}

const listProfiles = "List Configuration Profiles shows which there are."

func listConfigurationProfiles(ctx context.Context, x *execution) automation.Outcome {
	profiles, err := x.session.Client.AgentConfigs(ctx)
	if err != nil {
		return x.fail(err)
	}
	priorities, err := x.session.Client.AgentConfigPriorities(ctx)
	if err != nil {
		return x.fail(err)
	}
	for _, p := range profiles {
		p.Priority = priorities[p.ID]
	}
	return configurationProfiles().outcome(profiles...)
}

func createConfigurationProfile(ctx context.Context, x *execution) automation.Outcome {
	change, err := describedProfile(x.call.Values, &qps.AgentConfig{})
	if err != nil {
		return x.fail(err)
	}
	if change.IsDefault == nil {
		change.IsDefault = new(false)
	}
	if change.Tags == nil {
		change.Tags = &qps.ConfigTags{}
	}
	made, err := x.session.Client.CreateAgentConfig(ctx, change)
	if err != nil {
		return x.fail(err)
	}
	return configurationProfiles().outcome(made)
}

// describedProfile is what the inputs say of a profile that is so far as current
// says.
func describedProfile(v Values, current *qps.AgentConfig) (qps.AgentConfigChange, error) {
	d := description.ConfigurationProfile{
		Name: optional[string](v, "name"), Description: optional[string](v, "description"), Default: optional[bool](v, "default"),
		Priority: optional[int64](v, "priority"), SuspendScanning: optional[bool](v, "suspendScanning"), PreventAgentUpdate: optional[bool](v, "preventAgentUpdate"),
		IncludeTags: optional[[]string](v, "includeTags"), ExcludeTags: optional[[]string](v, "excludeTags"),
		IncludeAll: allOf(v, "includeResolution"), ExcludeAll: allOf(v, "excludeResolution"),
	}
	if text := v.Text("performanceLevel"); text != "" {
		level, err := description.ParseLevel(text)
		if err != nil {
			return qps.AgentConfigChange{}, err
		}
		d.Level = &level
	}
	if windows := optional[[]string](v, "blackouts"); windows != nil {
		d.Blackouts = &[]qps.BlackoutConfig{}
		for _, text := range *windows {
			window, err := description.ParseBlackout(text)
			if err != nil {
				return qps.AgentConfigChange{}, err
			}
			*d.Blackouts = append(*d.Blackouts, window)
		}
	}
	var err error
	if d.Performance, err = performanceSettings(v.Object("performance")); err != nil {
		return qps.AgentConfigChange{}, err
	}
	return d.Change(current, description.TagByText)
}

// allOf reads a resolution; nil when none was given.
func allOf(v Values, name string) *bool {
	text := v.Text(name)
	if text == "" {
		return nil
	}
	return new(text == qps.ResolveAll)
}

// performanceSettings reads single parameters. A platform keeps keys it does not
// know, and they have no effect: one that is misspelled by case alone is refused.
func performanceSettings(object map[string]any) (performance.Settings, error) {
	if object == nil {
		return nil, nil
	}
	settings := performance.Settings{}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value, ok := scalar(object[key])
		if !ok {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("Performance Parameters parameter: the value of %q is neither a text nor a number.", automation.Echo(key)), "")
		}
		if _, known := performance.Lookup(key); !known {
			for _, p := range performance.Catalogue() {
				if strings.EqualFold(p.Key, key) {
					return nil, fault.New(fault.Invalid, fmt.Sprintf("Performance Parameters parameter: %q is not known.", automation.Echo(key)), "Did you mean "+p.Key+"?")
				}
			}
		}
		settings[key] = value
	}
	return settings, nil
}

func updateConfigurationProfile(ctx context.Context, x *execution) automation.Outcome {
	v, client := x.call.Values, x.session.Client
	if !said(v, "profile") {
		return x.fail(nothingToChange())
	}
	id, err := x.findProfile(ctx, v.Text("profile"))
	if err != nil {
		return x.fail(err)
	}
	current, err := client.GetAgentConfig(ctx, id)
	if err != nil {
		return x.fail(err)
	}
	change, err := describedProfile(v, current)
	if err != nil {
		return x.fail(err)
	}
	if change.Name == nil {
		change.Name = &current.Name // the API wants it, also if it stays
	}
	if err := client.UpdateAgentConfig(ctx, id, change); err != nil {
		return x.fail(err)
	}
	return configurationProfiles().changed(id, func() (*qps.AgentConfig, error) { return client.GetAgentConfig(ctx, id) })
}

func deleteConfigurationProfile(ctx context.Context, x *execution) automation.Outcome {
	id, err := x.findProfile(ctx, x.call.Values.Text("profile"))
	if err == nil {
		err = x.session.Client.DeleteAgentConfig(ctx, id)
	}
	if err != nil {
		return x.fail(err)
	}
	return configurationProfiles().gone(id, "deleted")
}

// findProfile returns the id of the profile that a text names by id or by name.
// Names are compared here: it is not documented that a search knows them.
func (x *execution) findProfile(ctx context.Context, text string) (int64, error) {
	return named(ctx, configurationProfiles(), text, listProfiles, func(ctx context.Context, _ ...qps.Criterion) ([]*qps.AgentConfig, error) {
		all, err := x.session.Client.AgentConfigs(ctx)
		return slices.DeleteFunc(all, func(p *qps.AgentConfig) bool { return p.Name != text }), err
	})
}
