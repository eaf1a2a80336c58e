package fleet

import "slices"

// KeyPush is what an update of an activation key does to the agents the key has
// made (Qualys Cloud Agent API, update activation key: applyOnAgents). Its JSON
// form is stored until all of them have it.
type KeyPush struct {
	Activate   []Module `json:"activate,omitempty"`
	Deactivate []Module `json:"deactivate,omitempty"`
	Tag        []int64  `json:"tag,omitempty"`
	Untag      []int64  `json:"untag,omitempty"`
}

// PushOf returns what the step from one state of a key to another means for its
// agents: they get the tags and modules the key has, and lose those that it had
// and has no longer. What agents got in other ways they keep.
func PushOf(before, after ActivationKey) KeyPush {
	p := KeyPush{Activate: after.Activates(), Tag: tagIDs(after)}
	p.Deactivate = slices.DeleteFunc(before.Activates(), func(m Module) bool { return slices.Contains(p.Activate, m) })
	p.Untag = slices.DeleteFunc(tagIDs(before), func(id int64) bool { return slices.Contains(p.Tag, id) })
	return p
}

func tagIDs(k ActivationKey) []int64 {
	var ids []int64
	for _, t := range k.Tags {
		ids = append(ids, t.ID)
	}
	return ids
}

// Modules returns the modules of an agent after the push. Where the agent has
// modules of its own that cannot be beside those of the key, the key's win: PC
// ends SCA and the other way round, and SwCA ends with VM.
func (p KeyPush) Modules(active []Module) []Module {
	after := slices.DeleteFunc(slices.Clone(active), func(m Module) bool {
		return slices.Contains(p.Deactivate, m) || slices.Contains(p.Activate, m.opposite())
	})
	for _, m := range p.Activate {
		if !slices.Contains(after, m) {
			after = append(after, m)
		}
	}
	if !slices.Contains(after, ModuleVM) {
		after = slices.DeleteFunc(after, func(m Module) bool { return m == ModuleSwCA })
	}
	slices.Sort(after)
	return after
}
