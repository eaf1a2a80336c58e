package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newAutomationSchedulesCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("schedules", "Have commands and playbooks run by themselves, at intervals or by a cron",
		`A schedule runs a command with a connection, or a playbook, with the rights that its
owner has then: whoever made it, or changed it last. Every firing is kept with what came
of it. SCHEDULE is the ID or the name of a schedule, or SITE/NAME. The list has the health
checks of connections as well, which are changed at the connection. Schedules in the text
of a playbook are there while it is live: they can be paused, resumed and run.

When agents scan by themselves is another matter: 'vedette profiles schedule'.`)
	group.Example = `  vedette automation schedules preview --cron '30 6 * * 1-5' --cron-time-zone Europe/Berlin
  vedette automation schedules create "nightly search" "Qualys prod" search-cloud-agents --cron '30 2 * * *' --input os=Windows
  vedette automation schedules run "nightly search"
  vedette automation schedules firings "nightly search"
  vedette automation schedules pause "nightly search"`
	ofOne := []*cobra.Command{
		newSchedulesShow(a, f), newSchedulesUpdate(a, f), newSchedulesActive(a, f, false), newSchedulesActive(a, f, true),
		newSchedulesRun(a, f), newSchedulesFirings(a, f), newSchedulesPreview(a, f),
	}
	ofSome := []*cobra.Command{newSchedulesDelete(a, f)}
	a.completeNamesOf(f, scheduleNames, 1, ofOne...)
	a.completeNamesOf(f, scheduleNames, 0, ofSome...)
	group.AddCommand(ofOne...)
	group.AddCommand(ofSome...)
	group.AddCommand(newSchedulesList(a, f), newSchedulesCreate(a, f))
	return group
}

// findSchedule returns the schedule that an argument names: by its id, its name, or
// its site and its name with a slash in between.
func findSchedule(ctx context.Context, client *qpsclient.Client, text string) (qpsclient.AutomationSchedule, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return client.AutomationSchedule(ctx, id)
	}
	list, err := userSchedules(ctx, client)
	if err != nil {
		return qpsclient.AutomationSchedule{}, err
	}
	list = slices.DeleteFunc(list, func(s qpsclient.AutomationSchedule) bool { return s.Name != text && qualifiedSchedule(s) != text })
	switch len(list) {
	case 0:
		return qpsclient.AutomationSchedule{}, fault.New(fault.NotFound, fmt.Sprintf("There is no schedule %s.", quote(text)), "'vedette automation schedules list' lists the schedules there are.")
	case 1:
		return list[0], nil
	}
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = fmt.Sprintf("%s (%d)", quote(qualifiedSchedule(s)), s.ID)
	}
	return qpsclient.AutomationSchedule{}, usagef("there are several schedules %s: use %s", quote(text), strings.Join(names, " or "))
}

// userSchedules lists the schedules that somebody made.
func userSchedules(ctx context.Context, client *qpsclient.Client) ([]qpsclient.AutomationSchedule, error) {
	return client.AutomationSchedules(ctx, qpsclient.AutomationScheduleQuery{Kind: "user"})
}

// qualifiedSchedule is the name that no other schedule has.
func qualifiedSchedule(s qpsclient.AutomationSchedule) string { return s.Site.Name + "/" + s.Name }

// scheduleNames are the names by which schedules are found, with the site where
// several have the same.
func scheduleNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	list, err := userSchedules(ctx, client)
	count := map[string]int{}
	for _, s := range list {
		count[s.Name]++
	}
	names := make([]string, len(list))
	for i, s := range list {
		if names[i] = s.Name; count[s.Name] > 1 {
			names[i] = qualifiedSchedule(s)
		}
	}
	return names, err
}

