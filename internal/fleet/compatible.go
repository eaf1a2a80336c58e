package fleet

import "slices"

// Compatible returns those of more that can be activated on a host beside what is
// active there: neither active already, nor excluded by an active one or by
// an earlier one of more, nor in need of a module that is missing. What
// connectors and enrolling agents bring gives way to what is there.
func Compatible(active, more []Module) []Module {
	after := slices.Clone(active)
	for _, m := range more {
		if o := m.opposite(); slices.Contains(after, m) || o != "" && slices.Contains(after, o) {
			continue
		}
		if m == ModuleSwCA && !slices.Contains(active, ModuleVM) && !slices.Contains(more, ModuleVM) {
			continue
		}
		after = append(after, m)
	}
	return after[len(active):]
}
