package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agent/collect"
	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

// site is a worker with a state folder of its own and collectors the test sets.
type site struct {
	t        *testing.T
	stateDir string
	worker   *Worker
	pauses   []time.Duration
}

func newSite(t *testing.T, collectors ...collect.Collector) *site {
	s := &site{t: t, stateDir: filepath.Join(t.TempDir(), "state")}
	s.worker = &Worker{
		Collectors: collectors,
		Now:        time.Now,
		Pause: func(ctx context.Context, d time.Duration) error {
			s.pauses = append(s.pauses, d)
			return ctx.Err()
		},
	}
	return s
}

// job names all of the site's collectors.
func (s *site) job(base string) scan.Job {
	job := scan.Job{Module: agentwire.ModuleInventory, RootDir: "/", StateDir: s.stateDir, Base: base}
	for _, c := range s.worker.Collectors {
		job.Collectors = append(job.Collectors, c.Name())
	}
	return job
}

func (s *site) run(ctx context.Context, job scan.Job) (scan.Result, error) {
	s.t.Helper()
	doc, err := json.Marshal(job)
	if err != nil {
		s.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := s.worker.Run(ctx, bytes.NewReader(doc), &out); err != nil {
		if out.Len() > 0 {
			s.t.Errorf("a failed run printed the result %s", out.String())
		}
		return scan.Result{}, err
	}
	var result scan.Result
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		s.t.Fatalf("result %q: %v", out.String(), err)
	}
	return result, nil
}

func (s *site) mustRun(base string) scan.Result {
	s.t.Helper()
	result, err := s.run(s.t.Context(), s.job(base))
	if err != nil {
		s.t.Fatal(err)
	}
	return result
}

// delta reads the delta that result announces, as the platform would.
func (s *site) delta(result scan.Result) *agentwire.Delta {
	s.t.Helper()
	packed, err := os.ReadFile(scan.SpoolPath(s.stateDir, result.Upload))
	if err != nil {
		s.t.Fatal(err)
	}
	if int64(len(packed)) != result.UploadSize {
		s.t.Errorf("upload has %d bytes, result says %d", len(packed), result.UploadSize)
	}
	decoder, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderMaxWindow(agentwire.MaxZstdWindowBytes))
	if err != nil {
		s.t.Fatal(err)
	}
	defer decoder.Close()
	delta := new(agentwire.Delta)
	if err := json.NewDecoder(decoder).Decode(delta); err != nil {
		s.t.Fatal(err)
	}
	return delta
}

// snapshots lists the digests of the stored snapshots and checks each of them.
func (s *site) snapshots() []string {
	s.t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.stateDir, "snapshots"))
	if err != nil {
		s.t.Fatal(err)
	}
	state := &stateFolder{dir: s.stateDir, now: time.Now}
	var found []string
	for _, entry := range entries {
		digest, ok := strings.CutSuffix(entry.Name(), snapshotSuffix)
		if !ok {
			continue
		}
		if state.load(digest) == nil {
			s.t.Errorf("snapshot %s cannot be read", digest)
		}
		found = append(found, digest)
	}
	return found
}

// fixed is a collector that does what its function does.
type fixed struct {
	name    string
	collect func(ctx context.Context, into *agentwire.Snapshot) (int, error)
}

// reading is a collector that takes its time for each of so many files.
type reading struct {
	files int
	each  time.Duration
}

func (r reading) Name() string { return "software" }

func (r reading) Collect(ctx context.Context, env collect.Env, into *agentwire.Snapshot) (int, error) {
	for i := range r.files {
		if i > 0 {
			if err := env.Pause(ctx); err != nil {
				return 0, err
			}
		}
		if err := pause(ctx, r.each); err != nil {
			return 0, err
		}
	}
	into.Software = []agentwire.Software{{Kind: "deb", Name: "bash", Version: "1"}}
	return 1, nil
}

func (f *fixed) Name() string { return f.name }

func (f *fixed) Collect(ctx context.Context, _ collect.Env, into *agentwire.Snapshot) (int, error) {
	return f.collect(ctx, into)
}

// packages is a collector that finds the named packages.
func packages(names ...string) *fixed {
	return &fixed{"software", func(_ context.Context, into *agentwire.Snapshot) (int, error) {
		into.Software = nil
		for _, name := range names {
			into.Software = append(into.Software, agentwire.Software{Kind: "deb", Name: name, Version: "1"})
		}
		return len(names), nil
	}}
}

