package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"vedette.dev/vedette/internal/store"
)

// trigram is how many characters the entries of the indexes for parts of texts
// have.
const trigram = 3

// dialect is SQLite's. Lists and rows are JSON parameters, so that every batch
// size is the same statement.
type dialect struct{}

func (dialect) Rebind(query string) string { return query }

func (dialect) Rows(columns []store.Column) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = fmt.Sprintf("value ->> %d AS %s", i, c.Name)
	}
	return "(SELECT " + strings.Join(list, ", ") + " FROM json_each(?))"
}

func (dialect) InIDs(expression string) string {
	return expression + " IN (SELECT value FROM json_each(?))"
}

func (dialect) InTexts(expression string) string {
	return expression + " IN (SELECT value FROM json_each(?))"
}

func (dialect) IDsParam(ids []int64) any { return jsonText(ids) }

func (dialect) TextsParam(texts []string) any { return jsonText(texts) }

// jsonText encodes a list; numbers and valid UTF-8 cannot fail.
func jsonText[T int64 | string](list []T) string {
	if list == nil {
		return "[]"
	}
	doc, _ := json.Marshal(list)
	return string(doc)
}

func (dialect) Contains(expression string) string { return "instr(" + expression + ", ?) > 0" }

// TextContaining: three characters and more are looked for as a phrase, fewer as
// the beginning of the trigrams there are. The texts are followed by fillers, so
// that every character begins one.
func (dialect) TextContaining(column, text string) store.TextIndex {
	table := map[string]string{"name": "host_names", "dns_host_name": "host_dns_names", "address": "host_addresses"}[column]
	if utf8.RuneCountInString(text) < trigram {
		last := strings.Repeat(string(utf8.MaxRune), trigram)
		return store.TextIndex{Table: table + "_terms", ID: "doc", Condition: "term >= ? AND term <= ?", Args: []any{text, text + last}, Repeats: true}
	}
	// One quoted phrase: nothing in it has a meaning to MATCH.
	return store.TextIndex{Table: table, ID: "rowid", Condition: table + " MATCH ?", Args: []any{`"` + strings.ReplaceAll(text, `"`, `""`) + `"`}}
}

func (dialect) InOrder() string { return " NOT INDEXED" }

// A writing transaction has the database to itself.
func (dialect) ForUpdate() string          { return "" }
func (dialect) ForNoKeyUpdate() string     { return "" }
func (dialect) ForKeyShare() string        { return "" }
func (dialect) LockChanges() string        { return "" }
func (dialect) LockDictionary(bool) string { return "" }
func (dialect) SettleTallies() string      { return "" }

func (dialect) Snapshot() sql.IsolationLevel { return sql.LevelDefault }

// Retryable is never true: BEGIN IMMEDIATE waits for other processes, and the
// one writer connection for the others of this one.
func (dialect) Retryable(error) bool { return false }

func (dialect) Duplicate(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == lib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == lib.SQLITE_CONSTRAINT_PRIMARYKEY)
}
