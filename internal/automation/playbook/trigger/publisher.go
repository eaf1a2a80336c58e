package trigger

import (
	"context"
	"fmt"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/fault"
)

// Owners is where those are found with whose rights triggers start playbooks.
type Owners interface {
	// UserByID returns the user, or fault.NotFound.
	UserByID(ctx context.Context, id int64) (access.User, error)
}

// Publishers is where the publishers of playbooks are found.
type Publishers struct {
	Sites  library.Sites
	Owners Owners
}

// publishAnew is what somebody can do about a publisher who lost rights.
const publishAnew = "Have somebody publish the playbook who may run it."

// publisher returns who published the live version of a playbook, with the rights they have
// now. One who may not run it any more is fault.Forbidden.
func (s *Publishers) publisher(ctx context.Context, pb *library.Playbook) (access.Principal, error) {
	u, err := s.Owners.UserByID(ctx, pb.PublisherID)
	if fault.Is(err, fault.NotFound) || err == nil && u.Disabled {
		err = fault.New(fault.Forbidden, fmt.Sprintf("The playbook runs with the rights of user '%s', who is gone or disabled.", pb.Publisher), publishAnew)
	}
	if err != nil {
		return access.Principal{}, err
	}
	p := access.NewPrincipal(u)
	if !p.May(access.RunPlaybook) {
		return p, fault.New(fault.Forbidden, fmt.Sprintf("User '%s', who published the playbook, may not run playbooks, it needs %s.", pb.Publisher, access.RunPlaybook.Label()), publishAnew)
	}
	err = visible(ctx, s.Sites, p, pb)
	if access.IsHidden(err) {
		err = fault.New(fault.Forbidden, fmt.Sprintf("User '%s', who published the playbook, does not see it any more.", pb.Publisher), publishAnew)
	}
	return p, err
}
