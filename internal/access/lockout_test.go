package access

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

// fail lets the next sign-ins of a name fail.
func (b bench) fail(t *testing.T, times int, username, address string) {
	t.Helper()
	for range times {
		_, err := b.Authenticate(t.Context(), username, "wrong", address)
		wantCode(t, err, fault.Unauthenticated)
	}
}

func TestLocksDoubleUpToAQuarterOfAnHour(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{
		0: 0, 1: 0, 4: 0, 5: 30 * time.Second, 6: time.Minute, 7: 2 * time.Minute, 8: 4 * time.Minute, 9: 8 * time.Minute,
		10: 15 * time.Minute, 11: 15 * time.Minute, 1 << 40: 15 * time.Minute,
	} {
		if got := lockFor(failures); got != want {
			t.Errorf("%d failures lock for %s, want %s", failures, got, want)
		}
	}
}

func TestFiveFailuresLockANameForTheirNetwork(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	b.fail(t, 5, "ada", home)
	wrong := "ada refused wrong username or password"
	if diff := cmp.Diff([]string{wrong, wrong, wrong, wrong, wrong, "ada refused too many failures in a row: locked for 30s"}, b.recorded()); diff != "" {
		t.Errorf("audit log: %s", diff)
	}
	*b.clock = b.clock.Add(29*time.Second + time.Millisecond)
	reads := b.reads
	_, err := b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, fault.Unauthenticated)
	if said := err.Error(); !strings.Contains(said, "wait 1 seconds") {
		t.Errorf("%q does not say how long to wait", said)
	}
	if rows := b.recorded(); len(rows) > 0 || b.reads != reads {
		t.Errorf("while locked, %d users were read and %v recorded", b.reads-reads, rows)
	}
	_, err = b.Authenticate(t.Context(), "ada", "x", away)
	wantCode(t, err, "")
	*b.clock = b.clock.Add(time.Second)
	b.fail(t, 1, "ada", home)
	if until := b.locks["ada "+home]; !until.Equal(b.clock.Add(time.Minute)) {
		t.Errorf("the next failure locks until %s, want a minute", until)
	}
	*b.clock = b.clock.Add(time.Minute)
	_, err = b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
	b.fail(t, 4, "ada", home) // the success has cleared them
	_, err = b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
}

func TestALockTellsNothingOfNames(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")}, User{Username: "gone", PasswordHash: hashed(t, "x"), Disabled: true})
	answers := map[string][]fault.Error{}
	for _, name := range []string{"ada", "gone", "nobody", "", "nul\x00\xff"} {
		for range 7 {
			_, err := b.Authenticate(t.Context(), name, "wrong", home)
			e, _ := errors.AsType[*fault.Error](err)
			answers[name] = append(answers[name], *e)
		}
		if diff := cmp.Diff(answers["ada"], answers[name]); diff != "" {
			t.Errorf("%q is answered otherwise than a name that exists: %s", name, diff)
		}
	}
	codes := map[fault.Code]bool{}
	for _, answer := range answers["ada"] {
		codes[answer.Code] = true
	}
	if len(codes) != 1 {
		t.Errorf("a lock has another code: %v", codes)
	}
}

func TestSomebodyAtWorkIsNotLockedOutFromElsewhere(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	_, err := b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
	b.fail(t, 6, "ada", away)
	for range 2 { // from memory, and hashed again
		_, err = b.Authenticate(t.Context(), "ada", "x", home)
		wantCode(t, err, "")
		*b.clock = b.clock.Add(verifiedFor)
	}
}

// What is remembered answers without hashing. A guesser who shares the network
// with somebody at work must not use that to go on while they are locked.
func TestALockIsNotBypassedByWhatIsRemembered(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	_, err := b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, "")
	b.fail(t, 6, "ada", home)
	_, err = b.Authenticate(t.Context(), "ada", "x", home)
	wantCode(t, err, fault.Unauthenticated)
}

func TestGuessesSentAtOnceAreHashedNoMoreThanOneAfterTheOther(t *testing.T) {
	t.Parallel()
	b := setup(t, User{Username: "ada", PasswordHash: hashed(t, "x")})
	var wait sync.WaitGroup
	for range maxOfNetwork {
		wait.Go(func() {
			if _, err := b.Authenticate(t.Context(), "ada", "wrong", home); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("got %v", err)
			}
		})
	}
	wait.Wait()
	if n := b.failures["ada "+home]; n < freeFailures || n >= freeFailures+hashingAtOnce {
		t.Errorf("%d were hashed, want %d, and those that were hashed with the last of them", n, freeFailures)
	}
}

func TestAHostWithManyAddressesIsOneNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"203.0.113.8":             "203.0.113.8",
		"::ffff:203.0.113.8":      "203.0.113.8",
		"2001:db8:1:2:3:4:5:6":    "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::":     "2001:db8:1:2::/64",
		"2001:db8:1:3::":          "2001:db8:1:3::/64",
		"fe80::1%eth0":            "fe80::/64",
		"@":                       "@",
		"":                        "",
		"not an address: 1.2.3.4": "not an address: 1.2.3.4",
	} {
		if got := NetworkOf(address); got != want {
			t.Errorf("%s is counted as %s, want %s", address, got, want)
		}
	}
}
