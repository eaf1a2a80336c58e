package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/access"
)

var (
	_ access.Journal  = (*Store)(nil)
	_ access.AuditLog = (*Store)(nil)
)

// Append adds an entry to the audit log; see access.Journal. Texts that others
// chose are cut and cleaned, so that no row is refused for what is in it.
func (s *Store) Append(ctx context.Context, e access.Entry) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO audit (time, actor, address, action, object, outcome, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
			e.Time.UnixMicro(), oneLine(e.Actor, access.MaxAuditActorBytes), oneLine(e.Address, access.MaxAuditActorBytes),
			oneLine(e.Action, access.MaxAuditActorBytes), oneLine(e.Object, access.MaxAuditObjectBytes), string(e.Outcome),
			oneLine(e.Detail, access.MaxAuditDetailBytes))
		return err
	})
	if err != nil {
		return fmt.Errorf("append %q to the audit log: %w", e.Action, err)
	}
	return nil
}

// oneLine returns text that can be stored, is read in one line and moves no
// cursor: what cannot be seen is replaced, and what is beyond the limit is cut.
func oneLine(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] // so that no more than this is looked at
	}
	clean := strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
	if len(clean) <= limit { // a replacement may be longer than what it replaces
		return clean
	}
	clean = clean[:limit]
	for !utf8.ValidString(clean) {
		clean = clean[:len(clean)-1]
	}
	return clean
}

// AuditEntries returns entries, newest first; see access.AuditLog. It has the
// time limit of SearchHosts.
func (s *Store) AuditEntries(ctx context.Context, f access.AuditFilter) ([]access.Entry, error) {
	for _, text := range []string{f.Actor, f.Action, f.Object} {
		if text != "" && storable(text) == "" {
			return nil, nil // nothing stored is like that
		}
	}
	where, args := s.auditConditions(f)
	var entries []access.Entry
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.view(ctx, func(tx *Tx) error {
			return tx.each(ctx, "SELECT id, time, actor, address, action, object, outcome, detail FROM audit WHERE "+where+" ORDER BY id DESC LIMIT ?",
				append(args, f.Limit), func(rows *sql.Rows) error {
					var e access.Entry
					var at int64
					if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Address, &e.Action, &e.Object, &e.Outcome, &e.Detail); err != nil {
						return err
					}
					e.Time = time.UnixMicro(at).UTC()
					entries = append(entries, e)
					return nil
				})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	return entries, nil
}

func (s *Store) auditConditions(f access.AuditFilter) (where string, args []any) {
	var terms []string
	for _, c := range []struct {
		wanted bool
		term   string
		arg    any
	}{
		{f.Actor != "", "actor = ?", f.Actor},
		{f.Action != "", s.dialect.Contains("action"), f.Action},
		{f.Object != "", s.dialect.Contains("object"), f.Object},
		{f.Outcome != "", "outcome = ?", string(f.Outcome)},
		{!f.Since.IsZero(), "time >= ?", f.Since.UnixMicro()},
		{!f.Until.IsZero(), "time < ?", f.Until.UnixMicro()},
		{f.Before != 0, "id < ?", f.Before},
	} {
		if c.wanted {
			terms = append(terms, c.term)
			args = append(args, c.arg)
		}
	}
	if len(terms) == 0 {
		return "true", nil
	}
	return strings.Join(terms, " AND "), args
}

// PruneAudit deletes the entries from before a time, a few per transaction. The
// database refuses to delete others, whoever tries.
func (s *Store) PruneAudit(ctx context.Context, before time.Time) error {
	err := s.prune(ctx, func(tx *Tx) (int64, error) {
		if _, err := tx.Exec(ctx, "UPDATE audit_horizon SET time = ? WHERE time < ?", before.UnixMicro(), before.UnixMicro()); err != nil {
			return 0, fmt.Errorf("move horizon: %w", err)
		}
		return tx.affected(ctx, "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE time < ? ORDER BY time LIMIT ?)", before.UnixMicro(), pruneGroup)
	})
	if err != nil {
		return fmt.Errorf("prune audit log before %s: %w", before.UTC().Format(time.RFC3339), err)
	}
	return nil
}
