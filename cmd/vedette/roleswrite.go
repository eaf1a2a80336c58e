package main

import (
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/qps/qpsclient"
)

// grantFlags are the flags that say what a role allows.
type grantFlags struct {
	api, ui              bool
	modules, permissions []string
}

func (g *grantFlags) define(cmd *cobra.Command, api bool) {
	flags := cmd.Flags()
	flags.BoolVar(&g.api, "api-access", api, "access to the API")
	flags.BoolVar(&g.ui, "ui-access", false, "access to the console")
	flags.StringArrayVar(&g.modules, "module", nil, "`module` whose permissions it has, by key or label; can be repeated")
	flags.StringArrayVar(&g.permissions, "permission", nil, "only this `permission` of the modules, by key or label; can be repeated, empty for none")
	var modules, permissions []string
	for _, m := range access.Modules() {
		modules = append(modules, m.Key+"\t"+m.Label)
		for _, p := range m.Permissions() {
			permissions = append(permissions, string(p)+"\t"+p.Label())
		}
	}
	completeOneOf(cmd, "module", modules)
	completeOneOf(cmd, "permission", permissions)
}

// given returns the values of a flag that can be repeated: nil when it was not
// given, and none when it was given an empty text.
func given(cmd *cobra.Command, flag string, values []string) []string {
	if !cmd.Flags().Changed(flag) {
		return nil
	}
	list := []string{}
	for _, value := range values {
		if value != "" {
			list = append(list, value)
		}
	}
	return list
}

func newRolesCreate(a *app, f *clientFlags) *cobra.Command {
	var g grantFlags
	var description string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Make a role", Args: exactArgs("NAME"),
		Long: `Makes a role with API access and all permissions of the modules, unless --permission
names some of them. 'vedette roles permissions' lists them.`,
		Example: `  vedette roles create SOAR --module "Cloud Agent" \
    --permission "CA API Access Permissions for subusers" --permission LAUNCH_ON_DEMAND_SCAN
  vedette roles create Operator --module CA --module AM --ui-access
  vedette roles create Auditor --permission READ_ASSET --permission VIEW_CONFIGURATION_PROFILE`,
		RunE: func(cmd *cobra.Command, args []string) error {
			client, _, err := a.client(f, 0)
			if err != nil {
				return err
			}
			role, err := client.CreateRole(cmd.Context(), qpsclient.NewRole{
				Name: args[0], Description: description, APIAccess: g.api, UIAccess: g.ui,
				Modules: g.modules, Permissions: given(cmd, "permission", g.permissions),
			})
			if err != nil {
				return accessFailure("Create Role failed.", err)
			}
			return a.writeRole(f, role)
		},
	}
	g.define(cmd, true)
	cmd.Flags().StringVar(&description, "description", "", "description `text`")
	return cmd
}

func (a *app) writeRole(f *clientFlags, role qpsclient.Role) error {
	if f.format() == formatJSON {
		return writeJSON(a.stdout, role)
	}
	return a.writeUpright(f, "role", roleTable(role))
}

func newRolesUpdate(a *app, f *clientFlags) *cobra.Command {
	var g grantFlags
	var name, description string
	cmd := &cobra.Command{
		Use: "update ROLE", Short: "Change a role, for all its users at once", Args: exactArgs("ROLE"),
		Long: `Changes what the flags name and leaves the rest. --module and --permission together
replace all permissions that the role had.`,
		Example: "  vedette roles update SOAR --module CA --permission CA_API_ACCESS\n  vedette roles update SOAR --ui-access --name 'D3 SOAR'",
		RunE: func(cmd *cobra.Command, args []string) error {
			change := qpsclient.RoleChange{Modules: given(cmd, "module", g.modules), Permissions: given(cmd, "permission", g.permissions)}
			flags := cmd.Flags()
			if flags.Changed("name") {
				change.Name = &name
			}
			if flags.Changed("description") {
				change.Description = &description
			}
			if flags.Changed("api-access") {
				change.APIAccess = &g.api
			}
			if flags.Changed("ui-access") {
				change.UIAccess = &g.ui
			}
			return a.updateRole(cmd, f, args[0], change)
		},
	}
	g.define(cmd, false)
	cmd.Flags().StringVar(&name, "name", "", "new `name`")
	cmd.Flags().StringVar(&description, "description", "", "description `text`")
	return cmd
}

func (a *app) updateRole(cmd *cobra.Command, f *clientFlags, text string, change qpsclient.RoleChange) error {
	client, _, err := a.client(f, 0)
	if err != nil {
		return err
	}
	const indicator = "Update Role failed."
	role, err := findRole(cmd.Context(), client, text)
	if err != nil {
		return accessFailure(indicator, err)
	}
	changed, err := client.UpdateRole(cmd.Context(), role.ID, change)
	if err != nil {
		return accessFailure(indicator, err)
	}
	return a.writeRole(f, changed)
}
