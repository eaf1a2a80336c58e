package connection_test

import (
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
)

func TestAnOutageIsToldOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	const ok, bad = true, false
	for name, tt := range map[string]struct {
		after int
		give  []bool
		want  []connection.Event
	}{
		"third failure":        {3, []bool{bad, bad, bad, bad, ok, ok}, []connection.Event{"", "", connection.Outage, "", connection.Recovered, ""}},
		"a success in between": {3, []bool{bad, bad, ok, bad, bad, bad}, []connection.Event{"", "", "", "", "", connection.Outage}},
		"every outage":         {1, []bool{bad, ok, bad, ok}, []connection.Event{connection.Outage, connection.Recovered, connection.Outage, connection.Recovered}},
		"nobody asked":         {0, []bool{bad, bad, bad, ok}, []connection.Event{"", "", "", ""}},
	} {
		var h connection.Health
		for i, passed := range tt.give {
			var event connection.Event
			h, event = h.After(passed, start.Add(time.Duration(i)*time.Minute), connection.Check{MailAfter: tt.after})
			if event != tt.want[i] {
				t.Errorf("%s: check %d tells %q, want %q", name, i+1, event, tt.want[i])
			}
		}
	}
}

// The seed has "after a specified number of failed connection attempts": a number
// that is lowered in an outage has been reached.
func TestANumberThatIsLoweredInAnOutageIsReached(t *testing.T) {
	t.Parallel()
	var h connection.Health
	for range 4 {
		h, _ = h.After(false, start, connection.Check{MailAfter: 10})
	}
	if _, event := h.After(false, start, connection.Check{MailAfter: 2}); event != connection.Outage {
		t.Errorf("it tells %q", event)
	}
}

// Somebody is told that the connection works again even if its settings changed, or
// nobody is to be told any more of new outages.
func TestWhoWasToldOfAnOutageIsToldOfItsEnd(t *testing.T) {
	t.Parallel()
	h, _ := connection.Health{}.After(false, start, connection.Check{MailAfter: 1})
	if _, event := h.After(true, start, connection.Check{}); event != connection.Recovered {
		t.Errorf("it tells %q", event)
	}
}
