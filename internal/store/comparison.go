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
	ranges     order // of an index asked for more than single values
	nullable   bool
	present    string // condition of a partial index
}

// integer compiles a condition with Ints.
func (on comparison) integer(d Dialect, c fleet.Condition) predicate {
	switch c.Operator {
	case qps.OpNotEquals:
		p := on.unlike(c.Ints[0], c.Ints[0])
		p.query, p.args = "("+on.expression+" IS NULL OR "+on.expression+" <> ?)", []any{c.Ints[0]}
		return p
	case qps.OpGreater, qps.OpLesser:
		return on.indexed(func(e string) string { return e + " " + ordering(c.Operator) + " ?" }, c.Ints[0])
	case qps.OpIn:
		return on.listed(d.InIDs, len(c.Ints), d.IDsParam(c.Ints))
	default: // EQUALS
		return on.listed(func(e string) string { return e + " = ?" }, 1, c.Ints[0])
	}
}

// text compiles a condition with Texts on an expression that is never NULL, or
// that is not asked NOT EQUALS.
func (on comparison) text(d Dialect, c fleet.Condition) predicate {
	switch c.Operator {
	case qps.OpNotEquals:
		p := on.unlike(c.Texts[0], c.Texts[0])
		p.query, p.args = on.expression+" <> ?", []any{c.Texts[0]}
		return p
	case qps.OpContains:
		return predicate{query: d.Contains(on.expression), args: []any{c.Texts[0]}}
	case qps.OpIn:
		return on.listed(d.InTexts, len(c.Texts), d.TextsParam(c.Texts))
	default: // EQUALS
		return on.listed(func(e string) string { return e + " = ?" }, 1, c.Texts[0])
	}
}

// date compiles a condition with Time.
func (on comparison) date(c fleet.Condition) predicate {
	from, until := c.Span()
	first, end := from.UnixMicro(), until.UnixMicro()
	switch c.Operator {
	case qps.OpNotEquals:
		e := on.expression
		p := on.unlike(first, end-1)
		p.query, p.args = "("+e+" IS NULL OR "+e+" < ? OR "+e+" >= ?)", []any{first, end}
		return p
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
		p.index = &index{table: on.table, id: on.id, order: on.ranges, parts: []part{{on.present + condition(on.column), args}}}
	}
	return p
}

// listed is indexed for single values.
func (on comparison) listed(condition func(expression string) string, values int, arg any) predicate {
	p := on.indexed(condition, arg)
	if p.index != nil && p.index.order == unordered && values <= maxBlockedValues {
		p.index.order, p.index.single = byID, values == 1
	}
	return p
}

// unlike is the index of a predicate that holds outside a range. Where a column
// may have no value, most hosts have none, and match.
func (on comparison) unlike(first, last any) predicate {
	if on.table == "" || on.nullable || on.present != "" {
		return predicate{}
	}
	i := &index{table: on.table, id: on.id, order: on.ranges, parts: []part{
		{on.column + " < ?", []any{first}}, {on.column + " > ?", []any{last}},
	}}
	if i.order == unordered {
		i.id = offIndex(i.id)
	}
	return predicate{index: i}
}

// ordering is the sign of GREATER and LESSER, both strict.
func ordering(op qps.Operator) string {
	if op == qps.OpGreater {
		return ">"
	}
	return "<"
}
