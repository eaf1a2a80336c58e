package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// shownOnce goes with every secret that a platform made.
const shownOnce = "The platform shows this secret only now. Keep it where secrets are kept."

// selfName stands for whoever calls, where users see to their own.
const selfName = access.CallerName

// newSecret is where the new password of a user comes from.
type newSecret struct {
	file string
}

func (n *newSecret) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&n.file, "new-password-file", "", "`file` with the new password, - for standard input")
}

// fromFile returns the password of the file, an empty one when none is named.
func (n *newSecret) fromFile(a *app, f *clientFlags) (string, error) {
	if n.file == "" {
		return "", nil
	}
	if n.file == "-" && (f.passwordFile == "-" || f.tokenFile == "-") {
		return "", usagef("--new-password-file - and the credentials of the connection cannot both come from standard input")
	}
	return a.readSecretFile(n.file, "password")
}

func newUsersPassword(a *app, f *clientFlags) *cobra.Command {
	var secret newSecret
	var generate bool
	cmd := &cobra.Command{
		Use: "password [USER]", Short: "Set a password: your own, or a user's", Args: atMostOneUser,
		Long: `Sets your own password, or as a manager that of a user. It is asked for at the
terminal, read from --new-password-file, or generated and shown this once. It has
at least 12 characters. All tokens of the user end.

A password is changed with a password, never with a token.`,
		Example: "  vedette users password\n  vedette users password soar --generate\n  pass show soar | vedette users password soar --new-password-file -",
		RunE: func(cmd *cobra.Command, args []string) error {
			if generate && secret.file != "" {
				return usagef("--generate and --new-password-file exclude each other")
			}
			password, err := secret.fromFile(a, f)
			if err != nil {
				return err
			}
			client, s, err := a.client(f, 0)
			if err != nil {
				return err
			}
			username := userOrSelf(args)
			if username == selfName {
				username = cmp.Or(s.username, selfName) // a token's user is not known here
			}
			if password == "" && !generate {
				if password, err = a.askNewPassword(username); err != nil {
					return err
				}
			}
			return a.setPassword(cmd, f, client, s, username, password)
		},
	}
	secret.define(cmd)
	cmd.Flags().BoolVar(&generate, "generate", false, "let the platform make one, and show it")
	return cmd
}

func atMostOneUser(cmd *cobra.Command, args []string) error {
	return noArgs(cmd, args[min(len(args), 1):])
}

func userOrSelf(args []string) string {
	if len(args) == 1 {
		return args[0]
	}
	return selfName
}

// setPassword sets a password. Who sets their own has just shown the present one
// as the password of the connection.
func (a *app) setPassword(cmd *cobra.Command, f *clientFlags, client *qpsclient.Client, s settings, username, password string) error {
	own, old := s.token == nil && username == s.username, ""
	if own {
		var err error
		if old, err = s.password(); err != nil {
			return err
		}
	}
	generated, err := client.SetPassword(cmd.Context(), username, old, password)
	if err != nil {
		return accessFailure("Set Password failed.", err)
	}
	switch {
	case generated == "":
		fmt.Fprintf(a.stdout, "The password of %s is set.\n", username)
	case f.format() == formatJSON:
		err = writeJSON(a.stdout, map[string]string{"username": username, "password": generated})
	default:
		err = a.writeUpright(f, "user", automation.Table{Columns: []string{"USERNAME", "PASSWORD"}, Rows: [][]string{{username, generated}}})
	}
	if generated != "" {
		fmt.Fprintln(a.stderr, shownOnce)
	}
	if own {
		fmt.Fprintf(a.stderr, "Where you keep the password, it is the old one now (%s).\n", s.source)
	}
	return err
}

// askNewPassword asks the person at the terminal, twice.
func (a *app) askNewPassword(username string) (string, error) {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usagef("there is no terminal to ask for the new password: give --new-password-file or --generate")
	}
	var answers [2]string
	for i, prompt := range []string{"New password of " + username + ": ", "The same again: "} {
		fmt.Fprint(a.stderr, prompt)
		answer, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(a.stderr)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		answers[i] = string(answer)
	}
	if answers[0] == "" || answers[0] != answers[1] {
		return "", usagef("the password is empty, or the second one differs; nothing was changed")
	}
	return answers[0], nil
}

