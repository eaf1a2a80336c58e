package access

import (
	"context"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
)

func TestPasswordsAreHashedOneAtATime(t *testing.T) {
	t.Parallel()
	d := NewDirectory(nil, nil, nil, time.Now)
	release, err := d.turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.hash(ended, "correct horse battery"); !fault.Is(err, fault.Busy) {
		t.Errorf("while another is hashed: %v", err)
	}
	release()
	if _, err := d.hash(t.Context(), "correct horse battery"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
