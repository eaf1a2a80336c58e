package backup

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

// made is when the backups of these tests are made.
var made = time.Date(2031, 4, 1, 6, 12, 44, 0, time.UTC)

func quiet(string, int64, int64) {}

// secretFiles are those of a small data folder.
func secretFiles() []File {
	return []File{
		{Name: "admin.env", Mode: 0o600, Content: []byte("VEDETTE_PASSWORD=secret\n")},
		{Name: "tls/ca.pem", Mode: 0o644, Content: []byte("certificate\n")},
		{Name: "trust/empty", Mode: 0o600, Content: []byte{}},
		{Name: "trust/root.key", Mode: 0o600, Content: []byte("key\n")},
	}
}

// sourceOf is a platform whose database has the given content.
func sourceOf(database []byte) Source {
	return Source{
		Vedette: "v1.2.3", Created: made,
		Database: func(_ context.Context, path string) (Database, error) {
			return Database{Engine: SQLite, Schema: 5}, os.WriteFile(path, database, 0o600)
		},
		Files: func() ([]File, error) { return secretFiles(), nil },
	}
}

func keep(context.Context, string) error { return nil }

// makeBackup makes a backup with some random bytes for a database and returns both.
func makeBackup(t *testing.T) (path string, database []byte) {
	t.Helper()
	database = make([]byte, 300_000)
	if _, err := rand.Read(database); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "vedette.backup")
	if _, err := Create(t.Context(), path, sourceOf(database), quiet); err != nil {
		t.Fatal(err)
	}
	return path, database
}

func open(t *testing.T, path string) *Archive {
	t.Helper()
	archive, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := archive.Close(); err != nil {
			t.Error(err)
		}
	})
	return archive
}

// tree lists a folder: names with modes and contents.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		found[filepath.ToSlash(name)] = fmt.Sprintf("%v %x", info.Mode(), content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantRefused(t *testing.T, err error, words string) {
	t.Helper()
	refused, ok := errors.AsType[*fault.Error](err)
	if !ok || !strings.Contains(refused.Message, words) || refused.Resolution == "" {
		t.Errorf("got %v, want a refusal with %q and a next step", err, words)
	}
}

// wantOnly checks that a folder holds nothing but the given names.
func wantOnly(t *testing.T, folder string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if diff := cmp.Diff(append([]string{}, names...), found); diff != "" {
		t.Errorf("what is in the folder (-want +got):\n%s", diff)
	}
}

func TestWhatWasBackedUpIsRestored(t *testing.T) {
	t.Parallel()
	path, database := makeBackup(t)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, %v; want it readable for its owner only", info.Mode(), err)
	}
	wantOnly(t, filepath.Dir(path), "vedette.backup")

	for _, there := range []bool{false, true} {
		folder := filepath.Join(t.TempDir(), "new", "data")
		if there {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		taken := ""
		target := Target{Folder: folder, DatabaseName: "vedette.db", Database: func(_ context.Context, path string) error {
			content, err := os.ReadFile(path)
			if !bytes.Equal(content, database) {
				t.Error("the copy of the database differs")
			}
			taken = path
			return err
		}}
		archive := open(t, path)
		if m := archive.Manifest; m.Vedette != "v1.2.3" || !m.Created.Equal(made) || m.Database != (Database{Engine: SQLite, Schema: 5}) {
			t.Errorf("manifest %+v", m)
		}
		if err := Restore(t.Context(), archive, target, quiet); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(filepath.Base(filepath.Dir(taken)), "data.partial-") {
			t.Errorf("the database was taken into use as %s, before the folder was in place it should be partial", taken)
		}
		want := map[string]string{"vedette.db": fmt.Sprintf("%v %x", fs.FileMode(0o600), database)}
		for _, file := range secretFiles() {
			want[file.Name] = fmt.Sprintf("%v %x", file.Mode, file.Content)
		}
		if diff := cmp.Diff(want, tree(t, folder)); diff != "" {
			t.Errorf("restored (-want +got):\n%s", diff)
		}
		wantOnly(t, filepath.Dir(folder), "data")
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the data folder has mode %v, %v", info.Mode(), err)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	t.Parallel()
	path, _ := makeBackup(t)
	before := tree(t, filepath.Dir(path))
	_, err := Create(t.Context(), path, sourceOf([]byte("another")), quiet)
	wantRefused(t, err, "exists already")

	// Something takes the name while the backup is being made.
	late := filepath.Join(t.TempDir(), "late.backup")
	source := sourceOf([]byte("another"))
	source.Files = func() ([]File, error) { return nil, os.WriteFile(late, []byte("mine"), 0o600) }
	_, err = Create(t.Context(), late, source, quiet)
	wantRefused(t, err, "exists already")
	wantOnly(t, filepath.Dir(late), "late.backup")
	if content, err := os.ReadFile(late); err != nil || string(content) != "mine" {
		t.Errorf("%q, %v: the other file was overwritten", content, err)
	}

	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "notes"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = Restore(t.Context(), open(t, path), Target{Folder: folder, DatabaseName: "vedette.db", Database: keep}, quiet)
	wantRefused(t, err, "is not empty: it holds notes")
	wantOnly(t, folder, "notes")
	err = Restore(t.Context(), open(t, path), Target{Folder: filepath.Join(folder, "notes"), DatabaseName: "vedette.db", Database: keep}, quiet)
	wantRefused(t, err, "cannot be restored as")
	if diff := cmp.Diff(before, tree(t, filepath.Dir(path))); diff != "" {
		t.Errorf("the backup changed: %s", diff)
	}
}

// TestALargeFileIsReadFromWhereItIs backs a package up, larger than all the rest,
// and watches that progress ends where it says it will.
func TestALargeFileIsReadFromWhereItIs(t *testing.T) {
	t.Parallel()
	pkg := make([]byte, 3<<20)
	if _, err := rand.Read(pkg); err != nil {
		t.Fatal(err)
	}
	large, path := filepath.Join(t.TempDir(), "package"), filepath.Join(t.TempDir(), "vedette.backup")
	if err := os.WriteFile(large, pkg, 0o600); err != nil {
		t.Fatal(err)
	}
	source := sourceOf([]byte("database"))
	source.Files = func() ([]File, error) {
		return append(secretFiles(), File{Name: "releases/package", Mode: 0o644, Path: large}), nil
	}
	reached := make(map[string]bool)
	m, err := Create(t.Context(), path, source, func(what string, done, total int64) {
		if done > total {
			t.Errorf("%s: %d bytes of %d", what, done, total)
		}
		reached[what] = done == total
	})
	if err != nil || !reached["computing the digest"] || !reached["compressing"] {
		t.Fatalf("the end was reached of %v: %v", reached, err)
	}
	if last := m.Members[len(m.Members)-1]; last.Name != "data/releases/package" || last.Size != int64(len(pkg)) {
		t.Errorf("the last member is %+v", last)
	}
	folder := filepath.Join(t.TempDir(), "data")
	if err := Restore(t.Context(), open(t, path), Target{Folder: folder, DatabaseName: "vedette.db", Database: keep}, quiet); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(folder, "releases", "package")); err != nil || !bytes.Equal(got, pkg) {
		t.Errorf("restored are %d bytes, which are not those of the package: %v", len(got), err)
	}
	source.Files = func() ([]File, error) { return []File{{Name: "releases/package", Path: large + ".gone"}}, nil }
	if _, err := Create(t.Context(), path+"2", source, quiet); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a package that is gone: %v", err)
	}
}

func TestABackupThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Source)
		words  string
	}{
		"the disk is full while the database is copied": {func(s *Source) {
			s.Database = func(_ context.Context, path string) (Database, error) {
				return Database{}, errors.Join(os.WriteFile(path, []byte("half"), 0o600), fmt.Errorf("copy: %w", syscall.ENOSPC))
			}
		}, "No space is left"},
		"the data folder cannot be read": {func(s *Source) {
			s.Files = func() ([]File, error) {
				return nil, fault.New(fault.Conflict, "may not be read", "Run as another user.")
			}
		}, "may not be read"},
		"a file is larger than a backup takes": {func(s *Source) {
			s.Files = func() ([]File, error) { return []File{{Name: "big", Content: make([]byte, MaxFileBytes+1)}}, nil }
		}, "allowed are 67108864"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "vedette.backup")
			source := sourceOf([]byte("database"))
			test.change(&source)
			_, err := Create(t.Context(), path, source, quiet)
			wantRefused(t, err, test.words)
			wantOnly(t, filepath.Dir(path))
		})
	}
	_, err := Create(t.Context(), filepath.Join(t.TempDir(), "no such folder", "vedette.backup"), sourceOf(nil), quiet)
	wantRefused(t, err, "no such")
}

func TestARestoreThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	path, _ := makeBackup(t)
	parent := t.TempDir()
	target := Target{Folder: filepath.Join(parent, "data"), DatabaseName: "vedette.db", Database: func(context.Context, string) error {
		return fmt.Errorf("settle: %w", syscall.ENOSPC)
	}}
	wantRefused(t, Restore(t.Context(), open(t, path), target, quiet), "No space is left")
	wantOnly(t, parent)
}

func TestAnInterruptedBackupOrRestoreLeavesNothing(t *testing.T) {
	t.Parallel()
	path, _ := makeBackup(t)
	for _, phase := range []string{"computing the digest", "compressing"} {
		ctx, interrupt := context.WithCancel(t.Context())
		folder := t.TempDir()
		_, err := Create(ctx, filepath.Join(folder, "b"), sourceOf(make([]byte, 1<<20)), func(what string, done, _ int64) {
			if what == phase && done > 0 {
				interrupt()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted while %s: %v", phase, err)
		}
		wantOnly(t, folder)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	parent := t.TempDir()
	err := Restore(ctx, open(t, path), Target{Folder: filepath.Join(parent, "data"), DatabaseName: "d", Database: keep}, func(string, int64, int64) { interrupt() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	wantOnly(t, parent)
}

func TestAFolderThatCannotBePutInPlaceIsKept(t *testing.T) {
	t.Parallel()
	path, _ := makeBackup(t)
	parent := t.TempDir()
	folder := filepath.Join(parent, "data")
	err := Restore(t.Context(), open(t, path), Target{Folder: folder, DatabaseName: "d", Database: func(context.Context, string) error {
		return os.MkdirAll(filepath.Join(folder, "somebody was faster"), 0o700)
	}}, quiet)
	wantRefused(t, err, "Everything is restored")
	partial, globErr := filepath.Glob(folder + ".partial-*")
	if globErr != nil || len(partial) != 1 || len(tree(t, partial[0])) != 5 {
		t.Errorf("left is %v, %v; want the complete folder beside", partial, globErr)
	}
}
