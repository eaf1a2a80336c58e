package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func newUsersSettings(a *app, f *clientFlags) *cobra.Command {
	var local bool
	cmd := &cobra.Command{
		Use: "settings", Short: "Show or change how you read and write times", Args: noArgs,
		Long: `Shows the format and the time zone in which you read and write times and your mail
address, or changes what --time-format and --time-zone give. The platform keeps them
with your user, for the inputs of what it runs for you. The address, for what playbooks
ask you, is set by a manager: vedette users update ann --email ann@example.org.

With --local the times of this command line are meant, for all platforms: for its
tables and the times of its flags. They are kept in your configuration file.

The formats are MM/DD/YYYY hh:mm AM/PM (the default), DD/MM/YYYY HH:mm,
YYYY-MM-DD HH:mm, DD.MM.YYYY HH:mm, DD MMM YYYY HH:mm and RFC 3339. A time is read in
the format that is set, or in RFC 3339, and in no other.`,
		Example: `  vedette users settings
  vedette users settings --time-format "DD.MM.YYYY HH:mm" --time-zone Europe/Berlin
  vedette users settings --local --time-format "RFC 3339"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			now, err := a.settle(cmd, f, local)
			if err != nil {
				return err
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, now)
			}
			return a.writeUpright(f, "setting", automation.Table{Columns: []string{"TIME FORMAT", "TIME ZONE", "EMAIL"}, Rows: [][]string{{now.TimeFormat, now.TimeZone, now.Email}}})
		},
	}
	cmd.Flags().BoolVar(&local, "local", false, "those of this command line, not those of the platform")
	return cmd
}

// settle makes the change that flags give, of the platform's user or of this command
// line, and returns all settings.
func (a *app) settle(cmd *cobra.Command, f *clientFlags, local bool) (qpsclient.Settings, error) {
	var change qpsclient.SettingsChange
	if cmd.Flags().Changed("time-format") {
		change.TimeFormat = new(string(f.times.Format))
	}
	if cmd.Flags().Changed("time-zone") {
		change.TimeZone = new(f.times.Zone.String())
	}
	if local {
		return a.settleLocally(change)
	}
	client, _, err := a.client(f, 0)
	if err != nil {
		return qpsclient.Settings{}, err
	}
	if change == (qpsclient.SettingsChange{}) {
		me, err := client.Me(cmd.Context())
		if err != nil {
			return qpsclient.Settings{}, accessFailure("Show Settings failed.", err)
		}
		return me.Settings, nil
	}
	now, err := client.ChangeSettings(cmd.Context(), change)
	if err != nil {
		return now, accessFailure("Change Settings failed.", err)
	}
	fmt.Fprintln(a.stderr, "Tables of this command line stay as they are: --local changes them.")
	return now, nil
}

func (a *app) settleLocally(change qpsclient.SettingsChange) (qpsclient.Settings, error) {
	cfg, err := a.readConfig()
	if err != nil {
		return qpsclient.Settings{}, err
	}
	if change.TimeFormat != nil {
		cfg.Format = *change.TimeFormat
	}
	if change.TimeZone != nil {
		cfg.Zone = *change.TimeZone
	}
	if change != (qpsclient.SettingsChange{}) {
		if err := a.writeConfig(cfg); err != nil {
			return qpsclient.Settings{}, err
		}
	}
	times, err := automation.NewTimes(cfg.Format, cfg.Zone)
	return qpsclient.Settings{TimeFormat: string(times.Format), TimeZone: times.Zone.String()}, err
}
