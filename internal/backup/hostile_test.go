package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// entry is a member as a forger writes it, whatever the manifest says.
type entry struct {
	header  tar.Header
	content []byte
}

// forgery is an archive that is taken apart and put together again.
type forgery struct {
	manifest Manifest
	entries  []entry // after the manifest
	trailing []byte  // after the end of the archive
	raw      []byte  // in place of the manifest
}

// honest is what Create would write.
func honest() *forgery {
	f := &forgery{manifest: Manifest{Format: Format, Vedette: "v1.2.3", Created: made, Database: Database{Engine: SQLite, Schema: 5}}}
	f.add("database", []byte("the database"))
	f.add("data/admin.env", []byte("VEDETTE_PASSWORD=secret\n"))
	return f
}

func (f *forgery) add(name string, content []byte) {
	digest := sha256.Sum256(content)
	f.manifest.Members = append(f.manifest.Members, Member{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(digest[:]), Mode: 0o600})
	f.entries = append(f.entries, entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o600, Size: int64(len(content))}, content})
}

func (f *forgery) write(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	compressor, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	document := f.raw
	if document == nil {
		if document, err = json.Marshal(f.manifest); err != nil {
			t.Fatal(err)
		}
	}
	archive := tar.NewWriter(compressor)
	entries := append([]entry{{tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Mode: 0o600, Size: int64(len(document))}, document}}, f.entries...)
	for _, e := range entries {
		if err := archive.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := compressor.Write(f.trailing); err != nil {
		t.Fatal(err)
	}
	if err := compressor.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "forged.backup")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// use verifies and restores an archive and returns the error of the restore. Both
// must agree, and nothing may be left when they refuse it.
func use(t *testing.T, path string) error {
	t.Helper()
	verify := func() error {
		archive, err := Open(path)
		if err != nil {
			return err
		}
		defer archive.Close()
		return archive.Verify(t.Context(), quiet)
	}
	restore := func(parent string) error {
		archive, err := Open(path)
		if err != nil {
			return err
		}
		defer archive.Close()
		return Restore(t.Context(), archive, Target{Folder: filepath.Join(parent, "below", "data"), DatabaseName: "vedette.db", Database: keep}, quiet)
	}
	parent := t.TempDir()
	verified, restored := verify(), restore(parent)
	if (verified == nil) != (restored == nil) {
		t.Errorf("verifying says %v, restoring %v", verified, restored)
	}
	if restored != nil {
		if left := tree(t, parent); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	return restored
}

func TestAnHonestForgeryIsTaken(t *testing.T) {
	t.Parallel()
	if err := use(t, honest().write(t)); err != nil {
		t.Fatal(err) // or the tests below would prove nothing
	}
}

func TestForgedArchivesAreRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		forge func(*forgery)
		words string
	}{
		"a path out of the folder":       {func(f *forgery) { f.add("data/../../escaped", nil) }, "which is no file of a data folder"},
		"an absolute path":               {func(f *forgery) { f.add("data//etc/passwd", nil) }, "which is no file of a data folder"},
		"a path without the prefix":      {func(f *forgery) { f.add("/etc/passwd", nil) }, "which is no file of a data folder"},
		"a path of Windows":              {func(f *forgery) { f.add(`data/..\..\escaped`, nil) }, "which is no file of a data folder"},
		"the folder itself":              {func(f *forgery) { f.add("data/.", nil) }, "which is no file of a data folder"},
		"a second database":              {func(f *forgery) { f.add("database", nil) }, "which is no file of a data folder"},
		"a file in the database's place": {func(f *forgery) { f.add("data/vedette.db", []byte("mine")) }, ""},
		"a file twice":                   {func(f *forgery) { f.add("data/admin.env", nil) }, "twice"},
		"a file as a folder":             {func(f *forgery) { f.add("data/admin.env/x", nil) }, ""},
		"a long name":                    {func(f *forgery) { f.add("data/"+string(bytes.Repeat([]byte("n"), 400)), nil) }, "allowed are 300"},
		"no database":                    {func(f *forgery) { f.manifest.Members = f.manifest.Members[1:] }, "does not begin with the database"},
		"nothing":                        {func(f *forgery) { f.manifest.Members = nil }, "does not begin with the database"},
		"too many files": {func(f *forgery) {
			f.manifest.Members = make([]Member, MaxFiles+2)
			f.manifest.Members[0].Name = "database"
		}, "has 1002 members"},
		"a large file":                       {func(f *forgery) { f.add("data/big", make([]byte, MaxFileBytes+1)) }, "allowed are 67108864"},
		"a negative size":                    {func(f *forgery) { f.manifest.Members[1].Size = -1 }, "a size of -1 bytes"},
		"a mode beyond permissions":          {func(f *forgery) { f.manifest.Members[1].Mode = os.ModeSetuid | 0o755 }, "more than permissions"},
		"no digest":                          {func(f *forgery) { f.manifest.Members[1].SHA256 = "abc" }, "no SHA-256"},
		"an unknown engine":                  {func(f *forgery) { f.manifest.Database.Engine = "oracle" }, "neither sqlite nor postgresql"},
		"a newer format":                     {func(f *forgery) { f.manifest.Format = Format + 1 }, "reads formats up to 2"},
		"no format":                          {func(f *forgery) { f.manifest.Format = 0 }, "names format 0"},
		"a manifest that is no JSON":         {func(f *forgery) { f.raw = []byte("{") }, "not the JSON"},
		"a manifest without end":             {func(f *forgery) { f.raw = make([]byte, maxManifestBytes+1) }, "its manifest has 1048577 bytes"},
		"a link that is announced as a file": {func(f *forgery) { f.entries[1] = entry{header: link(tar.TypeSymlink)} }, "where its manifest has the file"},
		"a hard link":                        {func(f *forgery) { f.entries[1] = entry{header: link(tar.TypeLink)} }, "where its manifest has the file"},
		"a device":                           {func(f *forgery) { f.entries[1] = entry{header: link(tar.TypeChar)} }, "where its manifest has the file"},
		"a folder in a file's place":         {func(f *forgery) { f.entries[1] = entry{header: link(tar.TypeDir)} }, "where its manifest has the file"},
		"a member that is not announced":     {func(f *forgery) { f.manifest.Members = f.manifest.Members[:1] }, "more than its manifest says"},
		"a member under another name":        {func(f *forgery) { f.entries[1].header.Name = "data/../x" }, "where its manifest has the file"},
		"a bomb: announced small, large":     {func(f *forgery) { f.grow(64 << 20) }, "its manifest says 24"},
		"a member that is missing":           {func(f *forgery) { f.entries = f.entries[:1] }, "ends before"},
		"other content of the same size":     {func(f *forgery) { f.entries[0].content = []byte("THE database") }, "SHA-256 differs"},
		"something behind the archive":       {func(f *forgery) { f.trailing = []byte("more") }, "more than its manifest says"},
		"a bomb of zeros behind the archive": {func(f *forgery) { f.trailing = make([]byte, 64<<20) }, "more than its manifest says"},
		"members in another order":           {func(f *forgery) { f.entries[0], f.entries[1] = f.entries[1], f.entries[0] }, "where its manifest has the file"},
		"a database of another size":         {func(f *forgery) { f.manifest.Members[0].Size = 1 << 50 }, "its manifest says 1125899906842624"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := honest()
			test.forge(f)
			path := f.write(t)
			if test.words == "" { // only a restore can tell
				archive := open(t, path)
				parent := t.TempDir()
				err := Restore(t.Context(), archive, Target{Folder: filepath.Join(parent, "data"), DatabaseName: "vedette.db", Database: keep}, quiet)
				if err == nil || len(tree(t, parent)) != 0 {
					t.Errorf("restored: %v", err)
				}
				return
			}
			wantRefused(t, use(t, path), test.words)
		})
	}
}