func newSchedulesList(a *app, f *clientFlags) *cobra.Command {
	var q qpsclient.AutomationScheduleQuery
	kinds := []string{"user", qpsclient.KindSystem}
	cmd := &cobra.Command{
		Use: "list", Short: "List schedules, and the health checks of connections", Args: noArgs,
		Long:    "Lists the schedules of your sites, and the health checks of the connections that you may\nuse as schedules of the kind system.",
		Example: "  vedette automation schedules list\n  vedette automation schedules list --site SOC --kind user -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "List Schedules failed.", func(client *qpsclient.Client) error {
				list, err := client.AutomationSchedules(cmd.Context(), q)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"schedules": list})
				}
				if f.format() == formatTable && len(list) == 0 {
					fmt.Fprintln(a.stderr, "There is no such schedule.")
				}
				t := scheduleTable(list...)
				if f.format() == formatTable { // what fits beside each other
					t = columnsOf(t, "ID", "KIND", "SITE", "NAME", "COMMAND", "CONNECTION", "WHEN", "STATE", "NEXT", "LAST")
				}
				return f.writeRows(a.stdout, "schedules", "schedule", t)
			})
		},
	}
	cmd.Flags().StringVar(&q.Site, "site", "", "only schedules of this `site`, by ID or name")
	cmd.Flags().Var(oneOf{&q.Kind, kinds}, "kind", "only schedules of this kind")
	completeOneOf(cmd, "kind", kinds)
	a.completeFlagNames(cmd, f, "site", siteNames)
	return cmd
}

func scheduleTable(list ...qpsclient.AutomationSchedule) automation.Table {
	t := automation.Table{Columns: []string{
		"ID", "KIND", "SITE", "NAME", "OWNER", "COMMAND", "CONNECTION", "INPUTS", "WHEN", "EVERY", "CRON", "TIME ZONE", "START", "END", "CATCH UP", "OVERLAP",
		"JITTER PERCENT", "PAUSE AFTER FAILURES", "STATE", "PAUSED BECAUSE", "FAILURES", "NEXT", "DUE", "LAST", "WAITING",
	}, TimeColumns: []string{"START", "END", "NEXT", "DUE", "LAST", "WAITING"}}
	for _, s := range list {
		id, connection := "", s.Connection.Name
		if s.ID != 0 {
			id = strconv.FormatInt(s.ID, 10)
		}
		if connection == "" && s.Connection.ID != 0 {
			connection = strconv.FormatInt(s.Connection.ID, 10)
		}
		command := s.Command
		if s.Playbook.ID != 0 { // as steps write it
			command = "playbook/" + cmp.Or(s.Playbook.Name, strconv.FormatInt(s.Playbook.ID, 10))
		}
		t.Rows = append(t.Rows, []string{
			id, s.Kind, s.Site.Name, s.Name, s.Owner, command, connection, inputText(s.Inputs), s.InWords, s.Every, s.Cron, s.TimeZone,
			qps.FormatTime(s.Start), qps.FormatTime(s.End), s.CatchUp, s.Overlap, strconv.Itoa(s.JitterPercent), strconv.Itoa(s.PauseAfterFailures),
			s.State, s.PausedReason, strconv.Itoa(s.Failures), qps.FormatTime(s.Next), qps.FormatTime(s.Due), qps.FormatTime(s.Last), qps.FormatTime(s.Waiting),
		})
	}
	return t
}

func (a *app) writeSchedule(f *clientFlags, s qpsclient.AutomationSchedule) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, s)
	}
	return a.writeUpright(f, "schedule", scheduleTable(s))
}

// bySchedule makes a command of one schedule, which is found before it is called.
func (a *app) bySchedule(f *clientFlags, indicator string, call func(ctx context.Context, client *qpsclient.Client, s qpsclient.AutomationSchedule) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return a.byCall(f, indicator, func(client *qpsclient.Client) error {
			s, err := findSchedule(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			return call(cmd.Context(), client, s)
		})
	}
}

func newSchedulesShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show SCHEDULE", Aliases: []string{"get"}, Short: "Show one schedule", Args: exactArgs("SCHEDULE"),
		Long:    "Shows a schedule: what it runs, when, with whose rights, and where it stands.",
		Example: "  vedette automation schedules show \"nightly search\"\n  vedette automation schedules show SOC/hourly -o json",
		RunE: a.bySchedule(f, "Show Schedule failed.", func(_ context.Context, _ *qpsclient.Client, s qpsclient.AutomationSchedule) error {
			return a.writeSchedule(f, s)
		}),
	}
}

