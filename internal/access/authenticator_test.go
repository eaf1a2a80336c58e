package access

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

const home, away = "203.0.113.8", "198.51.100.7"

func TestCredentialsAreVerified(t *testing.T) {
	t.Parallel()
	right := hashed(t, "correct horse")
	b := setup(
		t,
		User{Username: "ada", PasswordHash: right},
		User{Username: "gone", PasswordHash: right, Disabled: true},
		User{Username: "torn", PasswordHash: "$argon2id$v=19$m=19456"},
		User{Username: "dear", PasswordHash: "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdA$aGFzaA"},
		User{Username: "plain", PasswordHash: "correct horse"},
	)
	for _, test := range []struct {
		name, username, password string
		want                     fault.Code
	}{
		{"right password", "ada", "correct horse", ""},
		{"right password again, from memory", "ada", "correct horse", ""},
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
			principal, err := b.Authenticate(t.Context(), test.username, test.password, home)
			wantCode(t, err, test.want)
			if err == nil && (principal.User.Username != test.username || principal.ByToken) {
				t.Errorf("got principal %+v", principal)
			}
		})
	}
}

func TestEveryPasswordThatIsHashedLeavesARow(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	for _, step := range []struct {
		username, password, address string
		want                        []string
	}{
		{"ada", "x", home, []string{"ada done password"}},
		{"ada", "x", home, nil},
		{"ada", "x", away, []string{"ada done password"}},
		{"ada", "y", home, []string{"ada refused wrong username or password"}},
		{"ada", "x", home, nil},
		{"bob", "x", home, []string{"bob refused wrong username or password"}},
		{"ada", strings.Repeat("x", MaxPasswordBytes+1), home, nil},
	} {
		_, _ = b.Authenticate(t.Context(), step.username, step.password, step.address) // what comes of it is recorded
		if diff := cmp.Diff(step.want, b.recorded()); diff != "" {
			t.Errorf("%+v: %s", step, diff)
		}
	}
	*b.clock = b.clock.Add(verifiedFor)
	if _, err := b.Authenticate(t.Context(), "ada", "x", home); err != nil {
		t.Fatal(err)
	}
	want := Entry{Time: *b.clock, Actor: "ada", Address: home, Action: "sign in", Outcome: Done, Detail: "password"}
	if diff := cmp.Diff([]Entry{want}, b.entries); diff != "" {
		t.Error(diff)
	}
}

func TestNobodyIsLetInWithoutARow(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	b.journal = errors.New("disk full")
	for range 2 { // nor is the first attempt remembered
		_, err := b.Authenticate(t.Context(), "ada", "x", home)
		wantCode(t, err, fault.Internal)
	}
	token, err := b.issuer.Issue(NewPrincipal(b.users["ada"]), false)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.AuthenticateToken(t.Context(), token, home)
	wantCode(t, err, fault.Internal)
}

func TestAFailureCountsAlthoughTheClientHangsUp(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	ctx, hangUp := context.WithCancel(t.Context())
	b.onRead = hangUp
	_, err := b.Authenticate(ctx, "ada", "y", home)
	wantCode(t, err, fault.Unauthenticated)
	if n := b.failures["ada "+home]; n != 1 || len(b.entries) != 1 {
		t.Errorf("%d failures were counted and %d recorded, want 1 each", n, len(b.entries))
	}
}

func TestAChangedPasswordEndsTheOldOneAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "old")})
	_, err := b.Authenticate(t.Context(), "ada", "old", home)
	wantCode(t, err, "")
	b.change("ada", func(u *User) { u.PasswordHash = hashed(t, "new") })
	_, err = b.Authenticate(t.Context(), "ada", "old", home)
	wantCode(t, err, fault.Unauthenticated)
	_, err = b.Authenticate(t.Context(), "ada", "new", home)
	wantCode(t, err, "")
}

func TestADisabledUserIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	_, err := b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
	b.change("ada", func(u *User) { u.Disabled = true })
	_, err = b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, fault.Unauthenticated)
}

func TestSignInsThatCannotBeHashedInTimeAreToldToComeBack(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	for range hashingAtOnce {
		b.hashing <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.onLook = cancel
	_, err := b.Authenticate(ctx, "ada", "x", home)
	wantCode(t, err, fault.Busy)
	if len(b.waiting) != 0 {
		t.Error("its place in the queue is still taken")
	}
}

func TestSignInsBeyondTheQueueAreRefusedAtOnceAndKnownOnesAreNot(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	_, err := b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
	for range cap(b.waiting) {
		b.waiting <- struct{}{}
	}
	_, err = b.Authenticate(t.Context(), "ada", "wrong", home)
	wantCode(t, err, fault.Busy)
	_, err = b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
}

func TestOneNetworkDoesNotTakeAllPlacesInTheQueue(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	taken := 0
	for b.enqueue(home) {
		taken++
	}
	_, err := b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, fault.Busy)
	_, err = b.Authenticate(t.Context(), "ada", "x", away)
	wantCode(t, err, "")
	for range taken {
		b.dequeue(home)
	}
	_, err = b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
	if len(b.waiting) != 0 || len(b.queued) != 0 {
		t.Errorf("%d places are still taken, of %d networks", len(b.waiting), len(b.queued))
	}
}

func TestWhatIsRememberedIsForgottenInTimeAndInNumber(t *testing.T) {
	t.Parallel()
	b := setup(t)
	caller, of := b.digest("ada"), b.digest("x")
	b.remember(caller, of)
	if got, ok := b.recall(caller); !ok || got != of {
		t.Fatal("not remembered")
	}
	for i := range maxVerified {
		b.remember(b.digest("other", string(rune(i))), of)
	}
	if len(b.verified) > maxVerified {
		t.Errorf("%d are remembered, %d allowed", len(b.verified), maxVerified)
	}
	b.remember(caller, of)
	*b.clock = b.clock.Add(verifiedFor)
	if _, ok := b.recall(caller); ok {
		t.Error("still remembered after its time")
	}
}