func link(kind byte) tar.Header {
	return tar.Header{Typeflag: kind, Name: "data/admin.env", Linkname: "/etc/passwd", Mode: 0o600}
}

// grow makes a file larger than the manifest says.
func (f *forgery) grow(size int) {
	f.entries[1].content = make([]byte, size)
	f.entries[1].header.Size = int64(size)
}

func TestATruncatedBackupIsRefusedWhereverItEnds(t *testing.T) {
	t.Parallel()
	path, _ := makeBackup(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for end := 0; end < len(whole); end += 1 + len(whole)/60 {
		short := filepath.Join(t.TempDir(), "short.backup")
		if err := os.WriteFile(short, whole[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		wantRefused(t, use(t, short), "")
	}
	short := filepath.Join(t.TempDir(), "short.backup")
	if err := os.WriteFile(short, whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, use(t, short), "")
}

func TestACorruptedBackupIsRefusedWhereverTheBitIs(t *testing.T) {
	t.Parallel()
	path, _ := makeBackup(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 1 + len(whole)/60 {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 0x10
		bad := filepath.Join(t.TempDir(), "bad.backup")
		if err := os.WriteFile(bad, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := use(t, bad); err == nil {
			t.Errorf("a flipped bit in byte %d of %d is not noticed", at, len(whole))
		}
	}
}

func TestWhatIsNoBackupIsNamed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text := filepath.Join(folder, "notes.txt")
	if err := os.WriteFile(text, []byte("not a backup"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(folder, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, words := range map[string]string{
		text: "is not a backup of a Vedette platform", empty: "is not a backup of a Vedette platform",
		folder: "is not a file", filepath.Join(folder, "missing"): "There is no file",
	} {
		_, err := Open(path)
		wantRefused(t, err, words)
	}
}

// full is a disk with room for some bytes.
type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if len(p) > f.room {
		return f.room, fmt.Errorf("write: %w", syscall.ENOSPC)
	}
	f.room -= len(p)
	return len(p), nil
}

func TestAFullDiskEndsWriting(t *testing.T) {
	t.Parallel()
	m := &honest().manifest
	content := make([]byte, 1<<20)
	for i := range content {
		content[i] = byte(i * i >> 3 * 31) // does not compress to nothing
	}
	m.Members = m.Members[:1]
	m.Members[0].Size = int64(len(content))
	open := func(int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	for _, room := range []int{0, 10, 200} {
		err := writeArchive(t.Context(), &full{room}, m, open, quiet)
		wantRefused(t, explained(err, "/backups"), "No space is left on the disk of /backups")
	}
}

func TestADatabaseThatChangesWhileItIsArchivedIsNoticed(t *testing.T) {
	t.Parallel()
	for _, size := range []int{5, 50} {
		open := func(int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(make([]byte, size))), nil }
		m := &honest().manifest
		m.Members = m.Members[:1]
		if err := writeArchive(t.Context(), io.Discard, m, open, quiet); err == nil {
			t.Errorf("%d bytes were archived as %d", size, m.Members[0].Size)
		}
	}
}