func newUsersTokens(a *app, f *clientFlags) *cobra.Command {
	group := newGroup("tokens", "List, make and revoke API tokens",
		`An API token stands for its user in place of name and password, until it expires,
is revoked, or the password is changed. It is given to commands as VEDETTE_TOKEN,
with --token-file, or in a saved connection.`)
	group.Example = `  vedette users tokens create ci --expires-in 90d
  vedette users tokens list
  vedette users tokens revoke 7`
	group.AddCommand(newTokensList(a, f), newTokensCreate(a, f), newTokensRevoke(a, f))
	return group
}

func newTokensList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list [USER]", Short: "List your API tokens, or as a manager a user's", Args: atMostOneUser,
		Example: "  vedette users tokens list\n  vedette users tokens list soar -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			tokens, err := client.Tokens(cmd.Context(), userOrSelf(args))
			if err != nil {
				return accessFailure("List Tokens failed.", err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"tokens": append([]qpsclient.Token{}, tokens...)})
			}
			if f.format() == formatTable && len(tokens) == 0 {
				fmt.Fprintln(a.stderr, "There is no token.")
			}
			return f.writeRows(a.stdout, "tokens", "token", tokenTable(tokens...))
		},
	}
}

func tokenTable(tokens ...qpsclient.Token) automation.Table {
	t := automation.Table{Columns: []string{"ID", "NAME", "CREATED", "EXPIRES"}, TimeColumns: []string{"CREATED", "EXPIRES"}}
	for _, token := range tokens {
		t.Rows = append(t.Rows, []string{strconv.FormatInt(token.ID, 10), token.Name, qps.FormatTime(token.Created), qps.FormatTime(token.Expires)})
	}
	return t
}

func newTokensCreate(a *app, f *clientFlags) *cobra.Command {
	var expires string
	cmd := &cobra.Command{
		Use: "create NAME --expires-in TIME", Short: "Make an API token of your own", Args: exactArgs("NAME"),
		Long: `Makes a token of your own and shows its secret this once. NAME tells your tokens
apart. A token is made with the password, never with a token, and only by its user:
to make one for a program, call as the program's user.`,
		Example: `  vedette users tokens create ci --expires-in 90d
  vedette users tokens create soar --expires-in 365d --username soar --password-file pw`,
		RunE: func(cmd *cobra.Command, args []string) error {
			lifetime, err := givenDays("expires-in", expires, access.MinTokenLife, access.MaxTokenLife)
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			token, secret, err := client.CreateToken(cmd.Context(), args[0], lifetime)
			if err != nil {
				return accessFailure("Create Token failed.", err)
			}
			fmt.Fprintln(a.stderr, shownOnce)
			if f.format() == formatJSON {
				return writeJSON(a.stdout, struct {
					Token  qpsclient.Token `json:"token"`
					Secret string          `json:"secret"`
				}{token, secret})
			}
			t := tokenTable(token)
			t.Columns, t.Rows[0] = append(t.Columns, "SECRET"), append(t.Rows[0], secret)
			return a.writeUpright(f, "token", t)
		},
	}
	cmd.Flags().StringVar(&expires, "expires-in", "", "`time` for which it lasts, such as 90d or 12h; at most 365d (required)")
	return cmd
}

func newTokensRevoke(a *app, f *clientFlags) *cobra.Command {
	var username string
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Revoke an API token at once", Args: exactArgs("ID"),
		Example: "  vedette users tokens revoke 7\n  vedette users tokens revoke 7 --of soar",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID("token ID", args[0])
			if err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			if err := client.RevokeToken(cmd.Context(), username, id); err != nil {
				return accessFailure("Revoke Token failed.", err)
			}
			_, err = fmt.Fprintf(a.stdout, "Token %d is revoked.\n", id)
			return err
		},
	}
	cmd.Flags().StringVar(&username, "of", selfName, "`user` whose token it is, for managers")
	return cmd
}
