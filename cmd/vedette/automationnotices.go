package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newNoticesCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("notices", "See what people were told, and how far its delivery is",
		`A notice is something that people are told: that a connection stopped working, works
again, that a schedule was paused. It is delivered by mail and by the webhook, each
tried for a day with growing pauses. Notices are kept for 30 days. For managers.`)
	group.Example = `  vedette automation notices list --state failed
  vedette automation notices show 12
  vedette automation notices retry 12`
	ofOne := []*cobra.Command{newNoticesShow(a, f), newNoticesRetry(a, f)}
	a.completeNamesOf(f, openNotices, 1, ofOne...)
	group.AddCommand(ofOne...)
	group.AddCommand(newNoticesList(a, f))
	return group
}

// openNotices are the ids of notices that not everybody has.
func openNotices(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	var ids []string
	for _, state := range []qpsclient.NoticeState{qpsclient.NoticeFailed, qpsclient.NoticePending} {
		found, err := client.Notices(ctx, qpsclient.NoticeQuery{State: state})
		if err != nil {
			return nil, err
		}
		for _, n := range found {
			ids = append(ids, strconv.FormatInt(n.ID, 10))
		}
	}
	return ids, nil
}

func noticeTable(notices ...qpsclient.Notice) automation.Table {
	t := automation.Table{Columns: []string{"ID", "KIND", "ABOUT", "HAPPENED", "STATE", "MAIL", "WEBHOOK", "MAIL TO", "KEY"}, TimeColumns: []string{"HAPPENED"}}
	for _, n := range notices {
		states := map[string]string{}
		for _, d := range n.Deliveries {
			states[d.Channel] = string(d.State)
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(n.ID, 10), n.Kind, subjectOf(n), qps.FormatTime(n.Happened), string(n.State), states["mail"], states["webhook"],
			strings.Join(n.MailTo, ", "), n.Key,
		})
	}
	return t
}

// subjectOf names what a notice is about.
func subjectOf(n qpsclient.Notice) string {
	var event struct{ Schedule, Playbook, Connection, Runs, By string }
	if json.Unmarshal(n.Event, &event) != nil {
		return ""
	}
	return cmp.Or(event.Schedule, event.Playbook, event.Connection, event.Runs, event.By)
}

func deliveryTable(n qpsclient.Notice) automation.Table {
	t := automation.Table{Columns: []string{"CHANNEL", "STATE", "ATTEMPTS", "NEXT", "UNTIL", "ENDED", "NOT YET", "REFUSED"}, TimeColumns: []string{"NEXT", "UNTIL", "ENDED"}}
	for _, d := range n.Deliveries {
		t.Rows = append(t.Rows, []string{
			d.Channel, string(d.State), strconv.Itoa(d.Attempts), qps.FormatTime(d.Next), qps.FormatTime(d.Until), qps.FormatTime(d.Ended),
			strings.Join(d.To, ", "), strings.Join(d.Refused, ", "),
		})
	}
	return t
}

func (a *app) writeNotice(f *clientFlags, n qpsclient.Notice) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, n)
	}
	if err := a.writeUpright(f, "notice", noticeTable(n)); err != nil || f.format() != formatTable {
		return err
	}
	if err := a.writeSection("Deliveries:", deliveryTable(n).Shown(f.times)); err != nil {
		return err
	}
	for _, d := range n.Deliveries {
		if d.Failure == "" {
			continue
		}
		if _, err := fmt.Fprintf(a.stdout, "\nThe last attempt by %s: %s\n", d.Channel, printable(strings.TrimSpace(d.Failure+" "+d.Resolution))); err != nil {
			return err
		}
	}
	return nil
}

func newNoticesList(a *app, f *clientFlags) *cobra.Command {
	var q qpsclient.NoticeQuery
	var state string
	states := []string{string(qpsclient.NoticePending), string(qpsclient.NoticeDelivered), string(qpsclient.NoticeFailed)}
	cmd := &cobra.Command{
		Use: "list", Short: "List notices, newest first", Args: noArgs,
		Long: `Lists what people were told, or are to be, with the state of each channel. Pending is
tried, or tried again; of failed, not everybody has it and it is not tried any more.`,
		Example: "  vedette automation notices list\n  vedette automation notices list --state failed -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q.State = qpsclient.NoticeState(state)
			return a.byCall(f, "List Notices failed.", func(client *qpsclient.Client) error {
				found, err := client.Notices(cmd.Context(), q)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"notices": found})
				}
				if f.format() == formatTable && len(found) == 0 {
					fmt.Fprintln(a.stderr, "There is no such notice.")
				}
				t := noticeTable(found...)
				if f.format() == formatTable { // what fits beside each other
					t = columnsOf(t, "ID", "KIND", "ABOUT", "HAPPENED", "STATE", "MAIL", "WEBHOOK")
				}
				return f.writeRows(a.stdout, "notices", "notice", t)
			})
		},
	}
	flags := cmd.Flags()
	flags.Var(oneOf{&state, states}, "state", "only notices in this state")
	completeOneOf(cmd, "state", states)
	flags.IntVar(&q.Limit, "limit", 0, "at most so many; `number` up to 1000, 100 unless said otherwise")
	flags.Int64Var(&q.Before, "before", 0, "only notices with a lower `ID`")
	return cmd
}

func newNoticesShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show NOTICE", Aliases: []string{"get"}, Short: "Show one notice and its deliveries", Args: exactArgs("NOTICE"),
		Long: `Shows a notice, how far its deliveries are, and what the last attempts came to. With
-o json the event is printed as well.`,
		Example: "  vedette automation notices show 12\n  vedette automation notices show 12 -o json",
		RunE:    a.byNotice(f, "Show Notice failed.", (*qpsclient.Client).Notice),
	}
}

func newNoticesRetry(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "retry NOTICE", Short: "Try again to deliver a notice", Args: exactArgs("NOTICE"),
		Long: `Has what is not delivered of a notice tried from now on, for another day, and whoever
was refused as well. Those who have it do not get it again.`,
		Example: "  vedette automation notices retry 12",
		RunE:    a.byNotice(f, "Retry Notice failed.", (*qpsclient.Client).RetryNotice),
	}
}

// byNotice makes a command that calls for one notice and writes it.
func (a *app) byNotice(f *clientFlags, indicator string, call func(*qpsclient.Client, context.Context, int64) (qpsclient.Notice, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		id, err := parseID("notice", args[0])
		if err != nil {
			return err
		}
		return a.byCall(f, indicator, func(client *qpsclient.Client) error {
			n, err := call(client, cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.writeNotice(f, n)
		})
	}
}
