package mototest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// supervisor starts moto and waits for the end of its input, which is the end of
// the test binary, however that comes. Then it stops moto.
const supervisor = `"$1" -H 127.0.0.1 -p 0 <&- & server=$!
trap 'kill "$server"; wait "$server"' EXIT
read -r _ || :`

var listening = regexp.MustCompile(`Running on (http://127\.0\.0\.1:\d+)`)

// server is a moto that runs as long as its input is open, so hold on to it: what
// nobody refers to any more is closed.
type server struct {
	url     string
	input   io.Closer
	process *exec.Cmd
}

// launch starts moto.
func launch() (*server, error) {
	folder, err := os.Getwd() // that of the package under test
	if err != nil {
		return nil, err
	}
	program, err := find(folder)
	if err != nil {
		return nil, err
	}
	// No context: it ends with its input, which nobody closes before the end.
	process := exec.CommandContext(context.Background(), "/bin/sh", "-c", supervisor, "mototest", program)
	process.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "PYTHONUNBUFFERED=1"}
	input, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := process.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	var said strings.Builder
	reader := bufio.NewReader(output)
	for {
		line, err := reader.ReadString('\n')
		said.WriteString(line)
		if where := listening.FindStringSubmatch(line); where != nil {
			// The log of requests, until moto ends.
			go func() { _, _ = io.Copy(io.Discard, reader) }()
			return &server{where[1], input, process}, nil
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("moto did not start: %s", said.String()), process.Wait())
		}
	}
}

// find returns the program of moto in the repository that a folder is in.
func find(folder string) (string, error) {
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			break
		}
		if folder == filepath.Dir(folder) {
			return "", errors.New("this folder is in no repository: there is no go.mod above it")
		}
		folder = filepath.Dir(folder)
	}
	// Copied last by tools/prerequisites.
	if _, err := os.Stat(filepath.Join(folder, ".tools/moto/requirements.txt")); err != nil {
		return "", fmt.Errorf("moto is not installed: run tools/prerequisites in %s", folder)
	}
	return filepath.Join(folder, ".tools/moto/bin/moto_server"), nil
}
