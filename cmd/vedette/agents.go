package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
)

func newAgentsCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "agents", "Search, show and manage Cloud Agents",
		"Searches Cloud Agents, shows what the platform knows of their hosts, activates\nmodules on them and removes them.")
	group.Example = "  vedette agents search --os Debian\n  vedette agents get 1"
	group.AddCommand(newAgentsActivate(a, f), newAgentsDeactivate(a, f), newAgentsUninstall(a, f), newAgentsUninstalls(a, f), newAgentsPurge(a, f))
	group.AddCommand(newAgentsSearch(a, f), newAgentsGet(a, f), newAgentsTag(a, f), newAgentsChangeKey(a, f))
	group.AddCommand(newAgentsPackages(a, f), newAgentsDownload(a, f), newAgentsPublish(a), newAgentsUpgrades(a, f))
	return group
}

func newAgentsSearch(a *app, f *clientFlags) *cobra.Command {
	var in automation.SearchInput
	var cloud []string
	cmd := &cobra.Command{
		Use: "search", Short: "Search Cloud Agents", Args: noArgs,
		Long: `Lists the Cloud Agents that meet all filters. Host name and operating system are
matched in full or in part, case-sensitively. Times are UTC, in the format of
--time-format, by default MM/DD/YYYY hh:mm AM/PM, or in RFC 3339. For agents that
have not checked in within the last days, give only --last-checked-in-to.

--cloud selects EC2 instances by what their connector says, and may be repeated:
NAME=VALUE, several values with commas, or NAME!=VALUE. Together with --any-host it
finds those without an agent, too.

With -o json the raw data of the platform is printed, with the Cloud Agent IDs at
$.ServiceResponse.data.HostAsset[*].id; with -o xml the same as the API sends it.`,
		Example: `  vedette agents search --os Debian
  vedette agents search --host-name web- --last-checked-in-to "12/29/2024 09:00 AM"
  vedette agents search --last-checked-in-from 2024-12-29T09:00:00Z -o json
  vedette agents search --any-host --cloud region=us-gov-west-1 --cloud instanceState!=TERMINATED`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := readTimes(&in, f.times); err != nil {
				return err
			}
			var err error
			if in.Criteria, err = cloudCriteria(cloud); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			if format := f.format(); format == formatTable || format == formatCSV {
				in.Fields = automation.TableFields()
			}
			outcome, assets := automation.NewCommands(client, a.now).SearchCloudAgents(cmd.Context(), in)
			if err := outcomeOf(outcome); err != nil {
				return err
			}
			if err := writeAssets(a.stdout, f, outcome, assets); err != nil {
				return err
			}
			for _, note := range outcome.Notes {
				fmt.Fprintln(a.stderr, note)
			}
			if f.format() == formatTable && len(assets) == 0 {
				fmt.Fprintln(a.stderr, "No Cloud Agent meets the filters.")
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.LastCheckedInFrom, "last-checked-in-from", "", "only agents that last checked in after this `time`")
	flags.StringVar(&in.LastCheckedInTo, "last-checked-in-to", "", "only agents that last checked in before this `time`")
	flags.StringVar(&in.HostName, "host-name", "", "only hosts whose name contains this `text`, case-sensitive")
	flags.StringVar(&in.OS, "os", "", "only hosts whose operating system contains this `text`, case-sensitive")
	flags.StringArrayVar(&cloud, "cloud", nil, "only instances that meet this `criterion`: "+strings.Join(cloudFields(), ", "))
	flags.BoolVar(&in.AnyHost, "any-host", false, "hosts without an agent, too")
	numberFlag(flags, &in.MaxRecords, "limit", automation.DefaultMaxRecords, 1, math.MaxInt64, "stop after this `number` of agents")
	return cmd
}

// readTimes reads the filters that are times, which are UTC whatever the zone of
// the user, and refuses what is none. Of times that exclude each other the command
// itself speaks, as every client of it knows.
func readTimes(in *automation.SearchInput, times automation.Times) error {
	for flag, text := range map[string]*string{"from": &in.LastCheckedInFrom, "to": &in.LastCheckedInTo} {
		if *text == "" {
			continue
		}
		at, err := times.ReadTime(*text, true)
		if err != nil {
			return usagef("--last-checked-in-%s: %w", flag, err)
		}
		*text = qps.FormatTime(at)
	}
	return nil
}

// writeAssets writes host assets: the raw data for programs, or the result table.
func writeAssets(w io.Writer, f *clientFlags, outcome automation.Outcome, assets []*qps.HostAsset) error {
	switch f.format() {
	case formatJSON:
		return writeJSON(w, outcome.RawData)
	case formatXML:
		response := automation.SearchResponse(assets)
		response.BaseURL = f.platform
		_, err := w.Write(qps.AppendResponse(nil, qps.XML, response, nil))
		return err
	case formatCSV:
		return writeCSV(w, outcome.Result)
	default:
		return writeTable(w, outcome.Result.Shown(f.times))
	}
}

func newAgentsGet(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "get ID", Aliases: []string{"show"}, Short: "Show one Cloud Agent", Args: exactArgs("ID"),
		Long: `Shows one agent by its Cloud Agent ID, the id of its host asset. With -o json and
-o xml everything the platform knows of the host is printed.`,
		Example: "  vedette agents get 1\n  vedette agents get 1 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("Cloud Agent ID", args[0])
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			outcome, asset := automation.NewCommands(client, a.now).GetCloudAgent(cmd.Context(), id)
			if err := outcomeOf(outcome); err != nil {
				return err
			}
			if f.format() == formatTable {
				return writeTable(a.stdout, assetTable(asset, f.times))
			}
			return writeAssets(a.stdout, f, outcome, []*qps.HostAsset{asset})
		},
	}
}

