// Command vedette-agent-worker runs one scan and ends. The resident agent starts
// it with a job on standard input and reads the result from standard output; it
// is not meant to be started by hand.
package main

import (
	"os"

	"vedette.dev/vedette/internal/agent/worker"
)

func main() {
	os.Exit(worker.Main(os.Stdin, os.Stdout, os.Stderr))
}
