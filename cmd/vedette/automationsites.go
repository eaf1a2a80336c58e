package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// siteKinds are the kinds of sites.
var siteKinds = []string{"internal", "client"}

func newSitesCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("sites", "Manage sites, the tenants that connections belong to",
		`A site is the boundary between tenants: its connections are seen by its members
alone, and by managers. Connections that are shared to internal sites are seen by the
members of every site of the kind internal. SITE is the ID or the name of a site.`)
	group.Example = `  vedette automation sites create SOC
  vedette automation sites create "Acme Corp" --kind client
  vedette automation sites members SOC --add ann --add bob`
	ofOne := []*cobra.Command{newSitesUpdate(a, f), newSitesDelete(a, f), newSitesMembers(a, f)}
	a.completeNamesOf(f, siteNames, 1, ofOne...)
	group.AddCommand(ofOne...)
	group.AddCommand(newSitesList(a, f), newSitesCreate(a, f))
	return group
}

func siteTable(sites ...qpsclient.Site) automation.Table {
	t := automation.Table{Columns: []string{"ID", "NAME", "KIND", "DESCRIPTION", "MEMBERS", "CREATED"}, TimeColumns: []string{"CREATED"}}
	for _, s := range sites {
		t.Rows = append(t.Rows, []string{strconv.FormatInt(s.ID, 10), s.Name, s.Kind, s.Description, strings.Join(s.Members, ","), qps.FormatTime(s.Created)})
	}
	return t
}

func (a *app) writeSite(f *clientFlags, s qpsclient.Site) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, s)
	}
	return a.writeUpright(f, "site", siteTable(s))
}

func newSitesList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List sites", Args: noArgs,
		Long:    "Lists all sites for managers, and for others those they are members of.",
		Example: "  vedette automation sites list\n  vedette automation sites list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.byCall(f, "List Sites failed.", func(client *qpsclient.Client) error {
				sites, err := client.Sites(cmd.Context())
				if err != nil {
					return err
				}
				if f.format() == formatJSON {
					return writeJSON(a.stdout, map[string]any{"sites": sites})
				}
				if f.format() == formatTable && len(sites) == 0 {
					fmt.Fprintln(a.stderr, "There is no site. A manager makes one: vedette automation sites create NAME")
				}
				return f.writeRows(a.stdout, "sites", "site", siteTable(sites...))
			})
		},
	}
}

func newSitesCreate(a *app, f *clientFlags) *cobra.Command {
	n := qpsclient.NewSite{Kind: siteKinds[0]}
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a site", Args: exactArgs("NAME"),
		Example: "  vedette automation sites create SOC --description 'Security operations'\n  vedette automation sites create 'Acme Corp' --kind client",
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Name = args[0]
			return a.byCall(f, "Create Site failed.", func(client *qpsclient.Client) error {
				made, err := client.CreateSite(cmd.Context(), n)
				if err != nil {
					return err
				}
				return a.writeSite(f, made)
			})
		},
	}
	cmd.Flags().Var(oneOf{&n.Kind, siteKinds}, "kind", "`kind` of the site: internal, of the own organisation, or client")
	completeOneOf(cmd, "kind", siteKinds)
	cmd.Flags().StringVar(&n.Description, "description", "", "description `text`")
	return cmd
}

func newSitesUpdate(a *app, f *clientFlags) *cobra.Command {
	var name, kind, description string
	cmd := &cobra.Command{
		Use: "update SITE", Short: "Change a site", Args: exactArgs("SITE"),
		Long:    "Changes what the flags name and leaves the rest.",
		Example: "  vedette automation sites update SOC --name 'SOC Europe'",
		RunE: func(cmd *cobra.Command, args []string) error {
			var change qpsclient.SiteChange
			for _, text := range []struct {
				flag  string
				field **string
				value *string
			}{{"name", &change.Name, &name}, {"kind", &change.Kind, &kind}, {"description", &change.Description, &description}} {
				if cmd.Flags().Changed(text.flag) {
					*text.field = text.value
				}
			}
			if change == (qpsclient.SiteChange{}) {
				return usagef("nothing to change is given")
			}
			return a.byCall(f, "Update Site failed.", func(client *qpsclient.Client) error {
				site, err := findSite(cmd.Context(), client, args[0])
				if err == nil {
					site, err = client.UpdateSite(cmd.Context(), site.ID, change)
				}
				if err != nil {
					return err
				}
				return a.writeSite(f, site)
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "new `name`")
	cmd.Flags().Var(oneOf{&kind, siteKinds}, "kind", "`kind` of the site: internal or client")
	completeOneOf(cmd, "kind", siteKinds)
	cmd.Flags().StringVar(&description, "description", "", "description `text`")
	return cmd
}

func newSitesDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete SITE", Short: "Delete a site without connections", Args: exactArgs("SITE"),
		Long:    "Deletes a site with --yes; without it, only says which. A site with connections stays.",
		Example: "  vedette automation sites delete SOC\n  vedette automation sites delete SOC --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Delete Site failed.", func(client *qpsclient.Client) error {
				site, err := findSite(cmd.Context(), client, args[0])
				if err != nil {
					return err
				}
				if !yes {
					_, err := fmt.Fprintf(a.stdout, "Site %d (%s) would be deleted.\nNothing was changed; repeat the command with --yes to delete.\n", site.ID, printable(quote(site.Name)))
					return err
				}
				if err := client.DeleteSite(cmd.Context(), site.ID); err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.stdout, "Site %d (%s) is deleted.\n", site.ID, printable(quote(site.Name)))
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete it")
	return cmd
}

func newSitesMembers(a *app, f *clientFlags) *cobra.Command {
	var add, remove []string
	cmd := &cobra.Command{
		Use: "members SITE", Short: "Show the members of a site, add some and remove others", Args: exactArgs("SITE"),
		Long:    "Adds users to a site and removes others, all of them or none. Without flags it shows the members.",
		Example: "  vedette automation sites members SOC\n  vedette automation sites members SOC --add ann --add bob --remove eve",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byCall(f, "Change Members failed.", func(client *qpsclient.Client) error {
				site, err := findSite(cmd.Context(), client, args[0])
				if err == nil && len(add)+len(remove) > 0 {
					site, err = client.ChangeMembers(cmd.Context(), site.ID, add, remove)
				}
				if err != nil {
					return err
				}
				return a.writeSite(f, site)
			})
		},
	}
	cmd.Flags().StringSliceVar(&add, "add", nil, "`user` to add; can be repeated")
	cmd.Flags().StringSliceVar(&remove, "remove", nil, "`user` to remove; can be repeated")
	return cmd
}
