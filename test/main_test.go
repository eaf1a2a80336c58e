package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// binaries is the folder with the real binaries, built once for all tests.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(withBinaries(m))
}

func withBinaries(m *testing.M) int {
	var err error
	if binaries, err = os.MkdirTemp("", "vedette-binaries-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(binaries)
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binaries+string(filepath.Separator),
		"../cmd/vedette", "../cmd/vedette-agent", "../cmd/vedette-agent-worker")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the binaries:", err)
		return 1
	}
	return pgtest.Main(m)
}
