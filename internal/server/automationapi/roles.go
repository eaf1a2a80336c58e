package automationapi

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// ListRoles implements GET /automation/v1/roles.
func (a api) ListRoles(ctx context.Context, _ ListRolesRequestObject) (ListRolesResponseObject, error) {
	found, err := a.directory.AllRoles(ctx, server.PrincipalOf(ctx))
	if err != nil {
		return nil, err
	}
	answer := ListRoles200JSONResponse{Roles: make([]Role, len(found))}
	for i, r := range found {
		answer.Roles[i] = roleOf(r)
	}
	return answer, nil
}

// CreateRole implements POST /automation/v1/roles.
func (a api) CreateRole(ctx context.Context, request CreateRoleRequestObject) (CreateRoleResponseObject, error) {
	body := request.Body
	server.Describe(ctx, server.Echo(body.Name), "")
	created, err := a.directory.CreateRole(ctx, server.PrincipalOf(ctx), access.NewRole{
		Name: body.Name, Description: body.Description,
		Grant: access.Grant{API: body.APIAccess == nil || *body.APIAccess, UI: body.UIAccess, Modules: body.Modules, Permissions: body.Permissions},
	})
	if err != nil {
		return nil, err
	}
	describeRole(ctx, created, permissionText(created))
	return CreateRole201JSONResponse(roleOf(created)), nil
}

// GetRole implements GET /automation/v1/roles/{id}.
func (a api) GetRole(ctx context.Context, request GetRoleRequestObject) (GetRoleResponseObject, error) {
	found, err := a.directory.Role(ctx, server.PrincipalOf(ctx), request.Id)
	return GetRole200JSONResponse(roleOf(found)), err
}

// UpdateRole implements PATCH /automation/v1/roles/{id}.
func (a api) UpdateRole(ctx context.Context, request UpdateRoleRequestObject) (UpdateRoleResponseObject, error) {
	body := request.Body
	changed, err := a.directory.UpdateRole(ctx, server.PrincipalOf(ctx), request.Id, access.RoleChange{
		Name: body.Name, Description: body.Description, API: body.APIAccess, UI: body.UIAccess, Modules: body.Modules, Permissions: body.Permissions,
	})
	if err != nil {
		return nil, err
	}
	describeRole(ctx, changed, permissionText(changed))
	return UpdateRole200JSONResponse(roleOf(changed)), nil
}

// DeleteRole implements DELETE /automation/v1/roles/{id}.
func (a api) DeleteRole(ctx context.Context, request DeleteRoleRequestObject) (DeleteRoleResponseObject, error) {
	role, err := a.directory.Role(ctx, server.PrincipalOf(ctx), request.Id)
	if err != nil {
		return nil, err
	}
	describeRole(ctx, role, "")
	if err := a.directory.DeleteRole(ctx, server.PrincipalOf(ctx), request.Id); err != nil {
		return nil, err
	}
	return DeleteRole204Response{}, nil
}

// ListRoleUsers implements GET /automation/v1/roles/{id}/users.
func (a api) ListRoleUsers(ctx context.Context, request ListRoleUsersRequestObject) (ListRoleUsersResponseObject, error) {
	names, err := a.directory.RoleUsers(ctx, server.PrincipalOf(ctx), request.Id)
	return ListRoleUsers200JSONResponse{Users: append([]string{}, names...)}, err
}

// AssignRole implements POST /automation/v1/roles/{id}/users.
func (a api) AssignRole(ctx context.Context, request AssignRoleRequestObject) (AssignRoleResponseObject, error) {
	body, principal := request.Body, server.PrincipalOf(ctx)
	if (len(body.Add) == 0) == (len(body.Remove) == 0) {
		return nil, fault.New(fault.Invalid, "add, remove: one of the two lists must name users, and not both.", "Give the usernames in add, or those in remove.")
	}
	names, give, done := body.Remove, false, "taken from"
	if len(body.Add) > 0 {
		names, give, done = body.Add, true, "given to"
	}
	role, err := a.directory.Role(ctx, principal, request.Id)
	if err != nil {
		return nil, err
	}
	describeRole(ctx, role, "")
	if err := a.directory.AssignRole(ctx, principal, request.Id, names, give); err != nil {
		return nil, err
	}
	server.Describe(ctx, "", fmt.Sprintf("%s %d: %s", done, len(names), strings.Join(names, ", ")))
	holders, err := a.directory.RoleUsers(ctx, principal, request.Id)
	return AssignRole200JSONResponse{Users: append([]string{}, holders...)}, err
}

// ListPermissions implements GET /automation/v1/permissions.
func (a api) ListPermissions(context.Context, ListPermissionsRequestObject) (ListPermissionsResponseObject, error) {
	answer := ListPermissions200JSONResponse{Access: []Permission{permissionOf(access.APIAccess), permissionOf(access.UIAccess)}}
	for _, m := range access.Modules() {
		module := PermissionModule{Key: m.Key, Label: m.Label}
		for _, g := range m.Groups {
			group := PermissionGroup{Label: g.Label}
			for _, p := range g.Permissions {
				group.Permissions = append(group.Permissions, Permission{Key: string(p.Permission), Label: p.Label})
			}
			module.Groups = append(module.Groups, group)
		}
		answer.Modules = append(answer.Modules, module)
	}
	return answer, nil
}

func permissionOf(p access.Permission) Permission {
	return Permission{Key: string(p), Label: p.Label()}
}

// describeRole names a role in the audit log.
func describeRole(ctx context.Context, r access.Role, detail string) {
	server.Describe(ctx, fmt.Sprintf("%d %s", r.ID, r.Name), detail)
}

func permissionText(r access.Role) string {
	keys := make([]string, len(r.Permissions))
	for i, p := range r.Permissions {
		keys[i] = string(p)
	}
	return strings.Join(keys, ", ")
}

func roleOf(r access.Role) Role {
	role := Role{
		Id: r.ID, Name: r.Name, Description: r.Description, Manager: r.Manager, Created: wireTime(r.Created), Permissions: []string{},
		ApiAccess: r.Manager || slices.Contains(r.Permissions, access.APIAccess),
		UiAccess:  r.Manager || slices.Contains(r.Permissions, access.UIAccess),
	}
	for _, p := range r.Permissions {
		if p != access.APIAccess && p != access.UIAccess {
			role.Permissions = append(role.Permissions, string(p))
		}
	}
	return role
}