// newSchedulesActive makes the commands pause and resume.
func newSchedulesActive(a *app, f *clientFlags, active bool) *cobra.Command {
	cmd := &cobra.Command{
		Use: "pause SCHEDULE", Short: "Have a schedule fire no more, until it is resumed", Args: exactArgs("SCHEDULE"),
		Long:    "Pauses a schedule. A run at work goes on; what would have fired meanwhile is not caught\nup with. It can still be run by hand.",
		Example: "  vedette automation schedules pause \"nightly search\"",
	}
	indicator := "Pause Schedule failed."
	if active {
		cmd.Use, cmd.Short, indicator = "resume SCHEDULE", "Have a paused schedule fire again", "Resume Schedule failed."
		cmd.Long = "Resumes a schedule that was paused, by hand or after failures: it fires from now on, and\nits failures are counted anew. Its owner stays the same."
		cmd.Example = "  vedette automation schedules resume \"nightly search\""
	}
	cmd.RunE = a.bySchedule(f, indicator, func(ctx context.Context, client *qpsclient.Client, s qpsclient.AutomationSchedule) error {
		s, err := client.UpdateAutomationSchedule(ctx, s.ID, qpsclient.AutomationScheduleChange{Active: &active})
		if err != nil {
			return err
		}
		return a.writeSchedule(f, s)
	})
	return cmd
}

func newSchedulesFirings(a *app, f *clientFlags) *cobra.Command {
	limit := 0
	cmd := &cobra.Command{
		Use: "firings SCHEDULE", Short: "List what came of the firings of a schedule, newest first", Args: exactArgs("SCHEDULE"),
		Long: `Lists the firings of a schedule: when they were due, what became of them and why, and
their runs. The last 500 are kept. 'vedette automation runs show' shows a run.`,
		Example: "  vedette automation schedules firings \"nightly search\"\n  vedette automation schedules firings 3 --limit 10 -o json",
		RunE: a.bySchedule(f, "List Firings failed.", func(ctx context.Context, client *qpsclient.Client, s qpsclient.AutomationSchedule) error {
			firings, err := client.Firings(ctx, s.ID, limit)
			if err != nil {
				return err
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"firings": firings})
			}
			if f.format() == formatTable && len(firings) == 0 {
				fmt.Fprintln(a.stderr, "It has not fired yet.")
			}
			return f.writeRows(a.stdout, "firings", "firing", firingTable(firings...))
		}),
	}
	numberFlag(cmd.Flags(), &limit, "limit", 50, 1, 500, "list at most this `number` of firings")
	return cmd
}

func firingTable(firings ...qpsclient.Firing) automation.Table {
	t := automation.Table{Columns: []string{"AT", "FIRED", "BY HAND", "ACTION", "RUN", "PLAYBOOK RUN", "STATE", "MISSED", "REASON"}, TimeColumns: []string{"AT", "FIRED"}}
	for _, f := range firings {
		run, playbookRun := "", ""
		if f.RunID != 0 {
			run = strconv.FormatInt(f.RunID, 10)
		}
		if f.PlaybookRunID != 0 {
			playbookRun = strconv.FormatInt(f.PlaybookRunID, 10)
		}
		t.Rows = append(t.Rows, []string{
			qps.FormatTime(f.At), qps.FormatTime(f.Fired), yesNo(f.ByHand), f.Action, run, playbookRun, cmp.Or(string(f.RunState), f.PlaybookRunState), strconv.Itoa(f.Missed), f.Reason,
		})
	}
	return t
}

const (
	// firingLimit is how long a firing by hand may take to get its run, firingLook how
	// often it is looked at meanwhile.
	firingLimit, firingLook = time.Minute, 250 * time.Millisecond
)

