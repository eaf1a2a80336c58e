package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"vedette.dev/vedette/internal/fault"
)

const (
	// verifiedFor is how long a verified password need not be hashed again. The
	// cache key covers the stored hash, so a changed password ends it at once.
	verifiedFor = time.Minute
	// maxVerified bounds the cache; a full one is emptied.
	maxVerified = 4096
	// hashingAtOnce bounds the memory and cores that sign-ins may use together.
	hashingAtOnce = 2
	// maxWaiting bounds the sign-ins that wait to be hashed, about a second's
	// worth. More are told to come back: strangers with wrong passwords must not
	// hold what people with right ones need.
	maxWaiting = 32
)

// Authenticator verifies names and passwords. Hashing runs a few at a time;
// verified pairs are remembered briefly, by a keyed digest only. It is safe for
// concurrent use.
type Authenticator struct {
	users   Users
	now     func() time.Time
	hashing chan struct{}
	waiting chan struct{} // what hashes, and what waits for it
	key     [32]byte      // of the cache's digests; lives and dies with the process
	decoy   string        // hashed against for unknown names, so that they take as long

	mu       sync.Mutex
	verified map[[sha256.Size]byte]time.Time // digest -> end of validity
}

// NewAuthenticator returns an Authenticator over the given users.
func NewAuthenticator(users Users, now func() time.Time) (*Authenticator, error) {
	a := &Authenticator{
		users: users, now: now,
		hashing:  make(chan struct{}, hashingAtOnce),
		waiting:  make(chan struct{}, hashingAtOnce+maxWaiting),
		verified: make(map[[sha256.Size]byte]time.Time),
	}
	rand.Read(a.key[:])
	var err error
	if a.decoy, err = HashPassword(rand.Text()); err != nil {
		return nil, fmt.Errorf("hash decoy password: %w", err)
	}
	return a, nil
}

// Authenticate returns the user whom the credentials belong to. Unknown names,
// wrong passwords and disabled users are one and the same
// fault.Unauthenticated; a request that cannot be hashed before ctx ends, or
// that finds too many waiting, is fault.Busy.
func (a *Authenticator) Authenticate(ctx context.Context, username, password string) (User, error) {
	if len(password) > MaxPasswordBytes {
		return User{}, refused()
	}
	user, err := a.users.UserByName(ctx, username)
	known := err == nil && !user.Disabled
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		return User{}, fmt.Errorf("look up user: %w", err)
	case !known:
		user.PasswordHash = a.decoy
	}
	digest := a.digest(username, password, user.PasswordHash)
	if known && a.recently(digest) {
		return user, nil
	}
	match, err := a.hash(ctx, user.PasswordHash, password)
	if err != nil {
		return User{}, err
	}
	if !known || !match {
		return User{}, refused()
	}
	a.remember(digest)
	return user, nil
}

func refused() error {
	return fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
}

func (a *Authenticator) hash(ctx context.Context, phc, password string) (bool, error) {
	busy := fault.New(fault.Busy, "Too many sign-ins at once.", "Repeat the request in a few seconds.")
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return false, busy
	}
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return false, busy
	}
	match, err := verifyPassword(phc, password)
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	return match, nil
}

func (a *Authenticator) digest(parts ...string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, a.key[:])
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	mac.Sum(sum[:0])
	return sum
}

func (a *Authenticator) recently(digest [sha256.Size]byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.verified[digest]
	return ok && a.now().Before(until)
}

func (a *Authenticator) remember(digest [sha256.Size]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.verified) >= maxVerified {
		clear(a.verified)
	}
	a.verified[digest] = a.now().Add(verifiedFor)
}
