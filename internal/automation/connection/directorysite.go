package connection

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

// reach is the sites that a principal sees connections of.
type reach struct {
	sites    map[int64]Site
	internal bool // one of them is internal
}

// reach returns the sites of a principal. Managers have them all, whether they are
// members or not.
func (d *Directory) reach(ctx context.Context, p access.Principal) (reach, error) {
	sites, err := d.MySites(ctx, p)
	if err != nil {
		return reach{}, err
	}
	r := reach{sites: make(map[int64]Site, len(sites))}
	for _, s := range sites {
		r.sites[s.ID] = s
		r.internal = r.internal || s.Kind == Internal
	}
	return r, nil
}

// levelOf returns what a principal may do with a connection, the empty level for
// nothing: then it does not exist for them.
func (r reach) levelOf(p access.Principal, c *Connection) Level {
	if _, member := r.sites[c.SiteID]; member || c.Shared && r.internal || p.Manager() {
		return levelOf(p, c.Grants)
	}
	return ""
}

// MySites returns the sites that a principal has, in ascending order of id.
func (d *Directory) MySites(ctx context.Context, p access.Principal) ([]Site, error) {
	if p.Manager() {
		return d.Sites.Sites(ctx)
	}
	return d.Sites.SitesOf(ctx, p.User.ID)
}

// place fills in the site of a connection. One that the principal does not have is
// fault.Invalid, whether it exists or not.
func (d *Directory) place(ctx context.Context, p access.Principal, c *Connection) error {
	field := "site"
	if c.Shared {
		field = "recipientSite"
	}
	mine, err := d.MySites(ctx, p)
	if err != nil {
		return err
	}
	if c.SiteID == 0 && len(mine) == 1 {
		c.SiteID = mine[0].ID
	}
	names := make([]string, len(mine))
	for i, s := range mine {
		if s.ID == c.SiteID {
			c.SiteName, c.SiteKind = s.Name, s.Kind
			return nil
		}
		names[i] = s.Name
	}
	next := "Use one of " + strings.Join(names, ", ") + "."
	if len(mine) == 0 {
		next = "Ask a manager to make you a member of a site."
	}
	if c.SiteID == 0 {
		return fault.New(fault.Invalid, field+": the value is missing.", next)
	}
	return fault.New(fault.Invalid, fmt.Sprintf("%s: there is no site %d.", field, c.SiteID), next)
}

// grantees finds the users and roles that grants are for by their names, each once.
func (d *Directory) grantees(ctx context.Context, grants []Grant) ([]Grant, error) {
	roles, err := d.People.Roles(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]Grant, 0, len(grants))
	for _, g := range grants {
		if !slices.Contains(Levels(), g.Level) {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("userPermissions: invalid level '%s'.", automation.Echo(string(g.Level))), "Specify level as use, edit or own.")
		}
		switch g.Kind {
		case ToUser:
			u, err := d.People.UserByName(ctx, g.Name)
			if fault.Is(err, fault.NotFound) {
				return nil, fault.New(fault.Invalid, fmt.Sprintf("userPermissions: there is no user '%s'.", automation.Echo(g.Name)), "Use the exact user name.")
			}
			if err != nil {
				return nil, err
			}
			g.ID = u.ID
		case ToRole:
			i := slices.IndexFunc(roles, func(r access.Role) bool { return r.Name == g.Name })
			if i < 0 {
				return nil, fault.New(fault.Invalid, fmt.Sprintf("userPermissions: there is no role '%s'.", automation.Echo(g.Name)), "Use the exact name of a role.")
			}
			g.ID = roles[i].ID
		default:
			return nil, fault.New(fault.Invalid, fmt.Sprintf("userPermissions: invalid kind '%s'.", automation.Echo(string(g.Kind))), "Specify kind as user or role.")
		}
		if slices.ContainsFunc(found, func(other Grant) bool { return other.Kind == g.Kind && other.ID == g.ID }) {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("userPermissions: %s '%s' is there twice.", g.Kind, automation.Echo(g.Name)), "Name everybody once.")
		}
		found = append(found, g)
	}
	return found, nil
}

// AllSites returns every site with its members. Managers only.
func (d *Directory) AllSites(ctx context.Context, p access.Principal) ([]Site, error) {
	if err := mayManage(p); err != nil {
		return nil, err
	}
	return d.Sites.Sites(ctx)
}

// CreateSite makes a site. Managers only.
func (d *Directory) CreateSite(ctx context.Context, p access.Principal, s Site) (Site, error) {
	if err := mayManage(p); err != nil {
		return Site{}, err
	}
	if err := s.check(); err != nil {
		return Site{}, err
	}
	s.Created = d.Now().UTC()
	return d.Sites.CreateSite(ctx, s)
}

// SiteChange is what to change of a site; nil leaves it as it is.
type SiteChange struct {
	Name, Description *string
	Kind              *SiteKind
}

// UpdateSite changes a site. Managers only.
func (d *Directory) UpdateSite(ctx context.Context, p access.Principal, id int64, change SiteChange) (Site, error) {
	if err := mayManage(p); err != nil {
		return Site{}, err
	}
	return d.Sites.UpdateSite(ctx, id, func(s *Site) error {
		set(&s.Name, change.Name)
		set(&s.Description, change.Description)
		set(&s.Kind, change.Kind)
		return s.check()
	})
}

// DeleteSite removes a site without connections. Managers only.
func (d *Directory) DeleteSite(ctx context.Context, p access.Principal, id int64) error {
	if err := mayManage(p); err != nil {
		return err
	}
	return d.Sites.DeleteSite(ctx, id)
}

// ChangeMembers adds users to a site and removes others. Managers only.
func (d *Directory) ChangeMembers(ctx context.Context, p access.Principal, id int64, add, remove []string) error {
	if err := mayManage(p); err != nil {
		return err
	}
	return d.Sites.ChangeMembers(ctx, id, add, remove)
}

func mayManage(p access.Principal) error {
	if p.Manager() {
		return nil
	}
	return fault.New(fault.Forbidden, "Only managers manage sites.", "Ask a manager.")
}
