package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps/qpsclient"
)

func newAutomationConnectionsCreate(a *app, f *clientFlags) *cobra.Command {
	var flags connectionFlags
	integration, noTest := "qualys-cloud-agent", false
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Test a connection, and add it", Args: exactArgs("NAME"),
		Long: `Tests the connection and adds it when it has passed; --no-test adds it without.
The password comes from --account-password-file, from the terminal, or from a vault,
never from the command line. You own what you make; --grant lets others use it.`,
		Example: `  vedette automation connections create "Qualys prod" --site SOC --platform "Qualys US Platform 2" --account acme_ab1 --account-password-file pw
  pass show lab | vedette automation connections create lab --server-url lab.example.net:8443 --account admin \
      --account-password-file - --parameter-file caCertificate=ca.pem --health-check --mail-after 3 --mail-to soc@example.net
  vedette automation connections create shared --share-to-internal-sites --recipient-site SOC --server-url qualysapi.qualys.com \
      --account acme_ab1 --vault vault --vault-item password=secret/qualys#password`,
		RunE: func(cmd *cobra.Command, args []string) error {
			const indicator = "Create Connection failed."
			return a.byCall(f, indicator, func(client *qpsclient.Client) error {
				of, err := client.Integration(cmd.Context(), integration)
				if err != nil {
					return err
				}
				change, err := flags.change(a, cmd, f, of)
				if err != nil {
					return err
				}
				n := qpsclient.NewConnection{
					Integration: of.Name, Name: args[0], Site: change.Site, ShareToInternalSites: isTrue(change.ShareToInternalSites), RecipientSite: change.RecipientSite,
					Relay: change.Relay, Description: flags.description, Active: change.Active, UserPermissions: change.UserPermissions,
					Parameters: change.Parameters, PasswordVault: change.PasswordVault, Limits: change.Limits, HealthCheck: change.HealthCheck,
				}
				if err := a.askForPassword(&n, of); err != nil {
					return err
				}
				if !noTest {
					if err := a.testNew(cmd, f, client, n); err != nil {
						return err
					}
				}
				made, err := client.CreateConnection(cmd.Context(), n)
				if err != nil {
					return err
				}
				return a.writeConnection(f, made)
			})
		},
	}
	flags.define(a, cmd, f)
	cmd.Flags().StringVar(&integration, "integration", integration, "`integration` it is of")
	cmd.Flags().BoolVar(&noTest, "no-test", false, "add it without a test")
	a.completeFlagNames(cmd, f, "integration", integrationNames)
	if err := cmd.RegisterFlagCompletionFunc("platform", a.completePlatforms(f, &integration)); err != nil {
		panic(err) // the flag was not defined, or this is called twice
	}
	return cmd
}

// testNew tests a connection before it is made. One that does not pass is not made.
func (a *app) testNew(cmd *cobra.Command, f *clientFlags, client *qpsclient.Client, n qpsclient.NewConnection) error {
	tested, err := client.TestNewConnection(cmd.Context(), n)
	if err != nil {
		return err
	}
	outcome := outcomeFrom(tested)
	if outcome.State == automation.Successful {
		fmt.Fprintln(a.stderr, "✓ Passed")
		return nil
	}
	fmt.Fprintln(a.stderr, "The connection was not added: it did not pass its test. --no-test adds it all the same.")
	return a.report(f, outcome)
}

// askForPassword asks the person at the terminal for the password where it is needed,
// given by no flag and in no vault.
func (a *app) askForPassword(n *qpsclient.NewConnection, of qpsclient.Integration) error {
	for _, p := range of.Parameters {
		_, given := n.Parameters[p.Name]
		_, byField := n.Parameters[p.DisplayName]
		fromVault := false
		if n.PasswordVault != nil {
			_, fromVault = n.PasswordVault.Items[p.Name]
		}
		if p.Type != "secret" || !p.Required || given || byField || fromVault {
			continue
		}
		ask := a.askPassword(settings{username: n.Parameters["username"], url: n.Parameters["serverUrl"]})
		if ask == nil || p.Name != passwordParameter {
			flag := "--parameter-file " + p.Name + "=FILE"
			if p.Name == passwordParameter {
				flag = "--account-password-file FILE"
			}
			return usagef("no %s is given: use %s, with - for standard input", p.DisplayName, flag)
		}
		secret, err := ask()
		if err != nil {
			return err
		}
		n.Parameters[p.Name] = secret
	}
	return nil
}

func newAutomationConnectionsUpdate(a *app, f *clientFlags) *cobra.Command {
	var flags connectionFlags
	cmd := &cobra.Command{
		Use: "update CONNECTION", Short: "Change a connection", Args: exactArgs("CONNECTION"),
		Long: `Changes what the flags name and leaves the rest; --grant and --vault-item replace all
there are. When the address, its certificate or the relay changes, the password has to
be given anew: it is sent there. An inactive connection runs no command and is not
checked.`,
		Example: `  vedette automation connections update "Qualys prod" --account-password-file pw
  vedette automation connections update SOC/lab --active=false --health-check=false
  vedette automation connections update SOC/lab --grant user:ann=own --grant role:Analyst=use`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(describingConnections, cmd.Flags().Changed) && !cmd.Flags().Changed("account-password") {
				return usagef("nothing to change is given")
			}
			return a.byCall(f, "Update Connection failed.", func(client *qpsclient.Client) error {
				c, err := findConnection(cmd.Context(), client, args[0])
				if err != nil {
					return err
				}
				of, err := client.Integration(cmd.Context(), c.Integration)
				if err != nil {
					return err
				}
				change, err := flags.change(a, cmd, f, of)
				if err != nil {
					return err
				}
				if c, err = client.UpdateConnection(cmd.Context(), c.ID, change); err != nil {
					return err
				}
				return a.writeConnection(f, c)
			})
		},
	}
	flags.define(a, cmd, f)
	cmd.Flags().StringVar(&flags.name, "name", "", "new `name`")
	of := "qualys-cloud-agent"
	if err := cmd.RegisterFlagCompletionFunc("platform", a.completePlatforms(f, &of)); err != nil {
		panic(err) // the flag was not defined, or this is called twice
	}
	return cmd
}
