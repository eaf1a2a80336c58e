package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/secret"
)

// resealed is how many secrets one transaction of a rotation seals anew.
const resealed = 100

// OpenSecrets lets the store seal and open secrets. A database without a keyset
// gets one; one whose keyset the envelope does not open is fault.Conflict. Call it
// before the Store is used.
func (s *Store) OpenSecrets(ctx context.Context, e *secret.Envelope) error {
	fresh, err := secret.NewKeyset()
	if err != nil {
		return err
	}
	wrapped, err := fresh.Wrap(e)
	if err != nil {
		return err
	}
	s.envelope = e
	err = s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, "INSERT INTO secret_keyset (id, wrapped) VALUES (1, ?) ON CONFLICT DO NOTHING", wrapped); err != nil {
			return err
		}
		_, err := tx.keyset(ctx, "")
		return err
	})
	if errors.Is(err, secret.ErrEnvelope) {
		err = &fault.Error{Code: fault.Conflict, Message: "The secrets of this database were sealed with another key than the one given.",
			Resolution: "Give the key of the replica, or of the backup, that the database belongs to.", Err: err}
	}
	if err != nil {
		return fmt.Errorf("open secrets: %w", err)
	}
	return nil
}

// keyset reads the keyset. It is not cached: every transaction uses the one that
// replicas agree on. lock is empty or keeps it as it is until the transaction ends.
func (t *Tx) keyset(ctx context.Context, lock string) (*secret.Keyset, error) {
	if t.envelope == nil {
		return nil, errors.New("there is no key for secrets")
	}
	var wrapped []byte
	if err := t.QueryRow(ctx, "SELECT wrapped FROM secret_keyset WHERE id = 1"+lock).Scan(&wrapped); err != nil {
		return nil, fmt.Errorf("read keyset: %w", err)
	}
	return secret.Unwrap(t.envelope, wrapped)
}

func (t *Tx) writeKeyset(ctx context.Context, k *secret.Keyset) error {
	wrapped, err := k.Wrap(t.envelope)
	if err != nil {
		return err
	}
	if _, err := t.Exec(ctx, "UPDATE secret_keyset SET wrapped = ? WHERE id = 1", wrapped); err != nil {
		return fmt.Errorf("write keyset: %w", err)
	}
	return nil
}

// seal stores secrets of one object by their fields. What is sealed beside a
// rotation is sealed with the key that stays.
func (t *Tx) seal(ctx context.Context, kind string, id int64, values map[string]string) error {
	keys, err := t.keyset(ctx, t.dialect.ForUpdate())
	if err != nil {
		return err
	}
	for field, value := range values {
		if err := t.sealOne(ctx, keys, secret.Label{Kind: kind, ID: id, Field: field}, value); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) sealOne(ctx context.Context, keys *secret.Keyset, l secret.Label, value string) error {
	sealed, err := keys.Seal(l, value)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, `INSERT INTO secrets (kind, owner_id, field, sealed, key_id) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (kind, owner_id, field) DO UPDATE SET sealed = excluded.sealed, key_id = excluded.key_id`,
		l.Kind, l.ID, l.Field, sealed, int64(keys.Primary()))
	if err != nil {
		return fmt.Errorf("store %s: %w", l, err)
	}
	return nil
}

// unseal returns the secrets of one object by their fields.
func (t *Tx) unseal(ctx context.Context, kind string, id int64) (map[string]string, error) {
	keys, err := t.keyset(ctx, "")
	if err != nil {
		return nil, err
	}
	values := make(map[string]string)
	err = t.each(ctx, "SELECT field, sealed FROM secrets WHERE kind = ? AND owner_id = ?", []any{kind, id}, func(rows *sql.Rows) error {
		var field string
		var sealed []byte
		if err := rows.Scan(&field, &sealed); err != nil {
			return err
		}
		var err error
		values[field], err = keys.Open(secret.Label{Kind: kind, ID: id, Field: field}, sealed)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read secrets of %s %d: %w", kind, id, err)
	}
	return values, nil
}

// forget removes the secrets of objects that are gone.
func (t *Tx) forget(ctx context.Context, kind string, ids []int64) error {
	_, err := t.Exec(ctx, "DELETE FROM secrets WHERE kind = ? AND "+t.dialect.InIDs("owner_id"), kind, t.dialect.IDsParam(ids))
	if err != nil {
		return fmt.Errorf("remove secrets of %s: %w", kind, err)
	}
	return nil
}

// RotateSecrets makes a new key, seals all secrets with it, a few per transaction,
// drops the keys that nothing is sealed with any more, and wraps the keyset with
// the envelope's first key. It returns how many secrets it sealed anew. Replicas
// go on meanwhile: until its last secret is sealed anew, each key opens. What was
// cut off is finished by the next rotation. progress is called with the secrets
// done and in all.
func (s *Store) RotateSecrets(ctx context.Context, progress func(done, total int64)) (int64, error) {
	var total int64
	err := s.InTx(ctx, func(tx *Tx) error {
		keys, err := tx.keyset(ctx, s.dialect.ForUpdate())
		if err != nil {
			return err
		}
		if keys, err = keys.Rotated(); err != nil {
			return err
		}
		if err := tx.writeKeyset(ctx, keys); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT count(*) FROM secrets").Scan(&total)
	})
	if err != nil {
		return 0, fmt.Errorf("make a new key for secrets: %w", err)
	}
	var done int64
	for more := true; more; progress(done, max(done, total)) {
		var n int64
		err := s.InTx(ctx, func(tx *Tx) (err error) {
			n, err = tx.reseal(ctx)
			return err
		})
		if err != nil {
			return done, fmt.Errorf("seal secrets with the new key: %w", err)
		}
		done, more = done+n, n > 0
	}
	if err := s.InTx(ctx, func(tx *Tx) error { return tx.dropUnusedKeys(ctx) }); err != nil {
		return done, fmt.Errorf("drop old keys of secrets: %w", err)
	}
	return done, nil
}

// reseal seals some of the secrets with the primary key that are not, and returns
// how many.
func (t *Tx) reseal(ctx context.Context) (int64, error) {
	keys, err := t.keyset(ctx, t.dialect.ForUpdate())
	if err != nil {
		return 0, err
	}
	type old struct {
		secret.Label
		sealed []byte
	}
	var olds []old
	err = t.each(ctx, "SELECT kind, owner_id, field, sealed FROM secrets WHERE key_id <> ? LIMIT ?", []any{int64(keys.Primary()), resealed},
		func(rows *sql.Rows) error {
			var o old
			err := rows.Scan(&o.Kind, &o.ID, &o.Field, &o.sealed)
			olds = append(olds, o)
			return err
		})
	if err != nil {
		return 0, err
	}
	for _, o := range olds {
		value, err := keys.Open(o.Label, o.sealed)
		if err == nil {
			err = t.sealOne(ctx, keys, o.Label, value)
		}
		if err != nil {
			return 0, err
		}
	}
	return int64(len(olds)), nil
}

func (t *Tx) dropUnusedKeys(ctx context.Context) error {
	keys, err := t.keyset(ctx, t.dialect.ForUpdate())
	if err != nil {
		return err
	}
	used, err := t.ids(ctx, "SELECT DISTINCT key_id FROM secrets")
	if err != nil {
		return err
	}
	in := make([]uint32, len(used))
	for i, id := range used {
		in[i] = uint32(id)
	}
	if keys, err = keys.Retaining(in); err != nil {
		return err
	}
	return t.writeKeyset(ctx, keys)
}
