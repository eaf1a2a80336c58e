package main

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation/description"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// connectorFlags are what can be said of a connector on the command line.
type connectorFlags struct {
	file                          string
	name, description             string
	role, externalID, authRecord  string
	regions, tags, modules        []string
	allRegions, govCloud, inChina bool
	disabled                      bool
	every                         time.Duration
}

// describingConnectors are the flags that say what -f says.
var describingConnectors = []string{
	"name", "description", "role", "external-id", "auth-record", "region", "all-regions", "govcloud", "china", "tag", "module", "every", "disabled",
}

func (c *connectorFlags) define(a *app, cmd *cobra.Command, f *clientFlags) {
	flags := cmd.Flags()
	flags.StringVarP(&c.file, "file", "f", "", "`file` that says it instead of flags, - for standard input: a request of the API in XML or JSON")
	flags.StringVar(&c.description, "description", "", "description `text`")
	flags.StringVar(&c.role, "role", "", "`ARN` of the IAM role to assume")
	flags.StringVar(&c.externalID, "external-id", "", "external `id` that the role's trust policy asks for")
	flags.StringVar(&c.authRecord, "auth-record", "", "authentication `record` with access keys, in place of a role, by ID or name")
	flags.StringSliceVar(&c.regions, "region", nil, "`region` to list, such as eu-west-1; can be repeated")
	flags.BoolVar(&c.allRegions, "all-regions", false, "list every region that is enabled in the account; not for GovCloud and China")
	flags.BoolVar(&c.govCloud, "govcloud", false, "list AWS GovCloud (US)")
	flags.BoolVar(&c.inChina, "china", false, "list the regions of AWS in China")
	flags.StringSliceVar(&c.tags, "tag", nil, "ID or `name` of a tag to put on every asset found; can be repeated, empty for none")
	flags.StringSliceVar(&c.modules, "module", nil, "`module` to activate on every asset found, such as VM or PC; can be repeated, empty for none")
	flags.DurationVar(&c.every, "every", 0, "`time` from run to run, 1h to 24h; 4h unless said otherwise")
	flags.BoolVar(&c.disabled, "disabled", false, "let it not run")
	completeOneOf(cmd, "module", qps.ActivationModules())
	if err := cmd.RegisterFlagCompletionFunc("auth-record", a.completeNames(f, authRecordNames, 0)); err != nil {
		panic(err) // the flag was not defined, or this is called twice
	}
}

// change returns what the file or the flags say of a connector.
func (c *connectorFlags) change(a *app, cmd *cobra.Command, client *qpsclient.Client) (qps.AwsAssetDataConnectorChange, error) {
	if c.file != "" {
		return a.readConnector(c.file)
	}
	var change qps.AwsAssetDataConnectorChange
	given := cmd.Flags().Changed
	for _, text := range []struct {
		flag  string
		field **string
		value *string
	}{{"name", &change.Name, &c.name}, {"description", &change.Description, &c.description}, {"role", &change.ARN, &c.role}, {"external-id", &change.ExternalID, &c.externalID}} {
		if given(text.flag) {
			*text.field = text.value
		}
	}
	for _, yes := range []struct {
		flag  string
		field **bool
		value *bool
	}{{"all-regions", &change.AllRegions, &c.allRegions}, {"govcloud", &change.IsGovCloudConfigured, &c.govCloud}, {"china", &change.IsChinaConfigured, &c.inChina}, {"disabled", &change.Disabled, &c.disabled}} {
		if given(yes.flag) {
			*yes.field = yes.value
		}
	}
	if given("every") {
		if c.every <= 0 || c.every%time.Minute != 0 {
			return change, usagef("--every %s: use whole minutes, such as 4h or 90m", c.every)
		}
		change.RunFrequency = new(int64(c.every / time.Minute))
	}
	c.collections(cmd, &change)
	if !given("auth-record") {
		return change, nil
	}
	id, err := findAuthRecord(cmd.Context(), client, c.authRecord)
	change.AuthRecordID = &id
	return change, err
}

// collections are what flags say that can be repeated; regions that are named
// take the place of all.
func (c *connectorFlags) collections(cmd *cobra.Command, change *qps.AwsAssetDataConnectorChange) {
	given := cmd.Flags().Changed
	if given("region") {
		change.Endpoints.Set = filled(c.regions)
		if !given("all-regions") {
			change.AllRegions = new(false)
		}
	}
	if given("module") {
		change.Activation.Set = filled(c.modules)
	}
	if given("tag") {
		change.DefaultTags.Set = []qps.TagSimple{}
		for _, text := range filled(c.tags) {
			tag, _ := description.TagByText(text) // the platform finds it
			change.DefaultTags.Set = append(change.DefaultTags.Set, tag)
		}
	}
}

