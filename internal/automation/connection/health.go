package connection

import "time"

// Check says how often a connection is tested by itself. Only those of active
// connections are.
type Check struct {
	Enabled bool
	Every   time.Duration // whole minutes
	// MailAfter is after how many failures in a row people are told, once in an
	// outage; 0: nobody is.
	MailAfter int
	// MailTo are the addresses they are told at.
	MailTo []string
}

// TestCommand is the command that health checks run; every integration has it.
const TestCommand = "test-connection"

// FetchCommand is the command that makes an integration one of password vaults.
const FetchCommand = "fetch-credential"

// DefaultCheckEvery is the interval of a check for which nobody chose one.
const DefaultCheckEvery = 30 * time.Minute

// HealthStatus is what the last check of a connection said.
type HealthStatus string

// The states of a connection.
const (
	Unknown HealthStatus = "unknown" // never checked, or changed since
	Healthy HealthStatus = "healthy"
	Failing HealthStatus = "failed"
)

// Health is what checks have said of a connection.
type Health struct {
	Status HealthStatus
	// Checked is when the last check ended, and Next when the next one is due; zero
	// for never.
	Checked, Next time.Time
	// Failures is how many checks in a row failed, the first of them at Since.
	Failures int
	Since    time.Time
	// Told says that people have been told of this outage.
	Told bool
}

// Event is what people are told about a connection.
type Event string

// The events.
const (
	Nothing   Event = ""
	Outage    Event = "outage"
	Recovered Event = "recovered"
)

// After returns the health after one more check, and what people are to be told.
// A counter goes up with each failure and falls to zero at a success. Who asked to
// be told after N failures is told when it reaches N, or is beyond it because N was
// lowered: once in an outage, and once when it is over.
func (h Health) After(ok bool, at time.Time, c Check) (Health, Event) {
	h.Checked = at
	if ok {
		event := Nothing
		if h.Told {
			event = Recovered
		}
		h.Status, h.Failures, h.Since, h.Told = Healthy, 0, time.Time{}, false
		return h, event
	}
	if h.Failures == 0 {
		h.Since = at
	}
	h.Status, h.Failures = Failing, h.Failures+1
	if c.MailAfter == 0 || h.Failures < c.MailAfter || h.Told {
		return h, Nothing
	}
	h.Told = true
	return h, Outage
}

// maxJitter is the share of the interval by which checks are put off, so that those
// of many connections do not all come at once.
const maxJitter = 0.1

// Plan says when the next check is due, counted from a time; random is a number in
// [0, 1). An inactive connection, one that misses a secret, and one without checks has
// none.
func (c *Connection) Plan(from time.Time, random float64) {
	c.Health.Next = time.Time{}
	if c.Active && c.Check.Enabled && len(c.Missing()) == 0 {
		c.Health.Next = from.Add(c.Check.Every + time.Duration(random*maxJitter*float64(c.Check.Every)))
	}
}
