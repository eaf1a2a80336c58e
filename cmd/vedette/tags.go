package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newTagsCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "tags", "Manage the tags of hosts",
		`Tags group hosts: searches, activation keys and configuration profiles select by
them. A static tag is put on hosts with 'vedette agents tag', any other is put on
them by its rule. TAG is the ID or the name of a tag.`)
	group.Example = `  vedette tags list
  vedette tags create Edge --color '#2A6F97'
  vedette tags create Debian --parent Edge --rule-type OS_REGEX --rule '^Debian'
  vedette agents tag --add Edge 1 2 3`
	group.AddCommand(newTagsList(a, f), newTagsShow(a, f), newTagsCreate(a, f), newTagsUpdate(a, f), newTagsDelete(a, f))
	return group
}

func newTagsList(a *app, f *clientFlags) *cobra.Command {
	var name, parent string
	cmd := &cobra.Command{
		Use: "list", Short: "List tags", Args: noArgs,
		Long:    "Lists the tags that meet all filters.",
		Example: "  vedette tags list\n  vedette tags list --parent Edge\n  vedette tags list --name-contains west -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			var criteria []qps.Criterion
			if name != "" {
				criteria = append(criteria, qps.Criterion{Field: "name", Operator: qps.OpContains, Value: name})
			}
			const indicator = "List Tags failed."
			if parent != "" {
				above, err := findTag(cmd.Context(), client, parent)
				if err != nil {
					return platformFailure(indicator, err)
				}
				criteria = append(criteria, qps.Criterion{Field: "parent", Operator: qps.OpEquals, Value: strconv.FormatInt(above, 10)})
			}
			tags, err := client.Tags(cmd.Context(), criteria...)
			if err != nil {
				return platformFailure(indicator, err)
			}
			if f.format() == formatTable && len(tags) == 0 {
				fmt.Fprintln(a.stderr, "There is no such tag.")
			}
			return a.writeTags(f, tags, false)
		},
	}
	cmd.Flags().StringVar(&name, "name-contains", "", "only tags whose name contains this `text`, case-sensitive")
	cmd.Flags().StringVar(&parent, "parent", "", "only the children of this `tag`")
	return cmd
}

func newTagsShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show TAG", Aliases: []string{"get"}, Short: "Show one tag", Args: exactArgs("TAG"),
		Long:    "Shows one tag with its rule and its children.",
		Example: "  vedette tags show Edge\n  vedette tags show 51077 -o xml",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			id, err := findTag(cmd.Context(), client, args[0])
			if err != nil {
				return platformFailure("Show Tag failed.", err)
			}
			return a.showTag(cmd.Context(), f, client, id, "Show Tag failed.")
		},
	}
}

func (a *app) showTag(ctx context.Context, f *clientFlags, client *qpsclient.Client, id int64, indicator string) error {
	tag, err := client.GetTag(ctx, id)
	if err != nil {
		return platformFailure(indicator, err)
	}
	return a.writeTags(f, []*qps.Tag{tag}, true)
}

// findTag returns the id of the tag that an argument names by id or by name.
func findTag(ctx context.Context, client *qpsclient.Client, text string) (int64, error) {
	return findNamed(text, "tag", "vedette tags list", func(name qps.Criterion) ([]int64, error) {
		tags, err := client.Tags(ctx, name)
		ids := make([]int64, len(tags))
		for i, t := range tags {
			ids[i] = t.ID
		}
		return ids, err
	})
}

func findTags(ctx context.Context, client *qpsclient.Client, texts []string) ([]int64, error) {
	ids := make([]int64, 0, len(texts))
	for _, text := range texts {
		id, err := findTag(ctx, client, text)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// writeTags writes tags as the API has them for programs, and as a table for
// people; upright is the table of a single tag, a line per fact.
func (a *app) writeTags(f *clientFlags, tags []*qps.Tag, upright bool) error {
	table := tagTable(tags)
	if upright {
		return writeRecords(a, f, qps.SchemaTag, tags, table, f.transposed(table))
	}
	return writeRecords(a, f, qps.SchemaTag, tags, table, table)
}

func tagTable(tags []*qps.Tag) automation.Table {
	t := automation.Table{Columns: []string{"ID", "NAME", "PARENT", "RULE TYPE", "RULE", "COLOR", "CRITICALITY", "CHILDREN", "DESCRIPTION"}}
	number := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	for _, tag := range tags {
		children := make([]string, len(tag.Children))
		for i, child := range tag.Children {
			children[i] = child.Name
		}
		t.Rows = append(t.Rows, []string{
			number(tag.ID), tag.Name, number(tag.ParentTagID), tag.RuleType, tag.RuleText, tag.Color, number(tag.CriticalityScore),
			strings.Join(children, ","), tag.Description,
		})
	}
	return t
}
