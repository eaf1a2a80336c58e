package playbook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/fault"
)

// TakeInputs returns the inputs of a run: what is given, of the types of the
// inputs, and the defaults of what is not. Null counts as not given. The error is
// a *fault.Error about the first input that is wrong, not known or missing.
func (d *Definition) TakeInputs(given map[string]any) (map[string]any, error) {
	names := make([]string, len(d.Inputs))
	taken := make(map[string]any, len(d.Inputs))
	for i, in := range d.Inputs {
		names[i] = in.Name
		switch value := given[in.Name]; {
		case value == nil && in.Required:
			return nil, fault.New(fault.Invalid, fmt.Sprintf("The input %s is missing; it is of the type %s.", in.Name, in.Type), "")
		case value == nil && in.Default == nil:
		case value == nil:
			taken[in.Name] = in.Default
		default:
			v, err := in.Take(value)
			if err != nil {
				return nil, fault.New(fault.Invalid, fmt.Sprintf("Input %s: %v.", in.Name, err), "")
			}
			taken[in.Name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if slices.Contains(names, name) {
			continue
		}
		next := "Inputs are " + strings.Join(names, ", ") + "."
		if len(names) == 0 {
			next = "It has none."
		}
		return nil, fault.New(fault.Invalid, fmt.Sprintf("The playbook has no input %s.", quoted(name)), next)
	}
	return taken, nil
}

// TakeStart returns the inputs of a run that a trigger starts, which stands at a
// place: that of a Schedule, Webhook or Event. trigger is what expressions see of
// it: kind, at and data. The error is as that of TakeInputs, or a *Failure.
func (p *Program) TakeStart(ctx context.Context, at Place, trigger map[string]any, now time.Time) (map[string]any, error) {
	given := map[string]any{}
	for _, a := range p.starts[at] {
		value, err := a.Value.Evaluate(ctx, expression.Values{"trigger": trigger}, now)
		if err != nil {
			return nil, err
		}
		given[a.Name] = value
	}
	return p.Definition.TakeInputs(given)
}

// IsAssignee reports whether a text names somebody who can be asked: user:NAME,
// group:NAME or role:NAME.
func IsAssignee(text string) bool { return assignee.MatchString(text) }

// Take returns a value as the input has it: of its type, and one of its choices.
// The error is without a full stop.
func (in Input) Take(value any) (any, error) {
	taken, err := in.Type.Expression().Take(value)
	if err != nil {
		return nil, err
	}
	if text, ok := taken.(string); ok && in.Type == TypeChoice && !slices.Contains(in.Choices, text) {
		return nil, fmt.Errorf("%s is given, and one of %s is expected", quoted(text), strings.Join(in.Choices, ", "))
	}
	return taken, nil
}
