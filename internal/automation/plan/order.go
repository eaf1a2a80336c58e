package plan

import (
	"cmp"
	"slices"
)

// orderProfiles plans the priorities that files give and returns the profiles in
// the order in which they have to be made and moved. Priorities count the
// profiles that stay. Only profiles with a priority of their own are moved: the
// others keep their order, and fill the places between.
func (m *maker) orderProfiles() ([]*plannedProfile, error) {
	if len(m.state.priorities) == 0 {
		return m.unknownOrder(), nil
	}
	line := slices.Clone(m.profiled) // stable: new ones stay last, as they are made
	slices.SortStableFunc(line, func(a, b *plannedProfile) int { return cmp.Compare(m.place(a), m.place(b)) })
	var stay, pinned []*plannedProfile
	for _, p := range line {
		switch {
		case p.deleted:
		case p.wanted() == 0:
			stay = append(stay, p)
		default:
			pinned = append(pinned, p)
		}
	}
	slices.SortStableFunc(pinned, func(a, b *plannedProfile) int { return cmp.Compare(a.wanted(), b.wanted()) })
	total := len(stay) + len(pinned)
	for i, p := range pinned {
		if i > 0 && pinned[i-1].wanted() == p.wanted() {
			return nil, p.described.refuse("Give each profile a priority of its own.", "priority: %d is that of %s as well",
				p.wanted(), quote(*pinned[i-1].described.Profile.Name))
		}
		if p.wanted() > int64(total) {
			return nil, p.described.refuse("Use a position among them, 1 is first.", "priority: %d is given, and there are %d profiles", p.wanted(), total)
		}
	}
	target := slices.Clone(stay)
	for _, p := range pinned {
		target = slices.Insert(target, int(p.wanted()-1), p)
	}
	return m.planMoves(line, target), nil
}

// wanted is the priority that the files give a profile, 0 for none.
func (p *plannedProfile) wanted() int64 {
	if p.described == nil || p.described.Profile.Priority == nil {
		return 0
	}
	return *p.described.Profile.Priority
}

// place is where a profile is in the order before the plan.
func (m *maker) place(p *plannedProfile) int64 {
	if p.current == nil {
		return 1 << 62
	}
	return m.state.priorities[p.current.ID]
}

// unknownOrder is for platforms that do not tell priorities: a new profile is
// moved where the files say, in that order; what there is cannot be compared.
func (m *maker) unknownOrder() []*plannedProfile {
	ordered := slices.Clone(m.profiled)
	slices.SortStableFunc(ordered, func(a, b *plannedProfile) int { return cmp.Compare(a.wanted(), b.wanted()) })
	for _, p := range ordered {
		switch {
		case p.wanted() == 0:
		case p.current == nil:
			p.position = p.wanted()
			p.change.Properties = append(p.change.Properties, Property{"priority", nil, p.wanted()})
		default:
			m.note("The platform does not tell the priorities of profiles: that of %s is not compared.", quote(p.current.Name))
		}
	}
	return ordered
}

// planMoves makes line, with deleted profiles among it, the order of target, and
// returns the profiles in the order of their changes: those that are not moved,
// then the others by their place, each right behind its predecessor. A platform
// that moves a profile moves those between, and so does line.
func (m *maker) planMoves(line, target []*plannedProfile) []*plannedProfile {
	fixed := unmoved(line, target)
	var ordered, moved []*plannedProfile
	for i, p := range target {
		rank := rankOf(p, line)
		switch {
		case !fixed[p]:
			moved = append(moved, p)
			p.change.Properties = append(p.change.Properties, Property{"priority", rank, p.wanted()})
		case p.current == nil && p.wanted() != 0:
			p.change.Properties = append(p.change.Properties, Property{"priority", rank, int64(i + 1)})
			ordered = append(ordered, p)
		default:
			ordered = append(ordered, p)
		}
	}
	// What is not made yet has no place.
	line = slices.DeleteFunc(slices.Clone(line), func(p *plannedProfile) bool { return p.current == nil && !fixed[p] })
	for _, p := range moved {
		line = slices.DeleteFunc(line, func(other *plannedProfile) bool { return other == p })
		at := 0
		if i := slices.Index(target, p); i > 0 {
			at = slices.Index(line, target[i-1]) + 1
		}
		line = slices.Insert(line, at, p)
		p.position = int64(at + 1)
	}
	return append(ordered, moved...)
}

// rankOf is the priority of a profile among those that stay, nil for a new one.
func rankOf(p *plannedProfile, line []*plannedProfile) any {
	if p.current == nil {
		return nil
	}
	var rank int64
	for _, other := range line {
		if !other.deleted {
			rank++
		}
		if other == p {
			break
		}
	}
	return rank
}

// unmoved returns the profiles that need not move for line to become target: all
// those without a priority of their own, and those that stand right to them.
func unmoved(line, target []*plannedProfile) map[*plannedProfile]bool {
	places := make(map[*plannedProfile]int, len(line))
	for i, p := range line {
		places[p] = i
	}
	fixed := make(map[*plannedProfile]bool, len(target))
	for _, p := range target {
		fixed[p] = p.wanted() == 0
	}
	for i, p := range target {
		if fixed[p] {
			continue
		}
		fixed[p] = true
		for j, other := range target {
			if fixed[other] && (places[p] < places[other]) != (i < j) && p != other {
				fixed[p] = false
				break
			}
		}
	}
	return fixed
}
