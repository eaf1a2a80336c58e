package vault

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/automation/vault"
)

func fetched(value string, keep time.Duration) fetch[string] {
	return func() (string, time.Duration, error) { return value, keep, nil }
}

func TestAValueIsDroppedWhenItsTimeIsOverThoughNobodyAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf[string](time.Now, 8)
		for i, keep := range []time.Duration{time.Minute, 3 * time.Minute} {
			if _, err := s.get(t.Context(), key{byte(i)}, fetched("v", keep)); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []int{2, 1, 1, 0} {
			if got := s.len(); got != want {
				t.Errorf("%d values are kept, want %d", got, want)
			}
			<-time.After(time.Minute + time.Millisecond)
			synctest.Wait()
		}
		s.close()
	})
}

func TestAFullShelfDropsWhatEndsSoonest(t *testing.T) {
	t.Parallel()
	s := newShelf[string](time.Now, 2)
	defer s.close()
	for i, keep := range []time.Duration{2 * time.Hour, time.Hour, 3 * time.Hour} {
		_, _ = s.get(t.Context(), key{byte(i)}, fetched("old", keep))
	}
	for i, want := range []string{"old", "new", "old"} {
		if got, _ := s.get(t.Context(), key{byte(i)}, fetched("new", 0)); got != want || s.len() != 2 {
			t.Errorf("%d: %q of %d values, want %q of 2", i, got, s.len(), want)
		}
	}
}

// begin fetches k in a goroutine until release is closed, and returns when it has
// begun.
func begin(ctx context.Context, s *shelf[string], value string, release chan struct{}) (ended chan error) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := s.get(ctx, key{}, func() (string, time.Duration, error) {
			close(begun)
			<-release
			return value, time.Hour, ctx.Err()
		})
		ended <- err
	}()
	<-begun
	return ended
}

func TestWhatIsDroppedWhileItIsFetchedIsNotKept(t *testing.T) {
	t.Parallel()
	s := newShelf[string](time.Now, 2)
	defer s.close()
	release := make(chan struct{})
	ended := begin(t.Context(), s, "old", release)
	s.drop(key{}, nil)
	if got, err := s.get(t.Context(), key{}, fetched("new", time.Hour)); got != "new" || err != nil {
		t.Errorf("after the drop: %q, %v", got, err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got, _ := s.get(t.Context(), key{}, fetched("newest", 0)); got != "new" {
		t.Errorf("%q is kept, want new", got)
	}
}

func TestWhoeverWaitsFetchesWhenTheFirstGivesUp(t *testing.T) {
	t.Parallel()
	s := newShelf[string](time.Now, 2)
	defer s.close()
	first, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	ended := begin(first, s, "", release)
	got := make(chan string)
	go func() {
		value, _ := s.get(t.Context(), key{}, fetched("own", time.Hour))
		got <- value
	}()
	cancel()
	close(release)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if value := <-got; value != "own" {
		t.Errorf("%q, want own", value)
	}
}

func TestWhoeverWaitsMayGoAway(t *testing.T) {
	t.Parallel()
	s := newShelf[string](time.Now, 2)
	defer s.close()
	release := make(chan struct{})
	ended := begin(t.Context(), s, "v", release)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.get(gone, key{}, fetched("w", 0)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAFetchThatPanicsKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	s := newShelf[string](time.Now, 2)
	defer s.close()
	func() {
		defer func() { _ = recover() }()
		_, _ = s.get(t.Context(), key{}, func() (string, time.Duration, error) { panic("test") })
	}()
	if got, err := s.get(t.Context(), key{}, fetched("v", 0)); got != "v" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNothingIsKeptAfterTheEnd(t *testing.T) {
	t.Parallel()
	s := newShelf[string](time.Now, 2)
	_, _ = s.get(t.Context(), key{}, fetched("v", time.Hour))
	s.close()
	if got, err := s.get(t.Context(), key{}, fetched("w", time.Hour)); got != "w" || err != nil || s.len() != 0 {
		t.Errorf("%q, %v, %d values", got, err, s.len())
	}
}

func TestDifferentSettingsHaveDifferentKeys(t *testing.T) {
	t.Parallel()
	if keyOf(vault.Settings{Address: "ab", Namespace: "c"}) == keyOf(vault.Settings{Address: "a", Namespace: "bc"}) {
		t.Error("what is before and after the end of a field makes no difference")
	}
	if keyOf(vault.Settings{}, "p") == keyOf(vault.Settings{}, "q") {
		t.Error("the path makes no difference")
	}
}
