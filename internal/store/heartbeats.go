package store

import (
	"context"
	"fmt"
	"math"

	"vedette.dev/vedette/internal/fleet"
)

// SaveHeartbeats stores a batch that holds each host at most once; see
// fleet.Heartbeats. Nothing in a heartbeat can make the batch fail: a text that
// cannot be stored counts as not sent, so the contact of a broken agent is kept
// and those of the others are not delayed. An error means that nothing of the
// batch is stored.
func (s *Store) SaveHeartbeats(ctx context.Context, batch []fleet.Heartbeat) error {
	if len(batch) == 0 {
		return nil
	}
	rows := make([][]any, len(batch))
	for i, h := range batch {
		version := fitting(h.AgentVersion, maxIndexedBytes)
		rows[i] = []any{
			h.HostID, seconds(h.At).Int64, fitting(h.ConnectedFrom, maxTextBytes),
			// Beyond what the column holds only a hostile agent gets.
			int64(min(h.Sequence, math.MaxInt64)), fitting(h.Event, maxTextBytes), version, fleet.VersionKey(version),
		}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return err
	}
	source := s.dialect.Rows(columns("id:int, at:int, from_address, seq:int, new_event, version, sort_key"))
	err = s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, `UPDATE heartbeats SET last_checked_in = b.at, connected_from = b.from_address,
				sequence = CASE WHEN b.seq > heartbeats.sequence THEN b.seq ELSE heartbeats.sequence END,
				event = CASE WHEN b.new_event = '' THEN heartbeats.event ELSE b.new_event END
			FROM `+source+` AS b WHERE heartbeats.host_id = b.id AND b.at >= heartbeats.last_checked_in`, param)
		if err != nil {
			return err
		}
		// Rarely changes anything, so it costs a look at each agent and no write.
		_, err = tx.Exec(ctx, `UPDATE agents SET agent_version = b.version, version_key = b.sort_key
			FROM `+source+` AS b WHERE agents.host_id = b.id AND b.version <> '' AND agents.agent_version <> b.version`, param)
		return err
	})
	if err != nil {
		return fmt.Errorf("save heartbeats of host %d and %d others: %w", batch[0].HostID, len(batch)-1, err)
	}
	return nil
}
