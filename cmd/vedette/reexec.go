package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"vedette.dev/vedette/internal/agent/resident"
	"vedette.dev/vedette/internal/agent/worker"
)

// reexecuted runs this process as agent or worker if that is what it was
// started for. It reports whether it was.
func reexecuted(args []string) (exitCode int, was bool) {
	if len(args) == 0 {
		return 0, false
	}
	switch args[0] {
	case hiddenWorker:
		return worker.Main(os.Stdin, os.Stdout, os.Stderr), true
	case hiddenAgent:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		sys := resident.System{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
		if self, err := os.Executable(); err == nil {
			sys.Worker = []string{self, hiddenWorker}
		}
		return resident.Main(ctx, args[1:], sys), true
	}
	return 0, false
}
