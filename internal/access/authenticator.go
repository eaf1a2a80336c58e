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
	// verifiedFor is how long a verified password need not be hashed again. What is
	// remembered covers the stored hash, so a changed password ends it at once.
	verifiedFor = time.Minute
	// maxVerified bounds what is remembered; when it is full, all is forgotten.
	maxVerified = 4096
	// hashingAtOnce bounds the memory and cores that sign-ins may use together.
	hashingAtOnce = 2
	// maxWaiting bounds the sign-ins that wait to be hashed, about a second's
	// worth. More are told to come back: strangers with wrong passwords must not
	// hold what people with right ones need.
	maxWaiting = 32
	// maxOfNetwork bounds the sign-ins from one network that hash or wait, so that
	// one stranger does not take all places. It is not smaller because behind a
	// proxy everybody is one network.
	maxOfNetwork = (hashingAtOnce + maxWaiting) / 2
	// recordWithin bounds the time it takes to write down how a sign-in ended, which
	// a client that hangs up does not prevent.
	recordWithin = 10 * time.Second
)

// Credentials is the storage Authenticator needs.
type Credentials interface {
	Users
	SignIns
	Tokens
	Journal
}

// Authenticator verifies passwords and tokens. Users are read at every request,
// so that who is disabled is refused at once. Hashing runs a few at a time;
// verified passwords are remembered briefly, by a keyed digest only, for the
// network they came from. Sign-ins that fail again and again lock their name for
// their network. It is safe for concurrent use.
type Authenticator struct {
	storage Credentials
	issuer  *Issuer
	now     func() time.Time
	hashing chan struct{}
	waiting chan struct{} // what hashes, and what waits for it
	key     [32]byte      // of the digests; lives and dies with the process
	decoy   string        // hashed against for unknown names, so that they take as long

	mu       sync.Mutex
	verified map[digest]verification // by who was verified
	queued   map[string]int          // what is in waiting, by network
}

// digest is a keyed digest of texts.
type digest [sha256.Size]byte

// verification is a credential that was found right.
type verification struct {
	of    digest
	until time.Time
}

// NewAuthenticator returns an Authenticator of users and tokens in storage, and
// of the session tokens of issuer.
func NewAuthenticator(storage Credentials, issuer *Issuer, now func() time.Time) (*Authenticator, error) {
	a := &Authenticator{
		storage: storage, issuer: issuer, now: now,
		hashing:  make(chan struct{}, hashingAtOnce),
		waiting:  make(chan struct{}, hashingAtOnce+maxWaiting),
		verified: make(map[digest]verification),
		queued:   make(map[string]int),
	}
	rand.Read(a.key[:])
	var err error
	if a.decoy, err = HashPassword(rand.Text()); err != nil {
		return nil, fmt.Errorf("hash decoy password: %w", err)
	}
	return a, nil
}

// attempt is a password that is tried.
type attempt struct {
	username, password string
	address            string // as the audit log has it
	network            string // as failures are counted
	caller             digest // of username and network
}

// Authenticate returns the principal whom the password belongs to. Unknown names,
// wrong passwords, disabled users and names that are locked for the network of
// the address are one and the same fault.Unauthenticated; a request that cannot
// be hashed before ctx ends, or that finds too many waiting, is fault.Busy.
//
// A password that is hashed leaves a row in the audit log, and so does a lock
// that begins. What is remembered, and what a lock refuses, leaves none.
func (a *Authenticator) Authenticate(ctx context.Context, username, password, address string) (Principal, error) {
	if len(password) > MaxPasswordBytes {
		return Principal{}, refused()
	}
	network := NetworkOf(address)
	try := attempt{username, password, address, network, a.digest("password", username, network)}
	if right, ok := a.recall(try.caller); ok {
		user, known, err := a.find(ctx, username)
		if err != nil {
			return Principal{}, err
		}
		if known && right == a.digest(password, user.PasswordHash) {
			return NewPrincipal(user), nil
		}
	}
	// Before anything depends on the name: a lock takes as long to see for a name
	// that exists as for one that does not.
	if err := a.refuseLocked(ctx, try); err != nil {
		return Principal{}, err
	}
	release, err := a.turn(ctx, network)
	if err != nil {
		return Principal{}, err
	}
	defer release()
	// Those before this one may have failed: of a hundred sent at once, no more are
	// hashed than of a hundred sent one after the other.
	if err := a.refuseLocked(ctx, try); err != nil {
		return Principal{}, err
	}
	return a.verify(ctx, try)
}

