package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newConnectorsCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "connectors", "List the EC2 instances of AWS accounts as host assets",
		`A connector lists the EC2 instances of one AWS account and keeps a host asset for
each, with the tags and modules it gives them. It gets in by a role that it assumes,
or with the access keys of an authentication record. CONNECTOR is the ID or the name
of a connector. All of it is for managers.

docs/connectors.md of the sources leads from nothing to instances.`)
	group.Example = `  vedette connectors template --external-id x-1 > role.yaml
  vedette connectors create production --role arn:aws:iam::123456789012:role/vedette \
      --external-id x-1 --all-regions --tag Cloud
  vedette connectors run production --wait
  vedette connectors govcloud enable`
	ofOne := []*cobra.Command{newConnectorsShow(a, f), newConnectorsUpdate(a, f), newConnectorsRuns(a, f), newConnectorsErrors(a, f)}
	ofSome := []*cobra.Command{newConnectorsDelete(a, f), newConnectorsRun(a, f)}
	a.completeNamesOf(f, connectorNames, 1, ofOne...)
	a.completeNamesOf(f, connectorNames, 0, ofSome...)
	group.AddCommand(ofOne...)
	group.AddCommand(ofSome...)
	group.AddCommand(
		newConnectorsList(a, f), newConnectorsCreate(a, f), newInstanceStates(a, f), newAuthRecordsCommand(a, f),
		newPartitionCommand(a, f, govCloud), newPartitionCommand(a, f, china), newBaseAccountCommand(a, f),
		newConnectorsPolicy(a, f), newConnectorsTemplate(a, f))
	return group
}

// connectorVersion is the version of the API that connectors are asked for in,
// unless a connection says another: the newer one tells more of them.
const connectorVersion = "3.0"

// connectorClient makes the client of commands on connectors.
func (a *app) connectorClient(f *clientFlags) (*qpsclient.Client, settings, error) {
	s, err := a.settings(f)
	if err != nil {
		return nil, s, err
	}
	s.apiVersion = cmp.Or(s.apiVersion, connectorVersion)
	return a.clientOf(f, s, 0)
}

// connectorFailure is the error of a command that failed on the platform; errors
// of usage stay what they are.
func connectorFailure(indicator string, err error) error {
	if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
		return errors.New("this platform is not a Vedette platform: it has this in its own console alone")
	}
	return platformFailure(indicator, err)
}

func newConnectorsList(a *app, f *clientFlags) *cobra.Command {
	var name, state, account string
	cmd := &cobra.Command{
		Use: "list", Short: "List connectors", Args: noArgs,
		Long:    "Lists the connectors that meet all filters.",
		Example: "  vedette connectors list\n  vedette connectors list --state ERROR\n  vedette connectors list --account 123456789012 -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			var criteria []qps.Criterion
			for _, c := range []qps.Criterion{
				{Field: "name", Operator: qps.OpContains, Value: name}, {Field: "connectorState", Operator: qps.OpEquals, Value: state},
				{Field: "awsAccountId", Operator: qps.OpEquals, Value: account},
			} {
				if c.Value != "" {
					criteria = append(criteria, c)
				}
			}
			list, err := client.AWSConnectors(cmd.Context(), criteria...)
			if err != nil {
				return connectorFailure("List Connectors failed.", err)
			}
			if f.format() == formatTable && len(list) == 0 {
				fmt.Fprintln(a.stderr, "There is no such connector.")
			}
			return a.writeConnectors(f, list, false)
		},
	}
	cmd.Flags().StringVar(&name, "name-contains", "", "only connectors whose name contains this `text`, case-sensitive")
	cmd.Flags().Var(oneOf{&state, qps.ConnectorStates()}, "state", "only connectors in this `state`, such as FINISHED_ERRORS")
	cmd.Flags().StringVar(&account, "account", "", "only connectors of this AWS account, twelve `digits`")
	completeOneOf(cmd, "state", qps.ConnectorStates())
	return cmd
}

func newConnectorsShow(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "show CONNECTOR", Aliases: []string{"get"}, Short: "Show one connector", Args: exactArgs("CONNECTOR"),
		Long:    "Shows one connector: what it lists, how it gets in, where it stands and why it failed last.",
		Example: "  vedette connectors show production\n  vedette connectors show 149008 -o xml",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			id, err := findConnector(cmd.Context(), client, args[0])
			if err != nil {
				return connectorFailure("Show Connector failed.", err)
			}
			return a.showConnector(cmd.Context(), f, client, id, "Show Connector failed.")
		},
	}
}

