package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// ruleFlags are what can be said on the command line of when a schedule fires.
type ruleFlags struct{ every, cron, zone, start, end string }

func (r *ruleFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&r.every, "every", "", "`time` between firings, such as 30m, 6h, 7d or 1h30m")
	flags.StringVar(&r.cron, "cron", "", "`cron` of five fields: minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @monthly, @yearly")
	flags.StringVar(&r.zone, "cron-time-zone", "", "IANA `name` of the time zone whose clock --cron means (default UTC)")
	completeOneOf(cmd, "cron-time-zone", automation.ZoneNames())
	flags.StringVar(&r.start, "start", "", "`time` before which nothing fires, and from which --every counts")
	flags.StringVar(&r.end, "end", "", "`time` from which on nothing fires")
}

// describingRules are the names of these flags.
var describingRules = []string{"every", "cron", "cron-time-zone", "start", "end"}

// over returns a rule with what the flags say in place of what it says.
func (r *ruleFlags) over(cmd *cobra.Command, f *clientFlags, rule qpsclient.ScheduleRule) (qpsclient.ScheduleRule, error) {
	set := cmd.Flags().Changed
	if set("cron") && set("time-zone") && !set("cron-time-zone") {
		return rule, usagef("--time-zone is the zone in which times are shown, not the one whose clock --cron means; give that as --cron-time-zone %s, or --cron-time-zone UTC", cmd.Flag("time-zone").Value)
	}
	if set("every") || set("cron") {
		rule.Every, rule.Cron = r.every, r.cron
	}
	if set("cron-time-zone") {
		rule.TimeZone = r.zone
	}
	for _, bound := range []struct {
		flag, text string
		into       *time.Time
	}{{"start", r.start, &rule.Start}, {"end", r.end, &rule.End}} {
		if !set(bound.flag) {
			continue
		}
		at, err := readBound(f, bound.flag, bound.text)
		if err != nil {
			return rule, err
		}
		*bound.into = at
	}
	return rule, nil
}

// readBound reads a time in the user's format; an empty text is none.
func readBound(f *clientFlags, flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := f.times.ReadTime(text, false)
	if err != nil {
		return time.Time{}, usagef("--%s: %w", flag, err)
	}
	return at.UTC(), nil
}

// policyFlags are what can be said of what becomes of firings.
type policyFlags struct {
	catchUp, overlap   string
	jitter, pauseAfter int
}

// describingPolicies are the names of these flags.
var describingPolicies = []string{"catch-up", "overlap", "jitter-percent", "pause-after-failures"}

func (p *policyFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	catchUps, overlaps := []string{"none", "one"}, []string{"skip", "queue", "cancel_previous"}
	flags.Var(oneOf{&p.catchUp, catchUps}, "catch-up", "what becomes of firings missed because the platform was down: none runs, or the newest `one` (default none)")
	completeOneOf(cmd, "catch-up", catchUps)
	flags.Var(oneOf{&p.overlap, overlaps}, "overlap", "what becomes of a firing while the run before is at work: `skip`, queue or cancel_previous (default skip)")
	completeOneOf(cmd, "overlap", overlaps)
	numberFlag(flags, &p.jitter, "jitter-percent", 0, 0, 50, "put the firings of --every off by up to this `number` of percent of it")
	numberFlag(flags, &p.pauseAfter, "pause-after-failures", 0, 0, 1000, "pause after this `number` of failures in a row, 0 for never")
}

