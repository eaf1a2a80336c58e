package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// maxUninstallLimit is the most that one call lists.
const maxUninstallLimit = 1000

func newAgentsUninstalls(a *app, f *clientFlags) *cobra.Command {
	var state string
	q := qpsclient.UninstallQuery{}
	cmd := &cobra.Command{
		Use: "uninstalls", Short: "List uninstalled agents and whether they are gone", Args: noArgs,
		Long: `Lists uninstalled agents, newest first. One is open until the agent has made contact,
removed itself and said so; then it is confirmed.`,
		Example: "  vedette agents uninstalls --state open",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			q.State = qpsclient.UninstallState(state)
			list, err := client.Uninstalls(cmd.Context(), q)
			if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
				return errors.New("this platform does not list uninstalled agents")
			}
			if err != nil {
				return outcomeOf(automation.Failure("List Uninstalls failed.", err))
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"uninstalls": append([]qpsclient.Uninstall{}, list...)})
			}
			if f.format() == formatTable && len(list) == 0 {
				fmt.Fprintln(a.stderr, "There is no such uninstalled agent.")
			}
			t := automation.Table{
				Columns:     []string{"ID", "AGENT", "HOST NAME", "STATE", "REQUESTED BY", "CREATED", "CONFIRMED"},
				TimeColumns: []string{"CREATED", "CONFIRMED"},
			}
			for _, u := range list {
				t.Rows = append(t.Rows, []string{
					strconv.FormatInt(u.ID, 10), strconv.FormatInt(u.AssetID, 10), u.HostName, string(u.State), u.RequestedBy,
					qps.FormatTime(u.Created), qps.FormatTime(u.Confirmed),
				})
			}
			return f.writeRows(a.stdout, "uninstalls", "uninstall", t)
		},
	}
	states := []string{string(qpsclient.UninstallOpen), string(qpsclient.UninstallConfirmed)}
	cmd.Flags().Var(oneOf{&state, states}, "state", "only those in this state")
	completeOneOf(cmd, "state", states)
	numberFlag(cmd.Flags(), &q.Limit, "limit", 100, 1, maxUninstallLimit, "list at most this `number`")
	return cmd
}

func newAgentsPurge(a *app, f *clientFlags) *cobra.Command {
	var inactive string
	var yes bool
	var rule qpsclient.PurgeRule
	cmd := &cobra.Command{
		Use: "purge", Short: "Purge agents that have been silent for long", Args: noArgs,
		Long: `Removes the agents that have not checked in for a time, with everything known of
their hosts, and frees the units of their activation keys. The agents are not
uninstalled: one that comes back provisions again as a new asset.

Without --yes it only shows which agents that would be.`,
		Example: "  vedette agents purge --inactive-for 30d\n  vedette agents purge --inactive-for 90d --profile Low --yes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if rule.InactiveFor, err = givenDays("inactive-for", inactive, fleet.MinPurgeSilence, longestDays); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			agents, err := client.PurgeAgents(cmd.Context(), rule, yes)
			if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
				return errors.New("this platform does not purge agents by a rule of ours; Qualys has purge rules of its own")
			}
			if err != nil {
				return outcomeOf(automation.Failure("Purge Agents failed.", err))
			}
			if err := a.writePurge(f, agents, yes); err != nil {
				return err
			}
			if yes {
				fmt.Fprintf(a.stderr, "Purged: %s.\n", counted(len(agents), "agent"))
			} else {
				fmt.Fprintf(a.stderr, "Nothing was purged. Repeat with --yes to purge %s.\n", counted(len(agents), "agent"))
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&inactive, "inactive-for", "", "agents that have not checked in for this `time`, such as 30d; at least 2d (required)")
	flags.StringVar(&rule.ActivationKey, "key", "", "only agents that came with the activation key of this `UUID`")
	flags.StringVar(&rule.AgentVersion, "version", "", "only agents of this `version`")
	flags.StringVar(&rule.Profile, "profile", "", "only agents with the configuration profile of this `name`")
	flags.BoolVar(&yes, "yes", false, "purge them")
	return cmd
}

func (a *app) writePurge(f *clientFlags, agents []qpsclient.PurgedAgent, applied bool) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, map[string]any{"applied": applied, "agents": append([]qpsclient.PurgedAgent{}, agents...)})
	}
	if f.format() == formatTable && len(agents) == 0 {
		return nil
	}
	t := automation.Table{Columns: []string{"ID", "HOST NAME", "VERSION", "LAST CHECKED IN"}, TimeColumns: []string{"LAST CHECKED IN"}}
	for _, g := range agents {
		t.Rows = append(t.Rows, []string{strconv.FormatInt(g.AssetID, 10), g.HostName, g.AgentVersion, qps.FormatTime(g.LastCheckedIn)})
	}
	return f.writeRows(a.stdout, "agents", "agent", t)
}

const (
	day         = 24 * time.Hour
	longestDays = 3650 * day // ten years
)

// parseDays reads a duration such as 30d, 36h or 90m.
func parseDays(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 1 && n <= int(longestDays/day) {
			return time.Duration(n) * day, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= time.Second && d <= longestDays {
		return d, nil
	}
	return 0, fmt.Errorf("%s is not a time such as 30d or 72h, of at most %dd", quote(text), longestDays/day)
}

// givenDays reads the duration of a flag that must be given, with its limits.
func givenDays(flag, text string, least, most time.Duration) (time.Duration, error) {
	if text == "" {
		return 0, usagef("--%s is missing: give a time such as 30d", flag)
	}
	d, err := parseDays(text)
	if err != nil || d < least || d > most {
		return 0, usagef("--%s %s: use a time such as 30d or 72h, from %s to %dd", flag, quote(text), shortest(least), most/day)
	}
	return d, nil
}

// shortest writes a limit as a user would: in days where it is some.
func shortest(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
