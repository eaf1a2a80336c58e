package access

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

// apiToken stores a token of the first user that lasts a day.
func (b bench) apiToken() string {
	secret := NewTokenSecret(TokenPrefix)
	b.tokens[string(TokenDigest(secret))] = Token{ID: 9, UserID: 1, Name: "nightly", Created: *b.clock, Expires: b.clock.Add(24 * time.Hour)}
	return secret
}

func (b bench) session(t *testing.T) string {
	t.Helper()
	token, err := b.issuer.Issue(NewPrincipal(b.users["ada"]), false)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestATokenIsItsUserUntilItEnds(t *testing.T) {
	t.Parallel()
	api := func(_ *testing.T, b bench) string { return b.apiToken() }
	session := func(t *testing.T, b bench) string { t.Helper(); return b.session(t) }
	for _, test := range []struct {
		name  string
		token func(t *testing.T, b bench) string
		then  func(b bench)
		ended string // as the audit log has it; empty while it is valid
	}{
		{"API token", api, func(bench) {}, ""},
		{"session token", session, func(bench) {}, ""},
		{"API token to the end", api, func(b bench) { *b.clock = b.clock.Add(24*time.Hour - 1) }, ""},
		{"API token after the end", api, func(b bench) { *b.clock = b.clock.Add(24 * time.Hour) }, "it has expired"},
		{"session token to the end", session, func(b bench) { *b.clock = b.clock.Truncate(time.Second).Add(4*time.Hour - 1) }, ""},
		{"session token after the end", session, func(b bench) { *b.clock = b.clock.Add(4 * time.Hour) }, "it has expired"},
		{"API token of a disabled user", api, func(b bench) { b.change("ada", func(u *User) { u.Disabled = true }) }, "the user is disabled"},
		{"session token of a disabled user", session, func(b bench) { b.change("ada", func(u *User) { u.Disabled = true }) }, "the user is disabled"},
		{"API token from before the password", api, func(b bench) {
			b.change("ada", func(u *User) { u.PasswordChanged = b.clock.Add(time.Microsecond) })
		}, "the password was changed after it was made"},
		{"session token from before the password", session, func(b bench) {
			b.change("ada", func(u *User) { u.PasswordChanged = b.clock.Add(time.Microsecond) })
		}, "the password was changed after it was made"},
		{"API token of the new password", api, func(b bench) { b.change("ada", func(u *User) { u.PasswordChanged = *b.clock }) }, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, User{Username: "ada", Roles: []Role{{Manager: true}}})
			token := test.token(t, b)
			test.then(b)
			principal, err := b.AuthenticateToken(t.Context(), token, home)
			rows := b.recorded()
			if test.ended != "" {
				wantCode(t, err, fault.Unauthenticated)
				if len(rows) != 1 || !strings.HasPrefix(rows[0], "ada refused ") || !strings.HasSuffix(rows[0], ": "+test.ended) {
					t.Errorf("recorded %q", rows)
				}
				return
			}
			wantCode(t, err, "")
			if principal.User.Username != "ada" || !principal.ByToken || !principal.Manager() {
				t.Errorf("got principal %+v", principal)
			}
			if len(rows) != 1 || !strings.HasPrefix(rows[0], "ada done ") || !strings.Contains(rows[0], "token") {
				t.Errorf("recorded %q", rows)
			}
		})
	}
}

func TestASessionOfTheSecondInWhichThePasswordChangedIsValid(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordChanged: start.Add(-time.Microsecond)})
	_, err := b.AuthenticateToken(t.Context(), b.session(t), home)
	wantCode(t, err, "")
}

func TestATokenLeavesOneRowAMinute(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada"})
	token := b.apiToken()
	for i, step := range []struct {
		address string
		wait    time.Duration
		want    []string
	}{
		{home, 0, []string{"ada done token 9, 'nightly'"}},
		{home, verifiedFor - 1, nil},
		{away, 0, []string{"ada done token 9, 'nightly'"}},
		{home, 1, []string{"ada done token 9, 'nightly'"}},
		{home, 24 * time.Hour, []string{"ada refused token 9, 'nightly': it has expired"}},
		{home, 0, nil},
	} {
		*b.clock = b.clock.Add(step.wait)
		_, _ = b.AuthenticateToken(t.Context(), token, step.address) // what comes of it is recorded
		if diff := cmp.Diff(step.want, b.recorded()); diff != "" {
			t.Errorf("request %d: %s", i+1, diff)
		}
	}
}

func TestAnEndedTokenIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(b bench){
		"disabled": func(b bench) { b.change("ada", func(u *User) { u.Disabled = true }) },
		"deleted":  func(b bench) { delete(b.users, "ada") },
		"password": func(b bench) { b.change("ada", func(u *User) { u.PasswordChanged = b.clock.Add(1) }) },
	} {
		b := setup(t, User{Username: "ada"})
		for _, token := range []string{b.apiToken(), b.session(t)} {
			_, err := b.AuthenticateToken(t.Context(), token, home)
			wantCode(t, err, "")
			defer func() { // after both were accepted
				if _, err := b.AuthenticateToken(t.Context(), token, home); !fault.Is(err, fault.Unauthenticated) {
					t.Errorf("%s: got %v", name, err)
				}
			}()
		}
		end(b)
	}
	b := setup(t, User{Username: "ada"})
	token := b.apiToken()
	_, err := b.AuthenticateToken(t.Context(), token, home)
	wantCode(t, err, "")
	clear(b.tokens) // revoked
	_, err = b.AuthenticateToken(t.Context(), token, home)
	wantCode(t, err, fault.Unauthenticated)
}

func TestASessionListsPermissionsIfAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	user := User{ID: 7, Roles: []Role{{Permissions: []Permission{ReadAsset, APIAccess}}, {Permissions: []Permission{ReadAsset, CAAPIAccess}}}}
	for _, test := range []struct {
		principal Principal
		list      bool
		want      []Permission
	}{
		{NewPrincipal(user), false, nil},
		{NewPrincipal(user), true, []Permission{APIAccess, CAAPIAccess, ReadAsset}},
	} {
		token, err := b.issuer.Issue(test.principal, test.list)
		if err != nil {
			t.Fatal(err)
		}
		var claims map[string]any
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			t.Fatal(err)
		}
		if err := parsed.Claims(b.issuer.public, &claims); err != nil {
			t.Fatal(err)
		}
		issued := float64(start.Unix())
		want := map[string]any{
			"iss": "vedette", "sub": "7", "aud": customer, "iat": issued, "exp": issued + 4*3600, "jti": claims["jti"],
		}
		if test.want != nil {
			var list []any
			for _, p := range test.want {
				list = append(list, string(p))
			}
			want["permissions"] = list
		}
		if diff := cmp.Diff(want, claims); diff != "" || claims["jti"] == "" {
			t.Errorf("claims: %s", diff)
		}
	}
	manager := NewPrincipal(User{Roles: []Role{{Manager: true}}})
	if token, err := b.issuer.Issue(manager, true); err != nil || len(token) > maxTokenBytes/2 {
		t.Errorf("the token of a manager has %d bytes, %v", len(token), err)
	}
	if !cmp.Equal(manager.Permissions()[0], ActivateAgent) || len(manager.Permissions()) < 20 {
		t.Errorf("a manager may %v", manager.Permissions())
	}
	manager.ByToken = true
	if _, err := b.issuer.Issue(manager, false); err == nil {
		t.Error("a token was exchanged for a longer one")
	}
}

