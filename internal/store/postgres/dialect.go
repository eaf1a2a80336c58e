package postgres

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

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

func (dialect) NameContaining(text string) (string, any) {
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
	return "SELECT id FROM hosts WHERE name LIKE ?::text", "%" + escaped + "%"
}

func (dialect) NameID() string         { return "id" }
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
