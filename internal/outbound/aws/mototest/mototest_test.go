package mototest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhereMotoIsMissingTheErrorSaysHowToGetIt(t *testing.T) {
	t.Parallel()
	repository := t.TempDir()
	if err := os.WriteFile(filepath.Join(repository, "go.mod"), []byte("module x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(repository, "internal", "x")
	if _, err := find(below); err == nil || err.Error() != "moto is not installed: run tools/prerequisites in "+repository {
		t.Errorf("error %v, want the next step", err)
	}
	if _, err := find("/"); err == nil || !strings.Contains(err.Error(), "in no repository") {
		t.Errorf("outside of a repository: %v", err)
	}
}

func TestMotoEndsWithItsInput(t *testing.T) {
	t.Parallel()
	server, err := launch()
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(server.url, "http://")
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	connection.Close()
	if err := server.input.Close(); err != nil {
		t.Fatal(err)
	}
	// The supervisor ends when moto has ended.
	if err := server.process.Wait(); err != nil {
		if _, exited := errors.AsType[*exec.ExitError](err); !exited {
			t.Fatal(err)
		}
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Errorf("moto still listens on %s", address)
	}
}
