package resident

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"vedette.dev/vedette/internal/agent/pacing"
	"vedette.dev/vedette/internal/agent/scan"
)

const (
	// maxResultBytes bounds a scan.Result: a line per collector.
	maxResultBytes = 256 << 10
	// maxErrorBytes is how much of a worker's standard error is kept, its end.
	maxErrorBytes = 4 << 10
	// killDelay is how long a worker has to end after it was told to.
	killDelay = 5 * time.Second
)

// worker runs scans in child processes, each below the CPU limit of its job. On
// Linux and Windows a child dies with this process; elsewhere it ends its scan,
// which nobody then takes over.
type worker struct {
	command []string
	pacer   *pacing.Pacer
}

// newWorker takes the command of the worker, or the program beside this one.
func newWorker(command []string) (*worker, error) {
	if len(command) > 0 {
		return &worker{command, pacing.New()}, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the scan worker: %w", err)
	}
	name := "vedette-agent-worker"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return &worker{[]string{filepath.Join(filepath.Dir(self), name)}, pacing.New()}, nil
}

// Scan runs one scan. The job is all there is on the worker's standard input.
func (w *worker) Scan(ctx context.Context, job scan.Job) (*scan.Result, error) {
	doc, err := json.Marshal(job)
	if err != nil {
		return nil, fmt.Errorf("encode scan job: %w", err)
	}
	stdout := &head{most: maxResultBytes}
	stderr := &tail{most: maxErrorBytes}
	cmd := exec.CommandContext(ctx, w.command[0], w.command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(doc), stdout, stderr
	cmd.WaitDelay = killDelay
	start := time.Now()
	if err := w.pacer.Run(cmd, job.CPULimit); err != nil {
		return nil, fmt.Errorf("scan worker %s: %w%s", w.command[0], err, stderr)
	}
	if stdout.over {
		return nil, fmt.Errorf("scan worker reported more than %d bytes", maxResultBytes)
	}
	var result scan.Result
	if err := json.Unmarshal(stdout.buffer.Bytes(), &result); err != nil {
		return nil, fmt.Errorf("decode the scan worker's result: %w", err)
	}
	result.Took, result.CPU = time.Since(start), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	return &result, nil
}

// head keeps the first bytes written to it and notes whether there were more.
type head struct {
	buffer bytes.Buffer
	most   int
	over   bool
}

// Write never fails, so that a talkative worker is not killed by its pipe.
func (h *head) Write(p []byte) (int, error) {
	room := h.most - h.buffer.Len()
	h.over = h.over || len(p) > room
	h.buffer.Write(p[:min(len(p), room)])
	return len(p), nil
}

// tail keeps the last bytes written to it.
type tail struct {
	kept []byte
	most int
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p[max(0, len(p)-t.most):]...)
	if over := len(t.kept) - t.most; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// String is what was kept, as the end of an error message.
func (t *tail) String() string {
	text := strings.TrimSpace(strings.ToValidUTF8(string(t.kept), "?"))
	if text == "" {
		return ""
	}
	return ": " + text
}

var (
	_ io.Writer = (*head)(nil)
	_ io.Writer = (*tail)(nil)
)
