package fleet

import (
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// Scope is the part of the fleet a caller may see and change: the host assets
// that carry one of the tags. What is outside is as if it were not there. The
// zero Scope holds no asset, so that a call without one reveals nothing.
type Scope struct {
	All    bool    // every host asset
	TagIDs []int64 // with the tags below them, ascending
}

// WholeFleet returns the scope of every host asset, which managers and the
// platform itself have.
func WholeFleet() Scope { return Scope{All: true} }

// Holds reports whether an object that carries the tags is in scope.
func (s Scope) Holds(tags []int64) bool {
	return s.All || slices.ContainsFunc(tags, s.holdsTag)
}

// holdsTag reports whether every asset with the tag is in scope.
func (s Scope) holdsTag(id int64) bool {
	_, found := slices.BinarySearch(s.TagIDs, id)
	return s.All || found
}

// covers returns fault.Forbidden for the first of the tags that is not in scope.
func (s Scope) covers(element string, tags []int64) error {
	for _, id := range tags {
		if !s.holdsTag(id) {
			return outside(fmt.Sprintf("%s: tag %d is outside your scope.", element, id), "Use tags of your scope, or ask a manager.")
		}
	}
	return nil
}

func outside(message, resolution string) error {
	return fault.New(fault.Forbidden, message, resolution)
}

// AllowTags refuses to change or delete tags other than those of the scope: they
// are on assets, in rules of profiles and in scopes of others.
func (s Scope) AllowTags(ids []int64) error { return s.covers("Tag", ids) }

// AllowTagChange refuses, besides what AllowTags does, what would reach beyond
// the scope: a rule, which is evaluated for every host, and a place in the
// hierarchy below or above tags of others, be it the new one or the old. all is
// every tag there is.
func (s Scope) AllowTagChange(all []Tag, ids []int64, c qps.TagChange) error {
	if s.All {
		return nil
	}
	if err := s.AllowTags(ids); err != nil {
		return err
	}
	if c.HasRule() {
		return outside("ruleType: a rule is evaluated for every host, and your scope is a part of them.", "Create a static tag, or ask a manager.")
	}
	if c.ParentTagID != nil {
		if err := s.allowMove(all, ids, *c.ParentTagID); err != nil {
			return err
		}
	}
	if c.Children == nil {
		return nil
	}
	for _, child := range c.Children.Add {
		var moved []int64
		if child.ID != nil {
			moved = []int64{*child.ID}
		}
		if err := s.AllowTagChange(all, moved, child); err != nil {
			return err
		}
		if err := s.mayLeave(all, moved, ids); err != nil {
			return err
		}
	}
	return s.covers("children", c.Children.Remove)
}

// allowMove refuses to move tags below a tag that is not of the scope, 0 for
// none, or away from one.
func (s Scope) allowMove(all []Tag, ids []int64, parent int64) error {
	if parent != 0 {
		if err := s.covers("parentTagId", []int64{parent}); err != nil {
			return err
		}
	}
	return s.mayLeave(all, ids, []int64{parent})
}

// mayLeave refuses to take tags from below a tag that is not of the scope: its
// hosts would leave the scopes of others. Those that are below one of the parents
// already stay where they are.
func (s Scope) mayLeave(all []Tag, ids, parents []int64) error {
	for i := range all {
		t := &all[i]
		if t.ParentID == 0 || !slices.Contains(ids, t.ID) || slices.Contains(parents, t.ParentID) {
			continue
		}
		if err := s.covers("parentTagId", []int64{t.ParentID}); err != nil {
			return err
		}
	}
	return nil
}

// allowKey refuses to change a key that a caller of this scope must not change:
// it is out of sight unless one of its tags is in scope.
func (s Scope) allowKey(k ActivationKey) error {
	if !s.Holds(tagIDs(k)) {
		return fault.Newf(fault.NotFound, "There is no activation key %d.", k.ID)
	}
	return nil
}

// allowKeyChange refuses what would let a key put hosts beyond the scope, or
// take it out of the caller's sight: a key of a caller with a limited scope
// carries a tag of that scope, and the caller adds no other tags to it.
func (s Scope) allowKeyChange(before, after ActivationKey) error {
	if s.All {
		return nil
	}
	var added []int64
	for _, tag := range after.Tags {
		switch {
		case slices.Contains(tagIDs(before), tag.ID) && tag.ID != 0:
		case tag.ID == 0:
			return outside(fmt.Sprintf("tags: '%s' is given by its name.", echo(tag.Name)), "Your scope is limited to tags: specify the ids of tags.")
		default:
			added = append(added, tag.ID)
		}
	}
	if err := s.covers("tags", added); err != nil {
		return err
	}
	if !s.Holds(tagIDs(after)) {
		return outside("tags: the key has no tag of your scope.", "Your scope is limited to tags: give the key at least one of them.")
	}
	return nil
}

// allowProfile refuses to change a profile that could be that of an agent out of
// scope.
func (s Scope) allowProfile(p Profile) error {
	if s.All {
		return nil
	}
	if p.Default {
		return outside(fmt.Sprintf("isDefault: configuration profile '%s' is for agents outside your scope.", echo(p.Name)), "Leave the default profile to a manager.")
	}
	if len(p.Include.Tags) == 0 {
		return outside(fmt.Sprintf("includeTags: configuration profile '%s' includes no tag of your scope.", echo(p.Name)), "Include tags of your scope.")
	}
	for _, tag := range p.Include.Tags {
		if tag.ID == 0 {
			return outside(fmt.Sprintf("includeTags: '%s' is given by its name.", echo(tag.Name)), "Your scope is limited to tags: specify the ids of tags.")
		}
	}
	return s.covers("includeTags", p.Rule().Include.TagIDs)
}

// allowProfileChange refuses what changes profiles for agents out of scope.
func (s Scope) allowProfileChange(before, after Profile) error {
	if s.All {
		return nil
	}
	if err := s.allowProfile(before); err != nil {
		return err
	}
	if before.Priority != after.Priority {
		return outside(fmt.Sprintf("priority: moving configuration profile '%s' changes what other profiles are for.", echo(before.Name)), "Leave the order of profiles to a manager.")
	}
	return s.allowProfile(after)
}
