package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

func newAutomationCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "automation", "Connect a platform to others, and run commands there",
		`The automation layer of a Vedette platform calls platforms: Qualys subscriptions,
other Vedette platforms, or itself. A connection is such a platform with the account
that is used there; it belongs to a site, says who may use it, and is checked by
itself. Commands are run with a connection, and every run is kept with what went in
and what came out.

'vedette connections' are something else: where this command line calls a platform.`)
	group.Example = `  vedette automation integrations show qualys-cloud-agent
  vedette automation sites create SOC && vedette automation sites members SOC --add ann
  vedette automation connections create "Qualys prod" --site SOC --platform "Qualys US Platform 2" \
      --account acme_ab1 --account-password-file pw
  vedette automation run "Qualys prod" search-cloud-agents --input os=Windows
  vedette automation runs list
  vedette automation schedules create hourly "Qualys prod" search-cloud-agents --every 1h
  vedette automation playbooks save rescan.yaml --publish && vedette automation playbooks run rescan`
	group.AddCommand(
		newIntegrationsCommand(a, f), newSitesCommand(a, f), newAutomationConnectionsCommand(a, f),
		newCommandsCommand(a, f), newAutomationRun(a, f), newRunsCommand(a, f), newAutomationSchedulesCommand(a, f),
		newMailCommand(a, f), newWebhookCommand(a, f), newNoticesCommand(a, f), newPlaybooksCommand(a, f))
	return group
}

// automationFailure is the error of a command of the automation layer.
func automationFailure(indicator string, err error) error {
	if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
		return errors.New("this platform is not a Vedette platform: it has no automation layer")
	}
	if _, told := errors.AsType[outcomeError](err); told {
		return err
	}
	return platformFailure(indicator, err)
}

// byCall makes the client of a command, and has the errors of its call begin with an
// indicator.
func (a *app) byCall(f *clientFlags, indicator string, call func(*qpsclient.Client) error) error {
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	return automationFailure(indicator, call(client))
}

// findConnection returns the connection that an argument names: by its id, its name,
// or its site and its name with a slash in between.
func findConnection(ctx context.Context, client *qpsclient.Client, text string) (qpsclient.Connection, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return client.Connection(ctx, id)
	}
	if text == "" {
		return qpsclient.Connection{}, usagef("the name of a connection is empty")
	}
	list, err := client.Connections(ctx, qpsclient.ConnectionQuery{Name: text[strings.LastIndex(text, "/")+1:]})
	if err != nil {
		return qpsclient.Connection{}, err
	}
	list = slices.DeleteFunc(list, func(c qpsclient.Connection) bool { return c.Name != text && qualifiedName(c) != text })
	switch len(list) {
	case 0:
		return qpsclient.Connection{}, fault.New(fault.NotFound, fmt.Sprintf("There is no connection %s.", quote(text)), "'vedette automation connections list' lists the connections there are.")
	case 1:
		return list[0], nil
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = fmt.Sprintf("%s (%d)", quote(qualifiedName(c)), c.ID)
	}
	return qpsclient.Connection{}, usagef("there are several connections %s: use %s", quote(text), strings.Join(names, " or "))
}

// qualifiedName is the name that no other connection has.
func qualifiedName(c qpsclient.Connection) string { return c.Home().Name + "/" + c.Name }

// connectionNames are the names by which connections are found, with the site where
// several have the same.
func connectionNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	list, err := client.Connections(ctx, qpsclient.ConnectionQuery{})
	count := map[string]int{}
	for _, c := range list {
		count[c.Name]++
	}
	names := make([]string, len(list))
	for i, c := range list {
		if names[i] = c.Name; count[c.Name] > 1 {
			names[i] = qualifiedName(c)
		}
	}
	return names, err
}

// findSite returns the site that an argument names by id or by name.
func findSite(ctx context.Context, client *qpsclient.Client, text string) (qpsclient.Site, error) {
	sites, err := client.Sites(ctx)
	if err != nil {
		return qpsclient.Site{}, err
	}
	for _, s := range sites {
		if s.Name == text || strconv.FormatInt(s.ID, 10) == text {
			return s, nil
		}
	}
	return qpsclient.Site{}, fault.New(fault.NotFound, fmt.Sprintf("There is no site %s.", quote(text)), "'vedette automation sites list' lists the sites there are.")
}

func siteNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	sites, err := client.Sites(ctx)
	names := make([]string, len(sites))
	for i, s := range sites {
		names[i] = s.Name
	}
	return names, err
}

func integrationNames(ctx context.Context, client *qpsclient.Client) ([]string, error) {
	list, err := client.Integrations(ctx, "")
	names := make([]string, len(list))
	for i, of := range list {
		names[i] = of.Name
	}
	return names, err
}

// completeFlagNames completes the names that a flag takes.
func (a *app) completeFlagNames(cmd *cobra.Command, f *clientFlags, flag string, names nameSource) {
	if err := cmd.RegisterFlagCompletionFunc(flag, a.completeNames(f, names, 0)); err != nil {
		panic(err) // the flag was not defined, or this is called twice
	}
}

// writeSection writes a table under a heading, nothing where it has no rows.
func (a *app) writeSection(heading string, t automation.Table) error {
	if len(t.Rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(a.stdout, "\n%s\n\n", heading); err != nil {
		return err
	}
	return writeTable(a.stdout, t)
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
