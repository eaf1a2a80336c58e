package fleet

import (
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// ActivationModules returns every module that can be activated on an agent, in
// the order in which messages name them.
func ActivationModules() []Module {
	return []Module{ModuleVM, ModulePC, ModuleSCA, ModuleSwCA}
}

// ParseActivation reads a comma-separated list of module tokens in any case, as
// the module parameter of activate and deactivate holds it; blanks and empty
// entries are passed over and a repeated token counts once. An unknown token and
// an empty list are fault.Invalid with the tokens that are allowed.
func ParseActivation(list string) ([]Module, error) {
	var modules []Module
	for token := range strings.SplitSeq(list, ",") {
		if token = strings.TrimSpace(token); token == "" {
			continue
		}
		i := slices.IndexFunc(ActivationModules(), func(m Module) bool { return strings.EqualFold(token, string(m)) })
		if i < 0 {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("module: '%s' is not a module of this platform.", echo(token)), expectedModules())
		}
		if m := ActivationModules()[i]; !slices.Contains(modules, m) {
			modules = append(modules, m)
		}
	}
	if len(modules) == 0 {
		return nil, fault.New(fault.Invalid, "module: at least one module is required.", expectedModules())
	}
	return modules, nil
}

func expectedModules() string {
	names := make([]string, len(ActivationModules()))
	for i, m := range ActivationModules() {
		names[i] = string(m)
	}
	return "Values expected: " + strings.Join(names, ", ") + "."
}

// opposite is the module that cannot be active beside m, empty for none.
func (m Module) opposite() Module {
	switch m {
	case ModulePC:
		return ModuleSCA
	case ModuleSCA:
		return ModulePC
	}
	return ""
}

// activated returns the modules of an agent after more have been activated on
// it. PC and SCA exclude each other and SwCA needs VM (Qualys Cloud Agent API,
// activate agents); what is active already is accepted as it is.
func activated(hostID int64, active, more []Module) ([]Module, error) {
	after := slices.Clone(active)
	for _, m := range more {
		if slices.Contains(active, m) {
			continue
		}
		if o := m.opposite(); o != "" && slices.Contains(after, o) {
			return nil, fault.New(fault.Conflict,
				fmt.Sprintf("module: %s cannot be activated on asset %d, where %s is active; the two exclude each other.", m, hostID, o),
				fmt.Sprintf("Deactivate %s first.", o))
		}
		if m == ModuleSwCA && !slices.Contains(active, ModuleVM) && !slices.Contains(more, ModuleVM) {
			return nil, fault.New(fault.Conflict,
				fmt.Sprintf("module: %s cannot be activated on asset %d without %s.", m, hostID, ModuleVM),
				fmt.Sprintf("Activate %s before it or together with it.", ModuleVM))
		}
		after = append(after, m)
	}
	return after, nil
}

// deactivated returns the modules of an agent after some have been deactivated.
// VM stays while SwCA needs it.
func deactivated(hostID int64, active, less []Module) ([]Module, error) {
	after := slices.DeleteFunc(slices.Clone(active), func(m Module) bool { return slices.Contains(less, m) })
	if slices.Contains(less, ModuleVM) && slices.Contains(active, ModuleVM) && slices.Contains(after, ModuleSwCA) {
		return nil, fault.New(fault.Conflict,
			fmt.Sprintf("module: %s cannot be deactivated on asset %d, where %s is active and needs it.", ModuleVM, hostID, ModuleSwCA),
			fmt.Sprintf("Deactivate %s before it or together with it.", ModuleSwCA))
	}
	return after, nil
}
