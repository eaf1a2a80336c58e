package library

import "context"

// Shelf is the storage of playbooks. One that does not exist is fault.NotFound.
type Shelf interface {
	// Playbooks returns those of these sites, of all for nil, in ascending order of id.
	Playbooks(ctx context.Context, siteIDs []int64) ([]Playbook, error)
	// Playbook returns one.
	Playbook(ctx context.Context, id int64) (Playbook, error)
	// CreatePlaybook stores a playbook with its first version. A name that its site has
	// is fault.Conflict; more than MaxPlaybooks are fault.Conflict too.
	CreatePlaybook(ctx context.Context, p Playbook, v Version) (Playbook, error)
	// AddVersion stores another version, with the next number, and what the text says
	// of the playbook: p.Name and p.Description. base is the number of the newest
	// version that the author has seen; if there is a newer one it is fault.Conflict.
	// Zero is not to look.
	AddVersion(ctx context.Context, p Playbook, base int64, v Version) (Playbook, error)
	// Version returns a version with its text; number 0 is the newest.
	Version(ctx context.Context, id, number int64) (Version, error)
	// Versions returns the versions of a playbook without their texts, newest first.
	Versions(ctx context.Context, id int64) ([]Version, error)
	// LiveVersions returns the live versions of the playbooks of a site, with their texts.
	LiveVersions(ctx context.Context, siteID int64) ([]Version, error)
	// Texts returns the texts of versions by their ids, of those that there are.
	Texts(ctx context.Context, ids []int64) (map[int64]string, error)
	// Publish makes a version live, with whose rights triggers start it, and has the
	// triggers of its text be those that start it; p.Live 0 takes it away. p.Modified is
	// when that is.
	Publish(ctx context.Context, p Playbook) error
	// DeletePlaybook removes a playbook with its versions and secrets. Runs that have
	// ended stay; while there are others, of it or of those that call it, or a schedule
	// that somebody made runs it, it is fault.Conflict.
	DeletePlaybook(ctx context.Context, id int64) error
}
