package access

import (
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// FindModule returns the module of a key such as CA or a label such as Cloud
// Agent, in any case. An unknown one is fault.Invalid and names those there are.
func FindModule(text string) (Module, error) {
	var known []string
	for _, m := range Modules() {
		if strings.EqualFold(text, m.Key) || strings.EqualFold(text, m.Label) {
			return m, nil
		}
		known = append(known, m.Key+" ("+m.Label+")")
	}
	return Module{}, fault.New(fault.Invalid, "modules: there is no module '"+echo(text)+"'.", "Use one of "+strings.Join(known, ", ")+".")
}

// FindPermission returns the permission of a key such as LAUNCH_ON_DEMAND_SCAN or
// a label such as Launch On-Demand Scan, in any case. An unknown one is
// fault.Invalid and names those there are. The types of access are no
// permissions of a module, and are refused with what to do instead.
func FindPermission(text string) (Permission, error) {
	for access, member := range map[Permission]string{APIAccess: "apiAccess", UIAccess: "uiAccess"} {
		if strings.EqualFold(text, string(access)) || strings.EqualFold(text, access.Label()) {
			return "", fault.New(fault.Invalid, "permissions: "+access.Label()+" is a type of access, not a permission of a module.", "Set "+member+" instead.")
		}
	}
	var known []string
	for _, m := range Modules() {
		for _, p := range m.Permissions() {
			if strings.EqualFold(text, string(p)) || strings.EqualFold(text, p.Label()) {
				return p, nil
			}
			known = append(known, string(p))
		}
	}
	return "", fault.New(fault.Invalid, "permissions: there is no permission '"+echo(text)+"'.", "Use one of "+strings.Join(known, ", ")+".")
}

// Grant is what a role is to allow, as people say it.
type Grant struct {
	API, UI bool // types of access, at least one
	// Modules are the keys or labels of modules.
	Modules []string
	// Permissions refine the modules: those of them that are allowed, by keys or
	// labels. nil means all of them.
	Permissions []string
}

// permissions returns the permissions of the grant, sorted, each once.
func (g Grant) permissions() ([]Permission, error) {
	chosen, err := g.ofModules()
	if err != nil {
		return nil, err
	}
	return withAccess(chosen, g.API, g.UI)
}

func (g Grant) ofModules() ([]Permission, error) {
	var offered, labels = []Permission(nil), []string(nil)
	for _, text := range g.Modules {
		module, err := FindModule(text)
		if err != nil {
			return nil, err
		}
		offered = append(offered, module.Permissions()...)
		labels = append(labels, module.Label)
	}
	if g.Permissions == nil {
		return offered, nil
	}
	chosen := make([]Permission, 0, len(g.Permissions))
	for _, text := range g.Permissions {
		permission, err := FindPermission(text)
		if err != nil {
			return nil, err
		}
		if len(offered) > 0 && !slices.Contains(offered, permission) {
			return nil, fault.New(fault.Invalid, "permissions: "+string(permission)+" does not belong to "+strings.Join(labels, " or ")+".",
				"Choose its module too, or leave the permission out.")
		}
		chosen = append(chosen, permission)
	}
	return chosen, nil
}

// withAccess replaces the types of access among permissions.
func withAccess(permissions []Permission, api, ui bool) ([]Permission, error) {
	if !api && !ui {
		return nil, fault.New(fault.Invalid, "apiAccess, uiAccess: a role without any type of access allows nothing.", "Set at least one of them.")
	}
	all := slices.DeleteFunc(slices.Clone(permissions), func(p Permission) bool { return p == APIAccess || p == UIAccess })
	if api {
		all = append(all, APIAccess)
	}
	if ui {
		all = append(all, UIAccess)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
