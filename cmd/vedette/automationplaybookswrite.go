package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/qps/qpsclient"
)

// checkedFile is a file with a playbook, and what was found in it.
type checkedFile struct {
	File string `json:"file"`
	qpsclient.PlaybookCheck
}

func newPlaybooksCheck(a *app, f *clientFlags) *cobra.Command {
	var site string
	var offline bool
	cmd := &cobra.Command{
		Use: "check FILE…", Short: "Check files with playbooks", Args: minArgs("FILE"),
		Long: `Checks files with one playbook each, - for standard input, and prints everything that
is wrong as FILE:LINE:COLUMN. Nothing is stored.

A playbook that another one calls has to be live on the platform. With --offline no
platform is asked: commands are those that this program knows, and playbooks those of
the other files.

Exit codes: 0 all are right, 1 something is wrong.`,
		Example: "  vedette automation playbooks check rescan.yaml\n  vedette automation playbooks check playbooks/*.yaml --offline",
		RunE: func(cmd *cobra.Command, args []string) error {
			checked, err := a.readPlaybooks(args)
			if err == nil && offline {
				err = checkOffline(checked)
			} else if err == nil {
				err = a.byCall(f, "Check Playbook failed.", func(client *qpsclient.Client) error { return checkOnline(cmd.Context(), client, site, checked) })
			}
			if err != nil {
				return err
			}
			return a.writeChecked(f, checked)
		},
	}
	cmd.Flags().StringVar(&site, "site", "", "`site` whose playbooks they can call, by ID or name (default that of the playbook with this name, or your only one)")
	cmd.Flags().BoolVar(&offline, "offline", false, "ask no platform")
	cmd.MarkFlagsMutuallyExclusive("site", "offline")
	a.completeFlagNames(cmd, f, "site", siteNames)
	return cmd
}

// fileText is a file with its text.
type fileText struct {
	checkedFile
	text string
}

// readPlaybooks reads files with playbooks.
func (a *app) readPlaybooks(names []string) ([]fileText, error) {
	files := make([]fileText, len(names))
	for i, name := range names {
		text, err := a.readInput(name, playbook.MaxFileBytes)
		if err != nil {
			return nil, err
		}
		files[i] = fileText{checkedFile{File: name}, string(text)}
	}
	return files, nil
}

// checkOnline has a platform check files.
func checkOnline(ctx context.Context, client *qpsclient.Client, site string, files []fileText) error {
	for i := range files {
		home, err := findHome(ctx, client, site, "", files[i].text)
		if err != nil {
			return err
		}
		if files[i].PlaybookCheck, err = client.CheckPlaybook(ctx, home.siteID, files[i].text); err != nil {
			return err
		}
	}
	return nil
}

// checkOffline checks files against what this program knows, and each other.
func checkOffline(files []fileText) error {
	var all []library.Version
	for i := range files {
		if d, problems := playbook.Parse([]byte(files[i].text)); problems == nil {
			all = append(all, library.Version{Playbook: d.Name, Source: files[i].text})
		}
	}
	for i := range files {
		program, problems, err := library.Compile(files[i].text, all)
		if err != nil {
			return err
		}
		files[i].Problems = []qpsclient.PlaybookProblem{}
		for _, p := range problems {
			files[i].Problems = append(files[i].Problems, qpsclient.PlaybookProblem{Line: p.Line, Column: p.Column, Path: p.Path, Message: p.Message, Hint: p.Hint})
		}
		if program != nil {
			files[i].Name, files[i].Description = program.Definition.Name, program.Definition.Description
		}
	}
	return nil
}

// writeChecked writes what was found in files; something that is wrong makes the
// command fail.
func (a *app) writeChecked(f *clientFlags, files []fileText) error {
	wrong := slices.ContainsFunc(files, func(file fileText) bool { return len(file.Problems) > 0 })
	var err error
	switch f.format() {
	case formatTable:
		for _, file := range files {
			writeProblems(a.stdout, file.File, file.Problems)
			if len(file.Problems) == 0 {
				fmt.Fprintf(a.stdout, "%s: playbook %s is right.\n", sourceName(file.File), file.Name)
			}
		}
	case formatJSON:
		list := make([]checkedFile, len(files))
		for i := range files {
			list[i] = files[i].checkedFile
		}
		err = writeJSON(a.stdout, map[string]any{"files": list})
	default:
		t := automation.Table{Columns: []string{"FILE", "LINE", "COLUMN", "PATH", "MESSAGE", "HINT"}}
		for _, file := range files {
			for _, p := range file.Problems {
				t.Rows = append(t.Rows, []string{file.File, strconv.Itoa(p.Line), strconv.Itoa(p.Column), p.Path, p.Message, p.Hint})
			}
		}
		err = f.writeRows(a.stdout, "problems", "problem", t)
	}
	if err == nil && wrong {
		err = outcomeError{automation.Outcome{State: automation.Failed}} // which was told
	}
	return err
}

