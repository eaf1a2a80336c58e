package store

import (
	"strconv"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

func TestAListDoesNotGrowBeyondItsLimit(t *testing.T) {
	t.Parallel()
	accounts := make([]agentwire.Account, agentwire.MaxEntries)
	for i := range accounts {
		accounts[i].Username = strconv.Itoa(i)
	}
	full, err := changeList("accounts", []byte("[]"), agentwire.Changes[agentwire.Account]{Put: accounts})
	if err != nil {
		t.Fatalf("a list of %d: %v", len(accounts), err)
	}
	ada := []agentwire.Account{{Username: "ada"}}
	if _, err := changeList("accounts", []byte(full), agentwire.Changes[agentwire.Account]{Put: ada}); !fault.Is(err, fault.TooLarge) {
		t.Errorf("one more: got %v, want it refused as too large", err)
	}
	if _, err := changeList("accounts", []byte(full), agentwire.Changes[agentwire.Account]{Put: ada, Drop: []string{"7"}}); err != nil {
		t.Errorf("one for another: %v", err)
	}
}
