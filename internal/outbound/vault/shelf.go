package vault

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// key tells apart what is kept. It is a hash, since what is hashed has secrets.
type key [sha256.Size]byte

// shelf keeps values for a time, and fetches each once at a time: whoever asks
// while somebody else fetches it gets that answer. It drops a value when its time
// is over, also when nobody asks any more. It is safe for concurrent use.
type shelf[T any] struct {
	now  func() time.Time
	most int // values; for one more, the one that ends soonest is dropped

	mu      sync.Mutex
	kept    map[key]keeping[T]
	flights map[key]*flight[T]
	timer   *time.Timer // for the value that ends soonest; nil when there is none
	closed  bool
}

type keeping[T any] struct {
	value T
	until time.Time
}

type flight[T any] struct {
	done    chan struct{} // closed when value and err are set
	value   T
	err     error
	left    bool // who fetched gave up for a reason of their own: somebody else may
	dropped bool // the value is not to be kept
}

func newShelf[T any](now func() time.Time, most int) *shelf[T] {
	return &shelf[T]{now: now, most: most, kept: make(map[key]keeping[T]), flights: make(map[key]*flight[T])}
}

// fetch gets a value and says how long it may be kept; zero for not at all.
type fetch[T any] func() (value T, keep time.Duration, err error)

// get returns a value that is kept, or fetches it. It returns early when ctx ends
// only where it waits for somebody else's fetch.
func (s *shelf[T]) get(ctx context.Context, k key, fetch fetch[T]) (T, error) {
	for {
		s.mu.Lock()
		s.sweep()
		if found, ok := s.kept[k]; ok {
			s.mu.Unlock()
			return found.value, nil
		}
		other, ok := s.flights[k]
		if !ok {
			own := &flight[T]{done: make(chan struct{})}
			s.flights[k] = own
			s.mu.Unlock()
			return s.fly(ctx, k, own, fetch)
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		case <-other.done:
			if !other.left {
				return other.value, other.err
			}
		}
	}
}

func (s *shelf[T]) fly(ctx context.Context, k key, own *flight[T], fetch fetch[T]) (T, error) {
	var keep time.Duration
	own.left = true // unless the fetch returns: it may panic
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.flights[k] == own {
			delete(s.flights, k)
		}
		if !own.left && own.err == nil && keep > 0 && !own.dropped && !s.closed {
			s.put(k, keeping[T]{own.value, s.now().Add(keep)})
		}
		close(own.done)
	}()
	own.value, keep, own.err = fetch()
	own.left = own.err != nil && ctx.Err() != nil
	return own.value, own.err
}

// drop forgets a value, and one that is being fetched as well: that may have been
// read before it changed. With is, it forgets only a value that is so.
func (s *shelf[T]) drop(k key, is func(T) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.kept[k]; ok && (is == nil || is(found.value)) {
		delete(s.kept, k)
	}
	if f, ok := s.flights[k]; ok && is == nil {
		f.dropped = true
		delete(s.flights, k) // the next who asks fetches
	}
}

func (s *shelf[T]) put(k key, value keeping[T]) {
	if _, ok := s.kept[k]; !ok && len(s.kept) >= s.most {
		var soonest key
		first := true
		for other, found := range s.kept {
			if first || found.until.Before(s.kept[soonest].until) {
				soonest, first = other, false
			}
		}
		delete(s.kept, soonest)
	}
	s.kept[k] = value
	s.arm()
}

// sweep drops what is over.
func (s *shelf[T]) sweep() {
	now := s.now()
	for k, found := range s.kept {
		if !now.Before(found.until) {
			delete(s.kept, k)
		}
	}
}

// arm sets the timer for the value that ends soonest.
func (s *shelf[T]) arm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	var soonest time.Time
	for _, found := range s.kept {
		if soonest.IsZero() || found.until.Before(soonest) {
			soonest = found.until
		}
	}
	if soonest.IsZero() || s.closed {
		return
	}
	// Not sooner than in a second, where the clock and the timer disagree.
	s.timer = time.AfterFunc(max(soonest.Sub(s.now()), time.Second), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.sweep()
		s.arm()
	})
}

// len returns how many values are kept, over or not.
func (s *shelf[T]) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}

// close forgets everything and keeps nothing more.
func (s *shelf[T]) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	clear(s.kept)
	s.arm()
}
