// Command vedette-agent-worker does one piece of work for the resident agent and
// ends: one scan, or with the argument "release" the verification of release
// metadata. What is to be done comes on standard input, the result goes to
// standard output; it is not meant to be started by hand.
package main

import (
	"os"

	"vedette.dev/vedette/internal/agent/release/trust"
	"vedette.dev/vedette/internal/agent/worker"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "release" {
		os.Exit(trust.Main(os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(worker.Main(os.Stdin, os.Stdout, os.Stderr))
}
