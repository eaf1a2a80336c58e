package schedule

import (
	"fmt"
	"time"
)

// Action is what is done about a firing.
type Action string

// The actions.
const (
	Nothing        Action = ""                // there is no firing
	Start          Action = "start"           // a run starts
	Skip           Action = "skip"            // no run starts, for a reason
	Queue          Action = "queue"           // a run starts when the one at work ends
	CancelPrevious Action = "cancel_previous" // the run at work is cancelled and one starts
)

// Decision is what is done about a firing, and why.
type Decision struct {
	Action Action
	Firing time.Time // which one
	Reason string    // for people; empty for a plain Start
	// Missed is the number of firings before this one that nobody carried out in
	// time, at most MaxMissed.
	Missed int
}

// Fire decides what is done now about the firing a schedule has reached, and
// returns the schedule as it is afterwards, with its next firing. running says
// that a run of an earlier firing is queued or at work. Nothing is decided, and
// nothing changes, where no firing is due.
func (s Schedule) Fire(now time.Time, running bool) (Schedule, Decision) {
	at := s.DueAt()
	if at.IsZero() || now.Before(at) {
		return s, Decision{}
	}
	due := s.Spec.Due(s.Next.Add(-1), now.Add(-s.Spec.Spread(s.ID)))
	if due.Newest.IsZero() {
		// Next is none of the firings of the Spec.
		s.Next, _ = s.Spec.Next(now)
		return s, Decision{}
	}
	s.Last = due.Newest
	s.Next, _ = s.Spec.Next(due.Newest)
	d := Decision{Firing: due.Newest, Missed: due.Missed}
	if !due.Run {
		d.Missed = max(d.Missed-1, 0)
		d.Action = Skip
		d.Reason = fmt.Sprintf("It was to run at %s and nothing did so in time; missed firings are left out.", wire(due.Newest))
		return s, d
	}
	if !running {
		// Nothing is left that could be waited for.
		s.Waiting = time.Time{}
		d.Action = Start
		return s, d
	}
	return s.overlap(d)
}

// overlap completes the decision about a firing while a run is at work.
func (s Schedule) overlap(d Decision) (Schedule, Decision) {
	switch {
	case s.Spec.Overlap == OverlapCancelPrevious:
		d.Action, d.Reason = CancelPrevious, "The run before was still at work and is cancelled."
	case s.Spec.Overlap == OverlapQueue && s.Waiting.IsZero():
		s.Waiting = d.Firing
		d.Action, d.Reason = Queue, "The run before is still at work; this one starts when it ends."
	case s.Spec.Overlap == OverlapQueue:
		d.Action, d.Reason = Skip, fmt.Sprintf("The run before is still at work, and the firing of %s waits for its end already.", wire(s.Waiting))
	default:
		d.Action, d.Reason = Skip, "The run before was still at work."
	}
	return s, d
}

// End is how a run of a schedule ended.
type End string

// The ends. A run that was partially successful succeeded.
const (
	Succeeded End = "succeeded"
	Failed    End = "failed"
	Cancelled End = "cancelled" // by a person or by a later firing; it counts neither way
)

// Finished returns a schedule as it is after the end of a run, and what becomes
// of the firing that waited for it. After as many failures in a row as its Spec
// allows the schedule is paused.
func (s Schedule) Finished(end End) (Schedule, Decision) {
	switch end {
	case Succeeded:
		s.Failures = 0
	case Failed:
		s.Failures++
	}
	waiting := s.Waiting
	if limit := s.Spec.PauseAfter; s.Active && limit > 0 && s.Failures >= limit {
		s = s.Paused(pauseReason(s.Failures))
	}
	s.Waiting = time.Time{}
	switch {
	case waiting.IsZero():
		return s, Decision{}
	case !s.Active:
		return s, Decision{Action: Skip, Firing: waiting, Reason: "The schedule was paused: " + s.PausedReason}
	}
	return s, Decision{Action: Start, Firing: waiting, Reason: "It waited for the end of the run before."}
}

func pauseReason(failures int) string {
	if failures == 1 {
		return "A run failed."
	}
	return fmt.Sprintf("%d runs in a row failed.", failures)
}