// find returns the user of a name, and whether they may sign in at all.
func (a *Authenticator) find(ctx context.Context, username string) (User, bool, error) {
	user, err := a.storage.UserByName(ctx, username)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return User{}, false, fmt.Errorf("look up user: %w", err)
	}
	return user, err == nil && !user.Disabled, nil
}

// verify hashes the password and records what came of it.
func (a *Authenticator) verify(ctx context.Context, try attempt) (Principal, error) {
	user, known, err := a.find(ctx, try.username)
	if err != nil {
		return Principal{}, err
	}
	if !known {
		user.PasswordHash = a.decoy
	}
	match, err := verifyPassword(user.PasswordHash, try.password)
	if err != nil {
		return Principal{}, fmt.Errorf("verify password: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	if !known || !match {
		return Principal{}, a.fail(ctx, try)
	}
	if err := a.storage.ForgetFailures(ctx, try.username, try.network); err != nil {
		return Principal{}, err
	}
	if err := a.record(ctx, try.username, try.address, Done, "password"); err != nil {
		return Principal{}, err
	}
	a.remember(try.caller, a.digest(try.password, user.PasswordHash))
	return NewPrincipal(user), nil
}

// fail counts and records a failure, and returns what to say of it.
func (a *Authenticator) fail(ctx context.Context, try attempt) error {
	now := a.now()
	until, err := a.storage.CountFailure(ctx, try.username, try.network, now, ForgetFailuresAfter, lockFor)
	if err != nil {
		return err
	}
	if err := a.record(ctx, try.username, try.address, Refused, "wrong username or password"); err != nil {
		return err
	}
	if !until.After(now) {
		return refused()
	}
	wait := until.Sub(now)
	if err := a.record(ctx, try.username, try.address, Refused, fmt.Sprintf("too many failures in a row: locked for %s", wait)); err != nil {
		return err
	}
	return locked(wait)
}

func (a *Authenticator) record(ctx context.Context, username, address string, outcome Outcome, detail string) error {
	err := a.storage.Append(ctx, Entry{
		Time: a.now().UTC(), Actor: username, Address: address, Action: signInAction, Outcome: outcome, Detail: detail,
	})
	if err != nil {
		return fmt.Errorf("record sign-in: %w", err)
	}
	return nil
}

// signInAction is what the audit log calls a password or token that is verified.
const signInAction = "sign in"

func refused() error {
	return fault.New(fault.Unauthenticated, "Authentication failed", "Verify both, user and password credentials.")
}

// turn waits for a place among those who hash.
func (a *Authenticator) turn(ctx context.Context, network string) (release func(), err error) {
	busy := fault.New(fault.Busy, "Too many sign-ins at once.", "Repeat the request in a few seconds.")
	if !a.enqueue(network) {
		return nil, busy
	}
	select {
	case a.hashing <- struct{}{}:
		return func() { <-a.hashing; a.dequeue(network) }, nil
	case <-ctx.Done():
		a.dequeue(network)
		return nil, busy
	}
}

// enqueue takes a place among those who hash or wait, if there is one for this
// network.
func (a *Authenticator) enqueue(network string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.queued[network] >= maxOfNetwork {
		return false
	}
	select {
	case a.waiting <- struct{}{}:
		a.queued[network]++
		return true
	default:
		return false
	}
}

func (a *Authenticator) dequeue(network string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	<-a.waiting
	if a.queued[network]--; a.queued[network] == 0 {
		delete(a.queued, network)
	}
}

func (a *Authenticator) digest(parts ...string) (sum digest) {
	mac := hmac.New(sha256.New, a.key[:])
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	mac.Sum(sum[:0])
	return sum
}

// recall returns the credential that was found right of a caller not long ago.
func (a *Authenticator) recall(caller digest) (digest, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.verified[caller]
	return v.of, ok && a.now().Before(v.until)
}

func (a *Authenticator) remember(caller, of digest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.verified) >= maxVerified {
		clear(a.verified)
	}
	a.verified[caller] = verification{of: of, until: a.now().Add(verifiedFor)}
}

func (a *Authenticator) forget(caller digest) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.verified, caller)
}
