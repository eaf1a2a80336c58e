package postgres

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"vedette.dev/vedette/internal/store"
)

const (
	// changesLock is the advisory lock that puts transactions with changes in line.
	changesLock = 0x7665646574 // "vedet"
	// dictionaryLock is the advisory lock on the software dictionary.
	dictionaryLock = changesLock + 1
)

// dialect is PostgreSQL's.
type dialect struct{}

func (dialect) Rebind(query string) string {
	var b strings.Builder
	b.Grow(len(query) + 16)
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

func (dialect) Rows(columns []store.Column) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		cast := ""
		if c.Type == store.Integer {
			cast = "::bigint"
		}
		list[i] = fmt.Sprintf("(value ->> %d)%s AS %s", i, cast, c.Name)
	}
	return "(SELECT " + strings.Join(list, ", ") + " FROM json_array_elements(?::json))"
}

func (dialect) InIDs(expression string) string   { return expression + " = ANY(?::bigint[])" }
func (dialect) InTexts(expression string) string { return expression + " = ANY(?::text[])" }

func (dialect) IDsParam(ids []int64) any {
	if ids == nil {
		return []int64{}
	}
	return ids
}

func (dialect) TextsParam(texts []string) any {
	if texts == nil {
		return []string{}
	}
	return texts
}

func (dialect) Contains(expression string) string { return "strpos(" + expression + ", ?::text) > 0" }

// TextContaining: three characters and more are looked for by trigrams, fewer as
// one of the fragments that text_fragments makes.
func (dialect) TextContaining(column, text string) (table, id, condition string, args []any) {
	const trigram = 3
	if utf8.RuneCountInString(text) < trigram {
		return "host_texts", "host_id", "text_fragments(" + column + ") @> ARRAY[?::text]", []any{text}
	}
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
	return "host_texts", "host_id", column + " LIKE ?::text", []any{"%" + escaped + "%"}
}

// InBlock is a range of the column: PostgreSQL counts by no index on an
// expression without the rows.
func (dialect) InBlock(column string, bits int) string {
	return fmt.Sprintf("%s >= (k.block << %d) AND %s < ((k.block + 1) << %d)", column, bits, column, bits)
}

func (dialect) InOrder() string        { return "" }
func (dialect) ForUpdate() string      { return " FOR UPDATE" }
func (dialect) ForNoKeyUpdate() string { return " FOR NO KEY UPDATE" }
func (dialect) LockChanges() string {
	return fmt.Sprintf("SELECT pg_advisory_xact_lock(%d)", changesLock)
}

// LockDictionary: many may use the dictionary at once, one may delete.
func (dialect) LockDictionary(deleting bool) string {
	mode := "_shared"
	if deleting {
		mode = ""
	}
	return fmt.Sprintf("SELECT pg_advisory_xact_lock%s(%d)", mode, dictionaryLock)
}

func (dialect) Snapshot() sql.IsolationLevel { return sql.LevelRepeatableRead }

// Retryable: serialization failure and deadlock, by SQLSTATE.
func (dialect) Retryable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

// Duplicate: unique violation.
func (dialect) Duplicate(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505"
}
