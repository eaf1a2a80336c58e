package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

// maxPlaybookSecrets bounds the secrets of one playbook.
const maxPlaybookSecrets = 50

// SetPlaybookSecret stores a secret of a playbook, in place of one with this name. More
// than 50 are fault.Conflict; a playbook that does not exist is fault.NotFound.
func (s *Store) SetPlaybookSecret(ctx context.Context, playbookID int64, name string, secret signature.Secret) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		p, err := tx.playbook(ctx, playbookID, s.dialect.ForNoKeyUpdate()) // it stays until the secret is there
		if err != nil {
			return err
		}
		there, err := tx.playbookSecretNames(ctx, playbookID)
		if err != nil {
			return err
		}
		if len(there) >= maxPlaybookSecrets && !slices.Contains(there, name) {
			return fault.New(fault.Conflict, fmt.Sprintf("Playbook '%s' has %d secrets, which is the limit.", p.Name, len(there)), "Delete one first.")
		}
		return tx.seal(ctx, playbookSecrets, playbookID, map[string]string{name: secret.Reveal()})
	})
	if err != nil {
		return fmt.Errorf("store secret %s of playbook %d: %w", name, playbookID, err)
	}
	return nil
}

// PlaybookSecretNames returns the names of the secrets of a playbook in alphabetical
// order.
func (s *Store) PlaybookSecretNames(ctx context.Context, playbookID int64) ([]string, error) {
	var names []string
	err := s.view(ctx, func(tx *Tx) (err error) {
		names, err = tx.playbookSecretNames(ctx, playbookID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list secrets of playbook %d: %w", playbookID, err)
	}
	return names, nil
}

func (t *Tx) playbookSecretNames(ctx context.Context, playbookID int64) ([]string, error) {
	values, err := t.unseal(ctx, playbookSecrets, playbookID)
	return slices.Sorted(maps.Keys(values)), err
}

// DeletePlaybookSecret removes a secret; one that does not exist is fault.NotFound.
func (s *Store) DeletePlaybookSecret(ctx context.Context, playbookID int64, name string) error {
	err := s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.affected(ctx, "DELETE FROM secrets WHERE kind = ? AND owner_id = ? AND field = ?", playbookSecrets, playbookID, name)
		if err == nil && n == 0 {
			err = noPlaybookSecret(name)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete secret %s of playbook %d: %w", name, playbookID, err)
	}
	return nil
}

func noPlaybookSecret(name string) error {
	return fault.New(fault.NotFound, fmt.Sprintf("The playbook has no secret '%s'.", name), "Set it: vedette automation playbooks secrets set.")
}
