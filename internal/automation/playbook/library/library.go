package library

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/fault"
)

// Library is where playbooks are saved, published and found, by the rights of who
// asks; see the package comment. It is safe for concurrent use.
type Library struct {
	Shelf    Shelf
	Secrets  Secrets
	Programs *Programs
	Sites    *connection.Directory
	Now      func() time.Time
}

// List returns the playbooks that a principal sees, in ascending order of id.
func (l *Library) List(ctx context.Context, p access.Principal) ([]Playbook, error) {
	visible, err := l.Sites.VisibleSites(ctx, p)
	if err != nil || visible.None() {
		return nil, err
	}
	return l.Shelf.Playbooks(ctx, visible.IDs())
}

// Get returns a playbook that the principal sees; any other is fault.NotFound,
// whether it exists or not.
func (l *Library) Get(ctx context.Context, p access.Principal, id int64) (Playbook, error) {
	return See(ctx, l.Shelf, l.Sites, p, id)
}

// Sites is where it is known which sites somebody sees; *connection.Directory is one.
type Sites interface {
	// VisibleSites returns the sites whose objects a principal sees.
	VisibleSites(ctx context.Context, p access.Principal) (connection.Visible, error)
}

// See returns a playbook that the principal sees; any other is fault.NotFound, whether
// it exists or not.
func See(ctx context.Context, shelf Shelf, sites Sites, p access.Principal, id int64) (Playbook, error) {
	pb, err := shelf.Playbook(ctx, id)
	if err != nil {
		return Playbook{}, err
	}
	visible, err := sites.VisibleSites(ctx, p)
	if err == nil && !visible.Has(pb.SiteID) {
		err = access.Hidden(NoPlaybook(id))
	}
	if err != nil {
		return Playbook{}, err
	}
	return pb, nil
}

// Version returns a version of a playbook, with its text; number 0 is the newest.
func (l *Library) Version(ctx context.Context, p access.Principal, id, number int64) (Version, error) {
	if _, err := l.Get(ctx, p, id); err != nil {
		return Version{}, err
	}
	return l.Shelf.Version(ctx, id, number)
}

// Versions returns the versions of a playbook without their texts, newest first.
func (l *Library) Versions(ctx context.Context, p access.Principal, id int64) ([]Version, error) {
	if _, err := l.Get(ctx, p, id); err != nil {
		return nil, err
	}
	return l.Shelf.Versions(ctx, id)
}

// Check says what is wrong with a text without storing it: its program, or else its
// problems. siteID is that whose playbooks the text can call; 0 for the only one of
// the principal.
func (l *Library) Check(ctx context.Context, p access.Principal, siteID int64, source string) (*playbook.Program, playbook.Problems, error) {
	if _, problems := playbook.Parse([]byte(source)); problems != nil {
		return nil, problems, nil // whatever the site
	}
	siteID, err := l.site(ctx, p, siteID)
	if err != nil {
		return nil, nil, err
	}
	return l.Programs.Compile(ctx, siteID, source)
}

// site returns a site of the principal, for 0 their only one. Any other is
// fault.Invalid, whether it exists or not.
func (l *Library) site(ctx context.Context, p access.Principal, id int64) (int64, error) {
	if id != 0 {
		site, err := l.Sites.SiteFor(ctx, p, "site", id, "")
		return site.ID, err
	}
	mine, err := l.Sites.MySites(ctx, p)
	switch {
	case err != nil:
		return 0, err
	case len(mine) == 1:
		return mine[0].ID, nil
	case len(mine) == 0:
		return 0, fault.New(fault.Invalid, "site: the value is missing.", "Ask a manager to make you a member of a site.")
	}
	names := make([]string, len(mine))
	for i, s := range mine {
		names[i] = s.Name
	}
	return 0, fault.New(fault.Invalid, "site: the value is missing.", "Use one of "+strings.Join(names, ", ")+".")
}

// Create stores a playbook with its first version, a draft. Name and description are
// those of the text; a text with problems is refused with all of them in the error.
func (l *Library) Create(ctx context.Context, p access.Principal, siteID int64, source string) (Playbook, error) {
	program, problems, err := l.Check(ctx, p, siteID, source)
	if err == nil {
		err = problems.Fault()
	}
	if err != nil {
		return Playbook{}, err
	}
	if siteID, err = l.site(ctx, p, siteID); err != nil {
		return Playbook{}, err
	}
	d := program.Definition
	return l.Shelf.CreatePlaybook(ctx, Playbook{SiteID: siteID, Name: d.Name, Description: d.Description}, l.version(p, source))
}

func (l *Library) version(p access.Principal, source string) Version {
	return Version{Source: source, Author: p.User.Username, Created: l.Now().UTC()}
}

// Save stores another version of a playbook, which becomes the draft, and returns
// true; the text that the draft has already makes none. base is the number of the
// newest version that the author has seen: when there is a newer one it is
// fault.Conflict; 0 is not to look. A text with problems is refused with all of them
// in the error.
func (l *Library) Save(ctx context.Context, p access.Principal, id, base int64, source string) (Playbook, bool, error) {
	pb, err := l.Get(ctx, p, id)
	if err != nil {
		return Playbook{}, false, err
	}
	program, problems, err := l.Programs.Compile(ctx, pb.SiteID, source)
	if err == nil {
		err = problems.Fault()
	}
	if err != nil {
		return Playbook{}, false, err
	}
	newest, err := l.Shelf.Version(ctx, id, 0)
	if err != nil {
		return Playbook{}, false, err
	}
	if newest.Source == source {
		return pb, false, nil
	}
	d := program.Definition
	if d.Name != pb.Name {
		if err := l.uncalled(ctx, pb, "renamed"); err != nil {
			return Playbook{}, false, err
		}
	}
	pb.Name, pb.Description = d.Name, d.Description
	pb, err = l.Shelf.AddVersion(ctx, pb, base, l.version(p, source))
	return pb, err == nil, err
}

// uncalled refuses what would take a live playbook away from live ones that call it.
func (l *Library) uncalled(ctx context.Context, pb Playbook, done string) error {
	if pb.Live == 0 {
		return nil // nothing that is live can call it
	}
	live, err := l.Shelf.LiveVersions(ctx, pb.SiteID)
	if err != nil {
		return err
	}
	callers := callersOf(live, pb.Name)
	if len(callers) == 0 {
		return nil
	}
	names := make([]string, len(callers))
	for i, v := range callers {
		names[i] = v.Playbook
	}
	return fault.New(fault.Conflict, fmt.Sprintf("Playbook '%s' cannot be %s: it is live, and called by %s.", pb.Name, done, strings.Join(names, ", ")),
		"Publish versions of these that do not call it, or withdraw them, first.")
}

// callersOf returns those of live versions that call a playbook by its name.
func callersOf(live []Version, name string) []Version {
	var callers []Version
	for _, v := range live {
		// Few texts have the name, or an escape that may write it, and are to be parsed.
		if v.Playbook == name || !strings.Contains(v.Source, playbook.PlaybookPrefix+name) && !strings.Contains(v.Source, `\`) {
			continue
		}
		if slices.Contains(Calls(v.Source), name) {
			callers = append(callers, v)
		}
	}
	return callers
}
