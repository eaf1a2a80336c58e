package access_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

func TestATokenIsKnownByTheDigestOfItsSecretAlone(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	token, secret, err := b.CreateToken(t.Context(), b.admin, "admin", "ci", 90*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, access.TokenPrefix) || len(secret) != len(access.TokenPrefix)+43 || !token.Expires.Equal(start.Add(90*24*time.Hour)) {
		t.Errorf("secret %q of token %+v", secret, token)
	}
	digest := sha256.Sum256([]byte(secret))
	if u, found, err := b.memory.UserOfToken(t.Context(), digest[:]); err != nil || u.Username != "admin" || found != token {
		t.Errorf("token of %q: %+v, %v", u.Username, found, err)
	}
	_, again, err := b.CreateToken(t.Context(), b.admin, "admin", "ci", time.Hour)
	if err != nil || again == secret {
		t.Errorf("two tokens have the secret %q, %v", again, err)
	}
	if tokens, err := b.UserTokens(t.Context(), b.admin, "admin"); err != nil || len(tokens) != 2 || tokens[0] != token {
		t.Errorf("tokens %v, %v", tokens, err)
	}
}

func TestTokensThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann")
	for _, tc := range []struct {
		name, username, token string
		lifetime              time.Duration
		code                  fault.Code
		says                  string
	}{
		{"no end", "admin", "ci", 0, fault.Invalid, "expiresIn: invalid value '0'. Give seconds from 60 to 31536000"},
		{"more than a year", "admin", "ci", access.MaxTokenLife + time.Second, fault.Invalid, "a year"},
		{"no name", "admin", "", time.Hour, fault.Invalid, "name"},
		{"a name of two lines", "admin", "a\nb", time.Hour, fault.Invalid, "control character"},
		{"of somebody else", "ann", "ci", time.Hour, fault.Forbidden, "in the name of its user"},
		{"of nobody", "bob", "ci", time.Hour, fault.Forbidden, "in the name of its user"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			_, secret, err := b.CreateToken(t.Context(), b.admin, tc.username, tc.token, tc.lifetime)
			refused(t, err, tc.code, tc.says)
			if secret != "" {
				t.Error("a secret was given away")
			}
		})
	}
}

func TestTokensHaveAnEnd(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for i := range access.MaxTokens {
		if _, _, err := b.CreateToken(t.Context(), b.admin, "admin", fmt.Sprint("t", i), time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := b.CreateToken(t.Context(), b.admin, "admin", "one more", time.Hour)
	refused(t, err, fault.Conflict, "50 tokens")
}

func TestManagersRevokeEverybodysTokensAndUsersTheirOwn(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann", b.role(t, "Reader", "READ_ASSET"))
	ann := b.principal(t, "ann")
	for _, by := range []access.Principal{ann, b.admin} {
		token, _, err := b.CreateToken(t.Context(), ann, "ann", "ci", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if tokens, err := b.UserTokens(t.Context(), by, "ann"); err != nil || len(tokens) != 1 {
			t.Errorf("%s sees %v, %v", by.User.Username, tokens, err)
		}
		refused(t, b.RevokeToken(t.Context(), by, by.User.Username, token.ID+1), fault.NotFound, "no token")
		if err := b.RevokeToken(t.Context(), by, "ann", token.ID); err != nil {
			t.Error(err)
		}
	}
}

// Who found a token must not be able to keep the access it gives.
func TestATokenMakesNothingThatOutlastsIt(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "accomplice")
	reader := b.role(t, "Reader", "READ_ASSET")
	thief := b.admin
	thief.ByToken = true
	for name, act := range map[string]func(ctx context.Context) error{
		"token": func(ctx context.Context) error {
			_, _, err := b.CreateToken(ctx, thief, "admin", "x", time.Hour)
			return err
		},
		"password": func(ctx context.Context) error {
			_, err := b.SetPassword(ctx, thief, "admin", goodPassword, "another password")
			return err
		},
		"password of another": func(ctx context.Context) error { _, err := b.SetPassword(ctx, thief, "accomplice", "", ""); return err },
		"user": func(ctx context.Context) error {
			_, _, err := b.CreateUser(ctx, thief, access.NewUser{Username: "x"})
			return err
		},
		"manager": func(ctx context.Context) error { return b.AssignRole(ctx, thief, 1, []string{"accomplice"}, true) },
		"role of another": func(ctx context.Context) error {
			return b.AssignRole(ctx, thief, reader.ID, []string{"accomplice"}, true)
		},
		"scope of another": func(ctx context.Context) error {
			_, err := b.UpdateUser(ctx, thief, "accomplice", access.UserChange{Scope: &access.ScopeChoice{All: true}})
			return err
		},
		"user who was disabled": func(ctx context.Context) error {
			_, err := b.UpdateUser(ctx, thief, "accomplice", access.UserChange{Disabled: new(false)})
			return err
		},
		"permissions of a role": func(ctx context.Context) error {
			_, err := b.UpdateRole(ctx, thief, reader.ID, access.RoleChange{Modules: []string{"CA", "AM"}})
			return err
		},
		"access of a role": func(ctx context.Context) error {
			_, err := b.UpdateRole(ctx, thief, reader.ID, access.RoleChange{UI: new(true)})
			return err
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			refused(t, act(t.Context()), fault.Forbidden, "needs the password. Sign in with username and password.")
		})
	}
	if _, err := b.Users(t.Context(), thief); err != nil {
		t.Errorf("a token does not list users: %v", err)
	}
	// What takes access away is what a program may have to do at night.
	if _, err := b.UpdateUser(t.Context(), thief, "accomplice", access.UserChange{Disabled: new(true)}); err != nil {
		t.Errorf("a token does not disable users: %v", err)
	}
	if err := b.AssignRole(t.Context(), thief, reader.ID, []string{"accomplice"}, false); err != nil {
		t.Errorf("a token does not take roles away: %v", err)
	}
}

// A body may take twenty seconds to arrive, and credentials are checked before.
func TestWhoIsShutOutMeanwhileHasNotTheLastWord(t *testing.T) {
	t.Parallel()
	for name, shutOut := range map[string]func(ctx context.Context, b bundle) error{
		"disabled": func(ctx context.Context, b bundle) error {
			_, err := b.UpdateUser(ctx, b.admin, "mallory", access.UserChange{Disabled: new(true)})
			return err
		},
		"deleted": func(ctx context.Context, b bundle) error { return b.DeleteUser(ctx, b.admin, "mallory") },
		"given another password": func(ctx context.Context, b bundle) error {
			_, err := b.SetPassword(ctx, b.admin, "mallory", "", "")
			return err
		},
		"manager no more": func(ctx context.Context, b bundle) error {
			return b.AssignRole(ctx, b.admin, access.ManagerRoleID, []string{"mallory"}, false)
		},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.user(t, "mallory", managers)
			reader := b.role(t, "Reader", "READ_ASSET")
			mallory, ctx := b.principal(t, "mallory"), t.Context()
			if err := shutOut(ctx, b); err != nil {
				t.Fatal(err)
			}
			_, _, created := b.CreateUser(ctx, mallory, access.NewUser{Username: "eve", Roles: []access.Reference{{ID: access.ManagerRoleID}}})
			_, changed := b.UpdateUser(ctx, mallory, "mallory", access.UserChange{Disabled: new(false)})
			_, password := b.SetPassword(ctx, mallory, "admin", "", "")
			_, role := b.CreateRole(ctx, mallory, access.NewRole{Name: "All", Grant: access.Grant{API: true, Modules: []string{"CA"}}})
			_, permissions := b.UpdateRole(ctx, mallory, reader.ID, access.RoleChange{Modules: []string{"CA"}})
			attempts := []error{
				created, changed, password, role, permissions, b.DeleteUser(ctx, mallory, "admin"), b.DeleteRole(ctx, mallory, reader.ID),
				b.AssignRole(ctx, mallory, access.ManagerRoleID, []string{"mallory"}, true),
			}
			want := fault.Unauthenticated
			if name == "manager no more" {
				want = fault.Forbidden
			} else {
				_, _, token := b.CreateToken(ctx, mallory, "mallory", "kept", time.Hour)
				attempts = append(attempts, token)
			}
			for i, err := range attempts {
				if !fault.Is(err, want) {
					t.Errorf("attempt %d ended with %v, want %s", i, err, want)
				}
			}
		})
	}
}

