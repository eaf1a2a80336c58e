package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

func newRolesCommand(a *app) *cobra.Command {
	group, f := newClientGroup(a, "roles", "Manage roles: what users may do",
		`A role is a set of permissions that users are given. It has API access, console
access or both, and permissions of modules. The role Manager may do everything and
cannot be changed. Only managers manage roles. ROLE is the ID or the name of a role.

The steps with which the published integrations prepare their account:
make the role with API access and the module Cloud Agent, refined to what they need;
add it to users; give the users the scope tag Cloud Agent.`)
	group.Example = `  vedette roles create SOAR --module "Cloud Agent" \
    --permission "CA API Access Permissions for subusers" --permission "Launch On-Demand Scan"
  vedette users create soar
  vedette roles assign SOAR soar
  vedette users update soar --scope-tag "Cloud Agent"`
	group.AddCommand(newRolesList(a, f), newRolesGet(a, f), newRolesPermissions(a, f), newRolesCreate(a, f), newRolesUpdate(a, f))
	group.AddCommand(newRolesDelete(a, f), newRolesAssign(a, f, true), newRolesAssign(a, f, false))
	return group
}

func newRolesList(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List roles", Args: noArgs,
		Example: "  vedette roles list\n  vedette roles list -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			roles, err := client.Roles(cmd.Context())
			if err != nil {
				return accessFailure("List Roles failed.", err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"roles": append([]qpsclient.Role{}, roles...)})
			}
			return f.writeRows(a.stdout, "roles", "role", roleTable(roles...))
		},
	}
}

func newRolesGet(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "get ROLE", Aliases: []string{"show"}, Short: "Show one role and its users", Args: exactArgs("ROLE"),
		Example: "  vedette roles get SOAR\n  vedette roles get 3 -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Get Role failed."
			role, err := findRole(cmd.Context(), client, args[0])
			if err != nil {
				return accessFailure(indicator, err)
			}
			users, err := client.RoleUsers(cmd.Context(), role.ID)
			if err != nil {
				return accessFailure(indicator, err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, struct {
					qpsclient.Role
					Users []string `json:"users"`
				}{role, users})
			}
			t := roleTable(role)
			t.Columns, t.Rows[0] = append(t.Columns, "USERS"), append(t.Rows[0], strings.Join(users, ","))
			return a.writeUpright(f, "role", t)
		},
	}
}

func newRolesPermissions(a *app, f *clientFlags) *cobra.Command {
	return &cobra.Command{
		Use: "permissions", Short: "List the permissions there are", Args: noArgs,
		Long:    "Lists the permissions that a role may have, by module and group. Commands take keys and labels, in any case.",
		Example: "  vedette roles permissions",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			catalogue, err := client.Permissions(cmd.Context())
			if err != nil {
				return accessFailure("List Permissions failed.", err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, catalogue)
			}
			t := automation.Table{Columns: []string{"MODULE", "GROUP", "PERMISSION", "KEY"}}
			for _, m := range catalogue.Modules {
				for _, g := range m.Groups {
					for _, p := range g.Permissions {
						t.Rows = append(t.Rows, []string{m.Label, g.Label, p.Label, p.Key})
					}
				}
			}
			return f.writeRows(a.stdout, "permissions", "permission", t)
		},
	}
}

// findRole returns the role that an argument names by id or by name.
func findRole(ctx context.Context, client *qpsclient.Client, text string) (qpsclient.Role, error) {
	roles, err := client.Roles(ctx)
	if err != nil {
		return qpsclient.Role{}, err
	}
	wanted := referenceTo(text)
	there := make([]string, len(roles))
	for i, r := range roles {
		if r.ID == wanted.ID || wanted.ID == 0 && r.Name == wanted.Name {
			return r, nil
		}
		there[i] = r.Name
	}
	const most = 20
	if len(there) > most {
		there = append(there[:most], "…")
	}
	return qpsclient.Role{}, fault.New(fault.NotFound, fmt.Sprintf("There is no role %s.", quote(text)), "The roles are: "+strings.Join(there, ", ")+".")
}

func roleTable(roles ...qpsclient.Role) automation.Table {
	t := automation.Table{Columns: []string{"ID", "NAME", "ACCESS", "PERMISSIONS", "DESCRIPTION", "CREATED"}, TimeColumns: []string{"CREATED"}}
	for _, r := range roles {
		var types []string
		if r.APIAccess {
			types = append(types, "API")
		}
		if r.UIAccess {
			types = append(types, "UI")
		}
		permissions := strings.Join(r.Permissions, ",")
		if r.Manager {
			permissions = "everything"
		}
		t.Rows = append(t.Rows, []string{strconv.FormatInt(r.ID, 10), r.Name, strings.Join(types, ","), permissions, r.Description, qps.FormatTime(r.Created)})
	}
	return t
}

func newRolesDelete(a *app, f *clientFlags) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete ROLE", Short: "Delete a role that no user has", Args: exactArgs("ROLE"),
		Long:    "Deletes a role with --yes; without it, only says which users have it. One in use is not deleted.",
		Example: "  vedette roles delete SOAR\n  vedette roles delete SOAR --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			const indicator = "Delete Role failed."
			role, err := findRole(cmd.Context(), client, args[0])
			if err != nil {
				return accessFailure(indicator, err)
			}
			if !yes {
				users, err := client.RoleUsers(cmd.Context(), role.ID)
				if err != nil {
					return accessFailure(indicator, err)
				}
				fmt.Fprintf(a.stdout, "Role %d (%s) would be deleted. Users with it: %s.\nNothing was changed; repeat the command with --yes to delete.\n",
					role.ID, printable(quote(role.Name)), orNone(users))
				return nil
			}
			if err := client.DeleteRole(cmd.Context(), role.ID); err != nil {
				return accessFailure(indicator, err)
			}
			_, err = fmt.Fprintf(a.stdout, "Role %d is deleted.\n", role.ID)
			return err
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "delete it")
	return cmd
}

// orNone joins names for a sentence.
func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func newRolesAssign(a *app, f *clientFlags, give bool) *cobra.Command {
	use, short, indicator := "unassign", "Take a role from users", "Unassign Role failed."
	if give {
		use, short, indicator = "assign", "Give a role to users", "Assign Role failed."
	}
	return &cobra.Command{
		Use: use + " ROLE USER…", Short: short,
		Long: short + ": all of those named, or none of them.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("ROLE and at least one USER are required")
			}
			return nil
		},
		Example: "  vedette roles " + use + " SOAR soar soar-test",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			role, err := findRole(cmd.Context(), client, args[0])
			if err != nil {
				return accessFailure(indicator, err)
			}
			users, err := client.AssignRole(cmd.Context(), role.ID, args[1:], give)
			if err != nil {
				return accessFailure(indicator, err)
			}
			if f.format() == formatJSON {
				return writeJSON(a.stdout, map[string]any{"role": role.Name, "users": append([]string{}, users...)})
			}
			t := automation.Table{Columns: []string{"USERNAME"}}
			for _, name := range users {
				t.Rows = append(t.Rows, []string{name})
			}
			if f.format() != formatTable {
				return f.writeRows(a.stdout, "users", "user", t)
			}
			_, err = fmt.Fprintf(a.stdout, "Users with the role %s: %s.\n", printable(role.Name), orNone(users))
			return err
		},
	}
}
