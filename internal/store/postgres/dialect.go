package postgres

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
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

const (
	// trigram is how many characters the entries of the indexes for parts of texts
	// have.
	trigram = 3
	// maxPieces is how many pieces of a text are looked for; host names have up to 85.
	maxPieces = 32
)

// escapeLike takes away what characters mean to LIKE.
var escapeLike = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

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
//
// A long text is looked for as several pieces. As one condition PostgreSQL takes
// all its trigrams together and reads long lists of those that every host has; of
// several it goes by the rarest.
func (dialect) TextContaining(column, text string) store.TextIndex {
	found := store.TextIndex{Table: "host_texts", ID: "host_id"}
	runes := []rune(text)
	if len(runes) < trigram {
		found.Condition, found.Args = "text_fragments("+column+") @> ARRAY[?::text]", []any{text}
		return found
	}
	found.Condition, found.Args = "strpos("+column+", ?::text) > 0", []any{text}
	for piece := range slices.Chunk(runes[:min(len(runes), maxPieces*trigram)], trigram) {
		if len(piece) < trigram { // the last begins earlier
			piece = runes[len(runes)-trigram:]
		}
		found.Condition += " AND " + column + " LIKE ?::text"
		found.Args = append(found.Args, "%"+escapeLike.Replace(string(piece))+"%")
	}
	return found
}

func (dialect) InOrder() string        { return "" }
func (dialect) ForUpdate() string      { return " FOR UPDATE" }
func (dialect) ForNoKeyUpdate() string { return " FOR NO KEY UPDATE" }
func (dialect) ForKeyShare() string    { return " FOR KEY SHARE" }
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

// SettleTallies puts one row in place of all that there are of a number. What
// another transaction settles at the same time is passed over: the two may leave
// a row each, whose sum is right, until the number changes again.
func (dialect) SettleTallies() string {
	return `WITH taken AS (SELECT subject, value, block FROM tallies WHERE NOT settled ORDER BY id LIMIT ?), gone AS (
			DELETE FROM tallies AS t USING (SELECT DISTINCT subject, value, block FROM taken) AS c
			WHERE t.subject = c.subject AND t.value = c.value AND t.block = c.block
			RETURNING t.subject, t.value, t.block, t.hosts
		), summed AS (
			INSERT INTO tallies (subject, value, block, hosts, settled)
			SELECT subject, value, block, sum(hosts), true FROM gone GROUP BY subject, value, block HAVING sum(hosts) <> 0
		)
		SELECT count(*) FROM taken`
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
