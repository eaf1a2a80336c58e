package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

func newProfilesCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "profiles", "Manage the configuration profiles of agents",
		`A configuration profile says how its agents behave: performance, blackout windows,
whether they scan and update themselves. An agent gets the first profile, in order
of priority, whose included tags it carries and whose excluded tags it does not;
otherwise the default profile.`)
	group.Example = `  vedette profiles list
  vedette profiles create --name Edge --level low --include-tag Edge
  vedette profiles update 4 --priority 1 --blackout "mon-fri 8-18"
  vedette profiles schedule 4 --module inventory --interval 8h`
	group.AddCommand(newProfilesList(a, f), newProfilesShow(a, f), newProfilesCreate(a, f), newProfilesUpdate(a, f), newProfilesDelete(a, f),
		newProfilesSchedule(a, f), newProfilesParameters(a, f))
	return group
}

func newProfilesList(a *app, f *clientFlags) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use: "list", Short: "List configuration profiles", Args: noArgs,
		Long:    "Lists the configuration profiles. The priority is shown where the platform gives it.",
		Example: "  vedette profiles list\n  vedette profiles list --name Edge -o csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			var criteria []qps.Criterion
			if name != "" {
				criteria = append(criteria, qps.Criterion{Field: "name", Operator: qps.OpContains, Value: name})
			}
			profiles, err := client.AgentConfigs(cmd.Context(), criteria...)
			if err == nil {
				err = a.addPriorities(cmd, f, profiles)
			}
			if err != nil {
				return outcomeOf(automation.Failure("List Configuration Profiles failed.", err))
			}
			if f.format() == formatTable && len(profiles) == 0 {
				fmt.Fprintln(a.stderr, "There is no such configuration profile.")
			}
			return a.writeProfiles(f, profiles, false)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "only profiles whose name contains this `text`, case-sensitive")
	return cmd
}

// addPriorities adds the priorities for people. Programs get the profiles as the
// API gives them, which is what a create takes.
func (a *app) addPriorities(cmd *cobra.Command, f *clientFlags, profiles []*qps.AgentConfig) error {
	if format := f.format(); format == formatJSON || format == formatXML {
		return nil
	}
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	priorities, err := client.AgentConfigPriorities(cmd.Context())
	for _, p := range profiles {
		p.Priority = priorities[p.ID]
	}
	return err
}

func newProfilesShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Aliases: []string{"get"}, Short: "Show one configuration profile", Args: exactArgs("ID"),
		Long: `Shows one configuration profile with all its settings. What -o xml and -o json print
can be given to 'vedette profiles create -f', here or on another platform. When modules
are scanned is no part of it: see 'vedette profiles schedule'.`,
		Example: "  vedette profiles show 3\n  vedette profiles show 3 -o xml > edge.xml",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("configuration profile ID", args[0])
			if err != nil {
				return err
			}
			return a.showProfile(cmd, f, id, "Show Configuration Profile failed.")
		},
	}
}

func (a *app) showProfile(cmd *cobra.Command, f *clientFlags, id int64, indicator string) error {
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	profile, err := client.GetAgentConfig(cmd.Context(), id)
	if err == nil {
		err = a.addPriorities(cmd, f, []*qps.AgentConfig{profile})
	}
	if err != nil {
		return outcomeOf(automation.Failure(indicator, err))
	}
	return a.writeProfiles(f, []*qps.AgentConfig{profile}, true)
}

// writeProfiles writes profiles as the API has them for programs, and as a table
// for people; upright is the table of a single profile, a line per fact.
func (a *app) writeProfiles(f *clientFlags, profiles []*qps.AgentConfig, upright bool) error {
	table := profileTable(profiles)
	shown := table
	if upright {
		shown = f.transposed(table)
		shown.Rows = append(shown.Rows, profileDetails(profiles[0], f.times)...)
	}
	return writeRecords(a, f, qps.SchemaAgentConfig, profiles, table, shown)
}

func profileTable(profiles []*qps.AgentConfig) automation.Table {
	t := automation.Table{Columns: []string{"ID", "PRIORITY", "NAME", "DEFAULT", "AGENTS", "INCLUDE", "EXCLUDE", "SCANNING", "CREATED BY"}}
	for _, p := range profiles {
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
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(p.ID, 10), priority, p.Name, isDefault, strconv.FormatInt(p.TotalAgents, 10),
			tagRule(p.Tags.Include, p.Tags.IncludeResolution), tagRule(p.Tags.Exclude, p.Tags.ExcludeResolution), scanning, p.CreatedBy,
		})
	}
	return t
}

// tagRule is one side of the tag rule, such as "any of Edge, West".
func tagRule(tags []qps.ConfigTag, resolution string) string {
	names := make([]string, len(tags))
	for i, tag := range tags {
		if names[i] = tag.Name; tag.Name == "" {
			names[i] = strconv.FormatInt(tag.ID, 10)
		}
	}
	text := strings.Join(names, ", ")
	switch {
	case len(tags) < 2:
		return text
	case resolution == qps.ResolveAll:
		return "all of " + text
	}
	return "any of " + text
}

