package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// cloudPartition is a partition of AWS as commands name it.
type cloudPartition struct {
	word string // on the command line
	id   connector.Partition
	name string
}

var (
	global   = cloudPartition{"global", connector.Commercial, connector.Commercial.Name()}
	govCloud = cloudPartition{"govcloud", connector.GovCloud, connector.GovCloud.Name()}
	china    = cloudPartition{"china", connector.China, connector.China.Name()}
)

func cloudPartitions() []cloudPartition { return []cloudPartition{global, govCloud, china} }

// partitionFlag defines --partition and returns what it says.
func partitionFlag(cmd *cobra.Command) func() cloudPartition {
	words := make([]string, 0, len(cloudPartitions()))
	for _, p := range cloudPartitions() {
		words = append(words, p.word)
	}
	word := global.word
	cmd.Flags().Var(oneOf{&word, words}, "partition", "partition of AWS")
	completeOneOf(cmd, "partition", words)
	return func() cloudPartition {
		for _, p := range cloudPartitions() {
			if p.word == word {
				return p
			}
		}
		return global
	}
}

// newPartitionCommand returns the group that switches the option of a partition.
func newPartitionCommand(a *app, f *clientFlags, p cloudPartition) *cobra.Command {
	group := newGroup(p.word, "Let connectors list "+p.name+", or not",
		fmt.Sprintf(`Connectors list %s only when the option is enabled for the subscription. It cannot be
disabled while a connector that is not disabled lists it. Both are in the audit log.`, p.name))
	group.Example = fmt.Sprintf("  vedette connectors %[1]s status\n  vedette connectors %[1]s enable", p.word)
	for _, s := range []struct {
		use, short string
		enabled    bool
	}{{"enable", "Let connectors list " + p.name, true}, {"disable", "Let no connector list " + p.name, false}} {
		group.AddCommand(&cobra.Command{
			Use: s.use, Short: s.short, Args: noArgs, Example: fmt.Sprintf("  vedette connectors %s %s", p.word, s.use),
			RunE: func(cmd *cobra.Command, _ []string) error {
				client, _, err := a.connectorClient(f)
				if err != nil {
					return err
				}
				now, err := client.EnablePartition(cmd.Context(), string(p.id), s.enabled)
				if err != nil {
					return connectorFailure(capital(s.use)+" "+p.name+" failed.", err)
				}
				return a.writePartitions(f, now)
			},
		})
	}
	group.AddCommand(&cobra.Command{
		Use: "status", Short: "Say whether connectors may list " + p.name, Args: noArgs, Example: fmt.Sprintf("  vedette connectors %s status -o json", p.word),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			now, err := partition(cmd.Context(), client, p)
			if err != nil {
				return connectorFailure("Show "+p.name+" failed.", err)
			}
			return a.writePartitions(f, now)
		},
	})
	return group
}

func capital(word string) string { return strings.ToUpper(word[:1]) + word[1:] }

func partition(ctx context.Context, client *qpsclient.Client, p cloudPartition) (qpsclient.Partition, error) {
	all, err := client.Partitions(ctx)
	for _, known := range all {
		if known.Partition == string(p.id) {
			return known, nil
		}
	}
	if err == nil {
		err = fmt.Errorf("the platform does not know %s", p.name)
	}
	return qpsclient.Partition{}, err
}

func (a *app) writePartitions(f *clientFlags, list ...qpsclient.Partition) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, map[string]any{"partitions": list})
	}
	t := automation.Table{Columns: []string{"PARTITION", "NAME", "STATE", "BASE ACCOUNT", "SET", "OWN ACCOUNT"}, TimeColumns: []string{"SET"}}
	for _, p := range list {
		state, account, set := "disabled", "", ""
		if p.Enabled {
			state = "enabled"
		}
		if p.BaseAccount != nil {
			account, set = p.BaseAccount.AccountID, qps.FormatTime(p.BaseAccount.Modified)
		}
		t.Rows = append(t.Rows, []string{p.Partition, p.Name, state, account, set, p.OwnAccountID})
	}
	return f.writeRows(a.stdout, "partitions", "partition", t)
}

func newBaseAccountCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("base-account", "Manage the AWS accounts that assume the roles of connectors",
		`The base account of a partition is the AWS account whose keys assume the roles of
connectors there, and which their trust policies name. Without one the platform's own
credentials do: those of its environment or instance profile. China has no others
than a base account.`)
	group.Example = `  vedette connectors base-account list
  vedette connectors base-account set 123456789012 --access-key-id AKIAIOSFODNN7EXAMPLE --secret-key-file key
  vedette connectors base-account delete --partition china --yes`
	group.AddCommand(newBaseAccountList(a, f), newBaseAccountSet(a, f), newBaseAccountDelete(a, f))
	return group
}

func newBaseAccountList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List who assumes roles in each partition", Args: noArgs,
		Example: "  vedette connectors base-account list\n  vedette connectors base-account list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "List Base Accounts failed."
			list, err := client.Partitions(cmd.Context())
			if errors.Is(err, qpsclient.ErrNoAutomationAPI) { // such as Qualys, which lists them in its own words
				accounts, err := client.AWSBaseAccounts(cmd.Context())
				if err != nil {
					return connectorFailure(indicator, err)
				}
				t := automation.Table{Columns: []string{"ID", "GLOBAL", "US GOVCLOUD", "CHINA"}}
				for _, b := range accounts {
					t.Rows = append(t.Rows, []string{fmt.Sprint(b.ID), b.GlobalAccountID, b.GovAccountID, b.ChinaAccountID})
				}
				return writeRecords(a, f, qps.SchemaAwsBaseAccount, accounts, t, t)
			}
			if err != nil {
				return connectorFailure(indicator, err)
			}
			return a.writePartitions(f, list...)
		},
	}
}

func newBaseAccountSet(a *app, f *clientFlags) *cobra.Command {
	var keys keyPair
	var chosen func() cloudPartition
	cmd := &cobra.Command{
		Use: "set ACCOUNT", Short: "Set the base account of a partition", Args: exactArgs("ACCOUNT"),
		Long: `Sets the account that assumes roles from the next run of each connector on; ACCOUNT is
its twelve digits. Its keys have to be allowed sts:AssumeRole ('vedette connectors policy
caller'), and the trust policies of the roles have to name the account. Keys are rotated
by setting the account again. The secret key never comes from the command line.`,
		Example: `  vedette connectors base-account set 123456789012 --access-key-id AKIAIOSFODNN7EXAMPLE --secret-key-file key
  pass show aws/china | vedette connectors base-account set 123456789012 --partition china --access-key-id AKIAIOSFODNN7EXAMPLE --secret-key-file -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, secret, err := keys.required(a, cmd, f)
			if err != nil {
				return err
			}
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			now, err := client.SetBaseAccount(cmd.Context(), string(chosen().id), qpsclient.NewBaseAccount{AccountID: args[0], AccessKeyID: id, SecretKey: secret})
			if err != nil {
				return connectorFailure("Set Base Account failed.", err)
			}
			return a.writePartitions(f, now)
		},
	}
	keys.define(cmd)
	chosen = partitionFlag(cmd)
	return cmd
}

func newBaseAccountDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	var chosen func() cloudPartition
	cmd := &cobra.Command{
		Use: "delete", Short: "Delete the base account of a partition", Args: noArgs,
		Long: `Deletes the base account of a partition and its keys with --yes; without it, only says
which. The platform's own credentials assume roles there again.`,
		Example: "  vedette connectors base-account delete --yes\n  vedette connectors base-account delete --partition govcloud",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.connectorClient(f)
			if err != nil {
				return err
			}
			const indicator = "Delete Base Account failed."
			p := chosen()
			if !yes {
				now, err := partition(cmd.Context(), client, p)
				if err != nil {
					return connectorFailure(indicator, err)
				}
				if now.BaseAccount == nil {
					fmt.Fprintf(a.stdout, "There is no base account of %s.\n", p.name)
					return nil
				}
				fmt.Fprintf(a.stdout, "The base account of %s, %s, would be deleted with its keys.\n", p.name, now.BaseAccount.AccountID)
				fmt.Fprintln(a.stdout, "Nothing was changed; repeat the command with --yes to delete.")
				return nil
			}
			if err := client.DeleteBaseAccount(cmd.Context(), string(p.id)); err != nil {
				return connectorFailure(indicator, err)
			}
			fmt.Fprintf(a.stdout, "Deleted: the base account of %s.\n", p.name)
			return nil
		},
	}
	chosen = partitionFlag(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "delete it")
	return cmd
}
