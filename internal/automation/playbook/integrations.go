package playbook

import (
	"errors"
	"strings"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/fault"
)

// Integrations are the commands of package integration.
type Integrations struct{}

// Command implements Commands.
func (Integrations) Command(uses string) (Command, bool) {
	found, ok := integration.FindCommand(uses)
	if !ok {
		return Command{}, false
	}
	c := Command{ReadOnly: found.ReadOnly, Repeats: found.Repeat != integration.Never, Waits: found.Waits}
	for _, in := range found.Inputs {
		c.Inputs = append(c.Inputs, CommandInput{Name: in.Name, Type: typeOfInput(in.Type), Required: in.Required, Check: checkOf(in)})
	}
	for _, key := range found.KeyFields {
		c.KeyFields = append(c.KeyFields, key.Name)
	}
	return c, true
}

// CommandNames implements Commands.
func (Integrations) CommandNames() []string {
	var names []string
	for _, i := range integration.Integrations() {
		for _, c := range i.Commands {
			names = append(names, i.Name+"/"+c.Name)
		}
	}
	return names
}

// typeOfInput is the type of an input of a command, which has the same word here;
// secrets are texts.
func typeOfInput(t integration.Type) InputType {
	if t == integration.Secret {
		return TypeText
	}
	return InputType(t)
}

// checkOf checks constants as the command itself reads them.
func checkOf(in integration.Input) func(value any) error {
	return func(value any) error {
		if in.Type == integration.Secret {
			return errors.New("a secret does not belong into the text of a playbook")
		}
		read, err := in.Read(value, nil)
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return errors.New(strings.TrimSuffix(strings.TrimSpace(f.Message+" "+f.Resolution), "."))
		}
		if err == nil && read == nil && in.Required {
			return errors.New("the value is empty, and it is required")
		}
		return err
	}
}
