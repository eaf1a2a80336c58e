package storetest

import (
	"context"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

// stopwatch keeps the longest of several transactions.
type stopwatch struct {
	*store.Store
	longest time.Duration
}

func (w *stopwatch) AssignTags(ctx context.Context, hostIDs []int64, a qps.TagAssignment) ([]int64, error) {
	began := time.Now()
	defer w.stop(began)
	return w.Store.AssignTags(ctx, hostIDs, a)
}

func (w *stopwatch) EvaluateRules(ctx context.Context) (bool, error) {
	began := time.Now()
	defer w.stop(began)
	return w.Store.EvaluateRules(ctx)
}

func (w *stopwatch) stop(began time.Time) { w.longest = max(w.longest, time.Since(began)) }

func (w *stopwatch) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(float64(w.longest.Microseconds())/1000, "ms-longest-transaction")
}

// BenchmarkTags changes the tags of a fleet of 20,000 made by Hosts, by hand and
// by rules, and reports the longest transaction: others who write wait for it.
// The rest of each operation is where they get their turn.
func BenchmarkTags(b *testing.B, s *store.Store) {
	ctx := b.Context()
	tag := MakeTags(b, s, "bulk")[0]
	first := conditions(b, "id", qps.OpLesser, "10001")
	b.Run("add to and remove from 10,000 hosts", func(b *testing.B) {
		w := &stopwatch{Store: s}
		tagger := &fleet.Tagger{Assignments: w}
		for b.Loop() {
			must(tagger.AssignMatching(ctx, fleet.WholeFleet(), first, qps.TagAssignment{Add: []int64{tag}}))(b)
			must(tagger.AssignMatching(ctx, fleet.WholeFleet(), first, qps.TagAssignment{Remove: []int64{tag}}))(b)
		}
		w.report(b)
	})
	for _, rule := range []struct{ kind, text string }{
		{"NAME_CONTAINS", "edge"}, {"OPEN_PORTS", "22"}, {"NETWORK_RANGE", "10.0.0.0-10.0.31.255"}, {"INSTALLED_SOFTWARE", "^package-7"},
	} {
		b.Run("rule "+rule.kind+" for 20,000 hosts", func(b *testing.B) {
			w := &stopwatch{Store: s}
			for b.Loop() {
				id := must(s.CreateTag(ctx, qps.TagChange{Name: &rule.kind, RuleType: &rule.kind, RuleText: &rule.text}))(b)
				for must(w.EvaluateRules(ctx))(b) {
				}
				if err := s.DeleteTags(ctx, []int64{id}); err != nil {
					b.Fatal(err)
				}
			}
			w.report(b)
		})
	}
}
