package agentapi

import "testing"

func TestOneAgentHoldsAFewPlacesAndKeepsNobodyElseOut(t *testing.T) {
	t.Parallel()
	var p inProgress
	for i := range maxPerAgent {
		if !p.begin(7) {
			t.Fatalf("request %d of %d is refused", i+1, maxPerAgent)
		}
	}
	if p.begin(7) {
		t.Error("one agent has more than its places")
	}
	if !p.begin(8) {
		t.Error("another agent is kept out")
	}
	p.end(7)
	if !p.begin(7) {
		t.Error("a place that is free again is refused")
	}
	for range maxPerAgent {
		p.end(7)
	}
	p.end(8)
	if len(p.count) != 0 {
		t.Errorf("%d idle agents are remembered", len(p.count))
	}
}
