package agentwire

// SequenceWindow remembers which sequence numbers of one agent were seen, like
// the anti-replay window of IPsec (RFC 4303, section 3.4.3): everything above
// the highest is new, the ReplayWindow numbers below it are tracked one by one,
// anything older is refused. The zero value has seen nothing. Not safe for
// concurrent use.
type SequenceWindow struct {
	highest uint64
	seen    uint64 // bit i: highest-i was seen
}

// Accept reports whether sequence was not seen before, and remembers it.
func (w *SequenceWindow) Accept(sequence uint64) bool {
	if w.seen == 0 || sequence > w.highest {
		shift := sequence - w.highest
		if w.seen == 0 || shift >= ReplayWindow {
			w.seen = 0
		} else {
			w.seen <<= shift
		}
		w.seen |= 1
		w.highest = sequence
		return true
	}
	age := w.highest - sequence
	if age >= ReplayWindow || w.seen&(1<<age) != 0 {
		return false
	}
	w.seen |= 1 << age
	return true
}

// Highest returns the highest sequence number seen, 0 for none.
func (w *SequenceWindow) Highest() uint64 { return w.highest }
