package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Holders is the storage Arbiter needs.
type Holders interface {
	// JudgeClaim replaces the holder of an agent's identity by what judge makes of
	// it, where that differs, and returns the verdict. Claims on one identity are
	// judged one after the other, whichever replica they come to; judge may be
	// called several times. An agent that does not exist any more is fault.NotFound.
	JudgeClaim(ctx context.Context, hostID int64, judge func(Holder, Silence) (Holder, Verdict)) (Verdict, error)
}

// Arbiter decides which of several machines an identity belongs to. It is safe
// for concurrent use.
type Arbiter struct {
	Holders Holders
	Roster  *Roster
	Now     func() time.Time
	Log     *slog.Logger
}

// Judge decides a claim on the identity of an agent. The run that is known to
// speak for it costs no database read. A replica that lags behind may take a
// clone for rightful for as long as it lags; it never takes the rightful machine
// for a clone, since that is decided on the database alone.
func (a *Arbiter) Judge(ctx context.Context, agent AgentState, c Claim) (Verdict, error) {
	if c.Run == "" || c.Run == agent.Run { // an agent without runs claims nothing
		return Rightful, nil
	}
	at, moved := a.Now(), false
	verdict, err := a.Holders.JudgeClaim(ctx, agent.HostID, func(h Holder, s Silence) (Holder, Verdict) {
		next, verdict := h.Judge(c, s, at)
		moved = h.Fingerprint != "" && next.Fingerprint != h.Fingerprint
		return next, verdict
	})
	if err != nil {
		return verdict, fmt.Errorf("judge which machine is agent %s: %w", agent.AgentID, err)
	}
	switch {
	case verdict == Rightful:
		a.Roster.Forget(agent.AgentID)
	case verdict == Cloned:
		a.Log.WarnContext(ctx, "two machines share the identity of one agent: the newcomer takes its own",
			"agent", agent.AgentID, "asset", agent.HostID, "run", c.Run, "fingerprint", c.Fingerprint)
	case verdict == Waiting:
		a.Log.WarnContext(ctx, "an agent comes from other hardware while it was heard of lately: it waits until that is clear",
			"agent", agent.AgentID, "asset", agent.HostID, "fingerprint", c.Fingerprint)
	}
	if moved {
		a.Log.WarnContext(ctx, "an agent goes on on other hardware: the former was silent for long",
			"agent", agent.AgentID, "asset", agent.HostID, "fingerprint", c.Fingerprint)
	}
	return verdict, nil
}
