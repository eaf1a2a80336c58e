package worker

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agentwire"
)

const (
	// maxJobBytes bounds a job: a few paths and names.
	maxJobBytes = 64 << 10
	// maxJobCollectors bounds the collectors of one job. A manifest has seven.
	maxJobCollectors = 64
)

// readJob reads and checks one job.
func readJob(in io.Reader) (*scan.Job, error) {
	doc, err := io.ReadAll(io.LimitReader(in, maxJobBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	if len(doc) > maxJobBytes {
		return nil, fmt.Errorf("read job: larger than %d bytes", maxJobBytes)
	}
	var job scan.Job
	if err := json.Unmarshal(doc, &job); err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	return &job, checkJob(&job)
}

func checkJob(job *scan.Job) error {
	switch {
	case job.Module != agentwire.ModuleInventory:
		return fmt.Errorf("job field module is %q, allowed is %q", job.Module, agentwire.ModuleInventory)
	case !filepath.IsAbs(job.RootDir):
		return fmt.Errorf("job field rootDir is %q, it must be an absolute path", job.RootDir)
	case !filepath.IsAbs(job.StateDir):
		return fmt.Errorf("job field stateDir is %q, it must be an absolute path", job.StateDir)
	case job.Throttle < 0:
		return fmt.Errorf("job field throttle is %s, it must not be negative", job.Throttle)
	case len(job.Collectors) == 0 || len(job.Collectors) > maxJobCollectors:
		return fmt.Errorf("job field collectors has %d names, allowed are 1 to %d", len(job.Collectors), maxJobCollectors)
	}
	for i, name := range job.Collectors {
		if slices.Contains(job.Collectors[:i], name) {
			return fmt.Errorf("job field collectors names %q twice", name)
		}
	}
	return nil
}
