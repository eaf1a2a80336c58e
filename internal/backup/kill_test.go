package backup

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// killedIn makes this test binary a child that begins a backup or a restore and
// stops half-way, to be killed there. The value is which of the two; the folder is
// the one the child is started in.
const killedIn = "VEDETTE_TEST_KILLED_IN"

func TestMain(m *testing.M) {
	if what := os.Getenv(killedIn); what != "" {
		fmt.Fprintln(os.Stderr, beginAndWait(what == "backup"))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// beginAndWait returns only when what it begins fails.
func beginAndWait(backup bool) error {
	half := func(_ context.Context, path string) error {
		if err := os.WriteFile(path, []byte("half of a datab"), 0o600); err != nil {
			return err
		}
		fmt.Println("half-way")
		select {}
	}
	if backup {
		source := sourceOf(nil)
		source.Database = func(ctx context.Context, path string) (Database, error) { return Database{}, half(ctx, path) }
		_, err := Create(context.Background(), "vedette.backup", source, quiet)
		return err
	}
	archive, err := Open("vedette.backup")
	if err != nil {
		return err
	}
	return Restore(context.Background(), archive, Target{Folder: "data", DatabaseName: "vedette.db", Database: half}, quiet)
}

func killHalfWay(t *testing.T, what, folder string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), killedIn+"="+what)
	child.Dir = folder
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "half-way\n" {
		t.Errorf("the child said %q, %v", line, err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

func TestAKilledBackupLeavesNoFileUnderItsName(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	killHalfWay(t, "backup", folder)
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(left) != 1 || !strings.Contains(left[0], "vedette.backup.partial-") {
		t.Errorf("left behind: %v, %v; want a folder that says what it is", left, err)
	}
	path := filepath.Join(folder, "vedette.backup")
	if _, err := Create(t.Context(), path, sourceOf([]byte("database")), quiet); err != nil {
		t.Fatal(err)
	}
	if err := use(t, path); err != nil {
		t.Error(err)
	}
}

func TestAKilledRestoreLeavesNoDataFolder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "vedette.backup")
	if _, err := Create(t.Context(), path, sourceOf([]byte("database")), quiet); err != nil {
		t.Fatal(err)
	}
	killHalfWay(t, "restore", folder)
	if _, err := os.Stat(filepath.Join(folder, "data")); err == nil {
		t.Error("the data folder is in place")
	}
	left, err := filepath.Glob(filepath.Join(folder, "data.partial-*"))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v; want a folder that says what it is", left, err)
	}
	target := Target{Folder: filepath.Join(folder, "data"), DatabaseName: "vedette.db", Database: keep}
	if err := Restore(t.Context(), open(t, path), target, quiet); err != nil {
		t.Error(err)
	}
}
