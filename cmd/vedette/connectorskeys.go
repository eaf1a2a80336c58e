package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// keyPair is where the access keys of AWS come from. The secret key is never an
// argument: other users of the machine can read command lines.
type keyPair struct {
	id, file string
	refused  string
}

func (k *keyPair) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.id, "access-key-id", "", "`id` of the access key (AWS_ACCESS_KEY_ID)")
	cmd.Flags().StringVar(&k.file, "secret-key-file", "", "`file` with the secret access key, - for standard input (AWS_SECRET_ACCESS_KEY holds the key itself)")
	cmd.Flags().StringVar(&k.refused, "secret-key", "", "")
	if err := cmd.Flags().MarkHidden("secret-key"); err != nil {
		panic(err) // the flag was not defined
	}
}

// read returns the keys, and whether there are any: of the flags, or both of the
// environment.
func (k *keyPair) read(a *app, cmd *cobra.Command, f *clientFlags) (id, secret string, given bool, err error) {
	if cmd.Flags().Changed("secret-key") {
		return "", "", false, usagef("--secret-key: others can read command lines; give --secret-key-file, - for standard input, or AWS_SECRET_ACCESS_KEY")
	}
	if k.file == "-" && (f.passwordFile == "-" || f.tokenFile == "-") {
		return "", "", false, usagef("--secret-key-file - and the credentials of the connection cannot both come from standard input")
	}
	if k.file != "" {
		if secret, err = a.readSecretFile(k.file, "secret key"); err != nil {
			return "", "", false, err
		}
	}
	id, secret = cmp.Or(k.id, a.getenv("AWS_ACCESS_KEY_ID")), cmp.Or(secret, a.getenv("AWS_SECRET_ACCESS_KEY"))
	switch {
	case id == "" && secret == "":
		return "", "", false, nil
	case id == "":
		return "", "", false, usagef("there is a secret key and no access key: give --access-key-id or AWS_ACCESS_KEY_ID")
	case secret == "":
		return "", "", false, usagef("there is no secret key for %s: give --secret-key-file, - for standard input, or AWS_SECRET_ACCESS_KEY", quote(id))
	}
	return id, secret, true, nil
}

// required is read, and refuses that there are no keys.
func (k *keyPair) required(a *app, cmd *cobra.Command, f *clientFlags) (id, secret string, err error) {
	id, secret, given, err := k.read(a, cmd, f)
	if err == nil && !given {
		err = usagef("there are no access keys: give --access-key-id with --secret-key-file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return id, secret, err
}

func newAuthRecordsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("auth-records", "Manage authentication records: access keys for connectors without a role",
		`An authentication record is a pair of access keys of an AWS user, for connectors that
assume no role. The platform keeps them encrypted and never gives them out. RECORD is
the ID or the name of a record.`)
	group.Example = `  vedette connectors auth-records create gov-keys --access-key-id AKIAIOSFODNN7EXAMPLE --secret-key-file key
  pass show aws/gov | vedette connectors auth-records update gov-keys --access-key-id AKIAI44QH8DHBEXAMPLE --secret-key-file -
  vedette connectors auth-records list`
	ofOne := []*cobra.Command{newAuthRecordsUpdate(a, f), newAuthRecordsDelete(a, f)}
	a.completeNamesOf(f, authRecordNames, 1, ofOne...)
	group.AddCommand(ofOne...)
	group.AddCommand(newAuthRecordsList(a, f), newAuthRecordsCreate(a, f))
	return group
}

func findAuthRecord(ctx context.Context, client *qpsclient.Client, text string) (int64, error) {
	return findNamed(text, "authentication record", "vedette connectors auth-records list", func(name qps.Criterion) ([]int64, error) {
		list, err := client.AWSAuthRecords(ctx, name)
		ids := make([]int64, len(list))
		for i, r := range list {
			ids[i] = r.ID
		}
		return ids, err
	})
}

func (a *app) writeAuthRecords(f *clientFlags, list []*qps.AwsAuthRecord) error {
	t := automation.Table{Columns: []string{"ID", "NAME", "DESCRIPTION", "CREATED", "MODIFIED"}, TimeColumns: []string{"CREATED", "MODIFIED"}}
	for _, r := range list {
		t.Rows = append(t.Rows, []string{strconv.FormatInt(r.ID, 10), r.Name, r.Description, qps.FormatTime(r.Created), qps.FormatTime(r.Modified)})
	}
	return writeRecords(a, f, qps.SchemaAwsAuthRecord, list, t, t)
}

func newAuthRecordsList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List authentication records", Args: noArgs,
		Example: "  vedette connectors auth-records list\n  vedette connectors auth-records list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			list, err := client.AWSAuthRecords(cmd.Context())
			if err != nil {
				return connectorFailure("List Authentication Records failed.", err)
			}
			if f.format() == formatTable && len(list) == 0 {
				fmt.Fprintln(a.stderr, "There is no authentication record.")
			}
			return a.writeAuthRecords(f, list)
		},
	}
}

