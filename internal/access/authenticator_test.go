package access

import (
	"context"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
)

type userTable map[string]User

func (t userTable) UserByName(_ context.Context, name string) (User, error) {
	if user, ok := t[name]; ok {
		return user, nil
	}
	return User{}, fault.Newf(fault.NotFound, "no user %q", name)
}

func hashed(t *testing.T, password string) string {
	t.Helper()
	phc, err := HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	return phc
}

func newAuthenticator(t *testing.T, users Users, now func() time.Time) *Authenticator {
	t.Helper()
	a, err := NewAuthenticator(users, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCredentialsAreVerified(t *testing.T) {
	t.Parallel()
	users := userTable{
		"ada":   {ID: 1, Username: "ada", PasswordHash: hashed(t, "correct horse")},
		"gone":  {ID: 2, Username: "gone", PasswordHash: hashed(t, "correct horse"), Disabled: true},
		"torn":  {ID: 3, Username: "torn", PasswordHash: "$argon2id$v=19$m=19456"},
		"dear":  {ID: 4, Username: "dear", PasswordHash: "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdA$aGFzaA"},
		"plain": {ID: 5, Username: "plain", PasswordHash: "correct horse"},
	}
	a := newAuthenticator(t, users, time.Now)
	for _, test := range []struct {
		name, username, password string
		want                     fault.Code
	}{
		{"right password", "ada", "correct horse", ""},
		{"right password again, from the cache", "ada", "correct horse", ""},
		{"wrong password", "ada", "battery staple", fault.Unauthenticated},
		{"empty password", "ada", "", fault.Unauthenticated},
		{"name in another case", "Ada", "correct horse", fault.Unauthenticated},
		{"unknown user", "bob", "correct horse", fault.Unauthenticated},
		{"disabled user", "gone", "correct horse", fault.Unauthenticated},
		{"password beyond the limit", "ada", strings.Repeat("x", MaxPasswordBytes+1), fault.Unauthenticated},
		{"damaged hash", "torn", "correct horse", fault.Internal},
		{"hash that asks for gigabytes", "dear", "correct horse", fault.Internal},
		{"password stored in clear", "plain", "correct horse", fault.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			user, err := a.Authenticate(t.Context(), test.username, test.password)
			if fault.CodeOf(err) != test.want {
				t.Fatalf("got error %v, want code %q", err, test.want)
			}
			if err == nil && user.Username != test.username {
				t.Errorf("got user %q", user.Username)
			}
		})
	}
}

func TestAChangedPasswordEndsTheOldOneAtOnce(t *testing.T) {
	t.Parallel()
	users := userTable{"ada": {Username: "ada", PasswordHash: hashed(t, "old")}}
	a := newAuthenticator(t, users, time.Now)
	if _, err := a.Authenticate(t.Context(), "ada", "old"); err != nil {
		t.Fatal(err)
	}
	users["ada"] = User{Username: "ada", PasswordHash: hashed(t, "new")}
	if _, err := a.Authenticate(t.Context(), "ada", "old"); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("old password after the change: got %v", err)
	}
	if _, err := a.Authenticate(t.Context(), "ada", "new"); err != nil {
		t.Errorf("new password: %v", err)
	}
}

func TestSignInsThatCannotBeHashedInTimeAreToldToComeBack(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, userTable{"ada": {Username: "ada", PasswordHash: hashed(t, "x")}}, time.Now)
	for range hashingAtOnce {
		a.hashing <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Authenticate(ctx, "ada", "x"); !fault.Is(err, fault.Busy) {
		t.Errorf("got %v, want busy", err)
	}
}

func TestSignInsBeyondTheQueueAreRefusedAtOnceAndKnownOnesAreNot(t *testing.T) {
	t.Parallel()
	a := newAuthenticator(t, userTable{"ada": {Username: "ada", PasswordHash: hashed(t, "x")}}, time.Now)
	if _, err := a.Authenticate(t.Context(), "ada", "x"); err != nil {
		t.Fatal(err)
	}
	for range cap(a.waiting) {
		a.waiting <- struct{}{}
	}
	if _, err := a.Authenticate(t.Context(), "ada", "wrong"); !fault.Is(err, fault.Busy) {
		t.Errorf("a stranger: got %v, want busy", err)
	}
	if _, err := a.Authenticate(t.Context(), "ada", "x"); err != nil {
		t.Errorf("somebody who was verified just now: %v", err)
	}
}

func TestVerifiedPairsAreForgottenInTimeAndInNumber(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	a := newAuthenticator(t, userTable{}, func() time.Time { return now })
	digest := a.digest("ada", "x", "hash")
	a.remember(digest)
	if !a.recently(digest) {
		t.Fatal("not remembered")
	}
	for i := range maxVerified {
		a.remember(a.digest("other", string(rune(i))))
	}
	if len(a.verified) > maxVerified {
		t.Errorf("cache holds %d entries, %d allowed", len(a.verified), maxVerified)
	}
	a.remember(digest)
	now = now.Add(verifiedFor)
	if a.recently(digest) {
		t.Error("still remembered after its time")
	}
}
