package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/automation/plan"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// profileFlags are what can be said of a profile on the command line.
type profileFlags struct {
	file           string
	name           string
	description    string
	isDefault      bool
	priority       int64
	include        []string
	exclude        []string
	includeAll     bool
	excludeAll     bool
	suspend        bool
	preventUpdates bool
	level          string
	settings       []string
	blackouts      []string
}

func (p *profileFlags) define(cmd *cobra.Command) {
	defineObjectFile(cmd, &p.file, plan.KindProfile)
	flags := cmd.Flags()
	flags.StringVar(&p.name, "name", "", "`text` that no other profile has")
	flags.StringVar(&p.description, "description", "", "`text` for people")
	flags.BoolVar(&p.isDefault, "default", false, "make it the profile of agents that no tag rule matches")
	flags.StringArrayVar(&p.include, "include-tag", nil, "id or `name` of a tag whose agents get the profile; can be repeated, empty for none")
	flags.StringArrayVar(&p.exclude, "exclude-tag", nil, "id or `name` of a tag whose agents do not get it; can be repeated, empty for none")
	flags.BoolVar(&p.includeAll, "include-all", false, "agents must carry all included tags instead of any")
	flags.BoolVar(&p.excludeAll, "exclude-all", false, "all excluded tags together exclude instead of any")
	flags.BoolVar(&p.suspend, "suspend-scanning", false, "agents take no scans")
	flags.BoolVar(&p.preventUpdates, "prevent-agent-update", false, "agents keep their version")
	flags.Var(oneOf{&p.level, levelNames()}, "level", "set all performance parameters to the recommended values of this level")
	completeOneOf(cmd, "level", levelNames())
	flags.StringArrayVar(&p.settings, "set", nil, "set one performance parameter, `KEY=VALUE`; can be repeated")
	flags.StringArrayVar(&p.blackouts, "blackout", nil, "`window` without contact, days and hours of the host's clock such as \"mon-fri 8-18\" or \"sat,sun 22-6\"; can be repeated, empty for none")
}

func levelNames() []string {
	var names []string
	for _, level := range performance.Levels() {
		names = append(names, strings.ToLower(level.String()))
	}
	return names
}

// describingProfiles are the flags that say what -f says.
var describingProfiles = []string{
	"name", "description", "default", "priority", "include-tag", "exclude-tag", "include-all", "exclude-all", "suspend-scanning",
	"prevent-agent-update", "level", "set", "blackout",
}

// described returns what the flags that were given say of a profile.
func (p *profileFlags) described(cmd *cobra.Command) (description.ConfigurationProfile, error) {
	var d description.ConfigurationProfile
	given := cmd.Flags().Changed
	for _, flag := range []struct {
		name   string
		target **string
		value  *string
	}{{"name", &d.Name, &p.name}, {"description", &d.Description, &p.description}} {
		if given(flag.name) {
			*flag.target = flag.value
		}
	}
	for _, flag := range []struct {
		name   string
		target **bool
		value  *bool
	}{
		{"default", &d.Default, &p.isDefault}, {"suspend-scanning", &d.SuspendScanning, &p.suspend},
		{"prevent-agent-update", &d.PreventAgentUpdate, &p.preventUpdates}, {"include-all", &d.IncludeAll, &p.includeAll},
		{"exclude-all", &d.ExcludeAll, &p.excludeAll},
	} {
		if given(flag.name) {
			*flag.target = flag.value
		}
	}
	if given("priority") {
		d.Priority = &p.priority
	}
	if given("include-tag") {
		d.IncludeTags = new(filled(p.include))
	}
	if given("exclude-tag") {
		d.ExcludeTags = new(filled(p.exclude))
	}
	if given("level") {
		level, err := description.ParseLevel(p.level)
		if err != nil {
			return d, err
		}
		d.Level = &level
	}
	return d, errors.Join(p.describeBlackouts(given, &d), p.describeSettings(given, &d))
}

