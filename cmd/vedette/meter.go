package main

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

const (
	// quietFor is how long work goes on before it says how far it is, and sayEvery
	// how long until it says so again.
	quietFor = 2 * time.Second
	sayEvery = 10 * time.Second
)

// meter tells a person how far long work has come. It is safe for concurrent use.
type meter struct {
	out     io.Writer
	started time.Time

	mu          sync.Mutex
	what        string
	done, total int64
	amount      func(int64) string
}

// withMeter runs work and meanwhile says how far it is.
func withMeter(out io.Writer, work func(show *meter) error) error {
	m := &meter{out: out, started: time.Now()}
	ended := make(chan error, 1)
	go func() { ended <- work(m) }()
	next := time.NewTimer(quietFor)
	defer next.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-next.C:
			m.say(time.Now())
			next.Reset(sayEvery)
		}
	}
}

// at says what is being done, with the bytes done and in all; 0 where nobody
// knows how many.
func (m *meter) at(what string, done, total int64) { m.set(what, done, total, byteSize) }

// count is at for what is counted in pieces.
func (m *meter) count(what string, done, total int64) {
	m.set(what, done, total, func(n int64) string { return strconv.FormatInt(n, 10) })
}

func (m *meter) set(what string, done, total int64, amount func(int64) string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.what, m.done, m.total, m.amount = what, done, total, amount
}

func (m *meter) say(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	line := fmt.Sprintf("%6.1fs  %s", now.Sub(m.started).Seconds(), m.what)
	if m.done > 0 {
		line += ": " + m.amount(m.done)
	}
	if m.total > 0 {
		line += fmt.Sprintf(" of %s, %.0f %%", m.amount(m.total), float64(m.done)/float64(m.total)*100)
	}
	fmt.Fprintln(m.out, line)
}

// byteSize is a number of bytes for people.
func byteSize(n int64) string {
	size, unit := float64(n), 0
	for size >= 1000 && unit < 4 {
		size, unit = size/1000, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, []string{"B", "kB", "MB", "GB", "TB"}[unit])
}
