package playbook

import (
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// Surroundings is what a playbook can use. Its methods must be quick: they are
// asked while somebody waits for a check.
type Surroundings interface {
	Commands
	Playbooks
}

// Commands are the commands that steps can execute; Integrations has them.
type Commands interface {
	// Command returns the command named as integration/command.
	Command(uses string) (Command, bool)
	// CommandNames are all of them, for hints.
	CommandNames() []string
}

// Playbooks are those that steps can call.
type Playbooks interface {
	// Playbook returns the live version of the playbook with this name.
	Playbook(name string) (Signature, bool)
	// PlaybookNames are all of them, for hints.
	PlaybookNames() []string
}

// Command is what a step needs to know of a command.
type Command struct {
	Inputs []CommandInput
	// KeyFields are the lists of ids it leaves, by name.
	KeyFields []string
	ReadOnly  bool
	// Repeats says that the command may be sent again when it is not known whether
	// it was carried out: because it only reads, or because it recognises the key.
	Repeats bool
	// Waits says that the command itself can wait until what it began has ended.
	Waits bool
	// Local commands need no connection.
	Local bool
}

// CommandInput is an input of a command.
type CommandInput struct {
	Name     string
	Type     InputType
	Required bool
	// Check returns what is wrong with a constant, without a full stop; nil to look
	// at the type alone.
	Check func(value any) error
}

// Signature is what other playbooks need to know of one that they call.
type Signature struct {
	Inputs  []Input
	Outputs map[string]expression.Type
	// Calls are the names of the playbooks that it calls itself.
	Calls []string
}

// Signature returns the signature of a checked playbook.
func (p *Program) Signature() Signature {
	s := Signature{Inputs: p.Definition.Inputs, Outputs: map[string]expression.Type{}, Calls: p.Definition.Calls()}
	for _, out := range p.Outputs {
		s.Outputs[out.Name] = out.Value.Type()
	}
	return s
}

// PlaybookPrefix is what names of playbooks begin with in uses.
const PlaybookPrefix = "playbook/"

// Calls returns the names of the playbooks that steps call, each once.
func (d *Definition) Calls() []string {
	var names []string
	for _, s := range slices.Concat(d.Steps, d.Handlers) {
		if name, ok := strings.CutPrefix(s.Uses, PlaybookPrefix); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Core commands, which every playbook can use; they need no connection.
const (
	CoreEmail   = "core/email"
	CoreWebhook = "core/webhook"
)

// CoreCommand returns one of the core commands.
func CoreCommand(uses string) (Command, bool) {
	switch uses {
	case CoreEmail:
		return Command{Local: true, Repeats: true, Inputs: []CommandInput{ // after a crash, better twice than not
			{Name: "to", Type: TypeTexts, Required: true},
			{Name: "subject", Type: TypeText, Required: true},
			{Name: "text", Type: TypeText},
		}}, true
	case CoreWebhook:
		return Command{Local: true, Repeats: true, Inputs: []CommandInput{
			{Name: "url", Type: TypeURL, Required: true},
			{Name: "secret", Type: TypeText}, // the name of one, to sign with
			{Name: "body", Type: TypeAny},
		}}, true
	}
	return Command{}, false
}

// CoreCommandNames are the names of the core commands.
func CoreCommandNames() []string { return []string{CoreEmail, CoreWebhook} }