func (p *profileFlags) describeBlackouts(given func(string) bool, d *description.ConfigurationProfile) error {
	if !given("blackout") {
		return nil
	}
	windows := []qps.BlackoutConfig{}
	for _, text := range filled(p.blackouts) {
		window, err := description.ParseBlackout(text)
		if err != nil {
			return err
		}
		windows = append(windows, window)
	}
	d.Blackouts = &windows
	return nil
}

func (p *profileFlags) describeSettings(given func(string) bool, d *description.ConfigurationProfile) error {
	if !given("set") {
		return nil
	}
	d.Performance = performance.Settings{}
	for _, text := range p.settings {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return usagef("--set %s: use KEY=VALUE; 'vedette profiles parameters' lists the keys", quote(text))
		}
		d.Performance[key] = value
	}
	return nil
}

// refuseMiscased refuses parameters that are misspelt by case alone: they would be
// kept, and change nothing.
func refuseMiscased(settings performance.Settings) error {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if _, known := performance.Lookup(key); known {
			continue
		}
		for _, p := range performance.Catalogue() {
			if strings.EqualFold(p.Key, key) {
				return usagef("parameter %s is not known, did you mean %s?", quote(key), p.Key)
			}
		}
	}
	return nil
}

// tellUnknownSettings names parameters that may be misspelled. They are sent all
// the same: a platform may have parameters that this program does not know.
func (a *app) tellUnknownSettings(settings performance.Settings) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if _, known := performance.Lookup(key); !known {
			fmt.Fprintf(a.stderr, "%s is none of the parameters that 'vedette profiles parameters' lists; it is sent as it is.\n", printable(key))
		}
	}
}

// change returns what the file or the flags say of a profile that is so far as
// current says.
func (p *profileFlags) change(a *app, cmd *cobra.Command, client *qpsclient.Client, current *qps.AgentConfig) (qps.AgentConfigChange, error) {
	if p.file == "" {
		d, err := p.described(cmd)
		if err != nil {
			return qps.AgentConfigChange{}, err
		}
		if err := refuseMiscased(d.Performance); err != nil {
			return qps.AgentConfigChange{}, err
		}
		a.tellUnknownSettings(d.Performance)
		return d.Change(current, description.TagByText)
	}
	content, err := a.readInput(p.file, qps.MaxRequestBytes)
	if err != nil {
		return qps.AgentConfigChange{}, err
	}
	if isAPI(content) && bytes.Contains(content, []byte("ServiceResponse")) {
		return shownProfile(p.file, content)
	}
	said, err := parseObject(p.file, content, plan.KindProfile)
	if err != nil {
		return qps.AgentConfigChange{}, err
	}
	if said.element != nil {
		c, err := qps.ParseAgentConfigChange(said.element)
		return c, mistakeIn(p.file, err)
	}
	return said.document.Profile.Change(current, tagByName(cmd.Context(), client))
}

// shownProfile reads a profile from an answer of the API, as "profiles show"
// prints it. Only what another platform can take is left: tags by name, no ids.
func shownProfile(path string, content []byte) (qps.AgentConfigChange, error) {
	resp, err := qps.DecodeResponse(bytes.NewReader(content), qps.XML)
	if err != nil {
		return qps.AgentConfigChange{}, usagef("%s: %w", sourceName(path), err)
	}
	if len(resp.Records) == 1 {
		if p, ok := resp.Records[0].(*qps.AgentConfig); ok {
			return portable(p), nil
		}
	}
	return qps.AgentConfigChange{}, usagef("%s: there must be one AgentConfig in data", sourceName(path))
}

