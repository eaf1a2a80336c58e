package playbook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// Program is a playbook that was checked, with its expressions compiled. Check
// makes it, once for each version.
type Program struct {
	Definition *Definition
	// Nodes are the steps in the order of the text, and then those of onError.
	Nodes   []Node
	Outputs []Assignment
	// Starts are the inputs that triggers give, by the place of their with.
	starts map[Place][]Assignment
}

// Node is a step of a program. Steps are known by their index in Program.Nodes.
type Node struct {
	Step    *Step
	Handler bool
	Needs   []int
	// Looks has what of Needs the step's if looks at the state of: then the if
	// decides, whatever became of them.
	Looks map[int]bool
	// Loop is what a loop that ends with this step goes through, itself included;
	// nil for none. Loops are the steps that end a loop that goes through this one,
	// the innermost first.
	Loop  []int
	Loops []int

	Command    Command
	Playbook   string // called by the step; empty for none
	With       []Assignment
	Connection Expression
	To         []Expression // those who are asked
	Message    Expression   // of an approval
	For        Expression   // of a wait
	If         Expression
	Until      Expression
	While      Expression
	Each       Expression // the list of a forEach

	known bool // what it uses
}

// Assignment is a compiled argument.
type Assignment struct {
	Name  string
	Value Expression
}

// Expression is a value with its expressions compiled. The zero Expression is no
// value.
type Expression struct {
	value    Value
	constant any
	template *expression.Template
	places   []Place // of the expressions of template
	items    []Expression
	members  []Assignment
}

// Given reports whether there is a value.
func (e Expression) Given() bool { return e.value.Given() }

// Type returns the type, as far as it is known.
func (e Expression) Type() expression.Type {
	switch {
	case e.template != nil:
		return e.template.Type()
	case e.items != nil:
		return expression.List(expression.Any)
	case e.members != nil:
		return expression.Map(expression.Any)
	}
	switch e.constant.(type) {
	case string:
		return expression.Text
	case int64:
		return expression.Integer
	case float64:
		return expression.Number
	case bool:
		return expression.Boolean
	case time.Time:
		return expression.DateTime
	case time.Duration:
		return expression.Duration
	}
	return expression.Any
}

// References calls yield with everything that the value reads.
func (e Expression) References(yield func(expression.Reference)) {
	if e.template != nil {
		for _, r := range e.template.References() {
			yield(r)
		}
	}
	for _, item := range e.items {
		item.References(yield)
	}
	for _, m := range e.members {
		m.Value.References(yield)
	}
}

// Failure is an expression that could not be evaluated, and where it stands.
type Failure struct {
	Place
	Message string // names the expression; no full stop
}

// Error returns the failure on one line.
func (f *Failure) Error() string {
	return fmt.Sprintf("line %d, column %d: %s: %s", f.Line, f.Column, f.Path, f.Message)
}

// Evaluate returns the value, which is the caller's own. now is what now() is.
// The error is a *Failure, or that of the context.
func (e Expression) Evaluate(ctx context.Context, values expression.Values, now time.Time) (any, error) {
	switch {
	case e.template != nil:
		result, err := e.template.Evaluate(ctx, values, now)
		if f, ok := errors.AsType[*expression.Failure](err); ok {
			at := e.value.Place
			if f.Expression >= 0 && f.Expression < len(e.places) {
				at.Line, at.Column = e.places[f.Expression].Line, e.places[f.Expression].Column
			}
			return nil, &Failure{at, f.Error()}
		}
		return result, err
	case e.items != nil:
		list := make([]any, len(e.items))
		for i, item := range e.items {
			var err error
			if list[i], err = item.Evaluate(ctx, values, now); err != nil {
				return nil, err
			}
		}
		return list, nil
	case e.members != nil:
		m := make(map[string]any, len(e.members))
		for _, member := range e.members {
			var err error
			if m[member.Name], err = member.Value.Evaluate(ctx, values, now); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return e.constant, nil
}

// Refuse returns the failure of a value that is not what it must be.
func (e Expression) Refuse(format string, args ...any) error {
	return &Failure{e.value.Place, fmt.Sprintf(format, args...)}
}
