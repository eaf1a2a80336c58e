package swarm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

// scanner is what the scans of all hosts share. It bounds how many are worked
// out at once: each holds some megabytes.
type scanner struct {
	slots   chan struct{}
	encoder *zstd.Encoder
}

// encoderWindowBytes is that of the agent's worker.
const encoderWindowBytes = 1 << 20

func newScanner(atOnce int) (*scanner, error) {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderConcurrency(atOnce), zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithWindowSize(encoderWindowBytes), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("set up compression: %w", err)
	}
	return &scanner{slots: make(chan struct{}, atOnce), encoder: encoder}, nil
}

// runner scans one imagined host. It implements session.Runner.
//
// In place of a snapshot it leaves the past that leads to it in the agent's
// files: a few bytes, from which the snapshot is worked out again.
type runner struct {
	scanner *scanner
	host    *host
	hosts   func(number int) *host // any host of the swarm: a clone begins with the snapshot of another
	files   *files
	clock   *clock
	change  time.Duration // between two upgrades of packages; 0 for none
	began   time.Time
	scans   int
}

// Scan implements session.Runner. An agent runs one scan at a time.
func (r *runner) Scan(ctx context.Context, job scan.Job) (*scan.Result, error) {
	select {
	case r.scanner.slots <- struct{}{}:
		defer func() { <-r.scanner.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.scans++
	now := past{Host: r.host.number, Upgrades: r.upgrades(), Scans: r.scans}
	next := r.host.snapshot(now)
	keep(next, job.Collectors)
	delta := agentwire.Diff(r.base(job), next)
	doc, err := json.Marshal(delta)
	if err != nil {
		return nil, fmt.Errorf("encode delta: %w", err)
	}
	upload := r.scanner.encoder.EncodeAll(doc, nil)
	sum := sha256.Sum256(upload)
	result := &scan.Result{
		Base: delta.Base, Snapshot: delta.Result, Upload: hex.EncodeToString(sum[:]), UploadSize: int64(len(upload)),
		Unchanged: !delta.Baseline() && delta.Empty(),
	}
	for _, name := range job.Collectors {
		result.Collectors = append(result.Collectors, scan.Collected{Name: name})
	}
	recipe, err := json.Marshal(now)
	if err != nil {
		return nil, fmt.Errorf("encode recipe: %w", err)
	}
	if err := r.files.Write(scan.SnapshotName(result.Snapshot), recipe); err != nil {
		return nil, err
	}
	return result, r.files.Write(scan.SpoolName(result.Upload), upload)
}

// upgrades returns how often packages have been upgraded so far, at moments that
// differ from host to host.
func (r *runner) upgrades() int {
	if r.change == 0 {
		return 0
	}
	phase := time.Duration(r.host.draw(drawUpgrade, -1).Float64() * float64(r.change))
	return int((r.clock.Now().Sub(r.began) + phase) / r.change)
}

// base works out the snapshot that the platform has confirmed, or returns nil
// for a baseline: also where the recipe is missing or leads elsewhere, as a
// worker does with a file that is damaged.
func (r *runner) base(job scan.Job) *agentwire.Snapshot {
	if job.Base == "" {
		return nil
	}
	doc, err := r.files.Read(scan.SnapshotName(job.Base), maxRecipeBytes)
	if err != nil {
		return nil
	}
	var then past
	if json.Unmarshal(doc, &then) != nil {
		return nil
	}
	base := r.hosts(then.Host).snapshot(then)
	keep(base, job.Collectors)
	if base.Digest() != job.Base {
		return nil
	}
	return base
}

// maxRecipeBytes bounds a past as it is kept.
const maxRecipeBytes = 1 << 10

// keep leaves out what the manifest does not ask for. The names are those of the
// agent's collectors.
func keep(s *agentwire.Snapshot, collectors []string) {
	for name, leaveOut := range map[string]func(){
		"host":       func() { s.Host = agentwire.Host{} },
		"software":   func() { s.Software = nil },
		"ports":      func() { s.Ports = nil },
		"interfaces": func() { s.Interfaces = nil },
		"accounts":   func() { s.Accounts = nil },
		"processors": func() { s.Processors = nil },
		"volumes":    func() { s.Volumes = nil },
	} {
		if !slices.Contains(collectors, name) {
			leaveOut()
		}
	}
}
