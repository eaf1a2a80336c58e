package connection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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

// Visible are the sites whose schedules, playbooks and runs somebody sees. The zero
// value is none.
type Visible struct {
	all bool
	ids []int64
}

// VisibleSites returns the sites whose objects a principal sees: a manager those of all.
func (d *Directory) VisibleSites(ctx context.Context, p access.Principal) (Visible, error) {
	if p.Manager() {
		return VisibleTo(p, nil), nil
	}
	mine, err := d.MySites(ctx, p)
	if err != nil {
		return Visible{}, err
	}
	return VisibleTo(p, mine), nil
}

// VisibleTo returns the sites whose objects a principal sees, of those that they are a
// member of: a manager those of all.
func VisibleTo(p access.Principal, memberOf []Site) Visible {
	if p.Manager() {
		return Visible{all: true}
	}
	ids := make([]int64, len(memberOf))
	for i, s := range memberOf {
		ids[i] = s.ID
	}
	return Visible{ids: ids}
}

// Has reports whether a site is among them.
func (v Visible) Has(id int64) bool { return v.all || slices.Contains(v.ids, id) }

// None reports whether there is nothing to see.
func (v Visible) None() bool { return !v.all && len(v.ids) == 0 }

// IDs are their ids, as filters have them: nil for all sites, and so not for None.
func (v Visible) IDs() []int64 { return v.ids }

// Site returns the site of a principal that a filter means, by its id or its name. Any
// other is fault.NotFound, whether it exists or not.
func (d *Directory) Site(ctx context.Context, p access.Principal, reference string) (Site, error) {
	site, _, err := d.mySite(ctx, p, func(s Site) bool { return s.Name == reference || strconv.FormatInt(s.ID, 10) == reference })
	if errors.Is(err, errNotMine) {
		err = hiddenAs(err, fault.New(fault.NotFound, fmt.Sprintf("There is no site '%s'.", automation.Echo(reference)), "List the sites there are."))
	}
	return site, err
}

// SiteFor returns the site of a principal that a field names, by its id or, where that
// is 0, by its name. Any other is fault.Invalid, whether it exists or not.
func (d *Directory) SiteFor(ctx context.Context, p access.Principal, field string, id int64, name string) (Site, error) {
	named := fmt.Sprintf("%s: there is no site '%s'.", field, automation.Echo(name))
	if id != 0 {
		named = fmt.Sprintf("%s: there is no site %d.", field, id)
	}
	site, mine, err := d.mySite(ctx, p, func(s Site) bool { return s.ID == id || id == 0 && s.Name == name })
	if errors.Is(err, errNotMine) {
		err = hiddenAs(err, fault.New(fault.Invalid, named, oneOf(mine)))
	}
	return site, err
}

// errNotMine says that a principal has no such site.
var errNotMine = errors.New("no such site")

// mySite returns the first site of a principal that is meant. Without one it returns
// those that they have, and errNotMine, marked where there is one that they do not.
func (d *Directory) mySite(ctx context.Context, p access.Principal, meant func(Site) bool) (Site, []Site, error) {
	mine, err := d.MySites(ctx, p)
	if err != nil {
		return Site{}, nil, err
	}
	if i := slices.IndexFunc(mine, meant); i >= 0 {
		return mine[i], mine, nil
	}
	all, err := d.Sites.Sites(ctx)
	if err != nil {
		return Site{}, nil, err
	}
	if slices.ContainsFunc(all, meant) {
		return Site{}, mine, access.Hidden(errNotMine)
	}
	return Site{}, mine, errNotMine
}

// hiddenAs marks the failure that is answered as hidden where its cause is.
func hiddenAs(cause, answer error) error {
	if access.IsHidden(cause) {
		return access.Hidden(answer)
	}
	return answer
}

// oneOf is the next step of somebody who has these sites.
func oneOf(mine []Site) string {
	if len(mine) == 0 {
		return "Ask a manager to make you a member of a site."
	}
	names := make([]string, len(mine))
	for i, s := range mine {
		names[i] = s.Name
	}
	return "Use one of " + strings.Join(names, ", ") + "."
}

// place fills in the site of a connection. One that the principal does not have is
// fault.Invalid, whether it exists or not.
func (d *Directory) place(ctx context.Context, p access.Principal, c *Connection) error {
	field := "site"
	if c.Shared {
		field = "recipientSite"
	}
	if c.SiteID == 0 {
		mine, err := d.MySites(ctx, p)
		if err != nil {
			return err
		}
		if len(mine) != 1 {
			return fault.New(fault.Invalid, field+": the value is missing.", oneOf(mine))
		}
		c.SiteID = mine[0].ID
	}
	site, err := d.SiteFor(ctx, p, field, c.SiteID, "")
	c.SiteName, c.SiteKind = site.Name, site.Kind
	return err
}

// relayFor fills in the relay of a connection, which is found by its id or, where that
// is 0, by its name; neither is none. One that does not exist, or is kept to another
// site, is fault.Invalid.
func (d *Directory) relayFor(ctx context.Context, p access.Principal, c *Connection, name string) error {
	if c.RelayID == 0 && name == "" {
		return nil
	}
	id, kept, err := d.Relays.RelayOf(ctx, c.RelayID, name)
	if err == nil && (kept == 0 || kept == c.SiteID) {
		c.RelayID = id
		return nil
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	named := fmt.Sprintf("'%s'", automation.Echo(name))
	if c.RelayID != 0 {
		named = strconv.FormatInt(c.RelayID, 10)
	}
	refused := fault.New(fault.Invalid, "relay: there is no relay "+named+" for the connections of this site.", "Choose one of the relays that are for every site, or for this one; managers know them.")
	if err == nil && !p.Manager() {
		return access.Hidden(refused)
	}
	return refused
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
