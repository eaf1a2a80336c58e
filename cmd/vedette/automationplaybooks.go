package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newPlaybooksCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("playbooks", "Save, publish and run playbooks, and answer what they ask",
		`A playbook is a text in YAML: steps that run commands, wait, ask people, and say what
happens when one fails. Its versions never change. The newest is the draft; one of
them may be live, which is the one that is started. A playbook belongs to a site.
PLAYBOOK is the ID or the name of a playbook, or SITE/NAME.`)
	group.Example = `  vedette automation playbooks shipped rescan-stale-hosts > rescan.yaml
  vedette automation playbooks check rescan.yaml
  vedette automation playbooks save rescan.yaml --site SOC --publish
  vedette automation playbooks run rescan-stale-hosts --input connection=lab --input days=14
  vedette automation playbooks questions list --mine
  vedette automation playbooks runs again 12`
	ofOne := []*cobra.Command{
		newPlaybooksShow(a, f), newPlaybooksText(a, f), newPlaybooksVersions(a, f), newPlaybooksDiff(a, f), newPlaybooksPublish(a, f), newPlaybooksWithdraw(a, f), newPlaybooksRun(a, f),
	}
	ofSome := []*cobra.Command{newPlaybooksDelete(a, f)}
	a.completeNamesOf(f, playbookNames, 1, ofOne...)
	a.completeNamesOf(f, playbookNames, 0, ofSome...)
	group.AddCommand(ofOne...)
	group.AddCommand(ofSome...)
	group.AddCommand(newPlaybooksList(a, f), newPlaybooksCheck(a, f), newPlaybooksSave(a, f), newPlaybooksShipped(a, f), newPlaybookRunsCommand(a, f), newPlaybookSecretsCommand(a, f), newQuestionsCommand(a, f))
	return group
}

// findPlaybook returns the playbook that an argument names: by its id, its name, or
// its site and its name with a slash in between.
func findPlaybook(ctx context.Context, client *qpsclient.Client, text string) (qpsclient.Playbook, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return client.Playbook(ctx, id)
	}
	list, err := client.Playbooks(ctx, "")
	if err != nil {
		return qpsclient.Playbook{}, err
	}
	list = slices.DeleteFunc(list, func(p qpsclient.Playbook) bool { return p.Name != text && qualifiedPlaybook(p) != text })
	switch len(list) {
	case 0:
		return qpsclient.Playbook{}, fault.New(fault.NotFound, fmt.Sprintf("There is no playbook %s.", quote(text)), "'vedette automation playbooks list' lists the playbooks there are.")
	case 1:
		return list[0], nil
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = fmt.Sprintf("%s (%d)", qualifiedPlaybook(p), p.ID)
	}
	return qpsclient.Playbook{}, usagef("there are several playbooks %s: use %s", quote(text), strings.Join(names, " or "))
}

// qualifiedPlaybook is the name that no other playbook has.
func qualifiedPlaybook(p qpsclient.Playbook) string { return p.Site.Name + "/" + p.Name }

// playbookNames are the names by which playbooks are found, with the site where
// several have the same.
func playbookNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	list, err := client.Playbooks(ctx, "")
	count := map[string]int{}
	for _, p := range list {
		count[p.Name]++
	}
	names := make([]string, len(list))
	for i, p := range list {
		if names[i] = p.Name; count[p.Name] > 1 {
			names[i] = qualifiedPlaybook(p)
		}
	}
	return names, err
}

// byPlaybook makes a command of one playbook, which is found before it is called.
func (a *app) byPlaybook(f *clientFlags, indicator string, call func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return a.byCall(f, indicator, func(client *qpsclient.Client) error {
			p, err := findPlaybook(cmd.Context(), client, args[0])
			if err != nil {
				return err
			}
			return call(cmd.Context(), client, p)
		})
	}
}

