package storetest

import (
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
)

// BenchmarkEvents ends scans while a playbook starts for them and while none does, and
// looks for silent agents in a fleet of which nobody is.
func BenchmarkEvents(b *testing.B, s *store.Store) {
	hosts := must(s.HostsInScope(b.Context(), fleet.WholeFleet(), firstHosts(1000)))(b)
	end := func(b *testing.B) {
		at := Start
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			at = at.Add(time.Second)
			r := launch(b, s, agentwire.InventoryScan, hosts[n%len(hosts)])[0]
			b.StartTimer()
			if err := s.ReportScanRequest(b.Context(), r.HostID, r.ID, agentwire.ScanReport{State: agentwire.ScanRejected}, at); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("a scan ends and no playbook waits", end)
	site := must(s.Sites(b.Context()))(b)[0].ID
	p := must(s.CreatePlaybook(b.Context(), library.Playbook{SiteID: site, Name: "p"}, library.Version{
		Source: "kind: Playbook\nname: p\non: {scan-finished: {}, agent-inactive: {days: 30}}\nsteps: [{id: rest, wait: {for: 1s}}]\n", Author: "ana", Created: Start,
	}))(b)
	p.Live, p.Publisher, p.Modified = 1, "ana", Start
	if err := s.Publish(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	b.Run("a scan ends and a playbook waits", end)
	b.Run("a look for silent agents", func(b *testing.B) {
		at := Start
		ids := must(s.DuePlaybookEvents(b.Context(), Start.Add(trigger.LookAtAgents), 0, 10))(b)
		for b.Loop() {
			at = at.Add(trigger.LookAtAgents)
			for _, id := range ids {
				if err := s.LookForEvent(b.Context(), id, at); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func firstHosts(n int64) []int64 {
	var ids []int64
	for id := range n {
		ids = append(ids, id+1)
	}
	return ids
}
