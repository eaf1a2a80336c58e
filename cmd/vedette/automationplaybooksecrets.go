package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/qps/qpsclient"
)

func newPlaybookSecretsCommand(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("secrets", "Set what the webhooks of a playbook are signed with",
		`A webhook in the text of a playbook names a secret. Whoever has it starts the playbook
with a request that is signed with it, as Standard Webhooks says. A platform shows the
names of secrets, and never what they are.`)
	group.Example = `  vedette automation playbooks secrets set rescan-stale-hosts ci --generate
  vedette automation playbooks secrets list rescan-stale-hosts
  vedette automation playbooks secrets remove rescan-stale-hosts ci`
	list, set, remove := newPlaybookSecretsList(a, f), newPlaybookSecretsSet(a, f), newPlaybookSecretsRemove(a, f)
	a.completeNamesOf(f, playbookNames, 1, list, set, remove)
	group.AddCommand(list, set, remove)
	return group
}

func newPlaybookSecretsList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list PLAYBOOK", Short: "List the names of the secrets of a playbook", Args: exactArgs("PLAYBOOK"),
		Example: "  vedette automation playbooks secrets list rescan-stale-hosts\n  vedette automation playbooks secrets list SOC/onboard -o json",
		RunE: a.byPlaybook(f, "List Secrets failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
			names, err := client.PlaybookSecrets(ctx, p.ID)
			if err != nil {
				return err
			}
			t := automation.Table{Columns: []string{"NAME"}}
			list := make([]map[string]string, len(names))
			for i, name := range names {
				t.Rows = append(t.Rows, []string{name})
				list[i] = map[string]string{"name": name}
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"secrets": list})
			}
			if f.format() == formatTable && len(names) == 0 {
				fmt.Fprintln(a.stderr, "There is no secret.")
			}
			return f.writeRows(a.stdout, "secrets", "secret", t)
		}),
	}
}

func newPlaybookSecretsSet(a *app, f *clientFlags) *cobra.Command {
	var file string
	var generate bool
	cmd := &cobra.Command{
		Use: "set PLAYBOOK NAME", Short: "Set a secret of a playbook", Args: exactArgs("PLAYBOOK", "NAME"),
		Long: `Sets a secret, in place of one with this name. It is asked for at the terminal, read
from --secret-file, or generated and shown this once. It is whsec_ followed by 24 to 64
random bytes in base64. Whoever has it starts the playbook, so you need the right to run
playbooks.`,
		Example: `  vedette automation playbooks secrets set rescan-stale-hosts ci --generate
  pass show ci | vedette automation playbooks secrets set rescan-stale-hosts ci --secret-file -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			secret, err := a.playbookSecret(f, args[1], file, generate)
			if err != nil {
				return err
			}
			return a.byPlaybook(f, "Set Secret failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
				if err := client.SetPlaybookSecret(ctx, p.ID, args[1], secret.Reveal()); err != nil {
					return err
				}
				if generate {
					return a.writeNewSecret(f, p, args[1], secret)
				}
				_, err := fmt.Fprintf(a.stdout, "Secret %s of playbook %s is set.\n", args[1], printable(quote(qualifiedPlaybook(p))))
				return err
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&file, "secret-file", "", "`file` with the secret, - for standard input; asked for at a terminal")
	cmd.Flags().BoolVar(&generate, "generate", false, "make one, and show it")
	cmd.MarkFlagsMutuallyExclusive("secret-file", "generate")
	return cmd
}

// playbookSecret returns a new secret, that of a file, or what a person says.
func (a *app) playbookSecret(f *clientFlags, name, file string, generate bool) (signature.Secret, error) {
	var text string
	var err error
	switch {
	case generate:
		return signature.NewSecret(), nil
	case file == "-" && (f.passwordFile == "-" || f.tokenFile == "-"):
		return signature.Secret{}, usagef("--secret-file - and the credentials of the connection cannot both come from standard input")
	case file != "":
		text, err = a.readSecretFile(file, "secret")
	default:
		text, err = a.askSecret(name)
	}
	if err != nil {
		return signature.Secret{}, err
	}
	secret, err := signature.ParseSecret(text)
	if err != nil {
		return secret, usageError{err}
	}
	return secret, nil
}

// askSecret asks the person at the terminal.
func (a *app) askSecret(name string) (string, error) {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usagef("there is no terminal to ask for the secret: give --secret-file or --generate")
	}
	fmt.Fprintf(a.stderr, "Secret %s: ", printable(name))
	answer, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return "", fmt.Errorf("read secret: %w", err)
	}
	return string(answer), nil
}

// writeNewSecret shows a secret that was generated, this once.
func (a *app) writeNewSecret(f *clientFlags, p qpsclient.Playbook, name string, secret signature.Secret) error {
	fmt.Fprintln(a.stderr, "This secret is shown only now. Keep it where secrets are kept.")
	if f.format() == formatJSON {
		return writeJSON(a.stdout, map[string]string{"name": name, "secret": secret.Reveal()})
	}
	return a.writeUpright(f, "secret", automation.Table{Columns: []string{"PLAYBOOK", "NAME", "SECRET"}, Rows: [][]string{{qualifiedPlaybook(p), name, secret.Reveal()}}})
}

func newPlaybookSecretsRemove(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "remove PLAYBOOK NAME", Short: "Remove a secret of a playbook", Args: exactArgs("PLAYBOOK", "NAME"),
		Long:    "Removes a secret: webhooks that name it start nothing any more.",
		Example: "  vedette automation playbooks secrets remove rescan-stale-hosts ci",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.byPlaybook(f, "Remove Secret failed.", func(ctx context.Context, client *qpsclient.Client, p qpsclient.Playbook) error {
				if err := client.RemovePlaybookSecret(ctx, p.ID, args[1]); err != nil {
					return err
				}
				_, err := fmt.Fprintf(a.stdout, "Secret %s of playbook %s is removed.\n", args[1], printable(quote(qualifiedPlaybook(p))))
				return err
			})(cmd, args)
		},
	}
}