func newPlaybooksList(a *app, f *clientFlags) *cobra.Command {
	var site string
	cmd := &cobra.Command{
		Use: "list", Short: "List playbooks", Args: noArgs,
		Long:    "Lists the playbooks of your sites: which version is live, and which is the newest.",
		Example: "  vedette automation playbooks list\n  vedette automation playbooks list --site SOC -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "List Playbooks failed.", func(client *qpsclient.Client) error {
				list, err := client.Playbooks(cmd.Context(), site)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"playbooks": list})
				}
				t := playbookTable(list...)
				if f.format() == formatTable {
					if len(list) == 0 {
						fmt.Fprintln(a.stderr, "There is no such playbook. 'vedette automation playbooks shipped' lists some to start from.")
					}
					t = columnsOf(t, "ID", "SITE", "NAME", "LIVE", "LATEST", "PUBLISHER", "MODIFIED") // what fits beside each other
				}
				return f.writeRows(a.stdout, "playbooks", "playbook", t)
			})
		},
	}
	cmd.Flags().StringVar(&site, "site", "", "only playbooks of this `site`, by ID or name")
	a.completeFlagNames(cmd, f, "site", siteNames)
	return cmd
}

func playbookTable(list ...qpsclient.Playbook) automation.Table {
	t := automation.Table{Columns: []string{"ID", "SITE", "NAME", "DESCRIPTION", "LIVE", "LATEST", "PUBLISHER", "CREATED", "MODIFIED"}, TimeColumns: []string{"CREATED", "MODIFIED"}}
	for _, p := range list {
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(p.ID, 10), p.Site.Name, p.Name, p.Description, numberOrNone(p.Live), strconv.FormatInt(p.Latest, 10), p.Publisher,
			qps.FormatTime(p.Created), qps.FormatTime(p.Modified),
		})
	}
	return t
}

// numberOrNone is a number as text, nothing for zero.
func numberOrNone(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func (a *app) writePlaybook(f *clientFlags, p qpsclient.Playbook) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, p)
	}
	return a.writeUpright(f, "playbook", playbookTable(p))
}

func newPlaybooksShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show PLAYBOOK", Aliases: []string{"get"}, Short: "Show one playbook, and what its runs are told", Args: exactArgs("PLAYBOOK"),
		Long:    "Shows a playbook with the inputs of its live version, or of its draft where none is live.\n'vedette automation playbooks text' prints its text.",
		Example: "  vedette automation playbooks show rescan-stale-hosts\n  vedette automation playbooks show SOC/onboard -o json",
		RunE: a.byPlaybook(f, "Show Playbook failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			if err := a.writePlaybook(f, p); err != nil || f.format() != formatTable {
				return err
			}
			v, err := client.PlaybookVersion(ctx, p.ID, p.Live)
			if err != nil {
				return err
			}
			return a.writeSection("Inputs:", playbookInputTable(v.Inputs))
		}),
	}
}

func playbookInputTable(inputs []qpsclient.PlaybookInput) automation.Table {
	t := automation.Table{Columns: []string{"NAME", "TYPE", "REQUIRED", "DEFAULT", "CHOICES", "DESCRIPTION"}}
	for _, in := range inputs {
		t.Rows = append(t.Rows, []string{in.Name, in.Type, yesNo(in.Required), string(in.Default), strings.Join(in.Choices, ", "), in.Description})
	}
	return t
}

// versionFlags choose a version of a playbook; without them it is the live one.
type versionFlags struct {
	number int64
	draft  bool
}

func (v *versionFlags) define(cmd *cobra.Command) {
	numberFlag(cmd.Flags(), &v.number, "version", 0, 0, int64(1)<<53, "this `number` of version (default the live one)")
	cmd.Flags().BoolVar(&v.draft, "draft", false, "the newest version")
	cmd.MarkFlagsMutuallyExclusive("version", "draft")
}

// of returns the number of the chosen version; 0 is the newest, which stands for the
// live one where there is none if so is wanted.
func (v *versionFlags) of(p qpsclient.Playbook) int64 {
	switch {
	case v.draft:
		return 0
	case v.number != 0:
		return v.number
	}
	return p.Live
}

func newPlaybooksText(a *app, f *clientFlags) *cobra.Command {
	var v versionFlags
	cmd := &cobra.Command{
		Use: "text PLAYBOOK", Short: "Print the text of a playbook", Args: exactArgs("PLAYBOOK"),
		Long:    "Prints the text of the live version of a playbook, or of its draft where none is live.",
		Example: "  vedette automation playbooks text rescan-stale-hosts > rescan.yaml\n  vedette automation playbooks text rescan-stale-hosts --version 3",
		RunE: a.byPlaybook(f, "Read Playbook failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			version, err := client.PlaybookVersion(ctx, p.ID, v.of(p))
			if err != nil {
				return err
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, version)
			}
			_, err = io.WriteString(a.stdout, version.Text)
			return err
		}),
	}
	v.define(cmd)
	return cmd
}

