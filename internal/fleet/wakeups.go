package fleet

import "sync"

// Wakeups reaches the agents that hold a wake-up poll at this replica. A
// wake-up carries nothing: it makes the agent ask. The zero value is ready to
// use; it is safe for concurrent use.
type Wakeups struct {
	mu      sync.Mutex
	waiting map[int64]chan struct{} // host id -> closed on wake-up
}

// Wait returns a channel that is closed at the next wake-up of the host, and a
// function to call when the caller stops waiting.
//
// Of several waiters of one host the newest counts: an agent holds one poll, an
// older one is of a connection that was lost. The older ones are woken.
func (w *Wakeups) Wait(hostID int64) (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = make(map[int64]chan struct{})
	}
	if older, ok := w.waiting[hostID]; ok {
		close(older)
	}
	wake := make(chan struct{})
	w.waiting[hostID] = wake
	return wake, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.waiting[hostID] == wake {
			delete(w.waiting, hostID)
		}
	}
}

// Wake wakes the host's waiter, if there is one.
func (w *Wakeups) Wake(hostID int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if wake, ok := w.waiting[hostID]; ok {
		close(wake)
		delete(w.waiting, hostID)
	}
}

// Waiting returns how many agents hold a poll.
func (w *Wakeups) Waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}
