package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/internal/automation/plan"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// tagFlags are what can be said of a tag on the command line.
type tagFlags struct {
	file                                                 string
	name                                                 string
	parent, color, ruleType, rule, description, provider string
	criticality                                          int64
	children, removed                                    []string
}

// describingTags are the flags that say what -f says.
var describingTags = []string{"name", "parent", "color", "rule-type", "rule", "criticality", "description", "provider", "child", "remove-child"}

func (t *tagFlags) define(cmd *cobra.Command) {
	defineObjectFile(cmd, &t.file, plan.KindTag)
	flags := cmd.Flags()
	flags.StringVar(&t.parent, "parent", "", "`tag` to put it below, by ID or name; "+description.NoParent+" for a root tag")
	flags.StringVar(&t.color, "color", "", "`color`, as #RGB or #RRGGBB")
	flags.StringVar(&t.ruleType, "rule-type", "", "`type` of the rule that puts the tag on hosts, such as NAME_CONTAINS, OS_REGEX, NETWORK_RANGE, INSTALLED_SOFTWARE or OPEN_PORTS; STATIC for none")
	flags.StringVar(&t.rule, "rule", "", "`text` of the rule")
	numberFlag(flags, &t.criticality, "criticality", 0, 0, 5, "criticality `score`, 1 to 5; 0 for none")
	flags.StringVar(&t.description, "description", "", "description `text`")
	flags.StringVar(&t.provider, "provider", "", "`cloud` of a rule of the type CLOUD_ASSET, such as EC2")
	flags.StringArrayVar(&t.children, "child", nil, "`name` of a child to make; can be repeated")
}

// described returns what the flags that were given say of a tag itself.
func (t *tagFlags) described(cmd *cobra.Command) description.Tag {
	var d description.Tag
	given := cmd.Flags().Changed
	for _, text := range []struct {
		flag  string
		field **string
		value *string
	}{
		{"name", &d.Name, &t.name}, {"parent", &d.Parent, &t.parent}, {"color", &d.Color, &t.color}, {"rule-type", &d.RuleType, &t.ruleType},
		{"rule", &d.Rule, &t.rule}, {"description", &d.Description, &t.description}, {"provider", &d.Provider, &t.provider},
	} {
		if given(text.flag) {
			*text.field = text.value
		}
	}
	if given("criticality") {
		d.Criticality = &t.criticality
	}
	return d
}

// change returns what the file or the flags say of a tag.
func (t *tagFlags) change(a *app, cmd *cobra.Command, client *qpsclient.Client) (qps.TagChange, error) {
	if t.file == "" {
		c, err := changeOfTag(t.described(cmd), func(text string) (int64, error) { return findTag(cmd.Context(), client, text) })
		if err != nil {
			return c, err
		}
		c.Children, err = t.changedChildren(cmd, client)
		return c, err
	}
	said, err := a.readObject(t.file, plan.KindTag)
	if err != nil {
		return qps.TagChange{}, err
	}
	if said.element != nil {
		c, err := qps.ParseTagChange(said.element)
		return c, mistakeIn(t.file, err)
	}
	find := tagByName(cmd.Context(), client)
	return changeOfTag(*said.document.Tag, func(text string) (int64, error) {
		tag, err := find(text)
		return tag.ID, err
	})
}

// changeOfTag is the change with the parent, which find looks up.
func changeOfTag(d description.Tag, find func(string) (int64, error)) (qps.TagChange, error) {
	c := d.Change()
	if d.Parent == nil {
		return c, nil
	}
	c.ParentTagID = new(int64)
	if *d.Parent == description.NoParent {
		return c, nil
	}
	id, err := find(*d.Parent)
	c.ParentTagID = &id
	return c, err
}

// changedChildren returns the children that flags add or remove.
func (t *tagFlags) changedChildren(cmd *cobra.Command, client *qpsclient.Client) (*qps.TagChildren, error) {
	switch {
	case len(t.children) == 0 && len(t.removed) == 0:
		return nil, nil
	case len(t.children) > 0 && len(t.removed) > 0:
		return nil, usagef("--child and --remove-child exclude each other: use two commands")
	}
	c := &qps.TagChildren{}
	for _, name := range t.children {
		c.Add = append(c.Add, qps.TagChange{Name: &name})
	}
	var err error
	c.Remove, err = findTags(cmd.Context(), client, t.removed)
	return c, err
}

