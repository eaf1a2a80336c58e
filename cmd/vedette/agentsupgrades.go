package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newAgentsUpgrades(a *app, f *clientFlags) *cobra.Command {
	q := qpsclient.UpgradeQuery{}
	cmd := &cobra.Command{
		Use: "upgrades", Short: "List how the upgrades of agents ended", Args: noArgs,
		Long: `Lists how the last upgrade of each agent ended: upgraded when the new version was
found healthy, rolled_back when it was not or somebody went back on the host, and
failed when nothing was changed, such as for want of disk space. The reason is the
agent's own.`,
		Example: "  vedette agents upgrades --unsuccessful\n  vedette agents upgrades --limit 1000 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			list, err := client.Upgrades(cmd.Context(), q)
			if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
				return errors.New("this platform does not list upgrades of agents")
			}
			if err != nil {
				return outcomeOf(automation.Failure("List Upgrades failed.", err))
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"upgrades": append([]qpsclient.Upgrade{}, list...)})
			}
			if f.format() == formatTable && len(list) == 0 {
				fmt.Fprintln(a.stderr, "No such upgrade was reported.")
			}
			t := automation.Table{Columns: []string{"ID", "HOST NAME", "OUTCOME", "FROM", "TO", "AT", "REASON"}, TimeColumns: []string{"AT"}}
			for _, u := range list {
				t.Rows = append(t.Rows, []string{strconv.FormatInt(u.AssetID, 10), u.HostName, u.Outcome, u.From, u.To, qps.FormatTime(u.At), u.Reason})
			}
			return f.writeRows(a.stdout, "upgrades", "upgrade", t)
		},
	}
	cmd.Flags().BoolVar(&q.Unsuccessful, "unsuccessful", false, "only those that failed or were rolled back")
	numberFlag(cmd.Flags(), &q.Limit, "limit", 100, 1, maxUninstallLimit, "list at most this `number`")
	numberFlag(cmd.Flags(), &q.After, "after", 0, 0, math.MaxInt64, "only agents with a higher Cloud Agent `ID`")
	return cmd
}
