package session

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/session/blackout"
	"vedette.dev/vedette/internal/agentwire"
)

// forkedAfter is how many requests of one run may be refused as replayed before
// the agent begins a new one. A host that was put back to an earlier state meets
// one, a copy of a disk two until it is told. More mean that another machine goes
// on from the same memory, and with the same run.
const forkedAfter = 4

// separateAgain is how long a machine keeps an identity that it took because it
// shared the former one. Hardware facts that change back and forth must not
// multiply assets.
const separateAgain = 15 * time.Minute

// errSharedAgain says that a machine that has just taken an identity of its own
// was told again that it shares it.
var errSharedAgain = fmt.Errorf("%w: shared again", errInstruction)

// newRun draws what tells this life of the agent from every other. It is never
// written to disk, or a copy of the disk would have it too.
func newRun() string {
	var run [8]byte
	_, _ = rand.Read(run[:]) // never fails, see crypto/rand
	return hex.EncodeToString(run[:])
}

// separate obeys an order to leave this identity to the machine it is shared
// with: this one gets a key of its own and provisions as a new asset. Nothing but
// an order that the platform signed for this very run makes it do so: the other
// machine has the same agent id and the same key.
func (a *Agent) separate(err error) error {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || refusal.order == nil {
		return fmt.Errorf("%w: the platform says that this machine is a clone and sent no order: %w", errInstruction, err)
	}
	order, err := take[agentwire.Clone](a, refusal.order, agentwire.KindClone)
	if err != nil {
		return err
	}
	if order.body.Run != a.runID {
		return fmt.Errorf("%w: the order to take another identity is for run %.40s, this is run %s", errInstruction, order.body.Run, a.runID)
	}
	now := a.clock.Now()
	if now.Sub(a.id.Separated).Abs() < separateAgain {
		return fmt.Errorf("%w: this machine took an identity of its own only at %s", errSharedAgain, a.id.Separated)
	}
	key, err := a.keys.create()
	if err != nil {
		a.fatal = err
		return err
	}
	shared, former := a.id.AgentID, *a.id
	former.Separated = now.UTC()
	next, err := renewIdentity(a.dir, &former, key, &Config{})
	if err == nil {
		err = a.forgetRemoved()
	}
	if err != nil {
		a.fatal = err
		return err
	}
	a.log.Warn("this machine is a clone: it leaves the identity it shared to the other machine and provisions as a new asset", "shared agent", shared)
	a.startAnew(next)
	return nil
}

// forgetRemoved removes the identities that were kept aside: on a clone they are
// another machine's.
func (a *Agent) forgetRemoved() error {
	names, err := a.cfg.Files.List(".")
	if err != nil {
		return fmt.Errorf("look for identities kept aside: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, removedPrefix) {
			err = errors.Join(err, a.dir.remove(name))
		}
	}
	return err
}

// startAnew goes on with an identity that has yet to be provisioned. Everything
// tied to the former one goes.
func (a *Agent) startAnew(next *identity) {
	a.id, a.runID, a.echo, a.welcome = next, newRun(), "", false
	a.profile, a.manifest, a.windows = nil, nil, blackout.Windows{}
	a.state, a.scans.courses, a.scans.refused = newState(), nil, nil
	a.renewClient()
	a.contacts, a.timers = contacts{}, [events]timer{}
	a.timers[eventProvision].at(a.clock.Now().Add(a.spread.below(firstRetry)))
	if a.fatal = errors.Join(a.dir.remove(profileFile), a.dir.remove(manifestFile)); a.fatal == nil && a.saveState() == nil {
		a.prune()
	}
}
