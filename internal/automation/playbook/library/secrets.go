package library

import (
	"context"
	"fmt"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

// Secrets is the storage of what webhooks of playbooks are signed with.
type Secrets interface {
	// SetPlaybookSecret stores a secret of a playbook, in place of one with this name.
	// Too many are fault.Conflict; a playbook that does not exist is fault.NotFound.
	SetPlaybookSecret(ctx context.Context, playbookID int64, name string, secret signature.Secret) error
	// PlaybookSecretNames returns the names of the secrets of a playbook in alphabetical
	// order.
	PlaybookSecretNames(ctx context.Context, playbookID int64) ([]string, error)
	// DeletePlaybookSecret removes a secret; one that does not exist is fault.NotFound.
	DeletePlaybookSecret(ctx context.Context, playbookID int64, name string) error
}

// SecretNames returns the names of the secrets of a playbook in alphabetical order.
func (l *Library) SecretNames(ctx context.Context, p access.Principal, id int64) ([]string, error) {
	if _, err := l.Get(ctx, p, id); err != nil {
		return nil, err
	}
	return l.Secrets.PlaybookSecretNames(ctx, id)
}

// SetSecret sets a secret of a playbook, in place of one with this name. Whoever has it
// starts the playbook with the rights of its publisher; the principal therefore must
// have the right to run playbooks.
func (l *Library) SetSecret(ctx context.Context, p access.Principal, id int64, name, text string) error {
	if _, err := l.Get(ctx, p, id); err != nil {
		return err
	}
	if !p.May(access.RunPlaybook) {
		return fault.New(fault.Forbidden, fmt.Sprintf("User '%s' may not set a secret, with which the playbook can be started: it needs %s.", p.User.Username, access.RunPlaybook.Label()),
			"Ask a manager to check the permission settings of this account.")
	}
	if err := playbook.CheckSecretName(name); err != nil {
		return err
	}
	secret, err := signature.ParseSecret(text)
	if err != nil {
		return err
	}
	return l.Secrets.SetPlaybookSecret(ctx, id, name, secret)
}

// RemoveSecret removes a secret of a playbook; one that does not exist is
// fault.NotFound.
func (l *Library) RemoveSecret(ctx context.Context, p access.Principal, id int64, name string) error {
	if _, err := l.Get(ctx, p, id); err != nil {
		return err
	}
	if err := playbook.CheckSecretName(name); err != nil {
		return err
	}
	return l.Secrets.DeletePlaybookSecret(ctx, id, name)
}
