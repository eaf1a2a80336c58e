package assistant

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// playbookPrefix begins the names of playbooks in an Allowance, as in the text of a
// playbook that calls another one.
const playbookPrefix = playbook.PlaybookPrefix

// Allowance says which commands that write are offered, and which playbooks can be
// started. The zero Allowance offers none.
type Allowance struct {
	All bool
	// Commands are names of commands, and of playbooks as playbook/NAME or
	// playbook/SITE/NAME. To allow a command allows no playbook that runs it, and to allow
	// a playbook allows whatever its steps do, then and after others have changed it.
	Commands []string
}

// playbooks are the names of the playbooks that are allowed.
func (a Allowance) playbooks() []string {
	var names []string
	for _, name := range a.Commands {
		if of, ok := strings.CutPrefix(name, playbookPrefix); ok {
			names = append(names, of)
		}
	}
	return names
}

// startable returns the IDs of the playbooks that are allowed, as they are now: what
// others call so later is not meant. Names that mean none, or several, are refused.
func (a Allowance) startable(ctx context.Context, platform Platform) ([]int64, error) {
	names := a.playbooks()
	if len(names) == 0 {
		return nil, nil
	}
	all, err := platform.Playbooks(ctx, "")
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, name := range names {
		before := len(ids)
		for _, p := range all {
			if isPlaybook(p, name) {
				ids = append(ids, p.ID)
			}
		}
		switch len(ids) - before {
		case 0:
			return nil, fault.New(fault.Invalid, fmt.Sprintf("allow: there is no playbook '%s'.", automation.Echo(name)), "'vedette automation playbooks list' lists those that this user sees.")
		case 1:
		default:
			return nil, fault.New(fault.Invalid, fmt.Sprintf("allow: there are several playbooks '%s'.", automation.Echo(name)), "Use "+playbookPrefix+"SITE/NAME.")
		}
	}
	return ids, nil
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
		if !strings.HasPrefix(name, playbookPrefix) && !slices.ContainsFunc(commands, func(c qpsclient.Command) bool { return c.Name == name }) {
			return fault.New(fault.Invalid, fmt.Sprintf("allow: there is no command '%s'.", automation.Echo(name)), "The commands that write are "+strings.Join(slices.Compact(slices.Sorted(slices.Values(writing))), ", ")+".")
		}
	}
	return nil
}
