package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
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
	flags := cmd.Flags()
	flags.StringVarP(&p.file, "file", "f", "", "`file` with the profile as the API has it, in XML or JSON, - for standard input; other flags come on top")
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

// change returns what the file and the flags that were given say of a profile
// that is so far as current says.
func (p *profileFlags) change(a *app, cmd *cobra.Command, current *qps.AgentConfig) (qps.AgentConfigChange, error) {
	var c qps.AgentConfigChange
	if p.file != "" {
		var err error
		if c, err = a.readProfile(p.file); err != nil {
			return c, err
		}
	}
	given := cmd.Flags().Changed
	for _, flag := range []struct {
		name   string
		target **string
		value  *string
	}{{"name", &c.Name, &p.name}, {"description", &c.Description, &p.description}} {
		if given(flag.name) {
			*flag.target = flag.value
		}
	}
	for _, flag := range []struct {
		name   string
		target **bool
		value  *bool
	}{{"default", &c.IsDefault, &p.isDefault}, {"suspend-scanning", &c.SuspendScanning, &p.suspend}, {"prevent-agent-update", &c.PreventAgentUpdate, &p.preventUpdates}} {
		if given(flag.name) {
			*flag.target = flag.value
		}
	}
	if given("priority") {
		c.Priority = &p.priority
	}
	p.changeTags(given, &c, current)
	if err := p.changeBlackouts(given, &c); err != nil {
		return c, err
	}
	return c, p.changeSettings(given, &c, current)
}

// changeTags replaces the sides of the rule that are given. The API takes the
// rule as a whole, so the rest comes from the file or the present profile.
func (p *profileFlags) changeTags(given func(string) bool, c *qps.AgentConfigChange, current *qps.AgentConfig) {
	if !given("include-tag") && !given("exclude-tag") && !given("include-all") && !given("exclude-all") {
		return
	}
	tags := current.Tags
	if c.Tags != nil {
		tags = *c.Tags
	}
	if given("include-tag") {
		tags.Include = configTags(p.include)
	}
	if given("exclude-tag") {
		tags.Exclude = configTags(p.exclude)
	}
	if given("include-all") {
		tags.IncludeResolution = resolutionOf(p.includeAll)
	}
	if given("exclude-all") {
		tags.ExcludeResolution = resolutionOf(p.excludeAll)
	}
	c.Tags = &tags
}

func resolutionOf(all bool) string {
	if all {
		return qps.ResolveAll
	}
	return qps.ResolveAny
}

func configTags(values []string) []qps.ConfigTag {
	var tags []qps.ConfigTag
	for _, text := range filled(values) {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			tags = append(tags, qps.ConfigTag{ID: id})
		} else {
			tags = append(tags, qps.ConfigTag{Name: text})
		}
	}
	return tags
}

func (p *profileFlags) changeBlackouts(given func(string) bool, c *qps.AgentConfigChange) error {
	if !given("blackout") {
		return nil
	}
	windows := []qps.BlackoutConfig{}
	for _, text := range filled(p.blackouts) {
		window, err := parseBlackout(text)
		if err != nil {
			return err
		}
		windows = append(windows, window)
	}
	c.Blackouts = &windows
	return nil
}

// changeSettings sets single parameters on top of the level, the file or the
// present profile.
func (p *profileFlags) changeSettings(given func(string) bool, c *qps.AgentConfigChange, current *qps.AgentConfig) error {
	if !given("level") && !given("set") {
		return nil
	}
	settings := performance.Settings{}
	base := current.PerformanceSettings
	if c.PerformanceSettings != nil {
		base = *c.PerformanceSettings
	}
	for _, s := range base {
		settings[s.Key] = s.Value
	}
	for _, level := range performance.Levels() {
		if given("level") && strings.EqualFold(p.level, level.String()) {
			settings = performance.Recommended(level)
		}
	}
	for _, text := range p.settings {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return usagef("--set %s: use KEY=VALUE; 'vedette profiles parameters' lists the keys", quote(text))
		}
		settings[key] = value
	}
	list := []qps.PerformanceLevelSettings{}
	for _, s := range settings.Ordered() {
		list = append(list, qps.PerformanceLevelSettings{Key: s.Key, Value: s.Value})
	}
	c.PerformanceSettings = &list
	return nil
}

// readProfile reads a profile from a request of the API or from one of its
// answers, as "profiles show" prints it. Of an answer only what another platform
// can take is left: tags by name, no ids.
func (a *app) readProfile(path string) (qps.AgentConfigChange, error) {
	content, err := a.readInput(path)
	if err != nil {
		return qps.AgentConfigChange{}, err
	}
	if !bytes.Contains(content, []byte("ServiceResponse")) {
		req, err := qps.DecodeRequest(bytes.NewReader(content), "")
		if err != nil {
			return qps.AgentConfigChange{}, usagef("profile file %s: %w", path, err)
		}
		if req.Data == nil || len(req.Data.Children) != 1 {
			return qps.AgentConfigChange{}, usagef("profile file %s: there must be one AgentConfig in data", path)
		}
		c, err := qps.ParseAgentConfigChange(req.Data.Children[0])
		if err != nil {
			return c, usagef("profile file %s: %w", path, err)
		}
		return c, nil
	}
	resp, err := qps.DecodeResponse(bytes.NewReader(content), qps.XML)
	if err != nil {
		return qps.AgentConfigChange{}, usagef("profile file %s: %w", path, err)
	}
	if len(resp.Records) == 1 {
		if p, ok := resp.Records[0].(*qps.AgentConfig); ok {
			return portable(p), nil
		}
	}
	return qps.AgentConfigChange{}, usagef("profile file %s: there must be one AgentConfig in data", path)
}

// readInput reads a file, or standard input, up to the size of a request.
func (a *app) readInput(path string) ([]byte, error) {
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usageError{err}
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, qps.MaxRequestBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(content) > qps.MaxRequestBytes {
		return nil, usagef("%s is larger than %d bytes", path, qps.MaxRequestBytes)
	}
	return content, nil
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
Performance parameters that are left out have their Low value.`,
		Example: `  vedette profiles create --name Edge --level low --set CPU_LIMIT=10 --include-tag Edge --blackout "mon-fri 8-18"
  vedette profiles create -f edge.xml --name "Edge, copied"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			change, err := p.change(a, cmd, &qps.AgentConfig{})
			if err != nil {
				return err
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
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
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
		Long: `Changes what the file and the flags name and leaves the rest. --include-tag,
--exclude-tag and --blackout replace the whole list, --set changes single
parameters. The agents learn it at their next contact.`,
		Example: "  vedette profiles update 4 --priority 1\n  vedette profiles update 4 --set INTERVAL_EVENT_STATUS=900 --suspend-scanning=false",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.LocalNonPersistentFlags().HasFlags() || cmd.Flags().NFlag() == 0 {
				return usagef("nothing to change is given")
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
			change, err := p.change(a, cmd, current)
			if err != nil {
				return err
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
	cmd.Flags().Int64Var(&p.priority, "priority", 0, "move it to this `position`, 1 first")
	return cmd
}
