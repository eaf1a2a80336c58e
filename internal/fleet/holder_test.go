package fleet

import (
	"fmt"
	"testing"
	"time"
)

// contest is a holder over which machines claim an identity, one after the
// other.
type contest struct {
	t       *testing.T
	holder  Holder
	silence Silence
	now     time.Time
	echoes  map[string]string // what each run shall say next
}

func newContest(t *testing.T) *contest {
	return &contest{t: t, echoes: make(map[string]string), now: time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC), silence: Silence{Inactive: 90 * time.Minute}}
}

// after lets time pass.
func (c *contest) after(d time.Duration) *contest {
	c.now = c.now.Add(d)
	return c
}

// claim judges a claim, twice, and checks the verdict. Who is rightful has
// checked in, and says at once what it is told to.
func (c *contest) claim(run, fingerprint string, want Verdict) {
	c.t.Helper()
	claim := Claim{Run: run, Fingerprint: fingerprint, Echo: c.echoes[run]}
	var got Verdict
	for range 2 {
		c.holder, got = c.holder.Judge(claim, c.silence, c.now)
		if got != want {
			c.t.Fatalf("run %s on %q: verdict %d, want %d; holder %+v", run, fingerprint, got, want, c.holder)
		}
	}
	if c.echoes[run] = c.holder.Echo(run); c.echoes[run] != "" {
		c.claim(run, fingerprint, want)
	}
	if got == Rightful {
		c.silence.LastHeard = c.now
	}
}

func TestAMachineKeepsItsIdentityOverRestarts(t *testing.T) {
	t.Parallel()
	for _, fingerprint := range []string{"", "A"} {
		c := newContest(t)
		for i := range 2000 {
			c.after(30*time.Second).claim(fmt.Sprint("run ", i), fingerprint, Rightful)
		}
		if n := len(c.holder.Runs); n != maxRuns || len(c.holder.Denied) != 0 {
			t.Errorf("%d runs and %d denied are remembered", n, len(c.holder.Denied))
		}
		c.after(10*24*time.Hour).claim("last", fingerprint, Rightful)
		if n := len(c.holder.Runs); n != 2 {
			t.Errorf("%d runs are remembered days later, want the last and the one it followed", n)
		}
	}
}

func TestACloneOnEqualHardwareIsToldWhenTheForkShows(t *testing.T) {
	t.Parallel()
	c := newContest(t)
	c.claim("first", "A", Rightful)
	c.after(time.Minute).claim("copy", "A", Rightful) // a restart, as far as anybody can see
	c.after(30*time.Minute).claim("first", "A", Rightful)
	for range 3 {
		c.after(time.Minute).claim("copy", "A", Cloned)
		c.after(time.Minute).claim("first", "A", Rightful)
	}
}

func TestTheEarliestLivingRunKeepsTheIdentity(t *testing.T) {
	t.Parallel()
	c := newContest(t)
	for i := range 50 {
		c.after(time.Second).claim(fmt.Sprint("run ", i), "", Rightful)
	}
	c.after(30*time.Minute).claim("run 7", "", Rightful)
	c.after(time.Second).claim("run 30", "", Cloned)
	c.after(time.Second).claim("run 3", "", Rightful)
	c.after(time.Second).claim("run 7", "", Cloned)
	c.after(time.Second).claim("run 0", "", Rightful)
	for i := 1; i < 50; i++ {
		c.after(time.Second).claim(fmt.Sprint("run ", i), "", Cloned)
	}
	c.after(time.Second).claim("run 0", "", Rightful)
}

