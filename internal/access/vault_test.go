package access

import (
	"context"
	"crypto/ed25519"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
)

var start = time.Date(2031, 4, 1, 6, 12, 44, 300_000_000, time.UTC)

const customer = "0f7c1c52-0000-4000-8000-00000000c001"

// vault is Credentials in memory. Every call fails once its context has ended.
type vault struct {
	mu       sync.Mutex
	users    map[string]User
	tokens   map[string]Token // by digest
	failures map[string]int
	locks    map[string]time.Time
	entries  []Entry
	reads    int    // of users
	onRead   func() // called when a user is read, if not nil
	onLook   func() // called when a lock is looked for, if not nil
	journal  error  // what Append answers, unless nil
}

func (v *vault) UserByName(_ context.Context, name string) (User, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.reads++
	if v.onRead != nil {
		v.onRead()
	}
	if user, ok := v.users[name]; ok {
		return user, nil
	}
	return User{}, fault.Newf(fault.NotFound, "no user %q", name)
}

func (v *vault) UserByID(ctx context.Context, id int64) (User, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, user := range v.users {
		if user.ID == id {
			return user, ctx.Err()
		}
	}
	return User{}, fault.Newf(fault.NotFound, "no user %d", id)
}

func (v *vault) UserOfToken(ctx context.Context, digest []byte) (User, Token, error) {
	v.mu.Lock()
	token, ok := v.tokens[string(digest)]
	v.mu.Unlock()
	if !ok {
		return User{}, Token{}, fault.Newf(fault.NotFound, "no such token")
	}
	user, err := v.UserByID(ctx, token.UserID)
	return user, token, err
}

func (v *vault) LockedUntil(ctx context.Context, username, address string) (time.Time, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	err := ctx.Err()
	if v.onLook != nil {
		v.onLook()
	}
	return v.locks[username+" "+address], err
}

func (v *vault) CountFailure(ctx context.Context, username, address string, at time.Time, _ time.Duration, lock func(int) time.Duration) (time.Time, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	key := username + " " + address
	v.failures[key]++
	delete(v.locks, key)
	if d := lock(v.failures[key]); d > 0 {
		v.locks[key] = at.Add(d)
	}
	return v.locks[key], ctx.Err()
}

func (v *vault) ForgetFailures(ctx context.Context, username, address string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.failures, username+" "+address)
	delete(v.locks, username+" "+address)
	return ctx.Err()
}

func (v *vault) Append(ctx context.Context, e Entry) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.entries = append(v.entries, e)
	return errors.Join(v.journal, ctx.Err())
}

// recorded returns the rows of the audit log since it was last asked, as
// "actor outcome detail".
func (v *vault) recorded() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var rows []string
	for _, e := range v.entries {
		rows = append(rows, e.Actor+" "+string(e.Outcome)+" "+e.Detail)
	}
	v.entries = nil
	return rows
}

// change changes a user as a manager would.
func (v *vault) change(name string, change func(*User)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	user := v.users[name]
	change(&user)
	v.users[name] = user
}

// bench is an Authenticator with its storage and its clock.
type bench struct {
	*Authenticator
	*vault
	clock *time.Time
}

func setup(t *testing.T, users ...User) bench {
	t.Helper()
	clock := start
	now := func() time.Time { return clock }
	v := &vault{users: map[string]User{}, tokens: map[string]Token{}, failures: map[string]int{}, locks: map[string]time.Time{}}
	for i, user := range users {
		user.ID = int64(i + 1)
		v.users[user.Username] = user
	}
	issuer, err := NewIssuer(signingKey(1), customer, now)
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewAuthenticator(v, issuer, now)
	if err != nil {
		t.Fatal(err)
	}
	return bench{a, v, &clock}
}

func signingKey(n byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(n)), ed25519.SeedSize)))
}

func hashed(t *testing.T, password string) string {
	t.Helper()
	phc, err := HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	return phc
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if fault.CodeOf(err) != code {
		t.Fatalf("got error %v of code %q, want code %q", err, fault.CodeOf(err), code)
	}
}