func TestATokenMadeInTheSecondOfANewPasswordIsNotDatedBeforeIt(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.Now = func() time.Time { return start.Add(300 * time.Millisecond) }
	b.user(t, "ann")
	if _, err := b.SetPassword(t.Context(), b.admin, "ann", "", ""); err != nil {
		t.Fatal(err)
	}
	ann := b.principal(t, "ann")
	token, _, err := b.CreateToken(t.Context(), ann, "ann", "ci", time.Hour)
	if err != nil || token.Created.Before(ann.User.PasswordChanged) {
		t.Errorf("a token of %s, a password of %s, %v", token.Created, ann.User.PasswordChanged, err)
	}
}

func TestAPasswordIsChangedByWhoKnowsIt(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.user(t, "ann", b.role(t, "Reader", "READ_ASSET"))
	ann := b.principal(t, "ann")
	const next = "a password that is new"
	for _, wrong := range []string{"", "wrong", strings.Repeat("x", access.MaxPasswordBytes+1)} {
		_, err := b.SetPassword(t.Context(), ann, "ann", wrong, next)
		refused(t, err, fault.Forbidden, "not your present password")
	}
	_, err := b.SetPassword(t.Context(), ann, "ann", goodPassword, goodPassword)
	refused(t, err, fault.Invalid, "present password")
	_, err = b.SetPassword(t.Context(), ann, "ann", goodPassword, "short")
	refused(t, err, fault.Invalid, "too short")
	if b.principal(t, "ann").User.PasswordHash != ann.User.PasswordHash {
		t.Fatal("a refused change was made")
	}
	if generated, err := b.SetPassword(t.Context(), ann, "ann", goodPassword, next); err != nil || generated != "" {
		t.Fatalf("%q, %v", generated, err)
	}
	changed := b.principal(t, "ann")
	if changed.User.PasswordHash == ann.User.PasswordHash || !changed.User.PasswordChanged.Equal(start) {
		t.Errorf("after the change: %+v", changed.User)
	}
	// A manager needs the present password for their own alone.
	_, err = b.SetPassword(t.Context(), b.admin, "admin", "", next)
	refused(t, err, fault.Forbidden, "not your present password")
	if generated, err := b.SetPassword(t.Context(), b.admin, "ann", "", ""); err != nil || len(generated) < 20 {
		t.Errorf("generated %q, %v", generated, err)
	}
}