func users(names ...string) *fixed {
	return &fixed{"accounts", func(_ context.Context, into *agentwire.Snapshot) (int, error) {
		into.Accounts = nil
		for _, name := range names {
			into.Accounts = append(into.Accounts, agentwire.Account{Username: name})
		}
		return len(names), nil
	}}
}

func failing(name string) *fixed {
	return &fixed{name, func(_ context.Context, into *agentwire.Snapshot) (int, error) {
		return 0, errors.New("the database is broken")
	}}
}

func TestFirstScanIsABaselineOfEverything(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("zlib", "bash"), users("root"))
	result := s.mustRun("")
	delta := s.delta(result)
	if !delta.Baseline() || result.Base != "" || result.Unchanged {
		t.Errorf("result %+v is not that of a baseline", result)
	}
	got, err := delta.Apply(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &agentwire.Snapshot{
		Software: []agentwire.Software{{Kind: "deb", Name: "bash", Version: "1"}, {Kind: "deb", Name: "zlib", Version: "1"}},
		Accounts: []agentwire.Account{{Username: "root"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("host after the baseline (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{result.Snapshot}, s.snapshots()); diff != "" {
		t.Errorf("snapshots (-want +got):\n%s", diff)
	}
	if result.Collectors[0].Name != "software" || result.Collectors[0].Entries != 2 || result.Collectors[0].Error != "" {
		t.Errorf("software reports %+v, want 2 entries", result.Collectors[0])
	}
}

func TestSecondScanOfTheSameHostIsUnchanged(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"), users("root"))
	first := s.mustRun("")
	second := s.mustRun(first.Snapshot)
	if !second.Unchanged || second.Base != first.Snapshot || second.Snapshot != first.Snapshot {
		t.Errorf("second result is %+v, want it unchanged on base %s", second, first.Snapshot)
	}
	if delta := s.delta(second); !delta.Empty() {
		t.Errorf("delta of an unchanged host is %+v", delta)
	}
}

func TestDeltaLeadsFromBaseToTheNewState(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash", "zlib"), users("root"))
	first := s.mustRun("")
	s.worker.Collectors[0] = packages("bash", "curl")
	second := s.mustRun(first.Snapshot)
	delta := s.delta(second)
	want := agentwire.Changes[agentwire.Software]{
		Put:  []agentwire.Software{{Kind: "deb", Name: "curl", Version: "1"}},
		Drop: []string{"deb|zlib|"},
	}
	if diff := cmp.Diff(want, delta.Software); diff != "" {
		t.Errorf("changed software (-want +got):\n%s", diff)
	}
	if delta.Host != nil || !delta.Accounts.IsZero() {
		t.Errorf("delta %+v changes more than the software", delta)
	}
}

func TestCollectorThatFailsKeepsItsOldPart(t *testing.T) {
	t.Parallel()
	panicking := &fixed{"software", func(context.Context, *agentwire.Snapshot) (int, error) { panic("index out of range") }}
	spoiling := &fixed{"software", func(_ context.Context, into *agentwire.Snapshot) (int, error) {
		into.Software, into.Accounts = nil, nil
		return 0, errors.New("failed half way")
	}}
	for _, test := range []struct {
		name      string
		collector *fixed
		want      string
	}{
		{"with an error", failing("software"), "the database is broken"},
		{"with a panic", panicking, "index out of range"},
		{"after it touched the snapshot", spoiling, "failed half way"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, packages("bash", "zlib"), users("root"))
			first := s.mustRun("")
			s.worker.Collectors = []collect.Collector{test.collector, users("root", "mallory")}
			second := s.mustRun(first.Snapshot)
			delta := s.delta(second)
			if !delta.Software.IsZero() {
				t.Errorf("software changed by %+v, want it left alone", delta.Software)
			}
			if len(delta.Accounts.Put) != 1 || delta.Accounts.Put[0].Username != "mallory" {
				t.Errorf("accounts changed by %+v, want mallory added", delta.Accounts)
			}
			if report := second.Collectors[0]; !strings.Contains(report.Error, test.want) || report.Entries != 0 {
				t.Errorf("software reports %+v, want an error with %q", report, test.want)
			}
		})
	}
}

func TestUnknownCollectorIsReportedAndNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"))
	job := s.job("")
	job.Collectors = append(job.Collectors, "quantum")
	result, err := s.run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if report := result.Collectors[1]; report.Name != "quantum" || !strings.Contains(report.Error, `"quantum" is unknown`) {
		t.Errorf("unknown collector reports %+v", report)
	}
	if report := result.Collectors[0]; report.Error != "" {
		t.Errorf("known collector reports %+v", report)
	}
}

