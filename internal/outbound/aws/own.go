package aws

import (
	"context"
	"sync"
	"time"

	"vedette.dev/vedette/internal/connector"
)

const (
	// ownWait is how long somebody waits to learn the platform's own account.
	ownWait = 3 * time.Second
	// ownKept is how long an account is remembered, and ownRetry how long it is that
	// there is none: who gives the platform credentials restarts it anyway, but an
	// instance profile comes by itself.
	ownKept, ownRetry = time.Hour, time.Minute
)

// OwnAccounts says whose account the platform's own credentials open. It is safe
// for concurrent use.
type OwnAccounts struct {
	cloud *Cloud
	now   func() time.Time

	mu    sync.Mutex
	known map[connector.Partition]ownAccount
}

type ownAccount struct {
	id    string
	until time.Time
}

// NewOwnAccounts returns what asks STS by way of a cloud.
func NewOwnAccounts(c *Cloud, now func() time.Time) *OwnAccounts {
	return &OwnAccounts{cloud: c, now: now, known: make(map[connector.Partition]ownAccount)}
}

// OwnAccount returns the twelve digits of the account in a partition, empty when
// the platform has no credentials there or AWS does not answer. The first call, and
// then one an hour, may take three seconds; others are answered from memory.
func (o *OwnAccounts) OwnAccount(ctx context.Context, p connector.Partition) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if known, ok := o.known[p]; ok && o.now().Before(known.until) {
		return known.id
	}
	bounded, cancel := context.WithTimeout(ctx, ownWait)
	defer cancel()
	id := o.cloud.ownAccount(bounded, p)
	if ctx.Err() != nil {
		return id // who asked has gone: nothing was learned
	}
	kept := ownKept
	if id == "" {
		kept = ownRetry
	}
	o.known[p] = ownAccount{id, o.now().Add(kept)}
	return id
}

func (c *Cloud) ownAccount(ctx context.Context, p connector.Partition) string {
	configured, _, err := c.configure(ctx, p, connector.Credentials{})
	if err != nil {
		return ""
	}
	if _, err := configured.Credentials.Retrieve(ctx); err != nil {
		return ""
	}
	own := &account{partition: p, config: configured, limits: c.limits}
	if own.identify(ctx) != nil {
		return ""
	}
	return own.id
}