// writeProblems writes what is wrong with a file, as compilers do.
func writeProblems(w io.Writer, file string, problems []qpsclient.PlaybookProblem) {
	for _, p := range problems {
		line := playbook.Problem{Place: playbook.Place{Line: p.Line, Column: p.Column, Path: p.Path}, Message: p.Message, Hint: p.Hint}
		fmt.Fprintf(w, "%s:%s\n", sourceName(file), printable(line.String()))
	}
}

// playbookHome is where the text of a playbook belongs.
type playbookHome struct {
	siteID int64              // 0 for the only one
	found  qpsclient.Playbook // without an id it is new
}

// findHome returns where a text belongs: to the playbook that is named, or to the one
// with its name.
func findHome(ctx context.Context, client *qpsclient.Client, site, named, text string) (playbookHome, error) {
	if named != "" {
		p, err := findPlaybook(ctx, client, named)
		return playbookHome{p.Site.ID, p}, err
	}
	var home playbookHome
	if site != "" {
		s, err := findSite(ctx, client, site)
		if err != nil {
			return home, err
		}
		home.siteID = s.ID
	}
	d, problems := playbook.Parse([]byte(text))
	if problems != nil {
		return home, nil // the platform says what is wrong
	}
	list, err := client.Playbooks(ctx, "")
	if err != nil {
		return home, err
	}
	list = slices.DeleteFunc(list, func(p qpsclient.Playbook) bool {
		return p.Name != d.Name || home.siteID != 0 && p.Site.ID != home.siteID
	})
	switch len(list) {
	case 0:
		return home, nil
	case 1:
		return playbookHome{list[0].Site.ID, list[0]}, nil
	}
	return home, usagef("several of your sites have a playbook %s: use --site", quote(d.Name))
}

