package store

import (
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// comparison compares one expression with a condition's values. table, column
// and id name the index that finds hosts by it; without a table there is none.
type comparison struct {
	expression string
	table      string
	column     string
	id         string
}

// integer compiles a condition with Ints.
func (on comparison) integer(d Dialect, c fleet.Condition) predicate {
	switch c.Operator {
	case qps.OpNotEquals:
		return predicate{query: "(" + on.expression + " IS NULL OR " + on.expression + " <> ?)", args: []any{c.Ints[0]}}
	case qps.OpGreater, qps.OpLesser:
		return on.indexed(func(e string) string { return e + " " + ordering(c.Operator) + " ?" }, c.Ints[0])
	case qps.OpIn:
		return on.indexed(d.InIDs, d.IDsParam(c.Ints))
	default: // EQUALS
		return on.indexed(func(e string) string { return e + " = ?" }, c.Ints[0])
	}
}

// text compiles a condition with Texts on an expression that is never NULL, or
// that is not asked NOT EQUALS.
func (on comparison) text(d Dialect, c fleet.Condition) predicate {
	switch c.Operator {
	case qps.OpNotEquals:
		return predicate{query: on.expression + " <> ?", args: []any{c.Texts[0]}}
	case qps.OpContains:
		return predicate{query: d.Contains(on.expression), args: []any{c.Texts[0]}}
	case qps.OpIn:
		return on.indexed(d.InTexts, d.TextsParam(c.Texts))
	default: // EQUALS
		return on.indexed(func(e string) string { return e + " = ?" }, c.Texts[0])
	}
}

// date compiles a condition with Time.
func (on comparison) date(c fleet.Condition) predicate {
	from, until := c.Span()
	first, end := from.UnixMicro(), until.UnixMicro()
	switch c.Operator {
	case qps.OpNotEquals:
		e := on.expression
		return predicate{query: "(" + e + " IS NULL OR " + e + " < ? OR " + e + " >= ?)", args: []any{first, end}}
	case qps.OpGreater, qps.OpLesser:
		return on.indexed(func(e string) string { return e + " " + ordering(c.Operator) + " ?" }, first)
	default: // EQUALS
		return on.indexed(func(e string) string { return "(" + e + " >= ? AND " + e + " < ?)" }, first, end)
	}
}

// indexed is a predicate that an index on the column answers too.
func (on comparison) indexed(condition func(expression string) string, args ...any) predicate {
	p := predicate{query: condition(on.expression), args: args}
	if on.table != "" {
		p.index = &index{query: "SELECT " + on.id + " FROM " + on.table + " WHERE " + condition(on.column), args: args, id: on.id}
	}
	return p
}

// ordering is the sign of GREATER and LESSER, both strict.
func ordering(op qps.Operator) string {
	if op == qps.OpGreater {
		return ">"
	}
	return "<"
}