func TestARequestThatArrivesLateDeniesNobody(t *testing.T) {
	t.Parallel()
	c := newContest(t)
	// One machine, restarted as A, B, C and D. The first request of B and a later one
	// of C are overtaken by those of the next run.
	c.claim("A", "F", Rightful)
	c.after(30*time.Second).claim("C", "F", Rightful)
	late := c.holder.Echo("A") // what the answer to the late one says reaches nobody
	c.echoes["A"] = ""
	for _, run := range []string{"B", "D", "C", "D"} {
		c.holder, _ = c.holder.Judge(Claim{Run: run, Fingerprint: "F"}, c.silence, c.after(30*time.Second).now)
	}
	if late == "" || len(c.holder.Denied) != 0 {
		t.Errorf("denied are %+v, echo %q", c.holder.Denied, late)
	}
	c.after(time.Hour).claim("D", "F", Rightful)
}

func TestOtherHardwareWaitsUntilTheHolderSpeaksOrFallsSilent(t *testing.T) {
	t.Parallel()
	t.Run("it speaks: a clone", func(t *testing.T) {
		t.Parallel()
		c := newContest(t)
		c.claim("first", "A", Rightful)
		c.after(time.Minute).claim("copy", "B", Waiting)
		c.after(20*time.Minute).claim("copy, restarted", "B", Waiting)
		c.after(time.Minute).claim("first, restarted", "A", Rightful)
		c.after(time.Minute).claim("copy, restarted", "B", Cloned)
		c.after(time.Minute).claim("first, restarted", "A", Rightful)
	})
	t.Run("it falls silent: a machine whose hardware was changed", func(t *testing.T) {
		t.Parallel()
		c := newContest(t)
		c.claim("old board", "A", Rightful)
		c.after(30*time.Minute).claim("new board", "B", Waiting)
		c.after(60*time.Minute).claim("new board", "B", Waiting)
		c.after(time.Second).claim("new board", "B", Rightful)
		// A copy of its disk that was left from before is the newcomer now.
		c.after(time.Minute).claim("old board", "A", Waiting)
		c.after(30*time.Minute).claim("new board", "B", Rightful)
		c.after(time.Minute).claim("old board", "A", Cloned)
	})
	t.Run("the record of a newcomer that went away ends", func(t *testing.T) {
		t.Parallel()
		c := newContest(t)
		c.claim("first", "A", Rightful)
		c.after(time.Minute).claim("visitor", "B", Waiting)
		c.after(49*time.Hour).claim("first", "A", Rightful)
		c.after(time.Minute).claim("visitor again", "B", Waiting)
	})
}

func TestFiftyMachinesFromOneImage(t *testing.T) {
	t.Parallel()
	const clones = 50
	for _, test := range []struct {
		name    string
		shut    time.Duration // how long ago the machine the image was made on was shut down
		keepers int           // of the clones, when that is long ago
	}{{"whose origin is gone", 24 * time.Hour, 1}, {"whose origin lives", 0, 0}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newContest(t)
			c.claim("origin", "O", Rightful)
			c.after(test.shut)
			kept := 0
			for i := range clones {
				claim := Claim{Run: fmt.Sprint("run ", i), Fingerprint: fmt.Sprint("F", i)}
				c.after(time.Millisecond)
				var verdict Verdict
				c.holder, verdict = c.holder.Judge(claim, c.silence, c.now)
				switch {
				case verdict == Rightful:
					c.silence.LastHeard = c.now.Truncate(time.Second) // as it is stored
					kept++
				case verdict == Waiting && i > test.keepers:
					t.Errorf("clone %d waits beside another", i)
				}
			}
			if kept != test.keepers {
				t.Errorf("%d clones got the identity, want %d", kept, test.keepers)
			}
		})
	}
}

func TestUnknownHardwareIsNoOtherHardware(t *testing.T) {
	t.Parallel()
	c := newContest(t)
	c.claim("1", "", Rightful)
	c.after(time.Minute).claim("2", "A", Rightful)
	c.after(time.Minute).claim("3", "", Rightful)
	c.after(time.Minute).claim("4", "B", Waiting)
	if c.holder.Fingerprint != "A" {
		t.Errorf("the holder has fingerprint %q", c.holder.Fingerprint)
	}
}