func newPlaybooksSave(a *app, f *clientFlags) *cobra.Command {
	var site, named string
	var base int64
	var publish bool
	cmd := &cobra.Command{
		Use: "save FILE", Short: "Save a file as a playbook, or as its newest version", Args: exactArgs("FILE"),
		Long: `Saves a text, - for standard input. Where there is a playbook with its name it becomes
the newest version of that, the draft; otherwise a new playbook. A text that the draft
has already makes no new version. What is wrong is printed as FILE:LINE:COLUMN, and
then nothing is saved.

What is live stays so until another version is published, here with --publish.`,
		Example: `  vedette automation playbooks save rescan.yaml --site SOC
  vedette automation playbooks save rescan.yaml --publish
  vedette automation playbooks save renamed.yaml --playbook rescan-stale-hosts
  vedette automation playbooks save rescan.yaml --base 3`,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := a.readPlaybooks(args)
			if err != nil {
				return err
			}
			return a.byCall(f, "Save Playbook failed.", func(client *qpsclient.Client) error {
				ctx := cmd.Context()
				home, err := findHome(ctx, client, site, named, files[0].text)
				if err != nil {
					return err
				}
				p, err := a.savePlaybook(ctx, client, home, base, files[0])
				if err == nil && publish {
					p, err = client.PublishPlaybook(ctx, p.ID, p.Latest)
				}
				if err != nil {
					return a.toldProblems(args[0], err)
				}
				return a.writePlaybook(f, p)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&site, "site", "", "`site` it belongs to, by ID or name (default your only one)")
	flags.StringVar(&named, "playbook", "", "`playbook` that the text is for, if not the one with its name: it is renamed")
	numberFlag(flags, &base, "base", 0, 0, int64(1)<<53, "refuse if there is a newer version than this `number`")
	flags.BoolVar(&publish, "publish", false, "make it live as well")
	cmd.MarkFlagsMutuallyExclusive("site", "playbook")
	a.completeFlagNames(cmd, f, "site", siteNames)
	a.completeFlagNames(cmd, f, "playbook", playbookNames)
	return cmd
}

func (a *app) savePlaybook(ctx context.Context, client *qpsclient.Client, home playbookHome, base int64, file fileText) (qpsclient.Playbook, error) {
	if home.found.ID == 0 {
		return client.CreatePlaybook(ctx, home.siteID, file.text)
	}
	p, err := client.SavePlaybook(ctx, home.found.ID, base, file.text)
	if err == nil && p.Latest == home.found.Latest {
		fmt.Fprintf(a.stderr, "Version %d has this text already.\n", p.Latest)
	}
	return p, err
}

// toldProblems prints what is wrong with a file, if that is the error, and returns
// what else is to be said.
func (a *app) toldProblems(file string, err error) error {
	refused, ok := errors.AsType[*qpsclient.StatusError](err)
	if !ok || len(refused.Problems) == 0 {
		return err
	}
	writeProblems(a.stderr, file, refused.Problems)
	return outcomeError{automation.Outcome{State: automation.Failed}}
}

func newPlaybooksPublish(a *app, f *clientFlags) *cobra.Command {
	var number int64
	cmd := &cobra.Command{
		Use: "publish PLAYBOOK", Short: "Make a version the one that is started", Args: exactArgs("PLAYBOOK"),
		Long: `Makes the newest version live, or another one. Runs under way stay with theirs. What
its triggers start runs with your rights, so you need the right to run playbooks.`,
		Example: "  vedette automation playbooks publish rescan-stale-hosts\n  vedette automation playbooks publish rescan-stale-hosts --version 3",
		RunE: a.byPlaybook(f, "Publish Playbook failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			published, err := client.PublishPlaybook(ctx, p.ID, number)
			if err != nil {
				return a.toldProblems(p.Name, err)
			}
			return a.writePlaybook(f, published)
		}),
	}
	numberFlag(cmd.Flags(), &number, "version", 0, 0, int64(1)<<53, "this `number` of version (default the newest)")
	return cmd
}

func newPlaybooksWithdraw(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "withdraw PLAYBOOK", Short: "Take the live version away", Args: exactArgs("PLAYBOOK"),
		Long:    "Takes the live version away: nothing starts the playbook any more, but those who try its\ndraft. Runs under way go on.",
		Example: "  vedette automation playbooks withdraw rescan-stale-hosts",
		RunE: a.byPlaybook(f, "Withdraw Playbook failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			withdrawn, err := client.WithdrawPlaybook(ctx, p.ID)
			if err != nil {
				return err
			}
			return a.writePlaybook(f, withdrawn)
		}),
	}
}

func newPlaybooksDelete(a *app, f *clientFlags) *cobra.Command {
	var yes, dryRun bool
	cmd := &cobra.Command{
		Use: "delete PLAYBOOK…", Short: "Delete playbooks", Args: minArgs("PLAYBOOK"),
		Long:    "Deletes playbooks with their versions with --yes; without it, only says which. Runs that\nhave ended stay; a playbook with others is not deleted.",
		Example: "  vedette automation playbooks delete SOC/onboard\n  vedette automation playbooks delete SOC/onboard 4 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if yes && dryRun {
				return usagef("--yes and --dry-run exclude each other")
			}
			return a.byCall(f, "Delete Playbooks failed.", func(client *qpsclient.Client) error {
				return a.deletePlaybooks(cmd.Context(), client, args, yes)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show what would be deleted, as without --yes")
	return cmd
}

// deletePlaybooks deletes the playbooks that arguments name, or says which it would
// delete.
func (a *app) deletePlaybooks(ctx context.Context, client *qpsclient.Client, names []string, yes bool) error {
	found := make([]qpsclient.Playbook, len(names))
	for i, text := range names {
		var err error
		if found[i], err = findPlaybook(ctx, client, text); err != nil {
			return err
		}
	}
	for i, p := range found {
		if !yes {
			fmt.Fprintf(a.stdout, "Playbook %d (%s) would be deleted.\n", p.ID, printable(quote(qualifiedPlaybook(p))))
			continue
		}
		if err := client.DeletePlaybook(ctx, p.ID); err != nil {
			if i > 0 {
				fmt.Fprintf(a.stderr, "Deleted before that: %s.\n", counted(i, "playbook"))
			}
			return err
		}
	}
	if !yes {
		fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
		return nil
	}
	_, err := fmt.Fprintf(a.stdout, "Deleted: %s.\n", counted(len(found), "playbook"))
	return err
}
