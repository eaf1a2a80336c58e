package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newAutomationConnectionsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("connections", "Manage the connections of the automation layer",
		`A connection is a platform and the account that is used there. It belongs to a site,
or is shared to all internal sites; --grant says who may use it. Its password goes in
and never comes out. CONNECTION is the ID or the name of a connection, or SITE/NAME.`)
	group.Example = `  vedette automation connections create "Qualys prod" --site SOC --platform "Qualys US Platform 2" \
      --account acme_ab1 --account-password-file pw --grant role:Analyst=use --health-check --check-every 15m
  vedette automation connections test "Qualys prod"
  vedette automation connections update SOC/lab --active=false`
	ofOne := []*cobra.Command{newAutomationConnectionsShow(a, f), newAutomationConnectionsUpdate(a, f), newAutomationConnectionsTest(a, f)}
	ofSome := []*cobra.Command{newAutomationConnectionsDelete(a, f)}
	a.completeNamesOf(f, connectionNames, 1, ofOne...)
	a.completeNamesOf(f, connectionNames, 0, ofSome...)
	group.AddCommand(ofOne...)
	group.AddCommand(ofSome...)
	group.AddCommand(newAutomationConnectionsList(a, f), newAutomationConnectionsCreate(a, f))
	return group
}

func newAutomationConnectionsList(a *app, f *clientFlags) *cobra.Command {
	var q qpsclient.ConnectionQuery
	cmd := &cobra.Command{
		Use: "list", Short: "List connections", Args: noArgs,
		Long:    "Lists the connections that you may use and that meet all filters.",
		Example: "  vedette automation connections list\n  vedette automation connections list --site SOC --name-contains prod -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "List Connections failed.", func(client *qpsclient.Client) error {
				list, err := client.Connections(cmd.Context(), q)
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"connections": list})
				}
				if f.format() == formatTable && len(list) == 0 {
					fmt.Fprintln(a.stderr, "There is no such connection.")
				}
				t := connectionTable(list...)
				if f.format() == formatTable { // what fits beside each other
					t = columnsOf(t, "ID", "SITE", "NAME", "INTEGRATION", "ACTIVE", "HEALTH", "CHECKED", "YOU MAY")
				}
				return f.writeRows(a.stdout, "connections", "connection", t)
			})
		},
	}
	cmd.Flags().StringVar(&q.Site, "site", "", "only connections of this `site`, by ID or name")
	cmd.Flags().StringVar(&q.Integration, "integration", "", "only connections of this `integration`")
	cmd.Flags().StringVar(&q.Name, "name-contains", "", "only connections with this `text` in their name, in any case")
	a.completeFlagNames(cmd, f, "site", siteNames)
	a.completeFlagNames(cmd, f, "integration", integrationNames)
	return cmd
}

func newAutomationConnectionsShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show CONNECTION", Aliases: []string{"get"}, Short: "Show one connection", Args: exactArgs("CONNECTION"),
		Long:    "Shows a connection, its password as ********.",
		Example: "  vedette automation connections show \"Qualys prod\"\n  vedette automation connections show SOC/lab -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Show Connection failed.", func(client *qpsclient.Client) error {
				c, err := findConnection(cmd.Context(), client, args[0])
				if err != nil {
					return err
				}
				return a.writeConnection(f, c)
			})
		},
	}
}

func (a *app) writeConnection(f *clientFlags, c qpsclient.Connection) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, c)
	}
	return a.writeUpright(f, "connection", connectionTable(c))
}

func connectionTable(list ...qpsclient.Connection) automation.Table {
	t := automation.Table{Columns: []string{
		"ID", "SITE", "NAME", "INTEGRATION", "SHARED TO INTERNAL SITES", "RELAY", "DESCRIPTION", "ACTIVE", "USER PERMISSIONS", "PARAMETERS", "MISSING", "PASSWORD VAULT",
		"REQUESTS PER MINUTE", "CONCURRENCY", "HEALTH CHECK", "HEALTH", "CHECKED", "NEXT CHECK", "FAILURES", "SINCE", "YOU MAY", "CREATED", "MODIFIED",
	}, TimeColumns: []string{"CHECKED", "NEXT CHECK", "SINCE", "CREATED", "MODIFIED"}}
	for _, c := range list {
		relay := ""
		if c.Relay != nil {
			relay = cmp.Or(c.Relay.Name, strconv.FormatInt(c.Relay.ID, 10))
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(c.ID, 10), c.Home().Name, c.Name, c.Integration, yesNo(c.ShareToInternalSites), relay, c.Description, yesNo(c.Active),
			permissionText(c.UserPermissions), pairs(c.Parameters), strings.Join(c.Missing, ", "), vaultText(c.PasswordVault), limitText(c.Limits.RequestsPerMinute), limitText(c.Limits.Concurrency),
			checkText(c.HealthCheck), c.Health.Status, qps.FormatTime(c.Health.Checked), qps.FormatTime(c.Health.Next), strconv.Itoa(c.Health.Failures), qps.FormatTime(c.Health.Since),
			c.Level, qps.FormatTime(c.Created), qps.FormatTime(c.Modified),
		})
	}
	return t
}

