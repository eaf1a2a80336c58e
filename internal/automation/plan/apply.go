package plan

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// Progress is what Apply has done.
type Progress struct {
	Done    []Change `json:"done"`
	Pending []Change `json:"pending,omitempty"` // not done, the one that failed first
	// Partial reports whether the first pending change was done in part: a profile
	// that was made and not moved.
	Partial bool `json:"partial,omitempty"`
}

// Apply makes the changes in order and stops at the first that fails, which it
// returns with what has been done. report is called after each change. Objects
// that are new get their ids. A plan is applied once; to go on after an error,
// make another one.
func (p *Plan) Apply(ctx context.Context, w Writer, report func(Change)) (Progress, error) {
	a := &applier{to: w}
	progress := Progress{Done: []Change{}}
	for i := range p.Changes {
		c := &p.Changes[i]
		before := a.writes
		if err := c.make(ctx, a, c); err != nil {
			progress.Pending, progress.Partial = p.Changes[i:], a.writes > before
			return progress, fmt.Errorf("%s %s: %w", c.Action, c.object(), err)
		}
		progress.Done = append(progress.Done, *c)
		report(*c)
	}
	return progress, nil
}

// applier writes the changes of a plan to a platform.
type applier struct {
	to     Writer
	writes int // that succeeded, and stand
}

// wrote counts a write that succeeded.
func (a *applier) wrote(err error) error {
	if err == nil {
		a.writes++
	}
	return err
}

func (a *applier) writeTag(ctx context.Context, n *tagNode, change qps.TagChange, c *Change) error {
	if n.id != 0 {
		return a.wrote(a.to.UpdateTag(ctx, n.id, change))
	}
	change.Name = &n.name
	if n.parent != nil {
		change.ParentTagID = &n.parent.id
	}
	tag, err := a.to.CreateTag(ctx, change)
	if err == nil {
		n.id, c.ID = tag.ID, tag.ID
	}
	return a.wrote(err)
}

func (a *applier) deleteTag(ctx context.Context, id int64) error {
	return a.wrote(a.to.DeleteTags(ctx, id))
}

func (a *applier) writeKey(ctx context.Context, change qps.AgentActKeyChange, c *Change) error {
	if c.ID != 0 {
		return a.wrote(a.to.UpdateActivationKey(ctx, c.ID, change))
	}
	return a.createKey(ctx, change, c)
}

// createKey makes a key. Titles need not be unique to a platform, so two plans
// that are applied at once could both make it, and from then on no plan could
// tell which is meant: the younger one, which nobody has used, is taken back.
func (a *applier) createKey(ctx context.Context, change qps.AgentActKeyChange, c *Change) error {
	key, err := a.to.CreateActivationKey(ctx, change)
	if err != nil {
		return err
	}
	keys, err := a.to.ActivationKeys(ctx)
	if err != nil {
		a.writes++
		return fmt.Errorf("the key %d is made; see whether it is the only one: %w", key.ID, err)
	}
	for _, other := range keys {
		if strings.TrimSpace(other.Title) != c.Name || other.ID >= key.ID {
			continue
		}
		message := fmt.Sprintf("Somebody else made the activation key %d with the title %s at the same time.", other.ID, quote(c.Name))
		if err := a.to.DeleteActivationKey(ctx, key.ID); err != nil {
			a.writes++
			return fault.New(fault.Conflict, message, "Delete the key "+strconv.FormatInt(key.ID, 10)+", which could not be taken back, and plan again.")
		}
		return fault.New(fault.Conflict, message, "Nothing was added to it. Plan again, and apply what is still missing.")
	}
	c.ID = key.ID
	return a.wrote(nil)
}

func (a *applier) deleteKey(ctx context.Context, id int64) error {
	return a.wrote(a.to.DeleteActivationKey(ctx, id))
}

// createProfile makes a profile, which goes last, and moves it if it shall not
// stay there.
func (a *applier) createProfile(ctx context.Context, change, move qps.AgentConfigChange, c *Change) error {
	profile, err := a.to.CreateAgentConfig(ctx, change)
	if a.wrote(err) != nil {
		return err
	}
	c.ID = profile.ID
	if move.Priority == nil {
		return nil
	}
	return a.updateProfile(ctx, c.ID, move)
}

func (a *applier) updateProfile(ctx context.Context, id int64, change qps.AgentConfigChange) error {
	return a.wrote(a.to.UpdateAgentConfig(ctx, id, change))
}

func (a *applier) deleteProfile(ctx context.Context, id int64) error {
	return a.wrote(a.to.DeleteAgentConfig(ctx, id))
}
