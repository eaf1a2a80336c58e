package storetest

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/fault"
)

func digestOf(n int) []byte {
	sum := sha256.Sum256(fmt.Append(nil, n))
	return sum[:]
}

// createToken stores a token that lasts an hour.
func createToken(t *testing.T, b *bundle, userID int64, name string, digest int) access.Token {
	t.Helper()
	token := access.Token{UserID: userID, Name: name, Created: *b.now, Expires: b.now.Add(time.Hour)}
	return must(b.CreateToken(t.Context(), token, digestOf(digest), 3))(t)
}

func testTokens(t *testing.T, create func(tb testing.TB) Database) {
	t.Run("are found by their digest with their user", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ctx := t.Context()
		ada, bob := createUser(t, b, "ada", access.ManagerRoleID), createUser(t, b, "bob")
		first, second := createToken(t, b, ada.ID, "first", 1), createToken(t, b, ada.ID, "second", 2)
		createToken(t, b, bob.ID, "first", 3)
		b.reopen(t)
		user, token, err := b.UserOfToken(ctx, digestOf(2))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ada, user) + cmp.Diff(second, token); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]access.Token{first, second}, must(b.Tokens(ctx, ada.ID))(t)); diff != "" {
			t.Error(diff)
		}
		for _, digest := range [][]byte{nil, digestOf(4), digestOf(1)[:31]} {
			_, _, err := b.UserOfToken(ctx, digest)
			wantCode(t, err, fault.NotFound)
		}
		wantCode(t, b.DeleteToken(ctx, bob.ID, first.ID), fault.NotFound) // somebody else's
		if err := b.DeleteToken(ctx, ada.ID, first.ID); err != nil {
			t.Fatal(err)
		}
		wantCode(t, b.DeleteToken(ctx, ada.ID, first.ID), fault.NotFound)
		_, _, err = b.UserOfToken(ctx, digestOf(1))
		wantCode(t, err, fault.NotFound)
	})
	t.Run("are limited in number and time", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ctx := t.Context()
		ada := createUser(t, b, "ada")
		for i := range 3 {
			createToken(t, b, ada.ID, "token", i)
		}
		next := access.Token{UserID: ada.ID, Name: "one more", Created: Start, Expires: Start.Add(time.Hour)}
		_, err := b.CreateToken(ctx, next, digestOf(7), 3)
		wantCode(t, err, fault.Conflict)
		next.Created, next.Expires = Start.Add(time.Hour), Start.Add(2*time.Hour)
		must(b.CreateToken(ctx, next, digestOf(7), 3))(t) // the others have expired
		if n := len(must(b.Tokens(ctx, ada.ID))(t)); n != 1 {
			t.Errorf("%d tokens are kept, want 1", n)
		}
		for name, bad := range map[string]access.Token{
			"no name":       {UserID: ada.ID, Created: Start, Expires: Start.Add(time.Hour)},
			"NUL":           {UserID: ada.ID, Name: "\x00", Created: Start, Expires: Start.Add(time.Hour)},
			"no expiry":     {UserID: ada.ID, Name: "x", Created: Start},
			"expired":       {UserID: ada.ID, Name: "x", Created: Start, Expires: Start},
			"beyond a year": {UserID: ada.ID, Name: "x", Created: Start, Expires: Start.Add(access.MaxTokenLife + time.Second)},
		} {
			if _, err := b.CreateToken(ctx, bad, digestOf(8), 3); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: got %v, want it refused as invalid", name, err)
			}
		}
		next.UserID = 99
		_, err = b.CreateToken(ctx, next, digestOf(8), 3)
		wantCode(t, err, fault.NotFound)
	})
	t.Run("made at once are no more than allowed", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ada := createUser(t, b, "ada")
		other := b.database(t, b.clock)
		var wait sync.WaitGroup
		results := make([]error, 10)
		for i := range results {
			wait.Go(func() {
				s := b.Store
				if i%2 == 1 {
					s = other
				}
				_, results[i] = s.CreateToken(t.Context(), access.Token{UserID: ada.ID, Name: "x", Created: Start, Expires: Start.Add(time.Hour)}, digestOf(i), 3)
			})
		}
		wait.Wait()
		for _, err := range results {
			if err != nil {
				wantCode(t, err, fault.Conflict)
			}
		}
		if n := len(must(b.Tokens(t.Context(), ada.ID))(t)); n != 3 {
			t.Errorf("%d tokens were made, want 3", n)
		}
	})
}

