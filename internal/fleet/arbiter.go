package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/fault"
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

// Ruling is what becomes of a claim, and what the machine is told with it.
type Ruling struct {
	Verdict Verdict
	Echo    string // what a rightful one shall say next, see Holder.Echo; empty for nothing
}

// Judge decides a claim on the identity of an agent. The run that is known to
// speak for it costs no database read. A replica that lags behind may take a
// clone for rightful for as long as it lags; it never takes the rightful machine
// for a clone, since that is decided on the database alone. Claims that come too
// often are fault.Busy.
func (a *Arbiter) Judge(ctx context.Context, agent AgentState, c Claim) (Ruling, error) {
	if c.Run == "" || c.Run == agent.Run { // an agent without runs claims nothing
		return Ruling{}, nil
	}
	if !a.Roster.MayClaim(agent.AgentID) {
		return Ruling{}, fault.New(fault.Busy, "this identity is claimed too often", "Wait as long as Retry-After says, then send the request again.")
	}
	at := a.Now()
	var before, after Holder
	verdict, err := a.Holders.JudgeClaim(ctx, agent.HostID, func(h Holder, s Silence) (Holder, Verdict) {
		next, verdict := h.Judge(c, s, at)
		before, after = h, next
		return next, verdict
	})
	if err != nil {
		return Ruling{}, fmt.Errorf("judge which machine is agent %s: %w", agent.AgentID, err)
	}
	if after.Speaker() != agent.Run {
		a.Roster.Forget(agent.AgentID)
	}
	a.tell(ctx, agent, c, verdict, before.Fingerprint != "" && after.Fingerprint != before.Fingerprint)
	return Ruling{verdict, after.Echo(c.Run)}, nil
}

// tell logs what an operator should look at, and repeats it rarely: an agent can
// bring it about as often as it likes.
func (a *Arbiter) tell(ctx context.Context, agent AgentState, c Claim, v Verdict, moved bool) {
	var news string
	switch {
	case moved:
		news = "an agent goes on on other hardware: the former was silent for long"
	case v == Cloned:
		news = "two machines share the identity of one agent: the newcomer takes its own"
	case v == Waiting:
		news = "an agent comes from other hardware while it was heard of lately: it waits until that is clear"
	default:
		return
	}
	level := slog.LevelDebug
	if a.Roster.News(agent.AgentID, news) {
		level = slog.LevelWarn
	}
	a.Log.Log(ctx, level, news, "agent", agent.AgentID, "asset", agent.HostID, "run", c.Run, "fingerprint", c.Fingerprint)
}