func newAuthRecordsCreate(a *app, f *clientFlags) *cobra.Command {
	var keys keyPair
	var description string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make an authentication record", Args: exactArgs("NAME"),
		Long: `Makes an authentication record. The secret key comes from --secret-key-file, from
standard input or from the environment, never from the command line.`,
		Example: `  vedette connectors auth-records create gov-keys --access-key-id AKIAIOSFODNN7EXAMPLE --secret-key-file key
  AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… vedette connectors auth-records create gov-keys`,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, secret, err := keys.required(a, cmd, f)
			if err != nil {
				return err
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			change := qps.AwsAuthRecordChange{Name: &args[0], AccessKeyID: &id, SecretKey: &secret}
			if cmd.Flags().Changed("description") {
				change.Description = &description
			}
			made, err := client.CreateAWSAuthRecord(cmd.Context(), change)
			if err != nil {
				return connectorFailure("Create Authentication Record failed.", err)
			}
			return a.writeAuthRecords(f, []*qps.AwsAuthRecord{made})
		},
	}
	keys.define(cmd)
	cmd.Flags().StringVar(&description, "description", "", "description `text`")
	return cmd
}

func newAuthRecordsUpdate(a *app, f *clientFlags) *cobra.Command {
	var keys keyPair
	var name, description string
	cmd := &cobra.Command{
		Use: "update RECORD", Short: "Change an authentication record, such as its keys", Args: exactArgs("RECORD"),
		Long: `Changes what the flags name and leaves the rest. New keys are used from the next run
of each connector on, while one at work goes on with the old ones: to rotate keys,
make the new ones in AWS, update the record, and delete the old ones a run later. Keys
are taken from the environment only with --access-key-id or --secret-key-file.`,
		Example: `  pass show aws/gov | vedette connectors auth-records update gov-keys --access-key-id AKIAI44QH8DHBEXAMPLE --secret-key-file -
  vedette connectors auth-records update gov-keys --name gov`,
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed
			if !slices.ContainsFunc([]string{"name", "description", "access-key-id", "secret-key-file", "secret-key"}, given) {
				return usagef("nothing to change is given")
			}
			var change qps.AwsAuthRecordChange
			if given("access-key-id") || given("secret-key-file") || given("secret-key") {
				id, secret, err := keys.required(a, cmd, f)
				if err != nil {
					return err
				}
				change.AccessKeyID, change.SecretKey = &id, &secret
			}
			if given("name") {
				change.Name = &name
			}
			if given("description") {
				change.Description = &description
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			return connectorFailure("Update Authentication Record failed.", a.updateAuthRecord(cmd.Context(), f, client, args[0], change))
		},
	}
	keys.define(cmd)
	cmd.Flags().StringVar(&name, "name", "", "new `name`")
	cmd.Flags().StringVar(&description, "description", "", "description `text`")
	return cmd
}

func (a *app) updateAuthRecord(ctx context.Context, f *clientFlags, client *qpsclient.Client, text string, change qps.AwsAuthRecordChange) error {
	id, err := findAuthRecord(ctx, client, text)
	if err != nil {
		return err
	}
	if err := client.UpdateAWSAuthRecord(ctx, id, change); err != nil {
		return err
	}
	record, err := client.GetAWSAuthRecord(ctx, id)
	if err != nil {
		return err
	}
	return a.writeAuthRecords(f, []*qps.AwsAuthRecord{record})
}

func newAuthRecordsDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete RECORD", Short: "Delete an authentication record", Args: exactArgs("RECORD"),
		Long:    "Deletes an authentication record and its keys with --yes; without it, only says which. One that a connector uses is refused.",
		Example: "  vedette connectors auth-records delete gov-keys --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "Delete Authentication Record failed."
			id, err := findAuthRecord(cmd.Context(), client, args[0])
			if err != nil {
				return connectorFailure(indicator, err)
			}
			record, err := client.GetAWSAuthRecord(cmd.Context(), id)
			if err != nil {
				return connectorFailure(indicator, err)
			}
			if !yes {
				fmt.Fprintf(a.stdout, "Authentication record %d (%s) would be deleted with its keys.\n", id, printable(quote(record.Name)))
				fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
				return nil
			}
			if err := client.DeleteAWSAuthRecord(cmd.Context(), id); err != nil {
				return connectorFailure(indicator, err)
			}
			fmt.Fprintf(a.stdout, "Deleted: authentication record %d.\n", id)
			return nil
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete it")
	return cmd
}