func testSignIns(t *testing.T, create func(tb testing.TB) Database) {
	const forget = 24 * time.Hour
	// Locks as many minutes as there were failures, from the third on.
	lock := func(failures int) time.Duration {
		if failures < 3 {
			return 0
		}
		return time.Duration(failures) * time.Minute
	}
	t.Run("that fail lock one name from one address", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ctx := t.Context()
		long := strings.Repeat("x", 100_000)
		for _, step := range []struct {
			name, address string
			after         time.Duration
			want          int // minutes of the lock, 0 for none
		}{
			{"ada", "::1", 0, 0},
			{"ada", "::1", time.Second, 0},
			{"ada", "::2", time.Second, 0},
			{"Ada", "::1", time.Second, 0},
			{"ada:", ":1", time.Second, 0},
			{"ada", "::1", time.Minute, 3},
			{"ada", "::1", 5 * time.Minute, 4},
			{"ada", "::1", 5*time.Minute + forget - time.Microsecond, 5},
			{"ada", "::1", 5*time.Minute + 2*forget, 0},
			{"nul\x00\xff", "", 0, 0},
			{long, "", 0, 0},
			{long, "", 0, 0},
			{long, "", 0, 3},
		} {
			at := Start.Add(step.after)
			until := must(b.CountFailure(ctx, step.name, step.address, at, forget, lock))(t)
			var want time.Time
			if step.want > 0 {
				want = at.Add(time.Duration(step.want) * time.Minute)
			}
			if read := must(b.LockedUntil(ctx, step.name, step.address))(t); !until.Equal(want) || !read.Equal(want) {
				t.Errorf("%+v: locked until %s, read %s, want %s", step, until, read, want)
			}
		}
		if err := b.ForgetFailures(ctx, long, ""); err != nil {
			t.Fatal(err)
		}
		if until := must(b.LockedUntil(ctx, long, ""))(t); !until.IsZero() {
			t.Errorf("a success left the lock until %s", until)
		}
		if err := b.ForgetFailures(ctx, "never seen", ""); err != nil {
			t.Error(err)
		}
	})
	t.Run("that fail at once all count", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		other := b.database(t, b.clock)
		var wait sync.WaitGroup
		const attempts = 16
		for i := range attempts {
			wait.Go(func() {
				s := b.Store
				if i%2 == 1 {
					s = other
				}
				if _, err := s.CountFailure(t.Context(), "ada", "::1", Start, forget, lock); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		want := Start.Add((attempts + 1) * time.Minute)
		if until := must(b.CountFailure(t.Context(), "ada", "::1", Start, forget, lock))(t); !until.Equal(want) {
			t.Errorf("locked until %s, want %s", until, want)
		}
	})
	t.Run("that failed long ago are forgotten", func(t *testing.T) {
		t.Parallel()
		b := setup(t, create)
		ctx := t.Context()
		always := func(int) time.Duration { return 48 * time.Hour }
		for name, at := range map[string]time.Time{"old": Start, "new": Start.Add(time.Minute)} {
			must(b.CountFailure(ctx, name, "", at, forget, always))(t)
		}
		if err := b.PruneSignIns(ctx, Start.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if old, recent := must(b.LockedUntil(ctx, "old", ""))(t), must(b.LockedUntil(ctx, "new", ""))(t); !old.IsZero() || recent.IsZero() {
			t.Errorf("locks are until %s and %s", old, recent)
		}
	})
}