func portable(p *qps.AgentConfig) qps.AgentConfigChange {
	byName := func(tags []qps.ConfigTag) (named []qps.ConfigTag) {
		for _, tag := range tags {
			named = append(named, qps.ConfigTag{Name: tag.Name})
		}
		return named
	}
	return qps.AgentConfigChange{
		Name: &p.Name, Description: &p.Description, IsDefault: &p.IsDefault, SuspendScanning: &p.SuspendScanning,
		PreventAgentUpdate: &p.PreventAgentUpdate, InMemoryDBEnabled: &p.InMemoryDBEnabled,
		Tags: &qps.ConfigTags{
			Include: byName(p.Tags.Include), IncludeResolution: p.Tags.IncludeResolution,
			Exclude: byName(p.Tags.Exclude), ExcludeResolution: p.Tags.ExcludeResolution,
		},
		Blackouts: &p.Blackouts, PerformanceSettings: &p.PerformanceSettings,
	}
}

func newProfilesCreate(a *app, f *clientFlags) *cobra.Command {
	var p profileFlags
	cmd := &cobra.Command{
		Use: "create", Short: "Make a configuration profile", Args: noArgs,
		Long: `Makes a configuration profile and shows it. It goes last; an update moves it.
Performance parameters that are left out have their Low value.

-f takes it from a file instead of flags: a YAML document of the kind
ConfigurationProfile, as 'vedette plan' has them, or the request of the API in XML or
JSON, or what 'vedette profiles show' printed so.`,
		Example: `  vedette profiles create --name Edge --level low --set CPU_LIMIT=10 --include-tag Edge --blackout "mon-fri 8-18"
  vedette profiles create -f edge.yaml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := excludes(cmd, describingProfiles...); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			change, err := p.change(a, cmd, client, &qps.AgentConfig{})
			if err != nil {
				return platformFailure("Create Configuration Profile failed.", err)
			}
			if change.Name == nil {
				return usagef("--name is missing")
			}
			if change.IsDefault == nil {
				change.IsDefault = new(false)
			}
			if change.Tags == nil {
				change.Tags = &qps.ConfigTags{}
			}
			profile, err := client.CreateAgentConfig(cmd.Context(), change)
			if err == nil {
				err = a.addPriorities(cmd, f, []*qps.AgentConfig{profile})
			}
			if err != nil {
				return outcomeOf(automation.Failure("Create Configuration Profile failed.", err))
			}
			return a.writeProfiles(f, []*qps.AgentConfig{profile}, true)
		},
	}
	p.define(cmd)
	return cmd
}

func newProfilesUpdate(a *app, f *clientFlags) *cobra.Command {
	var p profileFlags
	cmd := &cobra.Command{
		Use: "update ID", Short: "Change a configuration profile", Args: exactArgs("ID"),
		Long: `Changes what the flags or the file of -f name and leaves the rest. Tags and blackout
windows replace the whole list, --set and --level change single parameters. The
agents learn it at their next contact.`,
		Example: "  vedette profiles update 4 --priority 1\n  vedette profiles update 4 --set INTERVAL_EVENT_STATUS=900 --suspend-scanning=false",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(append([]string{"file"}, describingProfiles...), cmd.Flags().Changed) {
				return usagef("nothing to change is given")
			}
			if err := excludes(cmd, describingProfiles...); err != nil {
				return err
			}
			id, err := parseID("configuration profile ID", args[0])
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Update Configuration Profile failed."
			current, err := client.GetAgentConfig(cmd.Context(), id)
			if err != nil {
				return outcomeOf(automation.Failure(indicator, err))
			}
			change, err := p.change(a, cmd, client, current)
			if err != nil {
				return platformFailure(indicator, err)
			}
			if change.Name == nil {
				change.Name = &current.Name // the API wants it, also if it stays
			}
			if err := client.UpdateAgentConfig(cmd.Context(), id, change); err != nil {
				return outcomeOf(automation.Failure(indicator, err))
			}
			return a.showProfile(cmd, f, id, indicator)
		},
	}
	p.define(cmd)
	numberFlag(cmd.Flags(), &p.priority, "priority", 0, 1, math.MaxInt64, "move it to this `position`, 1 first")
	return cmd
}