func newTagsCreate(a *app, f *clientFlags) *cobra.Command {
	var t tagFlags
	cmd := &cobra.Command{
		Use: "create NAME|-f FILE", Short: "Make a tag", Args: cobra.ArbitraryArgs,
		Long: `Makes a tag, static unless a rule is given. Vedette evaluates a rule for all hosts
in the background, and for a host whenever it changes. Rules of other types than
NAME_CONTAINS, OS_REGEX, NETWORK_RANGE, INSTALLED_SOFTWARE and OPEN_PORTS are kept,
and put their tag on no host yet. Expressions are those of RE2, case-sensitive.

-f takes it from a file instead of NAME and flags: a YAML document of the kind Tag,
as 'vedette plan' has them, or the request of the API in XML or JSON, with children
if it has some.`,
		Example: `  vedette tags create Edge --color '#2A6F97' --child West --child East
  vedette tags create "Web servers" --rule-type OPEN_PORTS --rule 80,443,8000-8099
  vedette tags create -f edge.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := t.takeName(cmd, args); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Create Tag failed."
			change, err := t.change(a, cmd, client)
			if err != nil {
				return platformFailure(indicator, err)
			}
			if t.file == "" {
				change.Name = &t.name
			}
			tag, err := client.CreateTag(cmd.Context(), change)
			if err != nil {
				return platformFailure(indicator, err)
			}
			return a.writeTags(f, []*qps.Tag{tag}, true)
		},
	}
	t.define(cmd)
	return cmd
}

// takeName reads the name of a new tag, which a file says otherwise.
func (t *tagFlags) takeName(cmd *cobra.Command, args []string) error {
	if !cmd.Flags().Changed("file") {
		if err := exactArgs("NAME")(cmd, args); err != nil {
			return err
		}
		t.name = args[0]
		return nil
	}
	if len(args) > 0 {
		return usagef("-f and NAME exclude each other: write it in the file")
	}
	return excludes(cmd, describingTags...)
}

func newTagsUpdate(a *app, f *clientFlags) *cobra.Command {
	var t tagFlags
	cmd := &cobra.Command{
		Use: "update TAG", Short: "Change a tag", Args: exactArgs("TAG"),
		Long: `Changes what the flags or the file of -f name and leaves the rest. A child that is
removed becomes a root tag; it is not deleted.`,
		Example: "  vedette tags update Edge --name Rim --criticality 5\n  vedette tags update Debian --rule '^Debian GNU/Linux 1[23]'",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(append([]string{"file"}, describingTags...), cmd.Flags().Changed) {
				return usagef("nothing to change is given")
			}
			if err := excludes(cmd, describingTags...); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Update Tag failed."
			id, err := findTag(cmd.Context(), client, args[0])
			if err != nil {
				return platformFailure(indicator, err)
			}
			change, err := t.change(a, cmd, client)
			if err != nil {
				return platformFailure(indicator, err)
			}
			if err := client.UpdateTag(cmd.Context(), id, change); err != nil {
				return platformFailure(indicator, err)
			}
			return a.showTag(cmd.Context(), f, client, id, indicator)
		},
	}
	t.define(cmd)
	cmd.Flags().StringVar(&t.name, "name", "", "new `name`")
	cmd.Flags().StringArrayVar(&t.removed, "remove-child", nil, "child `tag` to make a root tag, by ID or name; can be repeated")
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
				return platformFailure(indicator, err)
			}
			if !yes {
				return platformFailure(indicator, a.sayDeletion(cmd.Context(), client, ids))
			}
			if err := client.DeleteTags(cmd.Context(), ids...); err != nil {
				return platformFailure(indicator, err)
			}
			fmt.Fprintf(a.stdout, "Deleted: %s.\n", counted(len(ids), "tag"))
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
		fmt.Fprintf(a.stdout, "Tag %d (%s) would be deleted. It is on %s.\n", id, printable(quote(tag.Name)), counted(hosts, "host"))
	}
	fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
	return nil
}
