package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

// CreateActivationKey stores a new key with its modules and tags and returns it
// with its id. A key that exists or a tag that does not is fault.Conflict. A key
// is made unused, and of count and expiry it keeps what its type has.
func (s *Store) CreateActivationKey(ctx context.Context, k fleet.ActivationKey) (fleet.ActivationKey, error) {
	var check checker
	check.indexed("activationKey", k.Key)
	check.text("title", k.Title)
	if check.err != nil {
		return fleet.ActivationKey{}, check.err
	}
	k.CountUsed = 0
	err := s.InTx(ctx, func(tx *Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO activation_keys
			(activation_key, title, type, count_purchased, expire_date, disabled, created) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			k.Key, k.Title, string(k.Type), purchased(k), expiry(k), k.Disabled, seconds(k.Created)).Scan(&k.ID)
		if err != nil {
			return err
		}
		for _, module := range k.Modules {
			if _, err := tx.Exec(ctx, "INSERT INTO activation_key_modules (key_id, module) VALUES (?, ?) ON CONFLICT DO NOTHING", k.ID, string(module)); err != nil {
				return err
			}
		}
		for _, tagID := range k.TagIDs {
			n, err := tx.affected(ctx, `INSERT INTO activation_key_tags (key_id, tag_id)
				SELECT CAST(? AS BIGINT), id FROM tags WHERE id = ? ON CONFLICT DO NOTHING`, k.ID, tagID)
			if err != nil {
				return err
			}
			if n == 0 {
				return fault.Newf(fault.Conflict, "there is no tag %d to put on agents of key %s, or it is named twice", tagID, k.Key)
			}
		}
		return nil
	})
	switch {
	case s.dialect.Duplicate(err):
		return fleet.ActivationKey{}, fault.Newf(fault.Conflict, "activation key %s exists already", k.Key)
	case err != nil:
		return fleet.ActivationKey{}, fmt.Errorf("create activation key %q: %w", k.Title, err)
	}
	return k, nil
}

func purchased(k fleet.ActivationKey) sql.NullInt64 {
	limited := k.Type == fleet.KeyCountLimited || k.Type == fleet.KeyCountTimeLimited
	return sql.NullInt64{Int64: int64(k.CountPurchased), Valid: limited}
}

func expiry(k fleet.ActivationKey) sql.NullInt64 {
	if k.Type != fleet.KeyTimeLimited && k.Type != fleet.KeyCountTimeLimited {
		return sql.NullInt64{}
	}
	return micros(k.ExpireDate)
}

// ActivationKeys returns every key in ascending order of id.
func (s *Store) ActivationKeys(ctx context.Context) ([]fleet.ActivationKey, error) {
	var keys []fleet.ActivationKey
	err := s.view(ctx, func(tx *Tx) error {
		err := tx.each(ctx, keyQuery+" ORDER BY id", nil, func(rows *sql.Rows) error {
			k, err := scanKey(rows.Scan)
			keys = append(keys, k)
			return err
		})
		if err != nil {
			return err
		}
		for i := range keys {
			if err := tx.readKeyLists(ctx, &keys[i]); err != nil {
				return err
			}
		}
		return nil
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

func (t *Tx) readKeyLists(ctx context.Context, k *fleet.ActivationKey) error {
	err := t.each(ctx, "SELECT module FROM activation_key_modules WHERE key_id = ? ORDER BY module", []any{k.ID}, func(rows *sql.Rows) error {
		var module fleet.Module
		if err := rows.Scan(&module); err != nil {
			return err
		}
		k.Modules = append(k.Modules, module)
		return nil
	})
	if err != nil {
		return err
	}
	k.TagIDs, err = t.ids(ctx, "SELECT tag_id FROM activation_key_tags WHERE key_id = ? ORDER BY tag_id", k.ID)
	return err
}
