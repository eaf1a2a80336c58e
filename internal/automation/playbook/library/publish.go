package library

import (
	"context"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

// Publish makes a version of a playbook live; number 0 is the newest. The principal
// becomes the publisher, with whose rights triggers start runs, and therefore must
// have the right to run playbooks and to see what its events are about. A version that does not fit what there is now is
// refused with all problems in the error, and one that live playbooks which call it do
// not fit is fault.Conflict.
func (l *Library) Publish(ctx context.Context, p access.Principal, id, number int64) (Playbook, error) {
	pb, err := l.Get(ctx, p, id)
	if err != nil {
		return Playbook{}, err
	}
	if !p.May(access.RunPlaybook) {
		return Playbook{}, fault.New(fault.Forbidden, fmt.Sprintf("User '%s' may not publish a playbook, which runs with their rights then: it needs %s.", p.User.Username, access.RunPlaybook.Label()),
			"Ask a manager to check the permission settings of this account.")
	}
	v, err := l.Shelf.Version(ctx, id, number)
	if err != nil {
		return Playbook{}, err
	}
	live, err := l.Shelf.LiveVersions(ctx, pb.SiteID)
	if err != nil {
		return Playbook{}, err
	}
	program, problems, err := Compile(v.Source, live)
	if err == nil {
		err = problems.Fault()
	}
	if err != nil {
		return Playbook{}, err
	}
	if program.Definition.Name != pb.Name {
		return Playbook{}, fault.New(fault.Conflict, fmt.Sprintf("Version %d is of the time when playbook '%s' was called '%s'.", v.Number, pb.Name, program.Definition.Name),
			"Save its text with the name of today as a new version, and publish that.")
	}
	for _, event := range program.Definition.Triggers.Events {
		if err := AllowEvent(p, event.Kind); err != nil {
			return Playbook{}, err
		}
	}
	if err := fitsCallers(v, live); err != nil {
		return Playbook{}, err
	}
	pb.Live, pb.Publisher, pb.PublisherID, pb.Modified = v.Number, p.User.Username, p.User.ID, l.Now().UTC()
	return pb, l.Shelf.Publish(ctx, pb)
}

// fitsCallers refuses a version that is to be live if those that call it were right
// before and would not be then.
func fitsCallers(v Version, live []Version) error {
	after := append(slices.DeleteFunc(slices.Clone(live), func(other Version) bool { return other.PlaybookID == v.PlaybookID }), v)
	for _, caller := range callersOf(live, v.Playbook) {
		_, problems, err := Compile(caller.Source, after)
		if err != nil {
			return err
		}
		if problems == nil {
			continue
		}
		if _, before, err := Compile(caller.Source, live); err != nil || before != nil {
			if err != nil {
				return err
			}
			continue
		}
		return fault.New(fault.Conflict, fmt.Sprintf("Playbook '%s', which calls this one, would not fit version %d any more: %s", caller.Playbook, v.Number, problems[0]),
			fmt.Sprintf("Keep what it uses, or withdraw '%s', and publish one that fits afterwards.", caller.Playbook))
	}
	return nil
}

// Withdraw takes the live version of a playbook away: nothing starts it any more.
// Runs under way go on. One that live playbooks call is fault.Conflict.
func (l *Library) Withdraw(ctx context.Context, p access.Principal, id int64) (Playbook, error) {
	pb, err := l.Get(ctx, p, id)
	if err != nil {
		return Playbook{}, err
	}
	if pb.Live == 0 {
		return Playbook{}, NotLive(pb.Name)
	}
	if err := l.uncalled(ctx, pb, "withdrawn"); err != nil {
		return Playbook{}, err
	}
	pb.Live, pb.Publisher, pb.PublisherID, pb.Modified = 0, "", 0, l.Now().UTC()
	return pb, l.Shelf.Publish(ctx, pb)
}

// Delete removes a playbook with its versions. Runs that have ended stay; while there
// are others, of it or of those that call it, or live playbooks call it, it is
// fault.Conflict.
func (l *Library) Delete(ctx context.Context, p access.Principal, id int64) error {
	pb, err := l.Get(ctx, p, id)
	if err != nil {
		return err
	}
	if err := l.uncalled(ctx, pb, "deleted"); err != nil {
		return err
	}
	return l.Shelf.DeletePlaybook(ctx, id)
}
