package assistant

import (
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// Allowance says which commands that write are offered. The zero Allowance offers
// none.
type Allowance struct {
	All      bool
	Commands []string // names of commands
}

func (a Allowance) allows(c qpsclient.Command) bool {
	return a.All || slices.Contains(a.Commands, c.Name)
}

// check refuses names of commands that there are not, which are misspelt.
func (a Allowance) check(commands []qpsclient.Command) error {
	var writing []string
	for _, c := range commands {
		if !c.ReadOnly {
			writing = append(writing, c.Name)
		}
	}
	for _, name := range a.Commands {
		if !slices.ContainsFunc(commands, func(c qpsclient.Command) bool { return c.Name == name }) {
			return fault.New(fault.Invalid, fmt.Sprintf("allow: there is no command '%s'.", automation.Echo(name)), "The commands that write are "+strings.Join(slices.Compact(slices.Sorted(slices.Values(writing))), ", ")+".")
		}
	}
	return nil
}
