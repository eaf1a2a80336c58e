package store

import (
	"context"
	"fmt"
	"math"

	"vedette.dev/vedette/internal/fleet"
)

// heartbeatColumns are those of a batch, as Dialect.Rows takes them.
const heartbeatColumns = "id:int, at:int, from_address, seq:int, new_event, version, sort_key"

// SaveHeartbeats stores a batch that holds each host at most once; see
// fleet.Heartbeats. Nothing in a heartbeat can make the batch fail: a text that
// cannot be stored counts as not sent, so the contact of a broken agent is kept
// and those of the others are not delayed. An error means that nothing of the
// batch is stored.
func (s *Store) SaveHeartbeats(ctx context.Context, batch []fleet.Heartbeat) error {
	if len(batch) == 0 {
		return nil
	}
	rows, ids := make([][]any, len(batch)), make([]int64, len(batch))
	for i, h := range batch {
		ids[i] = h.HostID
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
	err = s.InTx(ctx, func(tx *Tx) error {
		if err := tx.lockHeartbeats(ctx, ids); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE heartbeats SET last_checked_in = b.at, connected_from = b.from_address,
				sequence = CASE WHEN b.seq > heartbeats.sequence THEN b.seq ELSE heartbeats.sequence END,
				event = CASE WHEN b.new_event = '' THEN heartbeats.event ELSE b.new_event END
			FROM `+s.dialect.Rows(columns(heartbeatColumns))+" AS b WHERE heartbeats.host_id = b.id AND b.at >= heartbeats.last_checked_in", param)
		if err != nil {
			return err
		}
		return tx.saveVersions(ctx, param)
	})
	if err != nil {
		return fmt.Errorf("save heartbeats of host %d and %d others: %w", batch[0].HostID, len(batch)-1, err)
	}
	return nil
}

// lockHeartbeats locks a batch's rows in one order everywhere, so that batches
// of replicas do not wait for each other in a circle.
func (t *Tx) lockHeartbeats(ctx context.Context, hosts []int64) error {
	lock := t.dialect.ForNoKeyUpdate()
	if lock == "" {
		return nil
	}
	_, err := t.ids(ctx, "SELECT host_id FROM heartbeats WHERE "+t.dialect.InIDs("host_id")+" ORDER BY host_id"+lock, t.dialect.IDsParam(hosts))
	return err
}

// saveVersions stores the versions that agents have changed to. That is rare: it
// costs a look at each agent and no write. A contact that is not the newest says
// nothing about the version.
func (t *Tx) saveVersions(ctx context.Context, param string) error {
	source := " FROM " + t.dialect.Rows(columns(heartbeatColumns)) + " AS b JOIN heartbeats AS h ON h.host_id = b.id"
	ids, err := t.ids(ctx, "SELECT a.host_id"+source+` JOIN agents AS a ON a.host_id = b.id
		WHERE b.at >= h.last_checked_in AND b.version <> '' AND a.agent_version <> b.version`, param)
	if err != nil || len(ids) == 0 {
		return err
	}
	if lock := t.dialect.ForNoKeyUpdate(); lock != "" { // in order of id, as everyone does
		_, err := t.ids(ctx, "SELECT host_id FROM agents WHERE "+t.dialect.InIDs("host_id")+" ORDER BY host_id"+lock, t.dialect.IDsParam(ids))
		if err != nil {
			return err
		}
	}
	_, err = t.Exec(ctx, "UPDATE agents SET agent_version = b.version, version_key = b.sort_key"+source+
		" WHERE agents.host_id = b.id AND "+t.dialect.InIDs("agents.host_id"), param, t.dialect.IDsParam(ids))
	return err
}
