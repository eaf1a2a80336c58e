package server

import (
	"sync"

	"vedette.dev/vedette/internal/fault"
)

// Budget bounds how many requests of one kind of caller are in progress at
// once. Requests beyond it are refused at once; they do not queue, because a
// queue only adds waiting to a platform that is already too slow. A nil Budget
// bounds nothing. It is safe for concurrent use.
//
// Of a budget for users, one of them takes three quarters at most: who holds many
// requests open, with bodies that never end for example, leaves room for others.
type Budget struct {
	slots chan struct{}

	mu    sync.Mutex
	users map[string]int // requests in progress; no entry for none
}

// Sizes that suit two cores and 8 GB. Routes that only wait, such as the agents'
// long poll, want a larger budget of their own.
const (
	// AgentRequests bounds agents' requests: check-ins take well under a
	// millisecond, and an upload fragment holds up to 10 MiB.
	AgentRequests = 256
	// OperatorRequests bounds operators' requests: each may hold a page of a
	// thousand hosts in memory.
	OperatorRequests = 32
	// WaitingRequests bounds operators' requests that wait for a run to end, beside the
	// others: in the end each may hold what the run came to.
	WaitingRequests = 32
)

// NewBudget returns a budget of size requests, at least one.
func NewBudget(size int) *Budget {
	return &Budget{slots: make(chan struct{}, max(size, 1)), users: make(map[string]int)}
}

// Size returns how many requests may be in progress, 0 for no bound.
func (b *Budget) Size() int {
	if b == nil {
		return 0
	}
	return cap(b.slots)
}

// acquire takes a slot and returns what gives it back, or fault.Busy.
func (b *Budget) acquire() (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	select {
	case b.slots <- struct{}{}:
		return func() { <-b.slots }, nil
	default:
		return nil, full()
	}
}

func full() error {
	return fault.New(fault.Busy, "Too many requests are in progress.", "Wait as long as Retry-After says, then send the request again.")
}

// AcquireFor takes a slot within the share of a user, or of whoever else the
// requests are counted for, and returns what gives it back, or fault.Busy.
func (b *Budget) AcquireFor(user string) (release func(), err error) {
	if b == nil {
		return func() {}, nil
	}
	if !b.share(user, 1) {
		return nil, full()
	}
	leave, err := b.acquire()
	if err != nil {
		b.share(user, -1)
		return nil, err
	}
	return func() {
		leave()
		b.share(user, -1)
	}, nil
}

// share adds to the requests of a user, and reports whether the share allows it.
func (b *Budget) share(user string, more int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.users[user] + more
	switch {
	case n > max(cap(b.slots)*3/4, 1):
		return false
	case n == 0:
		delete(b.users, user)
	default:
		b.users[user] = n
	}
	return true
}