// forge signs claims otherwise than the platform does.
func forge(t *testing.T, algorithm jose.SignatureAlgorithm, key any, options *jose.SignerOptions, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", Roles: []Role{{Manager: true}}})
	genuine := b.session(t)
	parts := strings.Split(genuine, ".")
	right := func(change func(c map[string]any)) map[string]any {
		c := map[string]any{
			"iss": sessionIssuer, "sub": "1", "aud": customer, "iat": start.Unix(), "exp": start.Add(SessionLife).Unix(), "jti": "x",
		}
		change(c)
		return c
	}
	same := right(func(map[string]any) {})
	signed := func(change func(c map[string]any)) string {
		return forge(t, jose.EdDSA, signingKey(1), nil, right(change))
	}
	if _, err := b.AuthenticateToken(t.Context(), signed(func(map[string]any) {}), home); err != nil {
		t.Fatalf("the pattern of the forgeries is refused itself: %v", err)
	}
	b.recorded()
	encode := base64.RawURLEncoding.EncodeToString
	payload, err := json.Marshal(same)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public := signingKey(1).Public().(ed25519.PublicKey)
	for name, token := range map[string]string{
		"nothing":                           "",
		"garbage":                           "garbage",
		"dots":                              "..",
		"many dots":                         strings.Repeat(".", 4000),
		"100 KB":                            strings.Repeat("A", 100_000),
		"100 KB that begin like an API one": TokenPrefix + strings.Repeat("A", 100_000),
		"genuine with 100 KB behind it":     genuine + strings.Repeat("A", 100_000),
		"API token that is none":            NewTokenSecret(TokenPrefix),
		"digest of an API token":            TokenPrefix + encode(TokenDigest(b.apiToken())),
		"algorithm none":                    encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + ".",
		"algorithm none, another spelling":  encode([]byte(`{"alg":"nOnE"}`)) + "." + encode(payload) + ".",
		"no algorithm":                      encode([]byte(`{}`)) + "." + encode(payload) + "." + parts[2],
		"no signature":                      parts[0] + "." + parts[1] + ".",
		"signature of another token":        parts[0] + "." + encode(payload) + "." + parts[2],
		"signature cut":                     genuine[:len(genuine)-4],
		"public key as a shared secret":     forge(t, jose.HS256, []byte(public), nil, same),
		"public key as a longer secret":     forge(t, jose.HS512, append([]byte(public), make([]byte, 32)...), nil, same),
		"RSA":                               forge(t, jose.RS256, rsaKey, nil, same),
		"another key":                       forge(t, jose.EdDSA, signingKey(2), nil, same),
		"another key that brings itself":    forge(t, jose.EdDSA, signingKey(2), &jose.SignerOptions{EmbedJWK: true}, same),
		"header that nobody knows":          forge(t, jose.EdDSA, signingKey(1), new(jose.SignerOptions).WithHeader("crit", []string{"exp"}), same),
		"another platform":                  signed(func(c map[string]any) { c["aud"] = "0f7c1c52-0000-4000-8000-00000000c002" }),
		"no platform":                       signed(func(c map[string]any) { delete(c, "aud") }),
		"another issuer":                    signed(func(c map[string]any) { c["iss"] = "somebody" }),
		"user of another form":              signed(func(c map[string]any) { c["sub"] = "ada" }),
		"no user":                           signed(func(c map[string]any) { delete(c, "sub") }),
		"user who is not":                   signed(func(c map[string]any) { c["sub"] = "99" }),
		"made in the future": signed(func(c map[string]any) {
			c["iat"] = start.Add(2 * time.Minute).Unix()
			c["exp"] = start.Add(time.Hour).Unix()
		}),
		"no time of issue":           signed(func(c map[string]any) { delete(c, "iat") }),
		"no end":                     signed(func(c map[string]any) { delete(c, "exp") }),
		"an end beyond four hours":   signed(func(c map[string]any) { c["exp"] = start.Add(SessionLife + 2*time.Second).Unix() }),
		"an end beyond time":         signed(func(c map[string]any) { c["exp"] = 1e30 }),
		"times before the beginning": signed(func(c map[string]any) { c["iat"] = -1e18; c["exp"] = -1e18 + 3600 }),
		"not valid yet":              signed(func(c map[string]any) { c["nbf"] = start.Add(time.Hour).Unix() }),
		"expired":                    signed(func(c map[string]any) { c["iat"] = start.Add(-SessionLife).Unix(); c["exp"] = start.Unix() }),
		"claims that are no object":  encode([]byte(`{"alg":"EdDSA"}`)) + "." + encode([]byte(`[]`)) + "." + parts[2],
		"JSON form":                  `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"two tokens":                 genuine + ", " + genuine,
	} {
		principal, err := b.AuthenticateToken(t.Context(), token, home)
		if !fault.Is(err, fault.Unauthenticated) || principal.May(APIAccess) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Those that the platform did sign.
	expired := "ada refused session token x: it has expired"
	if diff := cmp.Diff([]string{expired, expired}, b.recorded()); diff != "" {
		t.Errorf("audit log: %s", diff)
	}
}
