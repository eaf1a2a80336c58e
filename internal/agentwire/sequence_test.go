package agentwire

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSequenceWindow(t *testing.T) {
	t.Parallel()
	type step struct {
		sequence uint64
		want     bool
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"ascending", []step{{1, true}, {2, true}, {3, true}}},
		{"repeated", []step{{1, true}, {1, false}, {2, true}, {2, false}, {1, false}}},
		{"zero is a number", []step{{0, true}, {0, false}, {1, true}}},
		{"overtaken within the window", []step{{100, true}, {99, true}, {37, true}, {99, false}, {37, false}}},
		{"below the window", []step{{100, true}, {36, false}, {37, true}}},
		{"gap of the whole window", []step{{1, true}, {65, true}, {1, false}, {2, true}}},
		{"gap beyond the window", []step{{1, true}, {1000, true}, {1, false}, {936, false}, {937, true}}},
		{"largest number", []step{{1, true}, {^uint64(0), true}, {^uint64(0), false}, {^uint64(0) - 63, true}, {2, false}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var w SequenceWindow
			for i, s := range tt.steps {
				if got := w.Accept(s.sequence); got != s.want {
					t.Errorf("step %d: accept %d is %t, want %t", i, s.sequence, got, s.want)
				}
			}
		})
	}
}

// TestSequenceWindowAgainstAList compares with remembering every number.
func TestSequenceWindowAgainstAList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w SequenceWindow
		seen, highest, begun := make(map[uint64]bool), uint64(0), false
		for _, n := range rapid.SliceOf(rapid.Uint64Range(0, 300)).Draw(t, "numbers") {
			want := !seen[n] && (!begun || n > highest || highest-n < ReplayWindow)
			if got := w.Accept(n); got != want {
				t.Fatalf("accept %d is %t, want %t (highest %d)", n, got, want, highest)
			}
			if want {
				seen[n], begun, highest = true, true, max(highest, n)
			}
			if begun && w.Highest() != highest {
				t.Fatalf("highest is %d, want %d", w.Highest(), highest)
			}
		}
	})
}