func TestCollectorsTheJobDoesNotNameKeepTheirPart(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"), users("root"))
	first := s.mustRun("")
	job := s.job(first.Snapshot)
	job.Collectors = []string{"accounts"}
	s.worker.Collectors = []collect.Collector{packages(), users("root")}
	second, err := s.run(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Unchanged || len(second.Collectors) != 1 {
		t.Errorf("result is %+v, want one collector and no change", second)
	}
}

func TestHostIsNeverEmptiedByABaselineOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, failing("software"), failing("accounts"))
	_, err := s.run(t.Context(), s.job(""))
	if err == nil || !strings.Contains(err.Error(), "no collector succeeded") {
		t.Errorf("error is %v, want that no collector succeeded", err)
	}
	if left := s.snapshots(); len(left) != 0 {
		t.Errorf("snapshots %v were written", left)
	}
}

func TestPausesLieBetweenCollectors(t *testing.T) {
	t.Parallel()
	s := newSite(t, packages("bash"), users("root"), failing("ports"))
	job := s.job("")
	job.Throttle = 250 * time.Millisecond
	if _, err := s.run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{job.Throttle, job.Throttle}, s.pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
}

func TestACollectorMayTakeItsTimeForEachOperation(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		collector reading
		throttle  time.Duration
		want      string // error
	}{
		{"many files, each in time", reading{20, 4 * time.Minute}, 0, ""},
		{"long pauses between short reads", reading{3, time.Second}, 6 * time.Minute, ""},
		{"one file without an end", reading{2, 6 * time.Minute}, time.Second, "took longer than 5m0s for one operation"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, users("root"), test.collector)
				s.worker.Pause = pause
				job := s.job("")
				job.Throttle = test.throttle
				result, err := s.run(t.Context(), job)
				if err != nil {
					t.Fatal(err)
				}
				if got := result.Collectors[1].Error; got != test.want {
					t.Errorf("collector reports the error %q, want %q", got, test.want)
				}
			})
		})
	}
}

func TestStoppedScanReportsNothingAndWritesNothing(t *testing.T) {
	t.Parallel()
	t.Run("between collectors", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		s := newSite(t, packages("bash"), users("root"))
		s.worker.Pause = func(ctx context.Context, _ time.Duration) error {
			stop()
			return ctx.Err()
		}
		job := s.job("")
		job.Throttle = time.Second
		checkStopped(ctx, t, s, job)
	})
	t.Run("within a collector that does not listen", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		release := make(chan struct{})
		t.Cleanup(func() { close(release) })
		s := newSite(t, &fixed{"volumes", func(context.Context, *agentwire.Snapshot) (int, error) {
			stop()
			<-release
			return 0, nil
		}})
		checkStopped(ctx, t, s, s.job(""))
	})
}

func checkStopped(ctx context.Context, t *testing.T, s *site, job scan.Job) {
	t.Helper()
	if _, err := s.run(ctx, job); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want %v", err, context.Canceled)
	}
	if left := s.snapshots(); len(left) != 0 {
		t.Errorf("snapshots %v were written", left)
	}
}

func TestJobsThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, job, want string }{
		{"nothing", ``, "read job"},
		{"not JSON", `scan`, "read job"},
		{"too large", `{"base":"` + strings.Repeat("x", maxJobBytes) + `"}`, "larger than"},
		{"another module", `{"module":"vulnerability","rootDir":"/","stateDir":"/x","collectors":["host"]}`, `module is "vulnerability"`},
		{"a relative root folder", `{"module":"inventory","rootDir":"x","stateDir":"/x","collectors":["host"]}`, `rootDir is "x"`},
		{"no state folder", `{"module":"inventory","rootDir":"/","collectors":["host"]}`, `stateDir is ""`},
		{"no collectors", `{"module":"inventory","rootDir":"/","stateDir":"/x"}`, "collectors has 0 names"},
		{"a collector twice", `{"module":"inventory","rootDir":"/","stateDir":"/x","collectors":["host","host"]}`, `"host" twice`},
		{"a negative pause", `{"module":"inventory","rootDir":"/","stateDir":"/x","collectors":["host"],"throttle":-1}`, "throttle is -1ns"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, packages("bash"))
			err := s.worker.Run(t.Context(), strings.NewReader(test.job), io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}
