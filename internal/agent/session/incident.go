package session

import (
	"errors"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/scan"
)

// Effect is what became of something that the agent was to do.
type Effect string

// The effects.
const (
	Failed    Effect = "failed"    // it was tried and did not work
	Throttled Effect = "throttled" // the platform asked to come again later
	Refused   Effect = "refused"   // by the platform or by this agent, on purpose
	Dropped   Effect = "dropped"   // results that were never sent
	Denied    Effect = "denied"    // the host did not let the agent read something
)

// Incident is something that did not go as it was asked for, and why. Incidents of
// one effect and one thing are counted together.
type Incident struct {
	Effect Effect    `json:"effect"`
	What   string    `json:"what"`
	Why    string    `json:"why"` // the last time
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Times  int       `json:"times"`
}

const (
	// maxIncidents bounds what is remembered; what happened longest ago goes first.
	maxIncidents = 16
	// maxWhy bounds the text of one, in bytes.
	maxWhy = 300
)

// note remembers an incident. It reaches the disk with the next change of state: an
// agent that is out of reach need not write for each attempt.
func (a *Agent) note(effect Effect, what, why string) {
	a.state.note(Incident{Effect: effect, What: what, Why: why, Last: a.clock.Now().UTC()})
}

func (st *state) note(n Incident) {
	n.Why = strings.ToValidUTF8(n.Why[:min(len(n.Why), maxWhy)], "")
	n.First, n.Times = n.Last, 1
	kept := make([]Incident, 0, len(st.Incidents)+1)
	for _, i := range st.Incidents {
		if i.Effect == n.Effect && i.What == n.What {
			n.First, n.Times = i.First, i.Times+1
			continue
		}
		kept = append(kept, i)
	}
	kept = append(kept, n)
	st.Incidents = kept[max(0, len(kept)-maxIncidents):]
}

// noteFailure remembers that an event did not get through.
func (a *Agent) noteFailure(e event, err error) {
	effect := Failed
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		effect = Refused
		if refusal.busy() {
			effect = Throttled
		}
	} else if errors.Is(err, errInstruction) {
		effect = Refused
	}
	a.note(effect, e.String(), err.Error())
}

// noteCollector remembers that a part of a scan brought nothing.
func (a *Agent) noteCollector(c scan.Collected) {
	effect := Failed
	for _, text := range []string{"permission denied", "operation not permitted", "Access is denied"} {
		if strings.Contains(c.Error, text) {
			effect = Denied
		}
	}
	a.note(effect, "collector "+c.Name, c.Error)
}

// lastWhy returns why something last did not work, "" where that is not known.
func (st *state) lastWhy(what string) string {
	for i := len(st.Incidents) - 1; i >= 0; i-- {
		if st.Incidents[i].What == what {
			return st.Incidents[i].Why
		}
	}
	return ""
}
