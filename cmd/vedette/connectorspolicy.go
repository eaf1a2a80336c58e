package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// trust is whom a role shall trust, as flags say it.
type trust struct {
	principal, externalID string
	partition             func() cloudPartition
}

func (t *trust) define(cmd *cobra.Command) {
	t.partition = partitionFlag(cmd)
	cmd.Flags().StringVar(&t.principal, "principal", "", "`account` of twelve digits, or ARN, that may assume the role; by default the one the platform uses")
	cmd.Flags().StringVar(&t.externalID, "external-id", "", "external `id` that the connector will say")
}

// trusted returns whom the role shall trust: the principal that is given, or the
// account that the platform says assumes roles in the partition.
func (t *trust) trusted(ctx context.Context, a *app, f *clientFlags) (string, error) {
	if t.principal != "" {
		return t.principal, nil
	}
	client, _, err := a.connectorClient(f)
	if err != nil {
		return "", err
	}
	p := t.partition()
	account, err := assumingAccount(ctx, client, p)
	if err == nil && account == "" {
		err = fault.New(fault.Conflict, fmt.Sprintf("The platform knows no account that assumes roles of %s.", p.name),
			fmt.Sprintf("Set one with 'vedette connectors base-account set ACCOUNT --partition %s', give the platform AWS credentials of that partition, or say it with --principal.", p.word))
	}
	return account, err
}

func assumingAccount(ctx context.Context, client *qpsclient.Client, p cloudPartition) (string, error) {
	known, err := partition(ctx, client, p)
	if !errors.Is(err, qpsclient.ErrNoAutomationAPI) {
		return known.AssumingAccountID(), err
	}
	list, err := client.AWSBaseAccounts(ctx)
	if err != nil || len(list) == 0 {
		return "", err
	}
	switch p {
	case govCloud:
		return list[0].GovAccountID, nil
	case china:
		return list[0].ChinaAccountID, nil
	}
	return list[0].GlobalAccountID, nil
}

// policyKinds are the policies that 'policy' prints.
var policyKinds = []string{"permissions", "trust", "caller"}

func newConnectorsPolicy(a *app, f *clientFlags) *cobra.Command {
	var t trust
	cmd := &cobra.Command{
		Use: "policy [permissions|trust|caller]", Short: "Print the IAM policies that a connector needs", ValidArgs: policyKinds,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			word := ""
			if err := (oneOf{&word, policyKinds}).Set(args[0]); err != nil {
				return usagef("policy %s: %w", quote(args[0]), err)
			}
			return noArgs(nil, args[1:])
		},
		Long: `Prints policies as JSON: permissions, what the role or the user of the connector has to
be allowed; trust, who may assume the role, with the external id; and caller, what the
base account's user has to be allowed. Without one of these words it prints the first
two, under headings.`,
		Example: `  vedette connectors policy --external-id x-1
  vedette connectors policy permissions > permissions.json
  vedette connectors policy trust --partition govcloud --external-id x-1 --principal 123456789012 > trust.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			kinds := policyKinds[:2]
			if len(args) == 1 {
				kinds = args
			}
			var printed bytes.Buffer // half of it would look like all of it
			for _, kind := range kinds {
				policy, err := t.policy(cmd.Context(), a, f, kind)
				if err != nil {
					return connectorFailure("Print Policy failed.", err)
				}
				text, err := policy.JSON()
				if err != nil {
					return err
				}
				if len(kinds) > 1 {
					fmt.Fprintf(&printed, "%s policy of the role:\n", capital(kind))
				}
				printed.Write(text)
			}
			_, err := printed.WriteTo(a.stdout)
			return err
		},
	}
	t.define(cmd)
	return cmd
}

func (t *trust) policy(ctx context.Context, a *app, f *clientFlags, kind string) (connector.Policy, error) {
	switch kind {
	case "permissions":
		return connector.PermissionPolicy(), nil
	case "caller":
		return connector.CallerPolicy(t.partition().id), nil
	}
	if t.externalID == "" {
		return connector.Policy{}, usagef("a trust policy needs --external-id: choose one, and give it to the connector as well")
	}
	principal, err := t.trusted(ctx, a, f)
	if err != nil {
		return connector.Policy{}, err
	}
	return connector.TrustPolicy(t.partition().id, principal, t.externalID)
}

func newConnectorsTemplate(a *app, f *clientFlags) *cobra.Command {
	var t trust
	var roleName string
	cmd := &cobra.Command{
		Use: "template", Short: "Print a CloudFormation template that makes the role of a connector", Args: noArgs,
		Long: `Prints a CloudFormation template that makes the role of a connector, with the policies
of 'vedette connectors policy': YAML, or with -o json JSON. Its output RoleArn is what
the connector is given with --role.`,
		Example: `  vedette connectors template --external-id x-1 > role.yaml
  aws cloudformation deploy --stack-name vedette --template-file role.yaml --capabilities CAPABILITY_IAM`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if t.externalID == "" {
				return usagef("the role needs --external-id: choose one, and give it to the connector as well")
			}
			principal, err := t.trusted(cmd.Context(), a, f)
			if err != nil {
				return connectorFailure("Print Template failed.", err)
			}
			template, err := connector.RoleTemplate(t.partition().id, roleName, principal, t.externalID)
			if err != nil {
				return err
			}
			render := template.YAML
			if f.format() == formatJSON {
				render = template.JSON
			}
			text, err := render()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
	t.define(cmd)
	cmd.Flags().StringVar(&roleName, "role-name", "", "`name` of the role; CloudFormation makes one by default")
	return cmd
}
