package store

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

// Limits on stored text. What is searched by index must fit a PostgreSQL index
// entry (2,704 bytes, for software together with its version).
const (
	maxIndexedBytes = agentwire.MaxTextBytes
	maxTextBytes    = 4096 // the longest path Linux allows
)

// micros is how times are stored; the zero time is NULL.
func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// seconds is micros of t cut to the second: what a host asset shows is what
// searches compare.
func seconds(t time.Time) sql.NullInt64 { return micros(t.Truncate(time.Second)) }

// when is the reverse of micros.
func when(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

// encode returns v as a JSON column holds it.
func encode(v any) (string, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode %T: %w", v, err)
	}
	return string(doc), nil
}

// decode reads a JSON column.
func decode(doc []byte, v any) error {
	if err := json.Unmarshal(doc, v); err != nil {
		return fmt.Errorf("decode stored %T: %w", v, err)
	}
	return nil
}

// checker collects the first text that cannot be stored.
type checker struct{ err error }

// text checks a text that is only read back.
func (c *checker) text(field, value string) { c.check(field, value, maxTextBytes) }

// indexed checks a text that is searched by index.
func (c *checker) indexed(field, value string) { c.check(field, value, maxIndexedBytes) }

func (c *checker) check(field, value string, limit int) {
	switch {
	case c.err != nil:
	case len(value) > limit:
		c.err = fault.Newf(fault.Invalid, "%s has %d bytes, at most %d are allowed", field, len(value), limit)
	case !utf8.ValidString(value):
		c.err = fault.Newf(fault.Invalid, "%s %q is not valid UTF-8", field, value)
	case strings.ContainsRune(value, 0):
		c.err = fault.Newf(fault.Invalid, "%s %q contains a NUL character", field, value)
	}
}

// storable makes a text that comes from outside fit to be looked up: PostgreSQL
// refuses NUL and broken UTF-8 even as a parameter. No stored text is empty
// where this is used, so what cannot exist is not found.
func storable(text string) string {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return ""
	}
	return text
}

// fitting returns the text if it can be stored within the limit, and otherwise
// none.
func fitting(text string, limit int) string {
	if len(text) > limit {
		return ""
	}
	return storable(text)
}
