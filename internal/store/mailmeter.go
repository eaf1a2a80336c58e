package store

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/playbook/core"
)

var _ core.Meter = (*Store)(nil)

// CountMails counts mails of playbooks; see core.Meter. What is stored is the time at
// which the meter is empty: each mail puts it off by its share of an hour.
func (s *Store) CountMails(ctx context.Context, number, most int, now time.Time) (time.Duration, error) {
	cost := int64(number) * (time.Hour / time.Duration(most)).Microseconds()
	var wait time.Duration
	err := s.InTx(ctx, func(tx *Tx) error {
		var empty int64
		if err := tx.QueryRow(ctx, "SELECT empty_at FROM mail_meter WHERE id = 1"+s.dialect.ForUpdate()).Scan(&empty); err != nil {
			return err
		}
		after := max(empty, now.UnixMicro()) + cost
		wait = max(time.UnixMicro(after).Sub(now)-time.Hour, 0)
		if wait > 0 {
			return nil
		}
		_, err := tx.Exec(ctx, "UPDATE mail_meter SET empty_at = ? WHERE id = 1", after)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count mails of playbooks: %w", err)
	}
	return wait, nil
}
