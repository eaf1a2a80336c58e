package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/fleet"
)

var (
	_ trigger.Occurrences = (*Store)(nil)
	_ trigger.Hosts       = (*Store)(nil)
)

// DuePlaybookEvents returns events, with ids greater than after, that are to be looked
// for by now, or of which something happened that has not started its playbook.
func (s *Store) DuePlaybookEvents(ctx context.Context, now time.Time, after int64, limit int) ([]int64, error) {
	var ids []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		ids, err = tx.ids(ctx, `SELECT e.id FROM playbook_events AS e WHERE e.id > ? AND (e.due <= ?
			OR e.left_out > 0
			OR EXISTS (SELECT 1 FROM playbook_occurrences AS o WHERE o.event_id = e.id)) ORDER BY e.id LIMIT ?`, after, micros(now), limit)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find events of playbooks: %w", err)
	}
	return ids, nil
}

// LookForEvent looks for what happened; see trigger.Occurrences.
func (s *Store) LookForEvent(ctx context.Context, id int64, now time.Time) error {
	var due []storedEvent
	var silent []silentAgent
	err := s.view(ctx, func(tx *Tx) (err error) {
		due, err = tx.events(ctx, " WHERE id = ? AND due <= ?", id, micros(now))
		if err == nil && len(due) > 0 && due[0].Kind == playbook.AgentInactive && !due[0].late(now) {
			// Without holding up those who write: it reads what is known of every agent.
			silent, err = tx.silentAgents(ctx, &due[0], now)
		}
		return err
	})
	if err == nil && len(due) > 0 {
		err = s.InTx(ctx, func(tx *Tx) error {
			found, err := tx.events(ctx, " WHERE id = ?"+s.dialect.ForNoKeyUpdate(), id)
			if err != nil || len(found) == 0 || !found[0].due.Equal(due[0].due) || found[0].mark != due[0].mark || found[0].markHost != due[0].markHost {
				return err // somebody else looked
			}
			if found[0].Kind == playbook.AgentInactive {
				return tx.noteAgents(ctx, &found[0], silent, now)
			}
			return tx.lookForKeys(ctx, &found[0], now)
		})
	}
	if err != nil {
		return fmt.Errorf("look for event %d: %w", id, err)
	}
	return nil
}

// late reports whether a look comes so late that agents could not check in before it.
func (e *storedEvent) late(now time.Time) bool { return now.Sub(e.due) > trigger.Returning }

// silentAtOnce is how many agents one look finds at most; the next one comes soon then.
const silentAtOnce = 100 * trigger.MaxAgents

// silentAgent is an agent and when it checked in last.
type silentAgent struct{ host, since int64 }

