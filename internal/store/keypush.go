package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vedette.dev/vedette/internal/fleet"
)

// pushStep is how many agents one transaction of a push changes: on SQLite that
// takes about 5 ms, which is what check-ins may have to wait for.
const pushStep = 200

// startPush notes that the agents of a key have yet to get a change.
func (t *Tx) startPush(ctx context.Context, keyID int64, push fleet.KeyPush) error {
	doc, err := encode(push)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "INSERT INTO activation_key_pushes (key_id, change, after_host) VALUES (?, ?, 0)", keyID, doc)
	return err
}

// ResumeKeyPushes finishes what updates of keys left undone, because their
// process or their request ended. It may run beside them and in several replicas.
func (s *Store) ResumeKeyPushes(ctx context.Context) error {
	var keys []int64
	err := s.view(ctx, func(tx *Tx) (err error) {
		keys, err = tx.ids(ctx, "SELECT DISTINCT key_id FROM activation_key_pushes ORDER BY key_id")
		return err
	})
	for _, id := range keys {
		if err == nil {
			err = s.pushKey(ctx, id)
		}
	}
	if err != nil {
		return fmt.Errorf("resume applying keys on agents: %w", err)
	}
	return nil
}

// pushKey brings all pushes of a key to their end, the oldest first.
func (s *Store) pushKey(ctx context.Context, keyID int64) error {
	for more := true; more; {
		err := s.InTx(ctx, func(tx *Tx) (err error) {
			more, err = tx.stepPush(ctx, keyID)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stepPush changes the next agents of the key's oldest push and reports whether
// there may be more to do.
func (t *Tx) stepPush(ctx context.Context, keyID int64) (more bool, err error) {
	if err := t.lockChanges(ctx); err != nil {
		return false, err
	}
	var id, after int64
	var doc []byte
	err = t.QueryRow(ctx, "SELECT id, change, after_host FROM activation_key_pushes WHERE key_id = ? ORDER BY id LIMIT 1"+t.dialect.ForUpdate(), keyID).
		Scan(&id, &doc, &after)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var push fleet.KeyPush
	if err := decode(doc, &push); err != nil {
		return false, err
	}
	hosts, err := t.ids(ctx, "SELECT host_id FROM agents WHERE activation_key_id = ? AND host_id > ? ORDER BY host_id LIMIT ?"+t.dialect.ForUpdate(),
		keyID, after, pushStep)
	if err != nil {
		return false, err
	}
	if len(hosts) == 0 {
		_, err := t.Exec(ctx, "DELETE FROM activation_key_pushes WHERE id = ?", id)
		return true, err
	}
	if err := t.push(ctx, push, hosts); err != nil {
		return false, err
	}
	_, err = t.Exec(ctx, "UPDATE activation_key_pushes SET after_host = ? WHERE id = ?", hosts[len(hosts)-1], id)
	return true, err
}

// push changes the modules and tags of agents, and their profiles, which follow
// from the tags.
func (t *Tx) push(ctx context.Context, p fleet.KeyPush, hosts []int64) error {
	active, err := t.modules(ctx, hosts)
	if err != nil {
		return fmt.Errorf("read modules of %d agents: %w", len(hosts), err)
	}
	var added, dropped [][]any
	for _, id := range hosts {
		modules := p.Modules(active[id])
		added = append(added, without(id, modules, active[id])...)
		dropped = append(dropped, without(id, active[id], modules)...)
	}
	if err := t.writeModules(ctx, added, dropped); err != nil {
		return fmt.Errorf("change modules of %d agents: %w", len(hosts), err)
	}
	ids := t.dialect.IDsParam(hosts)
	_, err = t.Exec(ctx, "DELETE FROM host_tags WHERE "+t.dialect.InIDs("host_id")+
		" AND tag_id IN (SELECT id FROM tags WHERE NOT system AND "+t.dialect.InIDs("id")+")", ids, t.dialect.IDsParam(p.Untag))
	if err != nil {
		return fmt.Errorf("take tags off %d hosts: %w", len(hosts), err)
	}
	_, err = t.Exec(ctx, "INSERT INTO host_tags (tag_id, host_id) SELECT tags.id, hosts.id FROM tags, hosts WHERE "+
		t.dialect.InIDs("tags.id")+" AND "+t.dialect.InIDs("hosts.id")+" ON CONFLICT DO NOTHING", t.dialect.IDsParam(p.Tag), ids)
	if err != nil {
		return fmt.Errorf("put tags on %d hosts: %w", len(hosts), err)
	}
	return t.reassignProfiles(ctx, hosts)
}
