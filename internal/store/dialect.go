package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
)

// Dialect is what the engines do differently. Queries are written once, with ?
// for parameters; a fragment takes exactly one parameter unless it says
// otherwise. Implementations hold no state.
type Dialect interface {
	// Rebind turns the ? of a query into the engine's placeholders. Queries hold
	// no other question marks.
	Rebind(query string) string
	// Rows is a table expression that makes rows of one parameter made by
	// RowsParam. Its columns have the given names and types.
	Rows(columns []Column) string
	// InIDs and InTexts are predicates: the expression is one of the values of a
	// parameter made by IDsParam or TextsParam.
	InIDs(expression string) string
	InTexts(expression string) string
	IDsParam(ids []int64) any
	TextsParam(texts []string) any
	// Contains is a predicate: the expression contains the text byte for byte.
	Contains(expression string) string
	// TextContaining says where hosts are found by index of which a column of
	// hosts (name, dns_host_name or address) may contain the text.
	TextContaining(column, text string) TextIndex
	// InOrder follows a table and its alias in a query that shall walk the table
	// by its primary key, whatever other indexes suggest. No parameter.
	InOrder() string
	// ForUpdate ends a query whose rows shall stay as they are until the
	// transaction ends. No parameter.
	ForUpdate() string
	// ForNoKeyUpdate is ForUpdate for rows that others may go on referring to. No
	// parameter.
	ForNoKeyUpdate() string
	// ForKeyShare ends a query whose rows shall stay until the transaction ends, for
	// rows of it that refer to them; others may change them. No parameter.
	ForKeyShare() string
	// LockDictionary is a statement that keeps those who delete entries of the
	// software dictionary apart from those who use them, or empty when they are.
	// No parameter.
	LockDictionary(deleting bool) string
	// LockChanges is a statement that makes transactions that write changes
	// commit one after the other, or empty when they do so anyway. No parameter.
	LockChanges() string
	// SettleTallies is a query that sums up, of the changes of tallies that are kept
	// apart, as many as its parameter says, and returns how many it found; or empty
	// when none are kept apart.
	SettleTallies() string
	// Snapshot is the isolation that gives a read transaction one view.
	Snapshot() sql.IsolationLevel
	// Retryable reports whether a transaction that failed with err may succeed
	// when it is run again.
	Retryable(err error) bool
	// Duplicate reports whether err says that a unique value exists already.
	Duplicate(err error) bool
}

// TextIndex is where hosts are found by a part of a text: a table, its column of
// host ids, and a condition with its parameters. Others than those whose text has
// the part may be there too.
type TextIndex struct {
	Table, ID, Condition string
	Args                 []any
	Repeats              bool // a host may be there several times
}

// Column is a column of Dialect.Rows.
type Column struct {
	Name string
	Type ColumnType
}

// ColumnType is a type both engines have.
type ColumnType int

// The column types.
const (
	Integer ColumnType = iota + 1
	Text
)

// RowsParam is the parameter of Dialect.Rows: one entry per row, one value per
// column, in the columns' order.
func RowsParam(rows [][]any) (string, error) {
	if len(rows) == 0 {
		return "[]", nil
	}
	doc, err := json.Marshal(rows)
	if err != nil {
		return "", fmt.Errorf("encode %d rows: %w", len(rows), err)
	}
	return string(doc), nil
}

// columns reads "host_id:int, name" into columns; text is the default.
func columns(list string) []Column {
	var cols []Column
	for item := range strings.SplitSeq(list, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(item), ":")
		col := Column{Name: name, Type: Text}
		if kind == "int" {
			col.Type = Integer
		}
		cols = append(cols, col)
	}
	return cols
}