// silentAgents returns agents that have been silent for long enough since the last look.
func (t *Tx) silentAgents(ctx context.Context, e *storedEvent, now time.Time) ([]silentAgent, error) {
	var all []silentAgent
	err := t.each(ctx, `SELECT host_id, last_checked_in FROM heartbeats WHERE last_checked_in >= ? AND last_checked_in <= ?
		AND (last_checked_in > ? OR host_id > ?) ORDER BY last_checked_in, host_id LIMIT ?`,
		[]any{e.mark, silentSince(&e.text, now), e.mark, e.markHost, silentAtOnce}, func(rows *sql.Rows) error {
			var a silentAgent
			err := rows.Scan(&a.host, &a.since)
			all = append(all, a)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("find inactive agents: %w", err)
	}
	return all, nil
}

// noteAgents tells playbooks of agents, and notes up to where was looked.
func (t *Tx) noteAgents(ctx context.Context, e *storedEvent, silent []silentAgent, now time.Time) error {
	if e.late(now) {
		_, err := t.Exec(ctx, "UPDATE playbook_events SET due = ? WHERE id = ?", micros(now.Add(trigger.Returning)), e.ID)
		return err
	}
	var all []raised
	for some := range slices.Chunk(silent, trigger.MaxAgents) {
		data := trigger.InactiveAgents{Days: e.text.Days}
		for _, a := range some {
			data.AgentIDs = append(data.AgentIDs, a.host)
		}
		all = append(all, raised{e.ID, data, now})
	}
	if err := t.raise(ctx, all); err != nil {
		return err
	}
	mark, markHost, due := silentSince(&e.text, now), int64(math.MaxInt64), now.Add(trigger.LookAtAgents)
	if len(silent) == silentAtOnce {
		last := silent[len(silent)-1]
		mark, markHost, due = last.since, last.host, now
	}
	if _, err := t.Exec(ctx, "UPDATE playbook_events SET mark = ?, mark_host = ?, due = ? WHERE id = ?", mark, markHost, micros(due), e.ID); err != nil {
		return fmt.Errorf("note look for agents: %w", err)
	}
	return nil
}

// lookForKeys looks for keys that have become nearly used up.
func (t *Tx) lookForKeys(ctx context.Context, e *storedEvent, now time.Time) error {
	reached, err := t.settleKeys(ctx, e)
	if err != nil {
		return err
	}
	var all []raised
	for i := range reached {
		all = append(all, raised{e.ID, reached[i], now})
	}
	if err := t.raise(ctx, all); err != nil {
		return err
	}
	if _, err := t.Exec(ctx, "UPDATE playbook_events SET due = ? WHERE id = ?", micros(now.Add(trigger.LookAtKeys)), e.ID); err != nil {
		return fmt.Errorf("note look for keys: %w", err)
	}
	return nil
}

// settleKeys notes which keys are nearly used up now, and returns those that were not.
// A disabled key stays what it was.
func (t *Tx) settleKeys(ctx context.Context, e *storedEvent) ([]trigger.NearlyUsedUpKey, error) {
	var reached []trigger.NearlyUsedUpKey
	var left []int64
	err := t.each(ctx, `SELECT k.id, k.title, k.count_used, k.count_purchased, k.disabled, n.key_id IS NOT NULL FROM activation_keys AS k
		LEFT JOIN playbook_event_keys AS n ON n.key_id = k.id AND n.event_id = ? WHERE k.count_purchased IS NOT NULL ORDER BY k.id`, []any{e.ID}, func(rows *sql.Rows) error {
		var key trigger.NearlyUsedUpKey
		var disabled, noted bool
		if err := rows.Scan(&key.KeyID, &key.Title, &key.Used, &key.Max, &disabled, &noted); err != nil {
			return err
		}
		switch nearly := e.text.WantsKey(key.Used, key.Max); {
		case nearly && !noted && !disabled:
			reached = append(reached, key)
		case !nearly && noted:
			left = append(left, key.KeyID)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find keys that are nearly used up: %w", err)
	}
	for i := range reached {
		if _, err := t.Exec(ctx, "INSERT INTO playbook_event_keys (event_id, key_id) VALUES (?, ?)", e.ID, reached[i].KeyID); err != nil {
			return nil, fmt.Errorf("note key %d: %w", reached[i].KeyID, err)
		}
	}
	if len(left) > 0 {
		if _, err := t.Exec(ctx, "DELETE FROM playbook_event_keys WHERE event_id = ? AND "+t.dialect.InIDs("key_id"), e.ID, t.dialect.IDsParam(left)); err != nil {
			return nil, fmt.Errorf("note %d keys: %w", len(left), err)
		}
	}
	return reached, nil
}

// WaitingOccurrences returns what has not started its playbook; see trigger.Occurrences.
func (s *Store) WaitingOccurrences(ctx context.Context, id int64, limit int) (trigger.Event, []trigger.Occurrence, error) {
	var event trigger.Event
	var all []trigger.Occurrence
	err := s.view(ctx, func(tx *Tx) error {
		found, err := tx.events(ctx, " WHERE id = ?", id)
		if err != nil || len(found) == 0 {
			return err
		}
		event = found[0].Event
		return tx.each(ctx, "SELECT id, data, happened FROM playbook_occurrences WHERE event_id = ? ORDER BY id LIMIT ?", []any{id, limit}, func(rows *sql.Rows) error {
			var o trigger.Occurrence
			var data string
			var happened sql.NullInt64
			err := rows.Scan(&o.ID, &data, &happened)
			o.Data, o.Happened = []byte(data), when(happened)
			all = append(all, o)
			return err
		})
	})
	if err != nil {
		return trigger.Event{}, nil, fmt.Errorf("read occurrences of event %d: %w", id, err)
	}
	return event, all, nil
}

// StartOccurrence starts a playbook for what happened; see trigger.Occurrences.
func (s *Store) StartOccurrence(ctx context.Context, id int64, r conductor.Run) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "DELETE FROM playbook_occurrences WHERE id = ?", id)
		if err == nil && n > 0 {
			_, _, err = tx.startPlaybookRun(ctx, r)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("start playbook for occurrence %d: %w", id, err)
	}
	return nil
}

// DropOccurrences removes what starts nothing; see trigger.Occurrences.
func (s *Store) DropOccurrences(ctx context.Context, ids []int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM playbook_occurrences WHERE "+s.dialect.InIDs("id"), s.dialect.IDsParam(ids))
		return err
	})
	if err != nil {
		return fmt.Errorf("remove %d occurrences: %w", len(ids), err)
	}
	return nil
}

// TellOccurrences tells people of what starts nothing; see trigger.Occurrences.
func (s *Store) TellOccurrences(ctx context.Context, event int64, ids []int64, r conductor.Run) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		dropped, err := tx.affected(ctx, "DELETE FROM playbook_occurrences WHERE "+s.dialect.InIDs("id"), s.dialect.IDsParam(ids))
		if err != nil {
			return err
		}
		counted, err := tx.affected(ctx, "UPDATE playbook_events SET left_out = 0 WHERE id = ? AND left_out > 0", event)
		if err == nil && dropped+counted > 0 {
			_, _, err = tx.startPlaybookRun(ctx, r)
		}
		return err
	})
	if s.dialect.Duplicate(err) {
		// Another replica was faster: the second look finds what it stored.
		return s.TellOccurrences(ctx, event, ids, r)
	}
	if err != nil {
		return fmt.Errorf("tell of %d occurrences: %w", len(ids), err)
	}
	return nil
}

// HostsInScope returns those of some hosts that are in scope; see trigger.Hosts.
func (s *Store) HostsInScope(ctx context.Context, scope fleet.Scope, ids []int64) ([]int64, error) {
	query, args := "SELECT id FROM hosts WHERE "+s.dialect.InIDs("id"), []any{s.dialect.IDsParam(ids)}
	if !scope.All {
		condition, tags := inScope(s.dialect, scope, "hosts.id")
		query, args = query+" AND "+condition, append(args, tags)
	}
	var seen []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		seen, err = tx.ids(ctx, query+" ORDER BY id", args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find %d hosts in scope: %w", len(ids), err)
	}
	return seen, nil
}
