package run

import (
	"context"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
)

// trialLimit is how long a test of a connection that is not made yet may take:
// somebody waits for it.
const trialLimit = 45 * time.Second

// Trial tests connections before they are made. It is safe for concurrent use.
type Trial struct {
	Connections *connection.Directory
	Runner      *Runner
}

// Test runs Test Connection as the connection of a draft would, at once, and returns
// its outcome. An error says that the draft cannot be a connection. Nothing is
// stored: there is no record of it but the one in the audit log.
func (t *Trial) Test(ctx context.Context, p access.Principal, draft connection.Draft) (automation.Outcome, error) {
	c, secrets, err := t.Connections.Draft(ctx, p, draft)
	if err != nil {
		return automation.Outcome{}, err
	}
	b := Beginning{
		Run:        Run{ConnectionName: c.Name, Integration: c.Integration, Command: connection.TestCommand, Origin: ByTest, Queued: t.Runner.Now()},
		Connection: c, Secrets: secrets, trial: true,
	}
	// A draft may be inactive; that says nothing of whether it would work.
	b.Connection.Active = true
	if c.Vault.Enabled() {
		if b.Vault, err = t.vault(ctx, p, c.Vault.ConnectionID); err != nil {
			return automation.Outcome{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, trialLimit)
	defer cancel()
	return t.Runner.Perform(ctx, &b).Outcome, nil
}

// vault returns a vault that the principal may use.
func (t *Trial) vault(ctx context.Context, p access.Principal, id int64) (*Vault, error) {
	c, err := t.Connections.ToUse(ctx, p, id)
	if err != nil {
		return nil, err
	}
	secrets, err := t.Connections.Connections.ConnectionSecrets(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Vault{Connection: c, Secrets: secrets}, nil
}