func newSchedulesRun(a *app, f *clientFlags) *cobra.Command {
	var noFollow bool
	cmd := &cobra.Command{
		Use: "run SCHEDULE", Short: "Run a schedule now, beside its firings", Args: exactArgs("SCHEDULE"),
		Long: `Runs what a schedule runs, now and with the rights of its owner, and follows the run to
its end; of a playbook it shows the firing with the run that has begun. Its firings stay
where they are, also those of a paused schedule.

Exit codes: 0 successful, 1 failed, 3 partially successful.`,
		Example: "  vedette automation schedules run \"nightly search\"\n  vedette automation schedules run 3 --no-follow",
		RunE: a.bySchedule(f, "Run Schedule failed.", func(ctx context.Context, client *qpsclient.Client, s qpsclient.AutomationSchedule) error {
			firing, err := client.RunAutomationSchedule(ctx, s.ID)
			if err != nil {
				return err
			}
			if s.Playbook.ID != 0 && !noFollow {
				firing, err = a.startedFiring(ctx, client, s.ID, firing)
			}
			if err != nil {
				return err
			}
			if noFollow || s.Playbook.ID != 0 {
				if f.format() == formatJSON {
					return writeJSON(a.stdout, firing)
				}
				return a.writeUpright(f, "firing", firingTable(firing))
			}
			if firing, err = a.startedFiring(ctx, client, s.ID, firing); err != nil {
				return err
			}
			r, err := a.follow(ctx, client, qpsclient.CommandRun{ID: firing.RunID})
			if err != nil {
				return err
			}
			return a.reportRun(f, r)
		}),
	}
	cmd.Flags().BoolVar(&noFollow, "no-follow", false, "only ask for the run, and show the firing")
	return cmd
}

// startedFiring waits until a firing by hand has its run, and returns it with that.
func (a *app) startedFiring(ctx context.Context, client *qpsclient.Client, scheduleID int64, firing qpsclient.Firing) (qpsclient.Firing, error) {
	over := time.NewTimer(firingLimit)
	defer over.Stop()
	again := time.NewTicker(firingLook)
	defer again.Stop()
	for {
		firings, err := client.Firings(ctx, scheduleID, 0)
		if err != nil {
			return firing, err
		}
		for _, now := range firings {
			if (now.RunID != 0 || now.PlaybookRunID != 0) && now.ByHand && now.At.Equal(firing.At) {
				return now, nil
			}
		}
		select {
		case <-again.C:
		case <-over.C:
			return firing, fault.New(fault.Busy, fmt.Sprintf("The run has not begun within %s.", firingLimit), fmt.Sprintf("It begins when the platform has time; see: vedette automation schedules firings %d", scheduleID))
		case <-ctx.Done():
			return firing, ctx.Err()
		}
	}
}

func newSchedulesDelete(a *app, f *clientFlags) *cobra.Command {
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use: "delete SCHEDULE…", Short: "Delete schedules", Args: minArgs("SCHEDULE"),
		Long:    "Deletes schedules and their firings with --yes; without it, only says which. Runs stay,\nand those at work go on.",
		Example: "  vedette automation schedules delete SOC/hourly\n  vedette automation schedules delete SOC/hourly 4 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if yes && dryRun {
				return usagef("--yes and --dry-run exclude each other")
			}
			return a.byCall(f, "Delete Schedules failed.", func(client *qpsclient.Client) error {
				return a.deleteSchedules(cmd.Context(), client, args, yes)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be deleted, as without --yes")
	return cmd
}

// deleteSchedules deletes the schedules that arguments name, or says which it would
// delete.
func (a *app) deleteSchedules(ctx context.Context, client *qpsclient.Client, names []string, yes bool) error {
	found := make([]qpsclient.AutomationSchedule, len(names))
	for i, text := range names {
		var err error
		if found[i], err = findSchedule(ctx, client, text); err != nil {
			return err
		}
	}
	for i, s := range found {
		if !yes {
			fmt.Fprintf(a.stdout, "Schedule %d (%s) would be deleted.\n", s.ID, printable(quote(qualifiedSchedule(s))))
			continue
		}
		if err := client.DeleteAutomationSchedule(ctx, s.ID); err != nil {
			if i > 0 {
				fmt.Fprintf(a.stderr, "Deleted before that: %s.\n", counted(i, "schedule"))
			}
			return err
		}
	}
	if !yes {
		fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
		return nil
	}
	_, err := fmt.Fprintf(a.stdout, "Deleted: %s.\n", counted(len(found), "schedule"))
	return err
}
