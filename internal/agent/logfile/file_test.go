package logfile

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// asWriter makes this test binary a process that logs until it is killed.
const asWriter = "VEDETTE_TEST_LOG_FOLDER"

// small is where the files of these tests end.
const small = 1 << 10

func TestMain(m *testing.M) {
	if folder := os.Getenv(asWriter); folder != "" {
		writeForever(folder)
	}
	os.Exit(m.Run())
}

// writeForever writes numbered lines and says on standard output when it has begun.
func writeForever(folder string) {
	first, err := strconv.Atoi(os.Getenv(asWriter + "_FIRST"))
	if err != nil {
		panic(err)
	}
	f, err := open(folder, true, small)
	if err != nil {
		panic(err)
	}
	for n := first; ; n++ {
		fmt.Fprintf(f, "line %d %s\n", n, strings.Repeat("x", n%50))
		if n == first {
			fmt.Println("begun")
		}
	}
}

func opened(t *testing.T, folder string, compress bool) *File {
	t.Helper()
	f, err := open(folder, compress, small)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// contents returns the lines of a file, unpacked, and false where there is none.
func contents(t *testing.T, path string) ([]string, bool) {
	t.Helper()
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var from io.Reader = file
	if strings.HasSuffix(path, packed) {
		if from, err = gzip.NewReader(file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	doc, err := io.ReadAll(from)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return strings.Split(strings.TrimSuffix(string(doc), "\n"), "\n"), true
}

// everything returns all lines from the oldest to the latest.
func everything(t *testing.T, folder string) (lines []string) {
	t.Helper()
	for n := Keep; n >= 1; n-- {
		found, ok := contents(t, filepath.Join(folder, archive(n)))
		if !ok { // or both, with the same lines
			found, _ = contents(t, filepath.Join(folder, archive(n)+packed))
		}
		lines = append(lines, found...)
	}
	found, _ := contents(t, filepath.Join(folder, Name))
	return append(lines, found...)
}

func TestAFullFileBecomesTheFirstOfFiveArchives(t *testing.T) {
	t.Parallel()
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("compress=%t", compress), func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			f := opened(t, folder, compress)
			line := strings.Repeat("y", 99)
			for n := range 200 { // ten to a file
				fmt.Fprintf(f, "%04d%s\n", n, line[4:])
			}
			entries, err := os.ReadDir(folder)
			if err != nil || len(entries) != Keep+1 {
				t.Errorf("folder has %v (%v), want the file and %d archives", entries, err, Keep)
			}
			for _, e := range entries {
				info, err := e.Info()
				if err != nil || info.Size() > small || info.Mode().Perm() != mode {
					t.Errorf("%s has %d bytes and mode %v, want at most %d and %v", e.Name(), info.Size(), info.Mode(), small, fs.FileMode(mode))
				}
				if e.Name() != Name && strings.HasSuffix(e.Name(), packed) != compress {
					t.Errorf("%s is there with compress=%t", e.Name(), compress)
				}
			}
			lines := everything(t, folder)
			for i, l := range lines {
				if want := 200 - len(lines) + i; !strings.HasPrefix(l, fmt.Sprintf("%04d", want)) {
					t.Fatalf("line %d of what is kept is %.10s, want number %d", i, l, want)
				}
			}
			if len(lines) < Keep*small/100 {
				t.Errorf("%d lines are kept, want those of %d archives", len(lines), Keep)
			}
		})
	}
}

// TestAProcessThatIsKilledAnywhereLosesNoWholeLine kills a process that rotates and
// packs all the time, with SIGKILL, and starts it again on what it left.
func TestAProcessThatIsKilledAnywhereLosesNoWholeLine(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(3, 4))
	first := 0
	for run := range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), asWriter+"="+folder, asWriter+"_FIRST="+strconv.Itoa(first))
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("run %d did not begin: %v", run, err)
		}
		<-time.After(time.Duration(random.IntN(40)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		first = inOrder(t, everything(t, folder)) + 1
	}
	f := opened(t, folder, true)
	fmt.Fprintf(f, "line %d %s\n", first, strings.Repeat("x", first%50))
	if last := inOrder(t, everything(t, folder)); last != first {
		t.Errorf("the last line is %d, want %d", last, first)
	}
	if _, err := os.Stat(filepath.Join(folder, Name+packed+partial)); err == nil {
		t.Error("half an archive stays behind")
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) > 2*Keep+1 {
		t.Errorf("folder has %v (%v)", entries, err)
	}
}

