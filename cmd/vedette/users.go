package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newUsersCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "users", "Manage users, their scopes, passwords and tokens",
		`Users call the API and the console. A user may do what their roles allow (see
'vedette roles'), with the hosts of their scope: those that carry one of its tags,
or a tag below one of them. A new user has no role and no scope unless they are
given.

Managers manage all users. Everybody with API Access may see themselves, change
their password, and make and revoke tokens.`)
	group.Example = `  vedette roles create SOAR --module "Cloud Agent" --permission "CA API Access Permissions for subusers" --permission "Launch On-Demand Scan"
  vedette users create soar --first-name D3 --last-name SOAR --role SOAR --scope-tag "Cloud Agent"
  vedette users password soar --generate
  vedette users update ann --email ann@example.org
  vedette users tokens create ci --expires-in 90d
  vedette users me
  vedette users settings --time-format "DD.MM.YYYY HH:mm" --time-zone Europe/Berlin`
	group.AddCommand(newUsersList(a, f), newUsersGet(a, f), newUsersMe(a, f), newUsersCreate(a, f), newUsersUpdate(a, f))
	group.AddCommand(newUsersSwitch(a, f, "enable", false), newUsersSwitch(a, f, "disable", true), newUsersDelete(a, f))
	group.AddCommand(newUsersPassword(a, f), newUsersTokens(a, f), newUsersSettings(a, f))
	return group
}

// accessFailure is the error of a command about users, roles or the audit log.
func accessFailure(indicator string, err error) error {
	if errors.Is(err, qpsclient.ErrNoAutomationAPI) {
		return errors.New("this platform is not a Vedette platform: its users, roles and audit log are managed in its own console")
	}
	return platformFailure(indicator, err)
}

func newUsersList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List users", Args: noArgs,
		Example: "  vedette users list\n  vedette users list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			users, err := client.Users(cmd.Context())
			if err != nil {
				return accessFailure("List Users failed.", err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"users": append([]qpsclient.User{}, users...)})
			}
			return f.writeRows(a.stdout, "users", "user", userTable(users...))
		},
	}
}

func newUsersGet(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "get USER", Aliases: []string{"show"}, Short: "Show one user", Args: exactArgs("USER"),
		Example: "  vedette users get soar",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			user, err := client.User(cmd.Context(), args[0])
			if err != nil {
				return accessFailure("Get User failed.", err)
			}
			return a.writeUser(f, user)
		},
	}
}

func newUsersMe(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "me", Short: "Show who you are to the platform, and what you may do", Args: noArgs,
		Example: "  vedette users me\n  VEDETTE_TOKEN=… vedette users me -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			me, err := client.Me(cmd.Context())
			if err != nil {
				return accessFailure("Show Own User failed.", err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, me)
			}
			t := userTable(me.User)
			signIn := "password"
			if me.ByToken {
				signIn = "token"
			}
			t.Columns = append(t.Columns, "SIGNED IN BY", "PERMISSIONS", "TIME FORMAT", "TIME ZONE")
			t.Rows[0] = append(t.Rows[0], signIn, strings.Join(me.Permissions, ","), me.Settings.TimeFormat, me.Settings.TimeZone)
			return a.writeUpright(f, "user", t)
		},
	}
}

// writeUser writes one user, a line per fact for people.
func (a *app) writeUser(f *clientFlags, user qpsclient.User) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, user)
	}
	return a.writeUpright(f, "user", userTable(user))
}

// writeUpright writes a table of one row, a line per column for people.
func (a *app) writeUpright(f *clientFlags, item string, t automation.Table) error {
	if f.format() == formatTable {
		return writeTable(a.stdout, f.transposed(t))
	}
	return f.writeRows(a.stdout, item+"s", item, t)
}

func userTable(users ...qpsclient.User) automation.Table {
	t := automation.Table{
		Columns:     []string{"USERNAME", "FIRST NAME", "LAST NAME", "ROLES", "SCOPE", "EMAIL", "STATE", "CREATED", "PASSWORD CHANGED"},
		TimeColumns: []string{"CREATED", "PASSWORD CHANGED"},
	}
	for _, u := range users {
		state := "enabled"
		if u.Disabled {
			state = "disabled"
		}
		t.Rows = append(t.Rows, []string{
			u.Username, u.FirstName, u.LastName, referenceNames(u.Roles), scopeText(u), u.Email, state,
			qps.FormatTime(u.Created), qps.FormatTime(u.PasswordChanged),
		})
	}
	return t
}

// scopeText says which hosts a user sees.
func scopeText(u qpsclient.User) string {
	if u.Scope.AllAssets || isManager(u) {
		return "all hosts"
	}
	return referenceNames(u.Scope.Tags)
}

func isManager(u qpsclient.User) bool {
	return slices.ContainsFunc(u.Roles, func(r qpsclient.Reference) bool { return r.Name == access.ManagerRole })
}

func referenceNames(list []qpsclient.Reference) string {
	names := make([]string, len(list))
	for i, r := range list {
		if names[i] = r.Name; r.Name == "" {
			names[i] = strconv.FormatInt(r.ID, 10)
		}
	}
	return strings.Join(names, ",")
}

// referenceTo reads a role or a tag as it is named on the command line: an
// integer is an id.
func referenceTo(text string) qpsclient.Reference {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return qpsclient.Reference{ID: id}
	}
	return qpsclient.Reference{Name: text}
}

// sayScope tells that a user may do nothing yet, or sees nothing.
func (a *app) sayScope(user qpsclient.User) {
	if len(user.Roles) == 0 {
		fmt.Fprintf(a.stderr, "The user has no role and may do nothing. Give one: vedette roles assign ROLE %s ('vedette roles list' shows which there are; 'users create' takes --role)\n", user.Username)
	}
	if scopeText(user) == "" {
		fmt.Fprintf(a.stderr, "The user has no scope and sees no host. Give one: vedette users update %s --scope-tag 'Cloud Agent'\n", user.Username)
	}
}
