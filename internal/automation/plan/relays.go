package plan

import (
	"context"
	"strconv"

	"vedette.dev/vedette/qps/qpsclient"
)

// NoRelay says of a connection that its platform is reached directly, and NoSite of
// a relay that the connections of every site may use it.
const (
	NoRelay = "none"
	NoSite  = "none"
)

// Relay is what somebody says about a relay. nil is not said and stays as it is.
type Relay struct {
	Name        *string
	Site        *string // whose connections may use it; NoSite for those of every site
	Description *string
}

// RelayWriter registers and removes relays. A platform does not change one.
type RelayWriter interface {
	RegisterRelay(ctx context.Context, n qpsclient.NewRelay) (qpsclient.RelayToken, error)
	DeleteRelay(ctx context.Context, reference string) (qpsclient.Relay, error)
}

func (r *Relay) fields() []field {
	return []field{
		{"name", nameInto(&r.Name)},
		{"site", nameInto(&r.Site)},
		{"description", textInto(&r.Description)},
	}
}

func (m *maker) planRelays() error {
	for _, i := range m.layer.relays.items {
		if i.described == nil {
			continue
		}
		if err := m.planRelay(i); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) planRelay(i *item[qpsclient.Relay]) error {
	d, said := i.described, i.described.Relay
	var site *item[qpsclient.Site]
	if said.Site != nil && *said.Site != NoSite {
		var err error
		if site, err = m.siteOf(d, "site", *said.Site); err != nil {
			return err
		}
	}
	current := i.current
	if current == nil {
		current = &qpsclient.Relay{}
	}
	var differ differences
	compare(&differ, "site", siteText(current.Site), said.Site)
	compare(&differ, "description", current.Description, said.Description)
	if i.current != nil {
		for _, p := range differ {
			m.note("The %s of relay %s differs, and a platform changes none: to have it as %s says, delete the relay and register it anew.", p.Name, quote(i.name), d.Source)
		}
		return nil
	}
	c := i.change(KindRelay)
	c.Properties = differ
	c.make = func(ctx context.Context, a *applier, c *Change) error {
		n := qpsclient.NewRelay{Name: i.name, Description: valueOf(said.Description)}
		if site != nil {
			n.Site = strconv.FormatInt(site.id, 10)
		}
		made, err := a.to.RegisterRelay(ctx, n) // its token is shown nowhere: whoever needs one rotates it
		if err == nil {
			i.id, c.ID = made.Relay.ID, made.Relay.ID
		}
		return a.wrote(err)
	}
	m.note("Relay %s is new, and nobody has its token. This shows one to start it with: vedette relays rotate %s", quote(i.name), shellWord(i.name))
	m.changes[KindRelay] = append(m.changes[KindRelay], c)
	return nil
}

// siteText is the site of a relay as files say it.
func siteText(site *qpsclient.Reference) string {
	if site == nil {
		return NoSite
	}
	return site.Name
}
