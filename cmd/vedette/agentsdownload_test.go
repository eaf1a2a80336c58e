package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

func TestALongTransferTellsHowFarItIsEverMoreRarely(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	begun := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	now := begun
	show := newTransfer(&out, func() time.Time { return now })
	told := map[int]string{}
	for second := range 120 {
		now = begun.Add(time.Duration(second) * time.Second)
		out.Reset()
		if n, err := show.Write(make([]byte, 100_000)); n != 100_000 || err != nil {
			t.Fatalf("wrote %d: %v", n, err)
		}
		if out.Len() > 0 {
			told[second] = out.String()
		}
	}
	want := map[int]string{
		2: "0.3 MB received\n", 6: "0.7 MB received\n", 14: "1.5 MB received\n", 30: "3.1 MB received\n", 60: "6.1 MB received\n", 90: "9.1 MB received\n",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told by second (-want +got):\n%s", diff)
	}
}

func namesOf(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestAFileHasItsNameOnlyWhenItIsComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.deb")
	err := writeNew(path, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		if names := namesOf(t, dir); len(names) != 1 || names[0] == "agent.deb" {
			t.Errorf("while it is written the folder holds %v", names)
		}
		return errors.New("broken off")
	})
	if names := namesOf(t, dir); err == nil || len(names) != 0 {
		t.Errorf("%v, and the folder holds %v", err, names)
	}
	if err := writeNew(path, func(w io.Writer) error { _, err := io.WriteString(w, "whole"); return err }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"agent.deb"}, namesOf(t, dir)); diff != "" {
		t.Errorf("folder (-want +got):\n%s", diff)
	}
}

func TestAFileThatAppearsMeanwhileIsNotOverwritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "agent.deb")
	err := writeNew(path, func(io.Writer) error { return os.WriteFile(path, []byte("theirs"), 0o600) })
	content, reading := os.ReadFile(path)
	if !fault.Is(err, fault.Conflict) || reading != nil || string(content) != "theirs" || len(namesOf(t, dir)) != 1 {
		t.Errorf("%v, and the file holds %q (%v)", err, content, reading)
	}
}
