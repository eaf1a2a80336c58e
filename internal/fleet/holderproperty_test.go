package fleet

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestOneMachineIsNeverToldThatItIsAClone lets somebody who sits between a machine
// and its platform do whatever can be done without the machine's key: hold its
// requests back for as long as they like, deliver them in any order and any number
// of times, and answer in the platform's name.
func TestOneMachineIsNeverToldThatItIsAClone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]bool{"whose hardware stays": false, "whose hardware is changed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				m := &intercepted{now: time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC), fingerprint: "A"}
				m.start()
				steps := rapid.IntRange(1, 120).Draw(t, "steps")
				changed := rapid.IntRange(0, steps).Draw(t, "changed at")
				for i := range steps {
					if change && i == changed {
						m.fingerprint = "B"
						m.start()
					}
					m.step(t, change)
				}
			})
		})
	}
}

// intercepted is a machine all whose requests go through somebody's hands.
type intercepted struct {
	holder      Holder
	heard       time.Time
	now         time.Time
	fingerprint string
	runs        []string // the last one is the present
	told        []string // echoes that were in genuine answers
	signed      []Claim
}

func (m *intercepted) start() { m.runs = append(m.runs, fmt.Sprint("run ", len(m.runs))) }

func (m *intercepted) present() string { return m.runs[len(m.runs)-1] }

func (m *intercepted) step(t *rapid.T, change bool) {
	switch rapid.SampledFrom([]string{"start", "wait", "sign", "sign", "deliver", "deliver"}).Draw(t, "step") {
	case "start":
		m.start()
	case "wait":
		m.now = m.now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "wait")))
	case "sign":
		c := Claim{Run: m.present(), Fingerprint: m.fingerprint, Echo: m.echo(t)}
		if !change && rapid.IntRange(0, 9).Draw(t, "facts") == 0 {
			c.Fingerprint = "" // could not be read
		}
		m.signed = append(m.signed, c)
	case "deliver":
		if len(m.signed) > 0 {
			m.deliver(t, rapid.SampledFrom(m.signed).Draw(t, "claim"))
		}
	}
}

// echo is what the machine is made to say: something that the platform told
// anybody, or what may be made of the names of runs that have begun.
func (m *intercepted) echo(t *rapid.T) string {
	if len(m.told) > 0 && rapid.Bool().Draw(t, "genuine") {
		return rapid.SampledFrom(m.told).Draw(t, "told")
	}
	forged := Holder{Runs: []Run{{ID: ""}}}
	for _, run := range rapid.SliceOfN(rapid.SampledFrom(m.runs), 0, 3).Draw(t, "named") {
		forged.Runs = append(forged.Runs, Run{ID: run})
	}
	return forged.Echo("")
}

func (m *intercepted) deliver(t *rapid.T, c Claim) {
	next, verdict := m.holder.Judge(c, Silence{LastHeard: m.heard, Inactive: 90 * time.Minute}, m.now)
	m.holder = next
	if verdict == Rightful {
		m.heard = m.now
		m.told = append(m.told, next.Echo(c.Run))
	}
	if verdict == Cloned && c.Run == m.present() {
		t.Fatalf("the one machine there is, in %s, is denied: holder %+v", c.Run, next)
	}
}
