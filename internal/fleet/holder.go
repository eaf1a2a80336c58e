package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// Claim is what a status request says of the machine it comes from.
type Claim struct {
	Run         string // of the agent, drawn when it started
	Fingerprint string // of the hardware; empty when nothing is known of it
	Echo        string // of the last answer to this run, see Holder.Echo; empty for none
}

// Verdict is what becomes of a claim.
type Verdict int

// The verdicts.
const (
	Rightful Verdict = iota // the identity is this machine's
	Waiting                 // it is not clear yet: the machine comes again later
	Cloned                  // the identity is another machine's: this one takes its own
)

// Holder is the machine that an agent's identity belongs to, as far as the
// platform can tell machines apart: by hardware fingerprint, and by forks. A run
// is one life of an agent process. Runs of one machine follow each other; when a
// run knows of one that began later, both live, and the key pair is on two
// machines.
type Holder struct {
	Fingerprint string
	Runs        []Run // oldest first; the last one speaks for the agent
	// Denied are runs that turned out to be on another machine. They are told
	// whenever they come.
	Denied []Run
	// Heir is a machine with another fingerprint that came while the holder was
	// alive. It gets the identity when the holder falls silent: the hardware of one
	// machine has changed.
	Heir *Heir
}

// Run is one life of an agent process.
type Run struct {
	ID    string
	First time.Time // when it was first heard of
}

// Heir is a machine that waits for the identity of a holder.
type Heir struct {
	Fingerprint string
	Run         string // in which it came
	First       time.Time
	Refuted     bool // the holder lives beside it
}

// Silence is what is known of how long a holder has been quiet.
type Silence struct {
	LastHeard time.Time     // its last check-in, zero for none
	Inactive  time.Duration // after which an agent counts as inactive
}

const (
	// runLife is how long a run that was followed by another is remembered. An agent
	// may check in as rarely as once a day: one that was not heard of in two has
	// ended.
	runLife = 48 * time.Hour
	// maxRuns bounds the runs remembered, and so the clones of one image with equal
	// fingerprints that are told apart in one round of status requests.
	maxRuns = 256
	// echoBytes is how much of a digest makes an echo: too much to guess.
	echoBytes = 16
)

// Judge decides a claim made at the given time and returns the holder as it is
// then. The first machine keeps the identity:
//
//   - A run that is not known yet, on the holder's hardware, is the holder after a
//     restart, until the fork shows.
//   - A run that says the echo of later ones is the first of two machines; those are
//     denied.
//   - Other hardware gets the identity once the holder is inactive. Until then one
//     newcomer waits, and is denied when the holder says its echo; further ones are
//     denied at once.
//
// That a request of a run arrives after that of another proves nothing: it may
// have been held back, for as long as somebody on the way likes.
//
// The result depends on nothing but its arguments, and judging a claim again
// changes no verdict.
func (h Holder) Judge(c Claim, s Silence, at time.Time) (Holder, Verdict) {
	if has(h.Denied, c.Run) {
		return h, Cloned
	}
	if len(h.Runs) == 0 {
		return h.followedBy(c, at), Rightful
	}
	if i := indexOf(h.Runs, c.Run); i >= 0 {
		return h.continuedBy(i, c), Rightful
	}
	if c.Fingerprint == "" || h.Fingerprint == "" || c.Fingerprint == h.Fingerprint {
		return h.followedBy(c, at), Rightful
	}
	heard := s.LastHeard
	if last := h.Runs[len(h.Runs)-1].First; last.After(heard) {
		heard = last
	}
	if at.Sub(heard) > s.Inactive {
		// The identity moves as a whole: what the former machine's runs say later is
		// said by a newcomer.
		return Holder{Fingerprint: c.Fingerprint, Runs: []Run{{c.Run, at}}}, Rightful
	}
	return h.disputedBy(c, at)
}

// followedBy adds a run to those of the holder.
func (h Holder) followedBy(c Claim, at time.Time) Holder {
	if h.Fingerprint == "" {
		h.Fingerprint = c.Fingerprint
	}
	h.Runs = recent(append(slices.Clone(h.Runs), Run{c.Run, at}), at)
	h.Denied = recent(h.Denied, at)
	return h
}

// continuedBy is a claim of a known run. What it says the echo of is another
// machine.
func (h Holder) continuedBy(i int, c Claim) Holder {
	proven := slices.Index(h.echoes(i), c.Echo) + 1 // of those that came after run i
	next := h.Runs[i+1:]
	if proven > len(next) {
		heir := *h.Heir
		heir.Refuted = true
		h.Heir = &heir
	}
	if proven = min(proven, len(next)); proven > 0 {
		h.Denied = bounded(slices.Concat(h.Denied, next[:proven]))
		h.Runs = slices.Concat(h.Runs[:i+1], next[proven:])
	}
	return h
}

// Echo returns what a run shall say in its next request, to prove that it lives
// beside those that came after it: a digest of their names, which are drawn at
// random when they begin. A run that had ended by then cannot have signed it,
// whoever held back, reordered or answered its requests. It is empty for a run
// after which nobody came, and for one that is not the holder's.
func (h Holder) Echo(run string) string {
	i := indexOf(h.Runs, run)
	if i < 0 {
		return ""
	}
	echoes := h.echoes(i)
	if len(echoes) == 0 {
		return ""
	}
	return echoes[len(echoes)-1]
}

// echoes returns the echo of those who came after a run for each number of them,
// the runs before the heir. The heir counts until it is refuted.
func (h Holder) echoes(i int) []string {
	var echoes []string
	digest := sha256.New()
	add := func(run string) {
		digest.Write([]byte(run + "\n"))
		echoes = append(echoes, hex.EncodeToString(digest.Sum(nil)[:echoBytes]))
	}
	for _, r := range h.Runs[i+1:] {
		add(r.ID)
	}
	if h.Heir != nil && !h.Heir.Refuted {
		add(h.Heir.Run)
	}
	return echoes
}

// Speaker returns the run that speaks for the agent, whose claims need not be
// judged. It is empty while an heir waits to be refuted: then every claim counts.
func (h Holder) Speaker() string {
	if len(h.Runs) == 0 || (h.Heir != nil && !h.Heir.Refuted) {
		return ""
	}
	return h.Runs[len(h.Runs)-1].ID
}

// disputedBy is a claim of other hardware while the holder lives.
func (h Holder) disputedBy(c Claim, at time.Time) (Holder, Verdict) {
	newcomer := &Heir{Fingerprint: c.Fingerprint, Run: c.Run, First: at}
	if h.Heir == nil || at.Sub(h.Heir.First) > runLife {
		h.Heir = newcomer
		return h, Waiting
	}
	waits := h.Heir.Fingerprint == c.Fingerprint
	switch {
	case waits == h.Heir.Refuted: // the heir, and the holder lives; or another one beside both
		return h, Cloned
	case h.Heir.Refuted:
		h.Heir = newcomer
	}
	return h, Waiting
}

// recent leaves out what has ended long ago, but for the last run.
func recent(runs []Run, at time.Time) []Run {
	kept := runs[:0:0]
	for i, r := range runs {
		// A run lives until the next one begins, or longer.
		if i == len(runs)-1 || at.Sub(runs[i+1].First) < runLife {
			kept = append(kept, r)
		}
	}
	return bounded(kept)
}

func bounded(runs []Run) []Run { return runs[max(0, len(runs)-maxRuns):] }

func indexOf(runs []Run, id string) int {
	return slices.IndexFunc(runs, func(r Run) bool { return r.ID == id })
}

func has(runs []Run, id string) bool { return indexOf(runs, id) >= 0 }
