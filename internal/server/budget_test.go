package server

import (
	"testing"

	"vedette.dev/vedette/internal/fault"
)

func TestOneUserLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	b := NewBudget(8)
	var held []func()
	for {
		release, err := b.AcquireFor("ada")
		if err != nil {
			break
		}
		held = append(held, release)
	}
	if len(held) != 6 {
		t.Errorf("one user holds %d of 8, want 6", len(held))
	}
	if _, err := b.AcquireFor("ada"); !fault.Is(err, fault.Busy) {
		t.Errorf("one more: %v", err)
	}
	for _, user := range []string{"bob", "eve"} {
		release, err := b.AcquireFor(user)
		if err != nil {
			t.Fatalf("%s finds no room: %v", user, err)
		}
		held = append(held, release)
	}
	if _, err := b.AcquireFor("bob"); !fault.Is(err, fault.Busy) {
		t.Errorf("beyond the budget: %v", err)
	}
	for _, release := range held {
		release()
	}
	if len(b.users) != 0 || len(b.slots) != 0 {
		t.Errorf("%d users and %d places are left over", len(b.users), len(b.slots))
	}
	if release, err := NewBudget(1).AcquireFor("ada"); err != nil {
		t.Errorf("the only place: %v", err)
	} else {
		release()
	}
}