// inOrder checks that numbers follow one another and returns the last. A line that
// was cut short is followed by its number again.
func inOrder(t *testing.T, lines []string) (last int) {
	t.Helper()
	last = -1
	for _, l := range lines {
		var n int
		var rest string
		if c, _ := fmt.Sscanf(l, "line %d %s", &n, &rest); c == 0 || rest != strings.Repeat("x", n%50) {
			continue // torn
		}
		if last >= 0 && n != last+1 {
			t.Fatalf("line %d follows line %d", n, last)
		}
		last = n
	}
	return last
}

func TestAHalfLineIsEndedBeforeTheNext(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, Name), []byte("whole\nhal"), 0o600); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(opened(t, folder, false), "next\n")
	if got := strings.Join(everything(t, folder), "|"); got != "whole|hal|next" {
		t.Errorf("log has %s, want whole|hal|next", got)
	}
}

func TestAFileThatCannotBeBegunIsTriedAgainAndWhatWasDroppedIsSaid(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	f := opened(t, folder, false)
	fmt.Fprintf(f, "%s\n", strings.Repeat("a", small-1))
	// The latest archive is in the way: a folder that is not empty.
	obstacle := filepath.Join(folder, archive(Keep))
	if err := os.MkdirAll(filepath.Join(obstacle, "file"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if n, err := fmt.Fprint(f, "lost\n"); n != 5 || err != nil {
			t.Errorf("a line that cannot be written: %d, %v; want the agent not to notice", n, err)
		}
	}
	if f.Dropped() != 3 {
		t.Errorf("%d lines were dropped, want 3", f.Dropped())
	}
	if err := os.RemoveAll(obstacle); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "found\n")
	text := strings.Join(everything(t, folder), "\n")
	if !strings.Contains(text, "found") || !strings.Contains(text, "log lines were dropped number=3") || strings.Contains(text, "lost") {
		t.Errorf("log ends with %q; want that 3 lines were dropped", text[max(0, len(text)-300):])
	}
	if f.Dropped() != 0 {
		t.Errorf("%d lines still count as dropped", f.Dropped())
	}
}

func TestALinkLeadsNowhereOutOfTheFolder(t *testing.T) {
	t.Parallel()
	folder, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, filepath.Join(folder, Name)); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(folder, false); err == nil {
		f.Close()
		t.Error("a log that is a link out of its folder was opened")
	}
	if doc, err := os.ReadFile(victim); err != nil || string(doc) != "mine" {
		t.Errorf("the file behind the link has %q, %v", doc, err)
	}
}

// TestTwoWritersOfOneFolderLoseNoLine has a version of the agent on trial and the
// one that watches it log to one folder: each has opened it, and both rotate.
func TestTwoWritersOfOneFolderLoseNoLine(t *testing.T) {
	t.Parallel()
	for _, compress := range []bool{false, true} {
		t.Run(fmt.Sprintf("compress=%t", compress), func(t *testing.T) {
			t.Parallel()
			const each = 40
			for range 20 {
				folder := t.TempDir()
				var writers sync.WaitGroup
				for _, name := range []string{"watcher", "trial"} {
					f := opened(t, folder, compress)
					writers.Go(func() {
						for n := range each {
							fmt.Fprintf(f, "%s %d %s\n", name, n, strings.Repeat("x", 40))
						}
					})
				}
				writers.Wait()
				next := make(map[string]int)
				for _, line := range everything(t, folder) {
					var name string
					var n int
					if _, err := fmt.Sscanf(line, "%s %d", &name, &n); err != nil || n != next[name] {
						t.Fatalf("%q follows line %d of the %s: %v", line, next[name]-1, name, err)
					}
					next[name]++
				}
				if next["watcher"] != each || next["trial"] != each {
					t.Fatalf("of %d lines each there are %v", each, next)
				}
				entries, err := os.ReadDir(folder)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range entries {
					if info, err := e.Info(); err != nil || info.Size() > small {
						t.Errorf("%s has %d bytes, want at most %d: %v", e.Name(), info.Size(), small, err)
					}
				}
			}
		})
	}
}

func TestAFileThatWasMovedAwayIsBegunAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	f := opened(t, folder, false)
	fmt.Fprint(f, "before\n")
	if err := os.Rename(filepath.Join(folder, Name), filepath.Join(folder, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, "after\n")
	if got := strings.Join(everything(t, folder), "|"); got != "after" {
		t.Errorf("log has %q, want after", got)
	}
}
