package automationapi

import (
	"context"
	"fmt"
	"strings"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// maxMembers bounds how many users one call adds or removes.
const maxMembers = 500

// ListSites implements GET /automation/v1/sites.
func (a api) ListSites(ctx context.Context, _ ListSitesRequestObject) (ListSitesResponseObject, error) {
	principal := server.PrincipalOf(ctx)
	found, err := a.connections.MySites(ctx, principal)
	if err != nil {
		return nil, err
	}
	answer := ListSites200JSONResponse{Sites: make([]Site, len(found))}
	for i, s := range found {
		answer.Sites[i] = siteOf(s, principal.Manager())
	}
	return answer, nil
}

// CreateSite implements POST /automation/v1/sites.
func (a api) CreateSite(ctx context.Context, request CreateSiteRequestObject) (CreateSiteResponseObject, error) {
	body := request.Body
	server.Describe(ctx, server.Echo(body.Name), "")
	kind := connection.Internal
	if body.Kind != "" {
		kind = connection.SiteKind(body.Kind)
	}
	made, err := a.connections.CreateSite(ctx, server.PrincipalOf(ctx), connection.Site{Name: body.Name, Kind: kind, Description: body.Description})
	if err != nil {
		return nil, err
	}
	describeSite(ctx, made, string(made.Kind))
	return CreateSite201JSONResponse(siteOf(made, true)), nil
}

// UpdateSite implements PATCH /automation/v1/sites/{id}.
func (a api) UpdateSite(ctx context.Context, request UpdateSiteRequestObject) (UpdateSiteResponseObject, error) {
	body := request.Body
	change := connection.SiteChange{Name: body.Name, Description: body.Description}
	if body.Kind != nil {
		change.Kind = new(connection.SiteKind(*body.Kind))
	}
	changed, err := a.connections.UpdateSite(ctx, server.PrincipalOf(ctx), request.Id, change)
	if err != nil {
		return nil, err
	}
	describeSite(ctx, changed, string(changed.Kind))
	site, err := a.site(ctx, request.Id)
	return UpdateSite200JSONResponse(site), err
}

// DeleteSite implements DELETE /automation/v1/sites/{id}.
func (a api) DeleteSite(ctx context.Context, request DeleteSiteRequestObject) (DeleteSiteResponseObject, error) {
	if _, err := a.site(ctx, request.Id); err != nil {
		return nil, err
	}
	return DeleteSite204Response{}, a.connections.DeleteSite(ctx, server.PrincipalOf(ctx), request.Id)
}

// ChangeSiteMembers implements POST /automation/v1/sites/{id}/members.
func (a api) ChangeSiteMembers(ctx context.Context, request ChangeSiteMembersRequestObject) (ChangeSiteMembersResponseObject, error) {
	body := request.Body
	if n := len(body.Add) + len(body.Remove); n == 0 || n > maxMembers {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("add, remove: the lists name %d users.", n), fmt.Sprintf("Name 1 to %d users in the two lists together.", maxMembers))
	}
	if _, err := a.site(ctx, request.Id); err != nil {
		return nil, err
	}
	if err := a.connections.ChangeMembers(ctx, server.PrincipalOf(ctx), request.Id, body.Add, body.Remove); err != nil {
		return nil, err
	}
	server.Describe(ctx, "", "added: "+orNone(body.Add)+"; removed: "+orNone(body.Remove))
	site, err := a.site(ctx, request.Id)
	return ChangeSiteMembers200JSONResponse(site), err
}

// site returns a site as managers see it, and names it in the audit log.
func (a api) site(ctx context.Context, id int64) (Site, error) {
	all, err := a.connections.AllSites(ctx, server.PrincipalOf(ctx))
	if err != nil {
		return Site{}, err
	}
	for _, s := range all {
		if s.ID == id {
			describeSite(ctx, s, "")
			return siteOf(s, true), nil
		}
	}
	return Site{}, fault.New(fault.NotFound, fmt.Sprintf("There is no site %d.", id), "List the sites there are.")
}

func describeSite(ctx context.Context, s connection.Site, detail string) {
	server.Describe(ctx, fmt.Sprintf("%d %s", s.ID, s.Name), detail)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func siteOf(s connection.Site, members bool) Site {
	site := Site{Id: s.ID, Name: s.Name, Kind: SiteKind(s.Kind), Description: s.Description, Created: wireTime(s.Created)}
	if members {
		site.Members = new(append([]string{}, s.Members...))
	}
	return site
}