// readConnector reads the one connector of a request in a file.
func (a *app) readConnector(path string) (qps.AwsAssetDataConnectorChange, error) {
	content, err := a.readInput(path, qps.MaxRequestBytes)
	if err != nil {
		return qps.AwsAssetDataConnectorChange{}, err
	}
	req, err := qps.DecodeRequest(bytes.NewReader(content), "")
	if err != nil {
		return qps.AwsAssetDataConnectorChange{}, mistakeIn(path, err)
	}
	if req.Data == nil || len(req.Data.Children) != 1 {
		return qps.AwsAssetDataConnectorChange{}, usagef("%s: there must be one AwsAssetDataConnector in data", sourceName(path))
	}
	change, err := qps.ParseAwsAssetDataConnectorChange(req.Data.Children[0])
	return change, mistakeIn(path, err)
}

func newConnectorsCreate(a *app, f *clientFlags) *cobra.Command {
	var c connectorFlags
	cmd := &cobra.Command{
		Use: "create NAME|-f FILE", Short: "Make a connector", Args: cobra.ArbitraryArgs,
		Long: `Makes a connector, which runs at once. It gets in by --role with --external-id, or
with the keys of --auth-record; 'vedette connectors policy' prints what the role has
to allow, 'vedette connectors template' makes it.

Which regions are listed is said with --region or --all-regions; for --govcloud it is
us-gov-west-1 and for --china cn-north-1 unless others are named. Both have to be
enabled for the subscription first: 'vedette connectors govcloud enable'.`,
		Example: `  vedette connectors create production --role arn:aws:iam::123456789012:role/vedette --external-id x-1 --all-regions
  vedette connectors create gov --govcloud --auth-record gov-keys --region us-gov-west-1 --region us-gov-east-1
  vedette connectors create -f connector.xml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.takeName(cmd, args); err != nil {
				return err
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "Create Connector failed."
			change, err := c.change(a, cmd, client)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			if c.file == "" {
				change.Name = &c.name
			}
			made, err := client.CreateAWSConnector(cmd.Context(), change)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			return a.writeConnectors(f, []*qps.AwsAssetDataConnector{made}, true)
		},
	}
	c.define(a, cmd, f)
	return cmd
}

// takeName reads the name of a new connector, which a file says otherwise.
func (c *connectorFlags) takeName(cmd *cobra.Command, args []string) error {
	if !cmd.Flags().Changed("file") {
		if err := exactArgs("NAME")(cmd, args); err != nil {
			return err
		}
		c.name = args[0]
		return nil
	}
	if len(args) > 0 {
		return usagef("-f and NAME exclude each other: write it in the file")
	}
	return excludes(cmd, describingConnectors...)
}

func newConnectorsUpdate(a *app, f *clientFlags) *cobra.Command {
	var c connectorFlags
	cmd := &cobra.Command{
		Use: "update CONNECTOR", Short: "Change a connector", Args: exactArgs("CONNECTOR"),
		Long: `Changes what the flags or the file of -f name and leaves the rest. Collections are
replaced. A change of what is listed or how lets the connector run at once; a run
that is at work goes on with what it began with.`,
		Example: `  vedette connectors update production --region eu-west-1 --region eu-central-1
  vedette connectors update production --every 12h --module VM --module PC
  vedette connectors update production --disabled=false`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(append([]string{"file"}, describingConnectors...), cmd.Flags().Changed) {
				return usagef("nothing to change is given")
			}
			if err := excludes(cmd, describingConnectors...); err != nil {
				return err
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "Update Connector failed."
			id, err := findConnector(cmd.Context(), client, args[0])
			if err != nil {
				return connectorFailure(indicator, err)
			}
			change, err := c.change(a, cmd, client)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			if err := client.UpdateAWSConnector(cmd.Context(), id, change); err != nil {
				return connectorFailure(indicator, err)
			}
			return a.showConnector(cmd.Context(), f, client, id, indicator)
		},
	}
	c.define(a, cmd, f)
	cmd.Flags().StringVar(&c.name, "name", "", "new `name`")
	return cmd
}

func newConnectorsDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete CONNECTOR…", Short: "Delete connectors", Args: minArgs("CONNECTOR"),
		Long: `Deletes connectors with --yes; without it, only says which. The assets they have
found stay, and are not kept true to AWS any more. A run that is at work ends.`,
		Example: "  vedette connectors delete retired\n  vedette connectors delete retired 149009 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "Delete Connectors failed."
			var found []*qps.AwsAssetDataConnector
			for _, text := range args {
				id, err := findConnector(cmd.Context(), client, text)
				if err != nil {
					return connectorFailure(indicator, err)
				}
				c, err := client.GetAWSConnector(cmd.Context(), id)
				if err != nil {
					return connectorFailure(indicator, err)
				}
				found = append(found, c)
			}
			for i, c := range found {
				if !yes {
					fmt.Fprintf(a.stdout, "Connector %d (%s) would be deleted. Its assets stay.\n", c.ID, printable(quote(c.Name)))
					continue
				}
				if err := client.DeleteAWSConnector(cmd.Context(), c.ID); err != nil {
					if i > 0 {
						fmt.Fprintf(a.stderr, "Deleted before that: %s.\n", counted(i, "connector"))
					}
					return connectorFailure(indicator, err)
				}
			}
			if !yes {
				fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
				return nil
			}
			fmt.Fprintf(a.stdout, "Deleted: %s.\n", counted(len(found), "connector"))
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	return cmd
}
