package plan

import (
	"context"
	"slices"

	"vedette.dev/vedette/qps/qpsclient"
)

// Site is what somebody says about a site. nil is not said and stays as it is.
type Site struct {
	Name        *string
	SiteKind    *string // internal or client
	Description *string
	Members     *[]string // usernames; for managers only
}

// SiteWriter changes sites.
type SiteWriter interface {
	CreateSite(ctx context.Context, n qpsclient.NewSite) (qpsclient.Site, error)
	UpdateSite(ctx context.Context, id int64, change qpsclient.SiteChange) (qpsclient.Site, error)
	ChangeMembers(ctx context.Context, id int64, add, remove []string) (qpsclient.Site, error)
	DeleteSite(ctx context.Context, id int64) error
}

func (s *Site) fields() []field {
	return []field{
		{"name", nameInto(&s.Name)},
		{"siteKind", wordInto(&s.SiteKind, "internal", "client")},
		{"description", textInto(&s.Description)},
		{"members", listInto(&s.Members)},
	}
}

func (m *maker) planSites() error {
	for _, i := range m.layer.sites.items {
		if i.described == nil {
			continue
		}
		if err := m.planSite(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) planSite(i *item[qpsclient.Site]) error {
	d, said := i.described, i.described.Site
	current := i.current
	if current == nil {
		current = &qpsclient.Site{Kind: "internal"}
	}
	c := i.change(KindSite)
	var differ differences
	var change qpsclient.SiteChange
	propose(&differ, "siteKind", current.Kind, said.SiteKind, &change.Kind, i.current == nil)
	propose(&differ, "description", current.Description, said.Description, &change.Description, i.current == nil)
	var add, remove []string
	if said.Members != nil {
		for n, name := range *said.Members {
			if err := m.layer.checkUser(d, itemKey("members", n), name); err != nil {
				return err
			}
		}
		compareList(&differ, "members", current.Members, said.Members)
		add = without(*said.Members, current.Members)
		remove = without(current.Members, *said.Members)
	}
	if c.Properties = differ; i.current != nil && len(differ) == 0 {
		return nil
	}
	c.make = func(ctx context.Context, a *applier, c *Change) error {
		if err := a.writeSite(ctx, i, change, c); err != nil || len(add)+len(remove) == 0 {
			return err
		}
		_, err := a.to.ChangeMembers(ctx, i.id, add, remove)
		return a.wrote(err)
	}
	m.changes[KindSite] = append(m.changes[KindSite], c)
	return nil
}

func (a *applier) writeSite(ctx context.Context, i *item[qpsclient.Site], change qpsclient.SiteChange, c *Change) error {
	if i.id != 0 {
		if change == (qpsclient.SiteChange{}) {
			return nil // only its members change
		}
		_, err := a.to.UpdateSite(ctx, i.id, change)
		return a.wrote(err)
	}
	made, err := a.to.CreateSite(ctx, qpsclient.NewSite{Name: i.name, Kind: valueOf(change.Kind), Description: valueOf(change.Description)})
	if err == nil {
		i.id, c.ID = made.ID, made.ID
	}
	return a.wrote(err)
}

// propose adds a property that is said and differs, and says it in the change to be
// made as well; of a new object everything that is said.
func propose[T comparable](d *differences, name string, old T, said *T, change **T, isNew bool) {
	if compare(d, name, old, said) || isNew && said != nil {
		*change = said
	}
}

// without returns the texts that are not among others.
func without(list, others []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(text string) bool { return slices.Contains(others, text) })
}

func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
