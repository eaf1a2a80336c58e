package aws_test

import (
	"runtime"
	"testing"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
)

// BenchmarkListing lists a region of 20,000 instances. The heap is the most there
// was when a page was taken, with what the answering side holds in the same
// process.
func BenchmarkListing(b *testing.B) {
	const instances = 20_000
	cloud := mototest.New(b)
	account := cloud.Account(connector.Commercial)
	cloud.Break(mototest.Breakage{Action: "DescribeInstances", Fault: mototest.Replay(instances)})
	opened, err := aws.New("", aws.Limits{}).Open(b.Context(), connector.Commercial, account.Keys())
	if err != nil {
		b.Fatal(err)
	}
	var most uint64
	for b.Loop() {
		listed := map[string]bool{}
		err := opened.Instances(b.Context(), "us-east-1", func(page []connector.Instance) error {
			for i := range page {
				listed[page[i].InstanceID] = true
			}
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			most = max(most, memory.HeapAlloc)
			return nil
		})
		if err != nil || len(listed) != instances {
			b.Fatalf("listed %d instances, %v", len(listed), err)
		}
	}
	b.ReportMetric(float64(most)/1e6, "heap-MB")
	b.ReportMetric(instances*float64(b.N)/b.Elapsed().Seconds(), "instances/s")
}