func newPlaybooksVersions(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "versions PLAYBOOK", Short: "List the versions of a playbook, newest first", Args: exactArgs("PLAYBOOK"),
		Long:    "Lists the versions of a playbook, who saved them and when, and which one is live.",
		Example: "  vedette automation playbooks versions rescan-stale-hosts",
		RunE: a.byPlaybook(f, "List Versions failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			versions, err := client.PlaybookVersions(ctx, p.ID)
			if err != nil {
				return err
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"versions": versions})
			}
			t := automation.Table{Columns: []string{"VERSION", "LIVE", "AUTHOR", "CREATED"}, TimeColumns: []string{"CREATED"}}
			for _, v := range versions {
				t.Rows = append(t.Rows, []string{strconv.FormatInt(v.Number, 10), yesNo(v.Live), v.Author, qps.FormatTime(v.Created)})
			}
			return f.writeRows(a.stdout, "versions", "version", t)
		}),
	}
}

func newPlaybooksDiff(a *app, f *clientFlags) *cobra.Command {
	var from, to int64
	cmd := &cobra.Command{
		Use: "diff PLAYBOOK", Short: "Show what is different between two versions", Args: exactArgs("PLAYBOOK"),
		Long:    "Shows the lines that are different between two versions, by default between the live one\nand the draft. Nothing is printed where they are the same.",
		Example: "  vedette automation playbooks diff rescan-stale-hosts\n  vedette automation playbooks diff rescan-stale-hosts --from 2 --to 3",
		RunE: a.byPlaybook(f, "Compare Versions failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			if from == 0 {
				from = p.Live
			}
			if from == 0 {
				return usagef("playbook %s has no live version: use --from", quote(p.Name))
			}
			before, err := client.PlaybookVersion(ctx, p.ID, from)
			if err != nil {
				return err
			}
			after, err := client.PlaybookVersion(ctx, p.ID, to)
			if err != nil {
				return err
			}
			name := func(v qpsclient.PlaybookVersion) string { return fmt.Sprintf("%s version %d", p.Name, v.Number) }
			_, err = a.stdout.Write(diff.Diff(name(before), []byte(before.Text), name(after), []byte(after.Text)))
			return err
		}),
	}
	numberFlag(cmd.Flags(), &from, "from", 0, 0, int64(1)<<53, "`number` of the older version (default the live one)")
	numberFlag(cmd.Flags(), &to, "to", 0, 0, int64(1)<<53, "`number` of the newer version (default the newest)")
	return cmd
}

func newPlaybooksShipped(a *app, f *clientFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use: "shipped [NAME]", Short: "List the playbooks that come with the product, or print one", Args: func(cmd *cobra.Command, args []string) error { return noArgs(cmd, args[min(len(args), 1):]) },
		Long:    "Lists playbooks to start from, or prints the text of one. Save it as it is, or under a\nname of your own.",
		Example: "  vedette automation playbooks shipped\n  vedette automation playbooks shipped launch-and-report > launch.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "List Shipped Playbooks failed.", func(client *qpsclient.Client) error {
				list, err := client.ShippedPlaybooks(cmd.Context())
				if err != nil {
					return err
				}
				if len(args) == 1 {
					return a.writeShipped(f, list, args[0])
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"playbooks": list})
				}
				t := automation.Table{Columns: []string{"NAME", "DESCRIPTION"}}
				for _, p := range list {
					t.Rows = append(t.Rows, []string{p.Name, p.Description})
				}
				return f.writeRows(a.stdout, "playbooks", "playbook", t)
			})
		},
	}
	a.completeNamesOf(f, shippedNames, 1, cmd)
	return cmd
}

func (a *app) writeShipped(f *clientFlags, list []qpsclient.ShippedPlaybook, name string) error {
	i := slices.IndexFunc(list, func(p qpsclient.ShippedPlaybook) bool { return p.Name == name })
	if i < 0 {
		return fault.New(fault.NotFound, fmt.Sprintf("There is no shipped playbook %s.", quote(name)), "'vedette automation playbooks shipped' lists those there are.")
	}
	if f.format() == formatJSON {
		return writeJSON(a.stdout, list[i])
	}
	_, err := io.WriteString(a.stdout, list[i].Text)
	return err
}

func shippedNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	list, err := client.ShippedPlaybooks(ctx)
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return names, err
}
