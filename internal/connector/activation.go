package connector

import (
	"slices"

	"vedette.dev/vedette/internal/fleet"
)

// activations are the modules that a connector's words stand for on a host.
// CERTVIEW, CLOUDVIEW and CSA are about accounts and certificates: no host is
// activated for them.
var activations = map[string]fleet.Module{
	"VM":  fleet.ModuleVM,
	"PC":  fleet.ModulePC,
	"SCA": fleet.ModuleSCA,
}

// tooSmall are the instance types that are not activated: Amazon asked not to
// scan them (Qualys, Securing Amazon Web Services, connector workflow).
var tooSmall = []string{"m1.small", "t1.micro", "t2.nano", "t3.nano"}

// Activates returns the modules that the connector activates on an instance's
// host beside those that are active there. A terminated instance and one of the
// smallest types get none; a module that an active one excludes stays off.
func (c *Connector) Activates(i *Instance, active []fleet.Module) []fleet.Module {
	if i.State == Terminated || slices.Contains(tooSmall, i.InstanceType) {
		return nil
	}
	var wanted []fleet.Module
	for _, word := range c.Modules {
		if m, ok := activations[word]; ok {
			wanted = append(wanted, m)
		}
	}
	return fleet.Compatible(active, wanted)
}
