package expression

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// walk looks through an expression for what CEL itself would not say, or not in
// words for a person.
type walk struct {
	scope      *Scope
	source     *ast.SourceInfo
	references []Reference
	issues     []Issue
}

func (w *walk) report(e ast.Expr, hint, format string, args ...any) {
	at := w.source.GetStartLocation(e.ID())
	w.issues = append(w.issues, Issue{Line: max(at.Line(), 1), Column: max(at.Column(), 0) + 1, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// names looks at the variables that are read, before types are checked.
func (w *walk) names(root ast.Expr) {
	within := map[int64]bool{} // operands of selections that are noted
	ast.PreOrderVisit(root, ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind, ast.IdentKind:
			if !within[e.ID()] {
				w.note(e, within)
			}
		case ast.ComprehensionKind:
			for _, name := range []string{e.AsComprehension().IterVar(), e.AsComprehension().IterVar2()} {
				if _, taken := w.scope.variables[name]; taken {
					w.report(e, "Choose another name.", "%s is a variable already", name)
				}
			}
		case ast.CallKind:
			w.call(e)
		}
	}))
}

// note notes the reference that ends with e. What is wrong with it is reported
// where it begins.
func (w *walk) note(e ast.Expr, within map[int64]bool) {
	var fields []string
	at := e
	for at.Kind() == ast.SelectKind {
		fields = append(fields, at.AsSelect().FieldName())
		at = at.AsSelect().Operand()
		within[at.ID()] = true
	}
	if at.Kind() != ast.IdentKind {
		return
	}
	slices.Reverse(fields)
	name := at.AsIdent()
	for i := range min(len(fields), 2) + 1 {
		path := strings.Join(append([]string{name}, fields[:i]...), ".")
		if why, absent := w.scope.absent[path]; absent {
			w.report(at, "", "%s", why)
			return
		}
	}
	variable, known := w.scope.variables[name]
	if !known {
		return // a variable of a loop, or one that the check complains of
	}
	if variable.namespace && len(fields) == 0 {
		w.report(at, "", "%s is no value by itself: name one of %s", name, strings.Join(variable.Fields(), ", "))
		return
	}
	r := Reference{Variable: name}
	for i, field := range fields[:min(len(fields), 2)] {
		if variable.kind == objectKind {
			if _, ok := variable.fields[field]; !ok {
				w.report(at, didYouMean(field, variable.Fields()), "%s has no %s", strings.Join(append([]string{name}, fields[:i]...), "."), field)
				return
			}
		}
		if i == 0 {
			r.Name, variable = field, variable.fields[field]
		} else {
			r.Field = field
		}
	}
	w.references = append(w.references, r)
}

// call looks at what functions are given that has to be known beforehand.
func (w *walk) call(e ast.Expr) {
	c := e.AsCall()
	if c.FunctionName() != "jsonpath" || len(c.Args()) != 2 {
		return
	}
	path := c.Args()[1]
	text, ok := literal(path)
	if !ok {
		w.report(path, `Write it out, such as "$.ServiceResponse.data.HostAsset[*].id".`, "the path of jsonpath must be a literal text")
		return
	}
	if err := checkPath(text); err != nil {
		w.report(path, "RFC 9535 says what paths look like.", "%v", err)
	}
}

func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	text, ok := e.AsLiteral().(types.String)
	return string(text), ok
}

// words looks for comparisons with words that cannot be.
func (w *walk) words(checked *ast.AST) {
	w.source = checked.SourceInfo()
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
			return
		}
		args := e.AsCall().Args()
		switch e.AsCall().FunctionName() {
		case operators.Equals, operators.NotEquals:
			w.compare(checked, args[0], args[1])
			w.compare(checked, args[1], args[0])
		case operators.In:
			if args[1].Kind() == ast.ListKind {
				for _, item := range args[1].AsList().Elements() {
					w.compare(checked, args[0], item)
				}
			}
		}
	}))
}

// compare reports a word that a field never is.
func (w *walk) compare(checked *ast.AST, field, word ast.Expr) {
	text, ok := literal(word)
	if !ok || field.Kind() != ast.SelectKind {
		return
	}
	object := w.scope.objects[checked.GetType(field.AsSelect().Operand().ID()).TypeName()]
	words := object.fields[field.AsSelect().FieldName()].words
	if len(words) > 0 && !slices.Contains(words, text) {
		hint := didYouMean(text, words)
		w.report(word, hint, "%s is never %q; it is one of %s", field.AsSelect().FieldName(), shortened(text), strings.Join(words, ", "))
	}
}

// functionNames are what a mistyped function may have been meant to be.
func (s *Scope) functionNames() []string {
	names := slices.Collect(maps.Keys(s.env.Functions()))
	names = append(names, "now", "has", "all", "exists", "exists_one", "map", "filter")
	return slices.DeleteFunc(names, func(n string) bool { return strings.ContainsAny(n, "_@!-") && n != "exists_one" })
}
