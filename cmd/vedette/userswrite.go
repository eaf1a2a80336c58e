package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/qps/qpsclient"
)

// scopeFlags are the flags that give a user a scope.
type scopeFlags struct {
	tags []string
	all  bool
}

func (s *scopeFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&s.tags, "scope-tag", nil, "`tag` whose hosts the user sees, by ID or name; can be repeated, empty for none")
	cmd.Flags().BoolVar(&s.all, "scope-all", false, "the user sees all hosts")
}

// scope returns what the flags say, nil where they say nothing.
func (s *scopeFlags) scope(cmd *cobra.Command) *qpsclient.Scope {
	if !cmd.Flags().Changed("scope-tag") && !cmd.Flags().Changed("scope-all") {
		return nil
	}
	scope := &qpsclient.Scope{AllAssets: s.all, Tags: []qpsclient.Reference{}}
	for _, tag := range s.tags {
		if tag != "" {
			scope.Tags = append(scope.Tags, referenceTo(tag))
		}
	}
	return scope
}

func newUsersCreate(a *app, f *clientFlags) *cobra.Command {
	n := qpsclient.NewUser{}
	var roles []string
	var scope scopeFlags
	var secret newSecret
	cmd := &cobra.Command{
		Use: "create USER", Short: "Make a user", Args: exactArgs("USER"),
		Long: `Makes a user, who may sign in at once. USER has 1 to 100 letters, digits and
. _ @ + -, case-sensitive. The password is generated and shown this once, unless
--new-password-file gives one of at least 12 characters.`,
		Example: `  vedette users create soar --first-name D3 --last-name SOAR --role SOAR --scope-tag "Cloud Agent"
  pass show ann | vedette users create ann --role Auditor --scope-all --email ann@example.org --new-password-file -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			n.Username = args[0]
			for _, role := range roles {
				n.Roles = append(n.Roles, referenceTo(role))
			}
			n.Scope = scope.scope(cmd)
			var err error
			if n.Password, err = secret.fromFile(a, f); err != nil {
				return err
			}
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			user, password, err := client.CreateUser(cmd.Context(), n)
			if err != nil {
				return accessFailure("Create User failed.", err)
			}
			if err := a.writeNewUser(f, user, password); err != nil {
				return err
			}
			a.sayScope(user)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&n.FirstName, "first-name", "", "first `name`")
	flags.StringVar(&n.LastName, "last-name", "", "last `name`")
	flags.StringVar(&n.Email, "email", "", emailUsage)
	flags.StringArrayVar(&roles, "role", nil, "`role` to give, by ID or name; can be repeated")
	scope.define(cmd)
	secret.define(cmd)
	return cmd
}

// writeNewUser writes a user with the password that was generated, if one was.
func (a *app) writeNewUser(f *clientFlags, user qpsclient.User, password string) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, struct {
			User     qpsclient.User `json:"user"`
			Password string         `json:"password,omitempty"`
		}{user, password})
	}
	t := userTable(user)
	if password != "" {
		t.Columns, t.Rows[0] = append(t.Columns, "PASSWORD"), append(t.Rows[0], password)
		fmt.Fprintln(a.stderr, shownOnce)
	}
	return a.writeUpright(f, "user", t)
}

func newUsersUpdate(a *app, f *clientFlags) *cobra.Command {
	var first, last, email string
	var scope scopeFlags
	cmd := &cobra.Command{
		Use: "update USER", Short: "Change the name, the mail address or the scope of a user", Args: exactArgs("USER"),
		Long: `Changes what the flags name and leaves the rest. Tags of a scope replace those it
had. Roles are given with 'vedette roles assign'.`,
		Example: "  vedette users update soar --scope-tag 'Cloud Agent'\n  vedette users update ann --scope-all --last-name O\\'Neil --email ann@example.org\n  vedette users update ann --scope-tag ''",
		RunE: func(cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed
			change := qpsclient.UserChange{Scope: scope.scope(cmd)}
			if given("first-name") {
				change.FirstName = &first
			}
			if given("last-name") {
				change.LastName = &last
			}
			if given("email") {
				change.Email = &email
			}
			if change == (qpsclient.UserChange{}) {
				return usagef("nothing to change is given")
			}
			return a.updateUser(cmd, f, args[0], change, "Update User failed.")
		},
	}
	cmd.Flags().StringVar(&first, "first-name", "", "first `name`")
	cmd.Flags().StringVar(&last, "last-name", "", "last `name`")
	cmd.Flags().StringVar(&email, "email", "", emailUsage)
	scope.define(cmd)
	return cmd
}

// emailUsage describes the flag of a mail address.
const emailUsage = "mail `address` at which playbooks tell what they ask; empty for none"

func (a *app) updateUser(cmd *cobra.Command, f *clientFlags, username string, change qpsclient.UserChange, indicator string) error {
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	user, err := client.UpdateUser(cmd.Context(), username, change)
	if err != nil {
		return accessFailure(indicator, err)
	}
	return a.writeUser(f, user)
}

func newUsersSwitch(a *app, f *clientFlags, verb string, disabled bool) *cobra.Command {
	short, indicator := "Let a user in again", "Enable User failed."
	if disabled {
		short, indicator = "Refuse a user at once, with the password and every token", "Disable User failed."
	}
	return &cobra.Command{
		Use: verb + " USER", Short: short, Args: exactArgs("USER"),
		Example: "  vedette users " + verb + " soar",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.updateUser(cmd, f, args[0], qpsclient.UserChange{Disabled: &disabled}, indicator)
		},
	}
}

func newUsersDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete USER", Short: "Delete a user", Args: exactArgs("USER"),
		Long: `Deletes a user with their tokens with --yes; without it, only says who that would
be. What they did stays in the audit log. To keep somebody out for a while,
disable them.`,
		Example: "  vedette users delete soar\n  vedette users delete soar --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Delete User failed."
			if !yes {
				user, err := client.User(cmd.Context(), args[0])
				if err != nil {
					return accessFailure(indicator, err)
				}
				roles := make([]string, len(user.Roles))
				for i, r := range user.Roles {
					roles[i] = r.Name
				}
				slices.Sort(roles)
				fmt.Fprintf(a.stdout, "User %s (roles: %s) would be deleted.\nNothing was changed; repeat the command with --yes to delete.\n",
					user.Username, printable(orNone(roles)))
				return nil
			}
			if err := client.DeleteUser(cmd.Context(), args[0]); err != nil {
				return accessFailure(indicator, err)
			}
			_, err = fmt.Fprintf(a.stdout, "User %s is deleted.\n", args[0])
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete them")
	return cmd
}