func profileDetails(p *qps.AgentConfig, times automation.Times) [][]string {
	rows := [][]string{
		{"Description", p.Description},
		{"Created", times.Show(p.CreatedDate)},
		{"Prevents updates", strconv.FormatBool(p.PreventAgentUpdate)},
	}
	for _, b := range p.Blackouts {
		rows = append(rows, []string{"Blackout", description.BlackoutText(b)})
	}
	for _, s := range p.PerformanceSettings {
		rows = append(rows, []string{s.Key, s.Value})
	}
	return rows
}

func newProfilesDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a configuration profile", Args: exactArgs("ID"),
		Long: `Deletes a configuration profile with --yes; without it, only says what would happen.
Its agents get the next profile that matches them.`,
		Example: "  vedette profiles delete 4\n  vedette profiles delete 4 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("configuration profile ID", args[0])
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Delete Configuration Profile failed."
			profile, err := client.GetAgentConfig(cmd.Context(), id)
			if err != nil {
				return outcomeOf(automation.Failure(indicator, err))
			}
			name := fmt.Sprintf("%d (%s)", id, printable(quote(profile.Name)))
			if !yes {
				fmt.Fprintf(a.stdout, "Configuration profile %s would be deleted. Its agents, %d, would get another one.\n"+
					"Nothing was changed; repeat the command with --yes to delete it.\n", name, profile.TotalAgents)
				return nil
			}
			if err := client.DeleteAgentConfig(cmd.Context(), id); err != nil {
				return outcomeOf(automation.Failure(indicator, err))
			}
			fmt.Fprintf(a.stdout, "Configuration profile %s is deleted. Its agents, %d, get another one.\n", name, profile.TotalAgents)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete it")
	return cmd
}

func newProfilesParameters(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "parameters", Short: "List the performance parameters there are", Args: noArgs,
		Long: `Prints the catalogue of performance parameters with their ranges and the values that
are recommended for Low, Normal and High performance. It needs no platform. With
-o json everything that is known of them is printed, descriptions included.`,
		Example: "  vedette profiles parameters\n  vedette profiles parameters -o json",
		RunE: func(*cobra.Command, []string) error {
			if f.format() == formatJSON {
				return writeJSON(a.stdout, parameterDocuments())
			}
			err := f.writeRows(a.stdout, "parameters", "parameter", parameterTable())
			if f.format() == formatTable {
				fmt.Fprint(a.stderr, parametersNote)
			}
			return err
		},
	}
}

// parametersNote goes below the table, whose column AGENTS is about others.
const parametersNote = `AGENTS are those that the release notes of Qualys name. CPU_LIMIT and THROTTLE_EVENT_SCAN hold on every operating system for the agent of Vedette.
`

func parameterTable() automation.Table {
	t := automation.Table{Columns: []string{"KEY", "LABEL", "ALLOWED", "LOW", "NORMAL", "HIGH", "AGENTS"}}
	for _, p := range performance.Catalogue() {
		t.Rows = append(t.Rows, []string{p.Key, p.Label, p.Allowed(), p.Low, p.Normal, p.High, agentsOf(p)})
	}
	return t
}

func agentsOf(p performance.Parameter) string {
	if p.Agents == nil {
		return "all"
	}
	ranges := make([]string, len(p.Agents))
	for i, r := range p.Agents {
		ranges[i] = r.String()
	}
	return strings.Join(ranges, "; ")
}

// parameterDocument is a parameter as programs read it.
type parameterDocument struct {
	Key         string   `json:"key"`
	Label       string   `json:"label"`
	Description string   `json:"description"`
	Unit        string   `json:"unit,omitempty"`
	Min         *int     `json:"min,omitempty"`
	Max         *int     `json:"max,omitempty"` // missing: no upper bound is published
	Values      []string `json:"values,omitempty"`
	Low         string   `json:"low"`
	Normal      string   `json:"normal"`
	High        string   `json:"high"`
	Agents      string   `json:"agents"`
	Legacy      bool     `json:"legacy"`
	Change      string   `json:"change"`
}

func parameterDocuments() []parameterDocument {
	var documents []parameterDocument
	for _, p := range performance.Catalogue() {
		d := parameterDocument{
			Key: p.Key, Label: p.Label, Description: p.Description, Unit: string(p.Unit), Values: p.Values,
			Low: p.Low, Normal: p.Normal, High: p.High, Agents: agentsOf(p), Legacy: p.Legacy, Change: string(p.Change),
		}
		if p.Values == nil {
			d.Min = &p.Min
			if p.Max != performance.Unbounded {
				d.Max = &p.Max
			}
		}
		documents = append(documents, d)
	}
	return documents
}
