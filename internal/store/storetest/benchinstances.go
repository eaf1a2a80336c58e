package storetest

import (
	"testing"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/store"
)

// BenchmarkInstances stores pages of 1,000 instances: all new, all as they were,
// and all changed.
func BenchmarkInstances(b *testing.B, db *store.Store) {
	s := beginSync(b, &bundle{Store: db})
	const size = 1000
	page := func(n int, state string) []connector.Instance {
		list := make([]connector.Instance, size)
		for i := range list {
			list[i] = instance(n*size + i)
			list[i].State = state
		}
		return list
	}
	n := 0
	for _, c := range []struct {
		name string
		next func() []connector.Instance
	}{
		{"new", func() []connector.Instance { n++; return page(n, "RUNNING") }},
		{"unchanged", func() []connector.Instance { return page(1, "RUNNING") }},
		{"changed", func() []connector.Instance { n++; return page(1, []string{"STOPPED", "RUNNING"}[n%2]) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				result := connector.RegionResult{}
				if err := s.StoreInstances(b.Context(), s.run, s.connector, c.next(), &result, Start.Add(time.Duration(n)*time.Second)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "instances/s")
		})
	}
}
