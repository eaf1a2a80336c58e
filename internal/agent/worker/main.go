package worker

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"vedette.dev/vedette/internal/agent/collect"
	"vedette.dev/vedette/internal/agent/metadata"
)

const (
	// maxScanTime ends a worker whose agent did not. At a CPU limit of 2 % a
	// full inventory takes a minute.
	maxScanTime = time.Hour
	// gcPercent keeps the heap near what is in use; a scan has time to collect.
	gcPercent = 30
)

// Main is the worker program: it runs the job on in, prints the result on out,
// says on errOut why it failed, and returns the exit status, 0 or 1. It lowers
// the priority of the whole process and silences the standard logger, which
// libraries of collectors write to: call it from main only, and exit then.
func Main(in io.Reader, out, errOut io.Writer) int {
	lowerPriority()
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(1) // a limit is a share of one core, so there is no use for another
	log.SetOutput(io.Discard)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, maxScanTime)
	defer cancel()

	w := &Worker{Collectors: collect.All(), Now: time.Now, Pause: pause, Cloud: metadata.New(os.Getenv).Instance}
	if err := w.Run(ctx, in, out); err != nil {
		fmt.Fprintf(errOut, "scan worker: %v\n", err)
		return 1
	}
	return 0
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