func newSchedulesCreate(a *app, f *clientFlags) *cobra.Command {
	var rule ruleFlags
	var policies policyFlags
	var inputs runFlags
	var site, playbook string
	var paused bool
	cmd := &cobra.Command{
		Use: "create NAME [CONNECTION COMMAND]", Short: "Make a schedule",
		Args: func(cmd *cobra.Command, args []string) error {
			if playbook != "" {
				return exactArgs("NAME")(cmd, args)
			}
			return exactArgs("NAME", "CONNECTION", "COMMAND")(cmd, args)
		},
		Long: `Makes a schedule that runs a command with a connection, or with --playbook the live
version of a playbook. It runs with your rights, those you have at each firing. Inputs
are named as 'vedette automation commands show' shows them; none may be secret. Those of
a playbook are as 'vedette automation playbooks run' takes them. 'vedette automation
schedules preview' shows when it would fire.`,
		Example: `  vedette automation schedules create hourly "Qualys prod" search-cloud-agents --every 1h --overlap queue
  vedette automation schedules create "scan of servers" SOC/lab launch-on-demand-scans --cron '30 2 * * 1-5' --cron-time-zone Europe/Berlin \
      --input cloudAgentIds=7003001,7003002 --catch-up one --pause-after-failures 3
  vedette automation schedules create january lab test-connection --every 6h --start "01/01/2027 12:00 AM" --end "02/01/2027 12:00 AM"
  vedette automation schedules create weekly --playbook rescan-stale-hosts --input days=14 --cron '0 3 * * MON'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Create Schedule failed.", func(client *qpsclient.Client) error {
				ctx := cmd.Context()
				n := qpsclient.NewAutomationSchedule{
					Name: args[0], CatchUp: policies.catchUp, Overlap: policies.overlap, JitterPercent: policies.jitter, PauseAfterFailures: policies.pauseAfter,
				}
				var err error
				if playbook != "" {
					var p qpsclient.Playbook
					if p, err = findPlaybook(ctx, client, playbook); err != nil {
						return err
					}
					n.Playbook.ID = p.ID
					n.Inputs, err = a.playbookInputs(ctx, f, client, p, versionFlags{}, &inputs)
				} else {
					var c qpsclient.Connection
					if c, err = findConnection(ctx, client, args[1]); err != nil {
						return err
					}
					n.Connection.ID = c.ID
					n.Command, n.Inputs, err = inputs.of(cmd, a, f, client, c, args[2])
				}
				if err != nil {
					return err
				}
				if n.ScheduleRule, err = rule.over(cmd, f, n.ScheduleRule); err != nil {
					return err
				}
				if site != "" {
					found, err := findSite(ctx, client, site)
					if err != nil {
						return err
					}
					n.Site = &qpsclient.Reference{ID: found.ID}
				}
				if paused {
					n.Active = new(false)
				}
				made, err := client.CreateAutomationSchedule(ctx, n)
				if err != nil {
					return err
				}
				return a.writeSchedule(f, made)
			})
		},
	}
	rule.define(cmd)
	policies.define(cmd)
	inputs.defineInputs(cmd)
	cmd.Flags().StringVar(&site, "site", "", "`site` it belongs to, by ID or name (default that of the connection or playbook)")
	cmd.Flags().StringVar(&playbook, "playbook", "", "`playbook` to run, by ID or name, or as SITE/NAME, in place of a command")
	cmd.Flags().BoolVar(&paused, "paused", false, "make it without letting it fire")
	a.completeFlagNames(cmd, f, "site", siteNames)
	a.completeFlagNames(cmd, f, "playbook", playbookNames)
	complete := a.completeCommand(f, connectionNames)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp // a name of its own
		}
		return complete(cmd, args[1:], begun)
	}
	return cmd
}

// defineInputs adds the flags of inputs alone.
func (r *runFlags) defineInputs(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&r.inputs, "input", nil, "input of the command or playbook, as `NAME=VALUE`; can be repeated")
	cmd.Flags().StringVar(&r.file, "inputs-file", "", "`file` with inputs as a JSON object, - for standard input")
}

// of returns the name of a command of a connection, and the inputs that the flags give
// it.
func (r *runFlags) of(cmd *cobra.Command, a *app, f *clientFlags, client *qpsclient.Client, c qpsclient.Connection, name string) (string, map[string]any, error) {
	integration, err := client.Integration(cmd.Context(), c.Integration)
	if err != nil {
		return "", nil, err
	}
	command, err := findCommand(integration, name)
	if err != nil {
		return "", nil, err
	}
	inputs, err := r.values(a, f, command)
	return command.Name, inputs, err
}

// scheduleChangeFlags are what can be said of a change of a schedule.
type scheduleChangeFlags struct {
	rule              ruleFlags
	policies          policyFlags
	inputs            runFlags
	name, with, named string
}

func newSchedulesUpdate(a *app, f *clientFlags) *cobra.Command {
	var s scheduleChangeFlags
	cmd := &cobra.Command{
		Use: "update SCHEDULE", Short: "Change a schedule, which then runs with your rights", Args: exactArgs("SCHEDULE"),
		Long: `Changes what the flags name and leaves the rest; --input and --inputs-file replace all
inputs. --every and --cron take each other's place; an empty --start, --end or
--cron-time-zone takes it away. Who changes a schedule becomes its owner: it runs with
your rights from then on.`,
		Example: `  vedette automation schedules update hourly --every 2h
  vedette automation schedules update "nightly search" --input os=Linux --pause-after-failures 0
  vedette automation schedules update hourly --run-with SOC/lab --run test-connection --end ''`,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		changing := slices.Concat(describingRules, describingPolicies, []string{"name", "run", "run-with", "input", "inputs-file"})
		if !slices.ContainsFunc(changing, cmd.Flags().Changed) {
			return usagef("nothing to change is given")
		}
		return a.byCall(f, "Update Schedule failed.", func(client *qpsclient.Client) error {
			found, err := findSchedule(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			change, err := s.change(cmd, a, f, client, found)
			if err != nil {
				return err
			}
			if found, err = client.UpdateAutomationSchedule(cmd.Context(), found.ID, change); err != nil {
				return err
			}
			return a.writeSchedule(f, found)
		})
	}
	s.rule.define(cmd)
	s.policies.define(cmd)
	s.inputs.defineInputs(cmd)
	cmd.Flags().StringVar(&s.name, "name", "", "new `name`")
	cmd.Flags().StringVar(&s.with, "run-with", "", "`connection` to run the command with")
	cmd.Flags().StringVar(&s.named, "run", "", "`command` to run")
	a.completeFlagNames(cmd, f, "run-with", connectionNames)
	return cmd
}

// change returns what the flags say is to change of a schedule.
func (s *scheduleChangeFlags) change(cmd *cobra.Command, a *app, f *clientFlags, client *qpsclient.Client, of qpsclient.AutomationSchedule) (qpsclient.AutomationScheduleChange, error) {
	var change qpsclient.AutomationScheduleChange
	set := cmd.Flags().Changed
	for _, text := range []struct {
		flag  string
		field **string
		value *string
	}{
		{"name", &change.Name, &s.name}, {"every", &change.Every, &s.rule.every}, {"cron", &change.Cron, &s.rule.cron}, {"cron-time-zone", &change.TimeZone, &s.rule.zone},
		{"catch-up", &change.CatchUp, &s.policies.catchUp}, {"overlap", &change.Overlap, &s.policies.overlap},
	} {
		if set(text.flag) {
			*text.field = text.value
		}
	}
	rule, err := s.rule.over(cmd, f, qpsclient.ScheduleRule{})
	if err != nil {
		return change, err
	}
	if set("start") {
		change.Start = new(qps.FormatTime(rule.Start))
	}
	if set("end") {
		change.End = new(qps.FormatTime(rule.End))
	}
	if set("jitter-percent") {
		change.JitterPercent = &s.policies.jitter
	}
	if set("pause-after-failures") {
		change.PauseAfterFailures = &s.policies.pauseAfter
	}
	return change, s.target(cmd, a, f, client, of, &change)
}

// target adds to a change what the flags say of what the schedule runs.
func (s *scheduleChangeFlags) target(cmd *cobra.Command, a *app, f *clientFlags, client *qpsclient.Client, of qpsclient.AutomationSchedule, change *qpsclient.AutomationScheduleChange) error {
	set := cmd.Flags().Changed
	inputs := set("input") || set("inputs-file")
	if !set("run") && !set("run-with") && !inputs {
		return nil
	}
	if of.Playbook.ID != 0 {
		if set("run") || set("run-with") {
			return usagef("schedule %s runs a playbook: make another schedule for the command", quote(of.Name))
		}
		p, err := client.Playbook(cmd.Context(), of.Playbook.ID)
		if err != nil {
			return err
		}
		change.Inputs, err = a.playbookInputs(cmd.Context(), f, client, p, versionFlags{}, &s.inputs)
		return err
	}
	connection, command := strconv.FormatInt(of.Connection.ID, 10), of.Command
	if set("run-with") {
		connection = s.with
	}
	if set("run") {
		command = s.named
	}
	c, err := findConnection(cmd.Context(), client, connection)
	if err != nil {
		return err
	}
	name, given, err := s.inputs.of(cmd, a, f, client, c, command)
	if err != nil {
		return err
	}
	change.Connection, change.Command = &qpsclient.Reference{ID: c.ID}, &name
	if inputs {
		change.Inputs = given
	}
	return nil
}

func newSchedulesPreview(a *app, f *clientFlags) *cobra.Command {
	var rule ruleFlags
	var after string
	count := 0
	cmd := &cobra.Command{
		Use: "preview [SCHEDULE]", Short: "Show when a schedule fires, or would fire", Args: func(cmd *cobra.Command, args []string) error { return noArgs(cmd, args[min(len(args), 1):]) },
		Long: `Shows in words and as times when a schedule with these flags would fire, or a schedule
there is. Nothing is stored. Times are shown as you read them, and as the clock of
--cron-time-zone shows them.`,
		Example: `  vedette automation schedules preview --every 6h
  vedette automation schedules preview --cron '30 2 * * *' --cron-time-zone Europe/Berlin --after 2027-03-27T00:00:00Z --count 3
  vedette automation schedules preview "nightly search"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Preview Schedule failed.", func(client *qpsclient.Client) error {
				var of qpsclient.ScheduleRule
				if len(args) == 1 {
					s, err := findSchedule(cmd.Context(), client, args[0])
					if err != nil {
						return err
					}
					of = s.ScheduleRule
				}
				of, err := rule.over(cmd, f, of)
				if err != nil {
					return err
				}
				from, err := readBound(f, "after", after)
				if err != nil {
					return err
				}
				preview, err := client.PreviewSchedule(cmd.Context(), of, from, count)
				if err != nil {
					return err
				}
				return a.writePreview(f, of, preview)
			})
		},
	}
	rule.define(cmd)
	cmd.Flags().StringVar(&after, "after", "", "only firings after this `time` (default now)")
	numberFlag(cmd.Flags(), &count, "count", 5, 1, 100, "show this `number` of firings")
	return cmd
}

func (a *app) writePreview(f *clientFlags, rule qpsclient.ScheduleRule, p qpsclient.SchedulePreview) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, p)
	}
	zone, err := automation.LoadZone(rule.TimeZone)
	if err != nil {
		return err
	}
	t := automation.Table{Columns: []string{"FIRES", "ON THE CLOCK"}, TimeColumns: []string{"FIRES"}}
	for _, at := range p.Firings {
		t.Rows = append(t.Rows, []string{qps.FormatTime(at), at.In(zone).Format("Mon 2006-01-02 15:04:05 MST")})
	}
	if f.format() == formatTable {
		fmt.Fprintf(a.stdout, "Fires %s.\n\n", printable(p.InWords))
	}
	return f.writeRows(a.stdout, "firings", "firing", t)
}
