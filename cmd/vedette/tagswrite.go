package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// tagFlags are what can be said of a tag on the command line.
type tagFlags struct {
	parent, color, ruleType, rule, description, provider string
	criticality                                          int64
	children                                             []string
}

// noParent is the value of --parent that makes a root tag.
const noParent = "none"

func (t *tagFlags) define(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&t.parent, "parent", "", "`tag` to put it below, by ID or name; "+noParent+" for a root tag")
	flags.StringVar(&t.color, "color", "", "`color`, as #RGB or #RRGGBB")
	flags.StringVar(&t.ruleType, "rule-type", "", "`type` of the rule that puts the tag on hosts, such as NAME_CONTAINS, OS_REGEX, NETWORK_RANGE, INSTALLED_SOFTWARE or OPEN_PORTS; STATIC for none")
	flags.StringVar(&t.rule, "rule", "", "`text` of the rule")
	flags.Int64Var(&t.criticality, "criticality", 0, "criticality `score`, 1 to 5; 0 for none")
	flags.StringVar(&t.description, "description", "", "description `text`")
	flags.StringVar(&t.provider, "provider", "", "`cloud` of a rule of the type CLOUD_ASSET, such as EC2")
	flags.StringArrayVar(&t.children, "child", nil, "`name` of a child to make; can be repeated")
}

// change returns what the flags that were given say of a tag.
func (t *tagFlags) change(cmd *cobra.Command, client *qpsclient.Client) (qps.TagChange, error) {
	var c qps.TagChange
	given := cmd.Flags().Changed
	for _, text := range []struct {
		flag  string
		field **string
		value *string
	}{
		{"color", &c.Color, &t.color}, {"rule-type", &c.RuleType, &t.ruleType}, {"rule", &c.RuleText, &t.rule},
		{"description", &c.Description, &t.description}, {"provider", &c.Provider, &t.provider},
	} {
		if given(text.flag) {
			*text.field = text.value
		}
	}
	if given("criticality") {
		c.CriticalityScore = &t.criticality
	}
	if given("parent") {
		c.ParentTagID = new(int64)
		if t.parent != noParent {
			id, err := findTag(cmd.Context(), client, t.parent)
			if err != nil {
				return c, err
			}
			c.ParentTagID = &id
		}
	}
	if len(t.children) > 0 {
		c.Children = &qps.TagChildren{}
		for _, name := range t.children {
			c.Children.Add = append(c.Children.Add, qps.TagChange{Name: &name})
		}
	}
	return c, nil
}

func newTagsCreate(a *app, f *clientFlags) *cobra.Command {
	var t tagFlags
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a tag", Args: exactArgs("NAME"),
		Long: `Makes a tag, static unless a rule is given. Vedette evaluates a rule for all hosts
in the background, and for a host whenever it changes. Rules of other types than
NAME_CONTAINS, OS_REGEX, NETWORK_RANGE, INSTALLED_SOFTWARE and OPEN_PORTS are kept,
and put their tag on no host yet. Expressions are those of RE2, case-sensitive.`,
		Example: `  vedette tags create Edge --color '#2A6F97' --child West --child East
  vedette tags create "Web servers" --rule-type OPEN_PORTS --rule 80,443,8000-8099`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Create Tag failed."
			change, err := t.change(cmd, client)
			if err != nil {
				return tagFailure(indicator, err)
			}
			change.Name = &args[0]
			tag, err := client.CreateTag(cmd.Context(), change)
			if err != nil {
				return tagFailure(indicator, err)
			}
			return a.writeTags(f, []*qps.Tag{tag}, true)
		},
	}
	t.define(cmd)
	return cmd
}

func newTagsUpdate(a *app, f *clientFlags) *cobra.Command {
	var t tagFlags
	var name string
	var removed []string
	cmd := &cobra.Command{
		Use: "update TAG", Short: "Change a tag", Args: exactArgs("TAG"),
		Long: `Changes what the flags name and leaves the rest. A child that is removed becomes a
root tag; it is not deleted.`,
		Example: "  vedette tags update Edge --name Rim --criticality 5\n  vedette tags update Debian --rule '^Debian GNU/Linux 1[23]'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc([]string{
				"name", "parent", "color", "rule-type", "rule", "criticality", "description", "provider", "child", "remove-child",
			}, cmd.Flags().Changed) {
				return usagef("nothing to change is given")
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Update Tag failed."
			id, err := findTag(cmd.Context(), client, args[0])
			if err != nil {
				return tagFailure(indicator, err)
			}
			change, err := t.change(cmd, client)
			if err != nil {
				return tagFailure(indicator, err)
			}
			if cmd.Flags().Changed("name") {
				change.Name = &name
			}
			if len(removed) > 0 {
				if change.Children != nil {
					return usagef("--child and --remove-child exclude each other: use two commands")
				}
				ids, err := findTags(cmd.Context(), client, removed)
				if err != nil {
					return tagFailure(indicator, err)
				}
				change.Children = &qps.TagChildren{Remove: ids}
			}
			if err := client.UpdateTag(cmd.Context(), id, change); err != nil {
				return tagFailure(indicator, err)
			}
			return a.showTag(cmd.Context(), f, client, id, indicator)
		},
	}
	t.define(cmd)
	cmd.Flags().StringVar(&name, "name", "", "new `name`")
	cmd.Flags().StringArrayVar(&removed, "remove-child", nil, "child `tag` to make a root tag, by ID or name; can be repeated")
	return cmd
}

func newTagsDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete TAG…", Short: "Delete tags", Args: minArgs("TAG"),
		Long: `Deletes tags with --yes, all of them or none; without it, only says how many hosts
would lose them. A tag with children is deleted only together with them.`,
		Example: "  vedette tags delete Edge\n  vedette tags delete Edge 51078 51079 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Delete Tags failed."
			ids, err := findTags(cmd.Context(), client, args)
			if err != nil {
				return tagFailure(indicator, err)
			}
			if !yes {
				return tagFailure(indicator, a.sayDeletion(cmd.Context(), client, ids))
			}
			if err := client.DeleteTags(cmd.Context(), ids...); err != nil {
				return tagFailure(indicator, err)
			}
			fmt.Fprintf(a.stdout, "%d tags are deleted.\n", len(ids))
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	return cmd
}

// sayDeletion says what a deletion would do.
func (a *app) sayDeletion(ctx context.Context, client *qpsclient.Client, ids []int64) error {
	for _, id := range ids {
		tag, err := client.GetTag(ctx, id)
		if err != nil {
			return err
		}
		hosts, err := client.CountHostAssets(ctx, []qps.Criterion{{Field: "tagId", Operator: qps.OpEquals, Value: strconv.FormatInt(id, 10)}})
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "Tag %d (%s) would be deleted. %d hosts have it.\n", id, printable(quote(tag.Name)), hosts)
	}
	fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
	return nil
}