func (a *app) showConnector(ctx context.Context, f *clientFlags, client *qpsclient.Client, id int64, indicator string) error {
	c, err := client.GetAWSConnector(ctx, id)
	if err != nil {
		return connectorFailure(indicator, err)
	}
	return a.writeConnectors(f, []*qps.AwsAssetDataConnector{c}, true)
}

// findConnector returns the id of the connector that an argument names by id or
// by name.
func findConnector(ctx context.Context, client *qpsclient.Client, text string) (int64, error) {
	return findNamed(text, "connector", "vedette connectors list", func(name qps.Criterion) ([]int64, error) {
		list, err := client.AWSConnectors(ctx, name)
		ids := make([]int64, len(list))
		for i, c := range list {
			ids[i] = c.ID
		}
		return ids, err
	})
}

// writeConnectors writes connectors as the API has them for programs, and as a
// table for people; upright is the table of a single one, a line per fact.
func (a *app) writeConnectors(f *clientFlags, list []*qps.AwsAssetDataConnector, upright bool) error {
	table := connectorTable(list)
	// What fits beside each other.
	shown := columnsOf(table, "ID", "NAME", "STATE", "PARTITION", "ACCOUNT", "REGIONS", "LAST SYNC", "LAST ERROR")
	if upright {
		shown = f.transposed(table)
		if f.format() == formatTable && list[0].ConnectorState == qps.ConnectorIncomplete {
			fmt.Fprintf(a.stderr, "It does not run before it can get in: 'vedette connectors update %d' with --role and --external-id, or with --auth-record.\n", list[0].ID)
		}
	}
	return writeRecords(a, f, qps.SchemaAwsAssetDataConnectorV3, list, table, shown)
}

func connectorTable(list []*qps.AwsAssetDataConnector) automation.Table {
	t := automation.Table{Columns: []string{
		"ID", "NAME", "DESCRIPTION", "STATE", "PARTITION", "ACCOUNT", "REGIONS", "ROLE", "EXTERNAL ID", "ASSUMED BY", "AUTH RECORD", "TAGS", "MODULES",
		"EVERY", "LAST SYNC", "NEXT SYNC", "LAST ERROR",
	}, TimeColumns: []string{"LAST SYNC", "NEXT SYNC"}}
	for _, c := range list {
		tags := make([]string, len(c.DefaultTags))
		for i, tag := range c.DefaultTags {
			tags[i] = tag.Name
		}
		regions, record, every := strings.Join(c.Endpoints, ","), "", ""
		if isTrue(c.AllRegions) {
			regions = "all"
		}
		if c.AuthRecord != nil && c.AuthRecord.ID != 0 {
			record = strconv.FormatInt(c.AuthRecord.ID, 10)
		}
		if c.RunFrequency != 0 {
			every = strconv.FormatInt(c.RunFrequency, 10) + " min"
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(c.ID, 10), c.Name, c.Description, c.ConnectorState, partitionOf(c), c.AWSAccountID, regions, c.ARN, c.ExternalID, c.QualysAWSAccountID, record,
			strings.Join(tags, ","), strings.Join(c.Activation, ","), every, qps.FormatTime(c.LastSync), qps.FormatTime(c.NextSync), c.LastError,
		})
	}
	return t
}

func isTrue(value *bool) bool { return value != nil && *value }

// partitionOf returns what people call the partition a connector lists.
func partitionOf(c *qps.AwsAssetDataConnector) string {
	switch {
	case isTrue(c.IsGovCloudConfigured):
		return govCloud.name
	case isTrue(c.IsChinaConfigured):
		return china.name
	}
	return "Global"
}

// columnsOf returns some columns of a table.
func columnsOf(t automation.Table, names ...string) automation.Table {
	cut := automation.Table{Columns: names, Rows: make([][]string, len(t.Rows)), TimeColumns: t.TimeColumns}
	for _, name := range names {
		for i, column := range t.Columns {
			if column != name {
				continue
			}
			for r := range t.Rows {
				cut.Rows[r] = append(cut.Rows[r], t.Rows[r][i])
			}
		}
	}
	return cut
}
