package store

import (
	"context"
	"fmt"
	"time"
)

// EnsureSubscription makes customerID the subscription of a new database and
// returns the one that is stored, which is another one when it existed before.
func (s *Store) EnsureSubscription(ctx context.Context, customerID string, at time.Time) (string, error) {
	var stored string
	err := s.InTx(ctx, func(tx *Tx) error {
		made, err := tx.affected(ctx, "INSERT INTO subscription (id, customer_id, created) VALUES (1, ?, ?) ON CONFLICT DO NOTHING",
			customerID, seconds(at))
		if err == nil && made > 0 {
			// The first site came with the schema, which knows no time.
			_, err = tx.Exec(ctx, "UPDATE sites SET created = ? WHERE created = 0", seconds(at))
		}
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT customer_id FROM subscription").Scan(&stored)
	})
	if err != nil {
		return "", fmt.Errorf("ensure subscription: %w", err)
	}
	return stored, nil
}

// CustomerID returns the subscription's UUID, or fault.NotFound in a database
// without one.
func (s *Store) CustomerID(ctx context.Context) (string, error) {
	var id string
	if err := s.queryRow(ctx, "SELECT customer_id FROM subscription").Scan(&id); err != nil {
		return "", fmt.Errorf("read subscription: %w", found(err, "subscription in the database"))
	}
	return id, nil
}

// EnsureInstructionRoot makes root the public key that agents of a new database
// pin and returns the one that is stored, which is another one when it was set
// before. EnsureSubscription comes first.
func (s *Store) EnsureInstructionRoot(ctx context.Context, root []byte) ([]byte, error) {
	var stored []byte
	err := s.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE subscription SET instruction_root = ? WHERE instruction_root IS NULL", root); err != nil {
			return err
		}
		return tx.QueryRow(ctx, "SELECT instruction_root FROM subscription").Scan(&stored)
	})
	if err != nil {
		return nil, fmt.Errorf("ensure instruction root: %w", found(err, "subscription in the database"))
	}
	return stored, nil
}
