package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/qps"
)

// BenchmarkSearch times pages of 100 hosts from a fleet made by Hosts.
func BenchmarkSearch(b *testing.B, s *store.Store) {
	agents := qps.Criterion{Field: "tagName", Operator: qps.OpEquals, Value: "Cloud Agent"}
	for _, c := range []struct {
		name     string
		criteria []qps.Criterion
		found    bool
	}{
		{"name CONTAINS rare", []qps.Criterion{{Field: "name", Operator: qps.OpContains, Value: "54321"}}, true},
		{"name CONTAINS two characters", []qps.Criterion{{Field: "name", Operator: qps.OpContains, Value: "zz"}}, false},
		{"os CONTAINS frequent", []qps.Criterion{{Field: "os", Operator: qps.OpContains, Value: "Linux"}}, true},
		{"os CONTAINS absent", []qps.Criterion{{Field: "os", Operator: qps.OpContains, Value: "Solaris"}}, false},
		{"lastCheckedIn last hour", []qps.Criterion{{Field: "lastCheckedIn", Operator: qps.OpGreater, Value: qps.FormatTime(Start.Add(-time.Hour))}}, true},
		{"lastCheckedIn and tag", []qps.Criterion{agents, {Field: "lastCheckedIn", Operator: qps.OpLesser, Value: qps.FormatTime(Start.Add(-24 * time.Hour))}}, true},
		{"tag and cursor", []qps.Criterion{agents, {Field: "id", Operator: qps.OpGreater, Value: "50000"}}, true},
		{"rare tag", []qps.Criterion{{Field: "tagName", Operator: qps.OpEquals, Value: "rare"}}, true},
		{"installedSoftware CONTAINS", []qps.Criterion{{Field: "installedSoftware", Operator: qps.OpContains, Value: "package-77 3"}}, true},
		{"installedSoftware and os and port", []qps.Criterion{
			{Field: "installedSoftware", Operator: qps.OpEquals, Value: "package-5"}, {Field: "os", Operator: qps.OpContains, Value: "Debian"}, {Field: "port", Operator: qps.OpEquals, Value: "22"},
		}, true},
		{"no match of frequent criteria", []qps.Criterion{agents, {Field: "os", Operator: qps.OpContains, Value: "Debian"}, {Field: "os", Operator: qps.OpContains, Value: "Windows"}}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			query := fleet.Query{Scope: fleet.WholeFleet(), Conditions: must(fleet.ParseConditions(c.criteria))(b), Limit: 100}
			query.Include = func(element string) bool { return !slices.Contains([]string{"software", "openPort"}, element) }
			for b.Loop() {
				if page := must(s.SearchHosts(b.Context(), query))(b); (len(page.Hosts) > 0) != c.found {
					b.Fatalf("found %d hosts", len(page.Hosts))
				}
			}
		})
	}
	b.Run("page with all lists", func(b *testing.B) {
		query := fleet.Query{Scope: fleet.WholeFleet(), Conditions: must(fleet.ParseConditions([]qps.Criterion{agents}))(b), Limit: 100}
		for b.Loop() {
			must(s.SearchHosts(b.Context(), query))(b)
		}
	})
	b.Run("count of a tag", func(b *testing.B) {
		query := must(fleet.ParseConditions([]qps.Criterion{agents}))(b)
		for b.Loop() {
			must(s.CountHosts(b.Context(), fleet.WholeFleet(), query))(b)
		}
	})
}

// BenchmarkHeartbeats stores batches of contacts of the first hosts in turn.
func BenchmarkHeartbeats(b *testing.B, s *store.Store, hosts, size int) {
	at := Start
	first := 0
	batch := make([]fleet.Heartbeat, size)
	for b.Loop() {
		at = at.Add(time.Second)
		for i := range batch {
			batch[i] = fleet.Heartbeat{HostID: int64((first+i)%hosts + 1), At: at, ConnectedFrom: "203.0.113.8", Sequence: uint64(at.Unix()), AgentVersion: "2.0.0", Event: "Manifest Downloaded"}
		}
		first += size
		save(b, s, batch...)
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "heartbeats/s")
}

// BenchmarkCommit commits inventories of the given number of packages.
func BenchmarkCommit(b *testing.B, s *store.Store, packages int) {
	host := enrol(b, s, 1).HostID
	generation := 0
	inventory := func(version string) *agentwire.Snapshot {
		software := make([]agentwire.Software, packages)
		for i := range software {
			software[i] = deb(fmt.Sprintf("package-%d", i), version)
		}
		return snapshot("web", software...)
	}
	run := func(name string, prepare func() parcel) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				generation++
				p := prepare()
				p.upload.Digest = fmt.Sprintf("%s %d", name, generation)
				if _, _, err := s.StartUpload(b.Context(), p.upload, Start); err != nil {
					b.Fatal(err)
				}
				must(s.AppendFragment(b.Context(), host, p.upload.Digest, 0, p.content))(b)
				b.StartTimer()
				if state := commit(b, s, p, Start); state != agentwire.UploadCommitted {
					b.Fatalf("commit says %s", state)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hosts/s")
		})
	}
	run("baseline, all packages new", func() parcel { return pack(host, nil, inventory(fmt.Sprint(generation))) })
	known := inventory("known")
	run("baseline, all packages known", func() parcel {
		next := *known
		next.Host.Kernel = fmt.Sprint(generation)
		return pack(host, nil, &next)
	})
	held := inventory("held")
	send(b, s, pack(host, nil, held), Start)
	run("delta of one package", func() parcel {
		next := snapshot("web", held.Software...)
		next.Software = slices.Clone(next.Software)
		next.Software[generation%packages].Version = fmt.Sprint("held ", generation)
		p := pack(host, held, next)
		held = next
		return p
	})
}

// BenchmarkWriteWait commits baselines of 5,000 packages that are all new, and
// reports how long another writer waited at worst.
func BenchmarkWriteWait(b *testing.B, s *store.Store) {
	host, other := enrol(b, s, 1).HostID, enrol(b, s, 2).HostID
	generation := 0
	var worst time.Duration
	for b.Loop() {
		b.StopTimer()
		generation++
		p := pack(host, nil, snapshot("web", debs(5000, fmt.Sprint(generation)+"-package-%d")...))
		if _, _, err := s.StartUpload(b.Context(), p.upload, Start); err != nil {
			b.Fatal(err)
		}
		must(s.AppendFragment(b.Context(), host, p.upload.Digest, 0, p.content))(b)
		done, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				begun := time.Now()
				save(b, s, fleet.Heartbeat{HostID: other, At: Start.Add(time.Duration(n) * time.Second)})
				worst = max(worst, time.Since(begun))
			}
		}()
		b.StartTimer()
		if state := commit(b, s, p, Start); state != agentwire.UploadCommitted {
			b.Fatalf("commit says %s", state)
		}
		b.StopTimer()
		close(done)
		<-stopped
		b.StartTimer()
	}
	b.ReportMetric(float64(worst.Milliseconds()), "ms-worst-wait")
}
