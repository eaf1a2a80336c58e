package expression

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
)

// Scope is what expressions of one place may name.
type Scope struct {
	env       *cel.Env
	variables map[string]Type
	objects   map[string]Type
	absent    map[string]string
}

// NewScope returns a scope with these variables. absent says of names that a
// writer might expect, such as "steps.scan", why they are not there: a sentence
// without a full stop.
func NewScope(variables map[string]Type, absent map[string]string) (*Scope, error) {
	base, err := environment()
	if err != nil {
		return nil, fmt.Errorf("environment of expressions: %w", err)
	}
	p, err := newProvider(base.CELTypeProvider(), variables)
	if err != nil {
		return nil, err
	}
	options := []cel.EnvOption{cel.CustomTypeProvider(p)}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		options = append(options, cel.Variable(name, variables[name].cel()))
	}
	env, err := base.Extend(options...)
	if err != nil {
		return nil, fmt.Errorf("scope of expressions: %w", err)
	}
	return &Scope{env, variables, p.objects, absent}, nil
}

// Issue is something that is wrong with a text.
type Issue struct {
	Expression int    // which expression of the text, from 0; -1 for the text itself
	Line       int    // within the expression, from 1
	Column     int    // within the line, in characters from 1
	Message    string // a sentence without a full stop
	Hint       string // the next step; may be empty
}

// Template compiles a text. With issues there is no template.
func (s *Scope) Template(text string) (*Template, []Issue) {
	if len(text) > MaxTextBytes {
		return nil, []Issue{{-1, 1, 1, fmt.Sprintf("the text has %d bytes; there may be %d", len(text), MaxTextBytes), "Shorten it."}}
	}
	pieces, issue := split(text)
	if issue != nil {
		return nil, []Issue{*issue}
	}
	t := &Template{result: Text}
	var issues []Issue
	for _, p := range pieces {
		part := part{literal: p.text}
		if p.expression {
			var found []Issue
			if part, found = s.compile(p.text, t); found != nil {
				for i := range found {
					found[i].Expression = t.expressions
				}
				issues = append(issues, found...)
			}
			t.expressions++
		}
		t.parts = append(t.parts, part)
	}
	if issues != nil {
		return nil, issues
	}
	if len(t.parts) == 1 && t.parts[0].program != nil {
		t.result = t.parts[0].result
	}
	return t, nil
}

// compile compiles one expression and notes what it refers to.
func (s *Scope) compile(text string, t *Template) (part, []Issue) {
	if strings.TrimSpace(text) == "" {
		return part{}, []Issue{{Line: 1, Column: 1, Message: "the expression is empty", Hint: "Write one between ${{ and }}."}}
	}
	parsed, problems := s.env.Parse(text)
	if problems.Err() != nil {
		return part{}, s.issues(problems)
	}
	w := walk{scope: s, source: parsed.NativeRep().SourceInfo()}
	if w.names(parsed.NativeRep().Expr()); w.issues != nil {
		return part{}, w.issues
	}
	checked, problems := s.env.Check(parsed)
	if problems.Err() != nil {
		return part{}, s.issues(problems)
	}
	if w.words(checked.NativeRep()); w.issues != nil {
		return part{}, w.issues
	}
	program, err := s.env.Program(checked, cel.CostLimit(MaxCost), cel.CostTracking(costs{}), cel.InterruptCheckFrequency(interruptEvery))
	if err != nil {
		return part{}, []Issue{{Line: 1, Column: 1, Message: err.Error()}}
	}
	t.references = append(t.references, w.references...)
	return part{program: program, source: strings.TrimSpace(text), result: typeOf(checked.OutputType())}, nil
}
