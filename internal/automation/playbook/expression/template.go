package expression

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
)

// Template is a text with expressions in it. It is immutable.
type Template struct {
	parts       []part
	expressions int
	result      Type
	references  []Reference
}

// part is a literal text or an expression.
type part struct {
	literal string
	program cel.Program
	source  string
	result  Type
}

// Reference is what an expression reads: inputs.days has the name "days", and
// steps.find.keyFields.agentIds has the name "find" and the field "keyFields".
// What is read as a whole has no field, or neither.
type Reference struct{ Variable, Name, Field string }

// Expressions returns how many expressions are in the text.
func (t *Template) Expressions() int { return t.expressions }

// Type returns the type of the value, as far as it is known.
func (t *Template) Type() Type { return t.result }

// References returns what the expressions read.
func (t *Template) References() []Reference { return t.references }

// Failure is an expression that could not be evaluated.
type Failure struct {
	Expression int    // which one of its text, from 0; -1 for the text itself
	Source     string // the expression, shortened
	Message    string // why, without a full stop
}

// Error names the expression and says why.
func (f *Failure) Error() string {
	if f.Expression < 0 {
		return f.Message
	}
	return fmt.Sprintf("${{ %s }}: %s", f.Source, f.Message)
}

// Evaluate returns the value of the template: of the type of its expression when
// it is one and nothing else, and otherwise a string. now is what now() is. The
// error is a *Failure, or that of the context.
func (t *Template) Evaluate(ctx context.Context, values Values, now time.Time) (any, error) {
	if len(t.parts) == 1 && t.parts[0].program != nil {
		return t.parts[0].evaluate(ctx, 0, values, now)
	}
	var text strings.Builder
	nth := 0
	for _, p := range t.parts {
		piece := p.literal
		if p.program != nil {
			value, err := p.evaluate(ctx, nth, values, now)
			if err != nil {
				return nil, err
			}
			if piece, err = InText(value); err != nil {
				return nil, p.failure(nth, err.Error())
			}
			nth++
		}
		if text.Len()+len(piece) > MaxResultBytes {
			return nil, &Failure{-1, "", fmt.Sprintf("the text has more than %d bytes", MaxResultBytes)}
		}
		text.WriteString(piece)
	}
	return text.String(), nil
}

func (p part) failure(nth int, message string) *Failure {
	return &Failure{nth, shortened(p.source), message}
}

// bound lets an expression see its variables and the time.
type bound struct {
	values Values
	now    time.Time
}

// ResolveName implements cel.Activation.
func (b bound) ResolveName(name string) (any, bool) {
	if name == nowVariable {
		return b.now.UTC(), true
	}
	value, ok := b.values[name]
	return value, ok
}

// Parent implements cel.Activation.
func (b bound) Parent() cel.Activation { return nil }

func (p part) evaluate(ctx context.Context, nth int, values Values, now time.Time) (any, error) {
	result, _, err := p.program.ContextEval(ctx, bound{values, now})
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, p.failure(nth, reason(err))
	}
	if types.IsUnknownOrError(result) {
		return nil, p.failure(nth, "it has no value")
	}
	value, err := native(result)
	if err != nil {
		return nil, p.failure(nth, err.Error())
	}
	left := MaxResultBytes
	value, err = own(value, &left)
	if err != nil {
		return nil, p.failure(nth, err.Error())
	}
	return value, nil
}

// reason says in a user's words why an evaluation failed.
func reason(err error) string {
	text := err.Error()
	var limit string
	if strings.Contains(text, "actual cost limit exceeded") {
		limit = fmt.Sprintf("it costs more than %d, the limit of one expression: read key fields instead of raw data, or filter earlier", MaxCost)
	}
	switch {
	case limit != "":
		return limit
	case errors.Is(err, context.Canceled):
		return "it was cancelled"
	case strings.HasPrefix(text, "no such key: "):
		return "there is no " + strings.TrimPrefix(text, "no such key: ")
	case strings.HasPrefix(text, "no such overload"):
		return "an operation or a function was given a value of a type it does not take, such as null"
	case !utf8.ValidString(text):
		return "it failed"
	}
	return shortened(text)
}
