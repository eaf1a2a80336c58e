package storetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fleet"
)

// testSlowSearches starts more searches than there are readers, none of which
// ends, and then does what a check-in does.
func testSlowSearches(t *testing.T, b *bundle) {
	const searches = 20
	agent := enrol(t, b.Store, 1).AgentID
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	begun, end := make(chan struct{}, searches), make(chan struct{})
	var wait sync.WaitGroup
	for range searches {
		wait.Go(func() {
			var once sync.Once
			hold := func(string) bool { // a search asks this while it reads
				once.Do(func() {
					begun <- struct{}{}
					<-end
				})
				return true
			}
			if _, err := b.SearchHosts(t.Context(), fleet.Query{Scope: fleet.WholeFleet(), Limit: 10, Include: hold}); err != nil {
				t.Error(err)
			}
		})
	}
	defer wait.Wait()
	defer close(end)
	<-begun
	<-begun
	for range 100 {
		if _, err := b.AgentState(ctx, agent); err != nil {
			t.Fatalf("a check-in waits for searches: %v", err)
		}
	}
}
