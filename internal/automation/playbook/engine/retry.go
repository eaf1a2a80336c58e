package engine

import (
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
)

// Statuses of errors that mean that there was no answer.
const (
	statusBadGateway     = 502
	statusGatewayTimeout = 504
)

// statusTooMany is the one after which nothing can have been carried out.
const statusTooMany = 429

// retry puts off an execution that failed and may be tried again.
func (w *work) retry(i int, x *Execution, e Answered) bool {
	r, n := w.node(i).Step.Retry, w.node(i)
	if r == nil || x.Try >= r.Max || w.s.Phase == Cancelling {
		return false
	}
	if !slices.ContainsFunc(e.Statuses, func(status int) bool {
		listed := slices.Contains(r.Statuses, status) || r.Network && (status == statusBadGateway || status == statusGatewayTimeout)
		return listed && (n.Command.Repeats || status == statusTooMany)
	}) {
		return false
	}
	x.Try++
	pause := max(backoff(r, x.Try, w.random()), e.RetryAfter, time.Second)
	x.State, x.Wake = playbook.Waiting, w.now.Add(min(pause, playbook.MaxTimeout))
	return true
}

// backoff is the pause before a try, counted from 1. chance is in [0, 1).
func backoff(r *playbook.Retry, try int, chance float64) time.Duration {
	if r.Fixed {
		return r.Base
	}
	most := r.Base
	for range try - 1 {
		if most >= r.Limit {
			break
		}
		most *= 2
	}
	return time.Duration(float64(min(most, r.Limit)) * chance)
}
