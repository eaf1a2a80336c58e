package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

// scheduleFlags are what can be said of the schedules of a profile.
type scheduleFlags struct {
	modules                    []string
	interval, delay, randomize string
}

func newProfilesSchedule(a *app, f *clientFlags) *cobra.Command {
	var s scheduleFlags
	cmd := &cobra.Command{
		Use: "schedule ID", Short: "Show or change when modules are scanned", Args: exactArgs("ID"),
		Long: `Shows when each module is scanned under a configuration profile, or changes it for
the modules that --module names. What the flags do not name stays; system profiles
can be changed too. The agents learn it at their next contact.

The interval runs from the end of the last good scan, on-demand scans included. The
delay is waited for once on each host, before the first interval scan of the module.
Randomisation puts each interval scan off by a random part of it. On-demand scans
wait for neither.

So far agents take inventory scans only. The schedules of vm, pc, udc, sca and swca
are kept and sent to agents, which follow them when there are scans of these modules.`,
		Example: `  vedette profiles schedule 4
  vedette profiles schedule 4 --module inventory --interval 8h --randomize 1h
  vedette profiles schedule 4 --module vm,pc --interval 1d --delay 30m`,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("configuration profile ID", args[0])
			if err != nil {
				return err
			}
			changes, err := s.changes(cmd)
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			var schedules qpsclient.ProfileSchedules
			indicator := "Show Schedules failed."
			if len(changes) == 0 {
				schedules, err = client.Schedules(cmd.Context(), id)
			} else {
				indicator = "Update Schedules failed."
				schedules, err = client.UpdateSchedules(cmd.Context(), id, changes...)
			}
			if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
				return errors.New("this platform is not a Vedette platform: its API does not tell when modules are scanned")
			}
			if err != nil {
				return outcomeOf(automation.Failure(indicator, err))
			}
			return a.writeSchedules(f, schedules)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&s.modules, "module", nil, "`module` to change: "+strings.Join(moduleTokens(), ", ")+"; can be repeated")
	flags.StringVar(&s.interval, "interval", "", "`time` between scans such as 8h or 1d, in whole minutes, 4h to 30d")
	flags.StringVar(&s.delay, "delay", "", "`time` to wait before the first scan such as 30m, 0 for none, up to 12h")
	flags.StringVar(&s.randomize, "randomize", "", "put off each scan by a random part of this `time`, 0 for none, up to 12h")
	completeOneOf(cmd, "module", moduleTokens())
	return cmd
}

func moduleTokens() []string {
	var tokens []string
	for _, m := range agentwire.Modules() {
		tokens = append(tokens, string(m))
	}
	return tokens
}

// changes returns what the flags say; nothing where none is given.
func (s *scheduleFlags) changes(cmd *cobra.Command) ([]qpsclient.ScheduleChange, error) {
	var change qpsclient.ScheduleChange
	said := false
	for _, flag := range []struct {
		name, text string
		unit       time.Duration
		target     **int64
	}{
		{"interval", s.interval, time.Minute, &change.Interval},
		{"delay", s.delay, time.Second, &change.Delay},
		{"randomize", s.randomize, time.Second, &change.Randomize},
	} {
		if !cmd.Flags().Changed(flag.name) {
			continue
		}
		units, err := wholeUnits(flag.name, flag.text, flag.unit)
		if err != nil {
			return nil, err
		}
		*flag.target, said = &units, true
	}
	switch {
	case !said && !cmd.Flags().Changed("module"):
		return nil, nil
	case !said:
		return nil, usagef("nothing to change is given: use --interval, --delay or --randomize")
	case len(s.modules) == 0:
		return nil, usagef("--module is missing: name at least one of %s", strings.Join(moduleTokens(), ", "))
	}
	changes := make([]qpsclient.ScheduleChange, len(s.modules))
	for i, module := range s.modules {
		if !slices.Contains(moduleTokens(), module) {
			return nil, usagef("--module %s: use one of %s", quote(module), strings.Join(moduleTokens(), ", "))
		}
		changes[i] = change
		changes[i].Module = module
	}
	return changes, nil
}

// wholeUnits reads a time such as 0, 90s, 8h or 1d as a number of units. The
// platform says which numbers are allowed.
func wholeUnits(flag, text string, unit time.Duration) (int64, error) {
	if text == "0" {
		return 0, nil
	}
	d, err := parseDays(text)
	if err != nil {
		return 0, usagef("--%s %s: use a time such as 90m, 8h or 1d", flag, quote(text))
	}
	if d%unit != 0 {
		return 0, usagef("--%s %s: use a multiple of %s", flag, quote(text), unit)
	}
	return int64(d / unit), nil
}

func (a *app) writeSchedules(f *clientFlags, s qpsclient.ProfileSchedules) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, s)
	}
	t := automation.Table{Columns: []string{"MODULE", "INTERVAL (MIN)", "DELAY (S)", "RANDOMIZE (S)"}}
	for _, m := range s.Schedules {
		t.Rows = append(t.Rows, []string{
			m.Module, strconv.FormatInt(m.Interval, 10), strconv.FormatInt(m.Delay, 10), strconv.FormatInt(m.Randomize, 10),
		})
	}
	if f.format() == formatTable {
		fmt.Fprintln(a.stderr, "So far agents take inventory scans only; they are sent the other schedules for when there are more.")
	}
	return f.writeRows(a.stdout, "schedules", "schedule", t)
}
