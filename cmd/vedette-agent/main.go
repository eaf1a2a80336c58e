// Command vedette-agent is the resident agent: network, state and timers. Scans
// run in vedette-agent-worker, so this process rests near 10 MB.
//
// See package resident for its command line.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"vedette.dev/vedette/internal/agent/resident"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := resident.Main(ctx, os.Args[1:], resident.System{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Installed: true})
	stop()
	os.Exit(code)
}
