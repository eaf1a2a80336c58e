package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

var _ fleet.KeyStore = (*Store)(nil)

// CreateActivationKey stores a new key with its modules and tags and returns it
// with its id. A UUID that exists is fault.Conflict, a tag that does not is
// fault.Invalid. A key is made unused, and of count and expiry it keeps what its
// type has.
func (s *Store) CreateActivationKey(ctx context.Context, k fleet.ActivationKey) (fleet.ActivationKey, error) {
	if err := checkKey(k); err != nil {
		return fleet.ActivationKey{}, err
	}
	stored := k
	stored.CountUsed = 0
	err := s.InTx(ctx, func(tx *Tx) (err error) {
		if stored.Tags, err = tx.tagsNamed(ctx, "tags", k.Tags); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `INSERT INTO activation_keys
			(activation_key, title, type, count_purchased, expire_date, disabled, created) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			k.Key, k.Title, string(k.Type), purchased(k), expiry(k), k.Disabled, seconds(k.Created)).Scan(&stored.ID)
		if err != nil {
			return err
		}
		return tx.writeKeyLists(ctx, stored)
	})
	switch {
	case s.dialect.Duplicate(err):
		return fleet.ActivationKey{}, fault.Newf(fault.Conflict, "activation key %s exists already", k.Key)
	case err != nil:
		return fleet.ActivationKey{}, fmt.Errorf("create activation key %q: %w", k.Title, err)
	}
	return stored, nil
}

func checkKey(k fleet.ActivationKey) error {
	var check checker
	check.indexed("activationKey", k.Key)
	check.text("title", k.Title)
	for _, tag := range k.Tags {
		check.text("tags", tag.Name)
	}
	return check.err
}

func purchased(k fleet.ActivationKey) sql.NullInt64 {
	return sql.NullInt64{Int64: int64(k.CountPurchased), Valid: k.Type.Counted()}
}

func expiry(k fleet.ActivationKey) sql.NullInt64 {
	if !k.Type.Timed() {
		return sql.NullInt64{}
	}
	return micros(k.ExpireDate)
}

// tagsNamed returns the tags with id and name, each once, ordered by id. The id
// decides where both are given: a client may send back a name that is outdated.
// Errors name the element the tags are in.
func (t *Tx) tagsNamed(ctx context.Context, element string, tags []qps.TagSimple) ([]qps.TagSimple, error) {
	var ids []int64
	var names []string
	for _, tag := range tags {
		if tag.ID != 0 {
			ids = append(ids, tag.ID)
		} else {
			names = append(names, tag.Name)
		}
	}
	var found []qps.TagSimple
	err := t.each(ctx, "SELECT id, name FROM tags WHERE "+t.dialect.InIDs("id")+" OR "+t.dialect.InTexts("name")+" ORDER BY id",
		[]any{t.dialect.IDsParam(ids), t.dialect.TextsParam(names)}, func(rows *sql.Rows) error {
			var tag qps.TagSimple
			err := rows.Scan(&tag.ID, &tag.Name)
			found = append(found, tag)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("look up %d tags: %w", len(tags), err)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(found, func(f qps.TagSimple) bool { return f.ID == id }) {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: there is no tag with the id %d.", element, id), "Search for the tags there are, or create it.")
		}
	}
	for _, name := range names {
		if err := oneNamed(element, found, name); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// oneNamed refuses a name that no tag, or more than one, has.
func oneNamed(element string, found []qps.TagSimple, name string) error {
	var ids []string
	for _, f := range found {
		if f.Name == name {
			ids = append(ids, fmt.Sprint(f.ID))
		}
	}
	switch len(ids) {
	case 0:
		return fault.New(fault.Invalid, fmt.Sprintf("%s: there is no tag with the name '%s'.", element, name), "Search for the tags there are, or create it.")
	case 1:
		return nil
	}
	return fault.New(fault.Invalid, fmt.Sprintf("%s: %d tags have the name '%s'.", element, len(ids), name), "Name one by its id: "+strings.Join(ids, ", ")+".")
}

// writeKeyLists stores the modules and the resolved tags of a key that has none.
func (t *Tx) writeKeyLists(ctx context.Context, k fleet.ActivationKey) error {
	for _, module := range k.Modules {
		if _, err := t.Exec(ctx, "INSERT INTO activation_key_modules (key_id, module) VALUES (?, ?) ON CONFLICT DO NOTHING", k.ID, string(module)); err != nil {
			return fmt.Errorf("store module %s: %w", module, err)
		}
	}
	ids := make([]int64, len(k.Tags))
	for i, tag := range k.Tags {
		ids[i] = tag.ID
	}
	_, err := t.Exec(ctx, "INSERT INTO activation_key_tags (key_id, tag_id) SELECT CAST(? AS BIGINT), id FROM tags WHERE "+t.dialect.InIDs("id"),
		k.ID, t.dialect.IDsParam(ids))
	if err != nil {
		return fmt.Errorf("store %d tags: %w", len(ids), err)
	}
	return nil
}

// UpdateActivationKey stores what change makes of a key; see fleet.KeyStore. With
// onAgents it returns when all agents of the key have the change, or when ctx
// ends; ResumeKeyPushes then does the rest.
func (s *Store) UpdateActivationKey(ctx context.Context, id int64, onAgents bool, change func(fleet.ActivationKey) (fleet.ActivationKey, error)) (fleet.ActivationKey, error) {
	var after fleet.ActivationKey
	err := s.InTx(ctx, func(tx *Tx) error {
		before, err := tx.key(ctx, " WHERE id = ?"+s.dialect.ForUpdate(), id)
		if err != nil {
			return found(err, "activation key %d", id)
		}
		if after, err = change(before); err != nil {
			return err
		}
		if err := checkKey(after); err != nil {
			return err
		}
		if after.Tags, err = tx.tagsNamed(ctx, "tags", after.Tags); err != nil {
			return err
		}
		if err := tx.writeKey(ctx, after); err != nil || !onAgents {
			return err
		}
		return tx.startPush(ctx, id, fleet.PushOf(before, after))
	})
	if err != nil {
		return fleet.ActivationKey{}, fmt.Errorf("update activation key %d: %w", id, err)
	}
	if onAgents {
		if err := s.pushKey(ctx, id); err != nil {
			return fleet.ActivationKey{}, fmt.Errorf("apply activation key %d on its agents: %w", id, err)
		}
	}
	return after, nil
}

func (t *Tx) writeKey(ctx context.Context, k fleet.ActivationKey) error {
	_, err := t.Exec(ctx, "UPDATE activation_keys SET title = ?, type = ?, count_purchased = ?, expire_date = ?, disabled = ? WHERE id = ?",
		k.Title, string(k.Type), purchased(k), expiry(k), k.Disabled, k.ID)
	if err != nil {
		return err
	}
	for _, table := range []string{"activation_key_modules", "activation_key_tags"} {
		if _, err := t.Exec(ctx, "DELETE FROM "+table+" WHERE key_id = ?", k.ID); err != nil {
			return err
		}
	}
	return t.writeKeyLists(ctx, k)
}

// DeleteActivationKey removes a key; see fleet.KeyStore.
func (s *Store) DeleteActivationKey(ctx context.Context, id int64) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		// Enrolments and removals change keys and agents as well.
		if err := tx.lockChanges(ctx); err != nil {
			return err
		}
		n, err := tx.affected(ctx, "DELETE FROM activation_keys WHERE id = ?", id)
		if err == nil && n == 0 {
			err = sql.ErrNoRows
		}
		return found(err, "activation key %d", id)
	})
	if err != nil {
		return fmt.Errorf("delete activation key %d: %w", id, err)
	}
	return nil
}

// ActivationKey returns one key, or fault.NotFound.
func (s *Store) ActivationKey(ctx context.Context, id int64) (k fleet.ActivationKey, err error) {
	err = s.view(ctx, func(tx *Tx) error {
		k, err = tx.key(ctx, " WHERE id = ?", id)
		return found(err, "activation key %d", id)
	})
	if err != nil {
		return fleet.ActivationKey{}, fmt.Errorf("read activation key %d: %w", id, err)
	}
	return k, nil
}

// KeyByUUID returns a key without its modules and tags; see fleet.JoiningKeys.
func (s *Store) KeyByUUID(ctx context.Context, uuid string) (k fleet.ActivationKey, err error) {
	err = s.view(ctx, func(tx *Tx) error {
		k, err = scanKey(tx.QueryRow(ctx, keyQuery+" WHERE activation_key = ?", storable(uuid)).Scan)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		// The UUID is a secret that lets hosts join: the error does not repeat it.
		return fleet.ActivationKey{}, fault.New(fault.NotFound, "There is no activation key with this UUID.", "")
	}
	if err != nil {
		return fleet.ActivationKey{}, fmt.Errorf("read activation key: %w", err)
	}
	return k, nil
}

// ActivationKeys returns every key in ascending order of id.
func (s *Store) ActivationKeys(ctx context.Context) ([]fleet.ActivationKey, error) {
	var keys []fleet.ActivationKey
	err := s.view(ctx, func(tx *Tx) (err error) {
		keys, err = tx.keys(ctx, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read activation keys: %w", err)
	}
	return keys, nil
}

const keyQuery = `SELECT id, activation_key, title, type, count_purchased, count_used, expire_date, disabled, created FROM activation_keys`

func scanKey(scan func(...any) error) (fleet.ActivationKey, error) {
	var k fleet.ActivationKey
	var count, expire, created sql.NullInt64
	err := scan(&k.ID, &k.Key, &k.Title, &k.Type, &count, &k.CountUsed, &expire, &k.Disabled, &created)
	k.CountPurchased, k.ExpireDate, k.Created = int(count.Int64), when(expire), when(created)
	return k, err
}

// key returns the one key that a condition selects, sql.ErrNoRows without one.
func (t *Tx) key(ctx context.Context, where string, args ...any) (fleet.ActivationKey, error) {
	k, err := scanKey(t.QueryRow(ctx, keyQuery+where, args...).Scan)
	if err != nil {
		return fleet.ActivationKey{}, err
	}
	keys := []fleet.ActivationKey{k}
	err = t.readKeyLists(ctx, keys, " WHERE key_id = ?", k.ID)
	return keys[0], err
}

func (t *Tx) keys(ctx context.Context, where string, args ...any) ([]fleet.ActivationKey, error) {
	var keys []fleet.ActivationKey
	err := t.each(ctx, keyQuery+where+" ORDER BY id", args, func(rows *sql.Rows) error {
		k, err := scanKey(rows.Scan)
		keys = append(keys, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	return keys, t.readKeyLists(ctx, keys, "")
}

// readKeyLists reads the modules and tags of keys, which are in ascending order
// of id; the condition may select rows of other keys.
func (t *Tx) readKeyLists(ctx context.Context, keys []fleet.ActivationKey, where string, args ...any) error {
	at := make(map[int64]*fleet.ActivationKey, len(keys))
	for i := range keys {
		at[keys[i].ID] = &keys[i]
	}
	var id int64
	modules := t.each(ctx, "SELECT key_id, module FROM activation_key_modules"+where+" ORDER BY key_id, module", args, func(rows *sql.Rows) error {
		var module fleet.Module
		if err := rows.Scan(&id, &module); err != nil {
			return err
		}
		if k := at[id]; k != nil {
			k.Modules = append(k.Modules, module)
		}
		return nil
	})
	tags := t.each(ctx, "SELECT key_id, tags.id, tags.name FROM activation_key_tags JOIN tags ON tags.id = tag_id"+where+" ORDER BY key_id, tags.id", args,
		func(rows *sql.Rows) error {
			var tag qps.TagSimple
			if err := rows.Scan(&id, &tag.ID, &tag.Name); err != nil {
				return err
			}
			if k := at[id]; k != nil {
				k.Tags = append(k.Tags, tag)
			}
			return nil
		})
	// PostgreSQL orders text by locale; modules are listed by their bytes.
	for i := range keys {
		slices.Sort(keys[i].Modules)
	}
	return errors.Join(modules, tags)
}