// parseID reads the id of an object from the command line.
func parseID(what, text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 {
		return 0, usagef("%s %s: use a positive integer", what, quote(text))
	}
	return id, nil
}

// assetTable describes one host asset, a line per fact.
func assetTable(h *qps.HostAsset, times automation.Times) automation.Table {
	t := automation.Table{Columns: []string{"FIELD", "VALUE"}}
	add := func(field, value string) { t.Rows = append(t.Rows, []string{field, value}) }
	add("ID", strconv.FormatInt(h.ID, 10))
	add("Name", h.Name)
	add("Operating system", h.OS)
	add("Address", h.Address)
	add("FQDN", h.FQDN)
	if i := h.AgentInfo; i != nil {
		add("Agent", i.AgentID)
		add("Agent version", i.AgentVersion)
		add("Status", i.Status)
		add("Last checked in", times.Show(i.LastCheckedIn))
		add("Last event", i.ChirpStatus)
		add("Modules", strings.Join(i.ActivatedModules, ", "))
		add("Configuration profile", i.AgentConfiguration.Name)
		add("Activation key", i.ActivationKey.Title)
	}
	for _, source := range h.Sources {
		if i, ok := source.(*qps.EC2Source); ok {
			add("EC2 instance", i.InstanceID)
			add("Account", i.AccountID)
			add("Region", i.Region)
			add("Instance state", i.InstanceState)
			add("Instance type", i.InstanceType)
		}
	}
	tags := make([]string, len(h.Tags))
	for i, tag := range h.Tags {
		tags[i] = tag.Name
	}
	add("Tags", strings.Join(tags, ", "))
	add("Created", times.Show(h.Created))
	add("Modified", times.Show(h.Modified))
	add("Last vulnerability scan", times.Show(h.LastVulnScan))
	add("Last compliance scan", times.Show(h.LastComplianceScan))
	for _, c := range []struct {
		name  string
		count int
	}{
		{"Software", len(h.Software)}, {"Open ports", len(h.OpenPorts)}, {"Network addresses", len(h.NetworkInterfaces)},
		{"Accounts", len(h.Accounts)}, {"Volumes", len(h.Volumes)}, {"Findings", len(h.Vulns)},
	} {
		add(c.name, strconv.Itoa(c.count))
	}
	return t
}
