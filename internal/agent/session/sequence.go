package session

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"
)

// sequenceBlock is how many numbers are reserved with one write to disk.
const sequenceBlock = 1024

// sequence hands out the numbers of requests, each once and ascending over
// restarts. It is safe for concurrent use.
type sequence struct {
	dir *folder

	mu       sync.Mutex
	next     uint64
	reserved uint64 // numbers below are used up as far as the disk knows
	leaps    int    // since the run began
}

type sequenceMark struct {
	Reserved uint64 `json:"reserved"`
}

// openSequence continues behind the highest number that may have been used. When
// that is not known it starts from the milliseconds of the clock: more than any
// agent has used before, since none sends a thousand requests a second.
func openSequence(dir *folder, now time.Time, log *slog.Logger) *sequence {
	var mark sequenceMark
	if err := dir.read(sequenceFile, &mark); err != nil || mark.Reserved == 0 {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			log.Warn("sequence numbers start anew from the clock", "error", err)
		}
		mark.Reserved = uint64(now.UnixMilli())
	}
	return &sequence{dir: dir, next: mark.Reserved, reserved: mark.Reserved}
}

// take returns the next number, reserving another block when needed.
func (s *sequence) take() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next >= s.reserved {
		reserved := s.next + sequenceBlock
		if err := s.dir.write(sequenceFile, sequenceMark{Reserved: reserved}); err != nil {
			return 0, err
		}
		s.reserved = reserved
	}
	n := s.next
	s.next++
	return n, nil
}

// leap goes on from the milliseconds of the clock where that is ahead: the
// platform has seen numbers this agent does not remember.
func (s *sequence) leap(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = max(s.next, uint64(now.UnixMilli()))
	s.leaps++
}

// forked reports whether another machine seems to go on from the numbers of this
// run, and begins to count for the next one.
func (s *sequence) forked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaps < forkedAfter {
		return false
	}
	s.leaps = 0
	return true
}
