package fleet

import (
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// license is a word by which activation keys name a module.
type license struct {
	word   string
	module Module
}

// licenses are the words of activation keys (Qualys Cloud Agent API, create
// activation key) and the modules they stand for. IOC is what EDR was called
// before; the first word of a module is the one that answers carry. GAV, the
// inventory every agent has, and SA have no activation token of their own.
var licenses = []license{
	{"VM_LICENSE", ModuleVM},
	{"PC_LICENSE", ModulePC},
	{"SCA", ModuleSCA},
	{"SWCA", ModuleSwCA},
	{"PM", "AGENT_PM"},
	{"SA", "AGENT_SA"},
	{"FIM", "AGENT_FIM"},
	{"EDR", "AGENT_EDR"},
	{"IOC", "AGENT_EDR"},
	{"CAPS", "AGENT_CAPS"},
	{"MTG", "AGENT_MTG"},
	{"GAV", "AGENT_GAV"},
}

// licenseAll stands for every module this platform can activate; of PC and SCA,
// which exclude each other, for PC.
const licenseAll = "ALL"

// ParseLicense returns the modules a license word stands for, in any case: one,
// or with ALL several. An unknown word is fault.Invalid.
func ParseLicense(word string) ([]Module, error) {
	word = strings.TrimSpace(word)
	if strings.EqualFold(word, licenseAll) {
		return []Module{ModuleVM, ModulePC, ModuleSwCA}, nil
	}
	words := make([]string, 0, len(licenses)+1)
	for _, l := range licenses {
		if strings.EqualFold(word, l.word) {
			return []Module{l.module}, nil
		}
		words = append(words, l.word)
	}
	return nil, fault.New(fault.Invalid, fmt.Sprintf("license: unknown value '%s'.", echo(word)),
		"Values expected: "+strings.Join(append(words, licenseAll), ", ")+".")
}

// License returns the word by which activation keys name a module, the module's
// own token where there is none.
func License(m Module) string {
	for _, l := range licenses {
		if l.module == m {
			return l.word
		}
	}
	return string(m)
}

// Activates returns the modules that the key activates on its agents. A key may
// be licensed for others: agents are then not activated for those, as on a
// subscription without a license left.
func (k ActivationKey) Activates() []Module {
	return slices.DeleteFunc(slices.Clone(k.Modules), func(m Module) bool { return !slices.Contains(ActivationModules(), m) })
}

// checkLicensed refuses what no agent may have (Qualys Cloud Agent API, activate
// agent): PC and SCA exclude each other, SwCA needs VM.
func checkLicensed(modules []Module) error {
	has := func(m Module) bool { return slices.Contains(modules, m) }
	switch {
	case has(ModulePC) && has(ModuleSCA):
		return fault.New(fault.Invalid, "modules: PC_LICENSE and SCA exclude each other.", "Specify one of the two.")
	case has(ModuleSwCA) && !has(ModuleVM):
		return fault.New(fault.Invalid, "modules: SWCA needs VM_LICENSE.", "Specify VM_LICENSE as well, or leave SWCA out.")
	}
	return nil
}
