package fleet

import "slices"

// TagSet is one side of the tag rule of a profile.
type TagSet struct {
	TagIDs []int64
	All    bool // the API's ALL: every tag is asked for; otherwise ANY, one is enough
}

// holds reports whether the tags satisfy the set; an empty set is never
// satisfied.
func (s TagSet) holds(tags []int64) bool {
	carried := func(id int64) bool { return slices.Contains(tags, id) }
	switch {
	case len(s.TagIDs) == 0:
		return false
	case s.All:
		return !slices.ContainsFunc(s.TagIDs, func(id int64) bool { return !carried(id) })
	default:
		return slices.ContainsFunc(s.TagIDs, carried)
	}
}

// Rule says which agents a profile is for.
type Rule struct {
	ProfileID int64
	Default   bool
	Include   TagSet
	Exclude   TagSet
}

// Matches reports whether an agent with these tags gets the profile by its
// tags: they satisfy the include set and do not satisfy the exclude set. A
// profile that includes no tag matches no agent, one that excludes none excludes
// none.
func (r Rule) Matches(tags []int64) bool {
	return r.Include.holds(tags) && !r.Exclude.holds(tags)
}

// SelectProfile returns the profile of an agent that carries the tags: the first
// of the rules, which are in ascending priority, that matches, and otherwise the
// default profile; 0 if there is none (Qualys Cloud Agent, configuration
// profiles: tags and priority; the default is for agents that no rule matches).
func SelectProfile(rules []Rule, tags []int64) int64 {
	var fallback int64
	for _, rule := range rules {
		if rule.Matches(tags) {
			return rule.ProfileID
		}
		if rule.Default {
			fallback = rule.ProfileID
		}
	}
	return fallback
}
