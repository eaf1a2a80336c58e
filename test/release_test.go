package test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// scriptOf is an agent of a version that does as it is told instead of working.
func scriptOf(version, run string) []byte {
	return []byte("#!/bin/sh\ncase $1 in version) echo " + version + " ;; *) " + run + " ;; esac\n")
}

// newerVersion is what the agent of these tests upgrades to.
const newerVersion = "2.1.0"

// builtNewer builds the agent as newerVersion and returns its path.
var builtNewer = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(binaries, newerVersion, "vedette-agent")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X vedette.dev/vedette/internal/agent/resident.Version="+newerVersion,
		"-o", path, "../cmd/vedette-agent")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build agent %s: %w\n%s", newerVersion, err, out)
	}
	return path, nil
})

// newerAgent returns the agent as newerVersion.
func newerAgent(t *testing.T) []byte {
	t.Helper()
	path, err := builtNewer()
	if err != nil {
		t.Fatal(err)
	}
	return contentOf(t, path)
}

func contentOf(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// publish publishes a version that consists of these programs.
func (f *folder) publish(t *testing.T, version string, agent, worker []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), releaseName(version))
	if err := writeRelease(path, agent, worker); err != nil {
		t.Fatal(err)
	}
	f.publishFile(t, path)
}

func (f *folder) publishFile(t *testing.T, path string) {
	t.Helper()
	if out := f.vedette(t, "agents", "publish", "--data", f.path, path); !strings.Contains(out, filepath.Base(path)) {
		t.Errorf("publish said %q", out)
	}
}

// releaseName is the name of the archive of a version for this machine.
func releaseName(version string) string {
	return "vedette-agent-" + version + "-linux-" + runtime.GOARCH + ".tar.gz"
}

// writeRelease writes the archive of a version.
func writeRelease(path string, agent, worker []byte) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	zipped := gzip.NewWriter(file)
	archive := tar.NewWriter(zipped)
	for name, content := range map[string][]byte{"vedette-agent": agent, "vedette-agent-worker": worker} {
		err = errors.Join(err, archive.WriteHeader(&tar.Header{Name: "usr/lib/vedette-agent/" + name, Mode: 0o755, Size: int64(len(content))}))
		_, errWrite := archive.Write(content)
		err = errors.Join(err, errWrite)
	}
	return errors.Join(err, archive.Close(), zipped.Close(), file.Close())
}

// prevent says whether the agents of the profile that all have keep their version.
func (f *folder) prevent(t *testing.T, updates bool) {
	t.Helper()
	f.vedette(t, preventing(updates)...)
}

func preventing(updates bool) []string {
	return []string{"profiles", "update", "2", "--prevent-agent-update=" + strconv.FormatBool(updates)}
}