// permissionText says who may use a connection, as --grant takes it.
func permissionText(permissions []qpsclient.UserPermission) string {
	texts := make([]string, len(permissions))
	for i, p := range permissions {
		texts[i] = "user:" + p.User + "=" + p.Level
		if p.Role != "" {
			texts[i] = "role:" + p.Role + "=" + p.Level
		}
	}
	return strings.Join(texts, ", ")
}

func pairs(values map[string]string) string {
	texts := make([]string, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value := values[name]
		if strings.Contains(value, "\n") {
			value = "(" + counted(strings.Count(strings.TrimSpace(value), "\n")+1, "line") + ")" // a certificate
		}
		texts = append(texts, name+"="+value)
	}
	return strings.Join(texts, ", ")
}

// vaultText says where parameters come from, as --vault-item takes it.
func vaultText(v qpsclient.PasswordVault) string {
	texts := make([]string, 0, len(v.Items))
	for _, name := range slices.Sorted(maps.Keys(v.Items)) {
		texts = append(texts, name+"="+v.Items[name].Path+"#"+v.Items[name].Field)
	}
	if len(texts) == 0 || v.Connection == nil {
		return "off"
	}
	return fmt.Sprintf("connection %d: %s", v.Connection.ID, strings.Join(texts, ", "))
}

func limitText(limit *int) string {
	if limit == nil || *limit == 0 {
		return "no limit"
	}
	return strconv.Itoa(*limit)
}

func checkText(h qpsclient.HealthCheck) string {
	if !isTrue(h.Enabled) || h.IntervalMinutes == nil {
		return "off"
	}
	text := fmt.Sprintf("every %d min", *h.IntervalMinutes)
	if h.MailAfter != nil && *h.MailAfter > 0 {
		text += fmt.Sprintf(", mail to %s after %s", strings.Join(h.MailTo, ", "), counted(*h.MailAfter, "failure"))
	}
	return text
}

func newAutomationConnectionsDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete CONNECTION…", Short: "Delete connections", Args: minArgs("CONNECTION"),
		Long: `Deletes connections and their passwords with --yes; without it, only says which. Runs
stay, for managers to see; those that have not ended fail.`,
		Example: "  vedette automation connections delete SOC/lab\n  vedette automation connections delete SOC/lab 4 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Delete Connections failed.", func(client *qpsclient.Client) error {
				var found []qpsclient.Connection
				for _, text := range args {
					c, err := findConnection(cmd.Context(), client, text)
					if err != nil {
						return err
					}
					found = append(found, c)
				}
				for i, c := range found {
					if !yes {
						fmt.Fprintf(a.stdout, "Connection %d (%s) would be deleted.\n", c.ID, printable(quote(qualifiedName(c))))
						continue
					}
					if err := client.DeleteConnection(cmd.Context(), c.ID); err != nil {
						if i > 0 {
							fmt.Fprintf(a.stderr, "Deleted before that: %s.\n", counted(i, "connection"))
						}
						return err
					}
				}
				if !yes {
					fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
					return nil
				}
				_, err := fmt.Fprintf(a.stdout, "Deleted: %s.\n", counted(len(found), "connection"))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	return cmd
}

func newAutomationConnectionsTest(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "test CONNECTION", Short: "Check that a connection works", Args: exactArgs("CONNECTION"),
		Long: `Runs Test Connection: whether the platform answers, and whether the account may read
agents there. It is a run like any other, and kept.`,
		Example: "  vedette automation connections test \"Qualys prod\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Test Connection failed.", func(client *qpsclient.Client) error {
				c, err := findConnection(cmd.Context(), client, args[0])
				if err != nil {
					return err
				}
				r, err := client.TestConnection(cmd.Context(), c.ID)
				if err != nil {
					return err
				}
				if r, err = a.follow(cmd.Context(), client, r); err != nil {
					return err
				}
				return a.writeTested(f, outcomeFrom(r.Outcome))
			})
		},
	}
}

// writeTested writes the outcome of Test Connection.
func (a *app) writeTested(f *clientFlags, outcome automation.Outcome) error {
	if outcome.State == automation.Successful && f.format() == formatTable {
		_, err := fmt.Fprintln(a.stdout, "✓ Passed")
		return err
	}
	return a.report(f, outcome)
}
