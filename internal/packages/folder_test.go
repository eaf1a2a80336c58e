package packages

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
)

const (
	debName = "vedette-agent-2.0.0-LINUX_UBUNTU-X_64.deb"
	rpmName = "vedette-agent-2.0.0-LINUX-X_64.rpm"
)

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func namesIn(t *testing.T, f *Folder) []string {
	t.Helper()
	list, err := f.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

func contentOf(t *testing.T, f *Folder, platform, architecture string) (fleet.Package, string) {
	t.Helper()
	p, content, err := f.Open(t.Context(), platform, architecture)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return p, string(text)
}

func TestPackagesAreListedByPlatformAndArchitecture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, debName, "deb")
	put(t, dir, rpmName, "rpm")
	put(t, dir, "vedette-agent-2.0.0-LINUX-ARM_64.rpm", "arm")
	got, err := NewFolder(dir).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []fleet.Package{
		{Platform: "LINUX", Architecture: "ARM_64", Version: "2.0.0", Name: "vedette-agent-2.0.0-LINUX-ARM_64.rpm", Extension: ".rpm", Size: 3, SHA256: sha256.Sum256([]byte("arm"))},
		{Platform: "LINUX", Architecture: "X_64", Version: "2.0.0", Name: rpmName, Extension: ".rpm", Size: 3, SHA256: sha256.Sum256([]byte("rpm"))},
		{Platform: "LINUX_UBUNTU", Architecture: "X_64", Version: "2.0.0", Name: debName, Extension: ".deb", Size: 3, SHA256: sha256.Sum256([]byte("deb"))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoPackageIsPassedOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	elsewhere := t.TempDir()
	put(t, elsewhere, "secret", "secret")
	for _, name := range []string{
		"README", "vedette-agent-2.0.0-linux-amd64.tar.gz", "vedette-agent-2.0.0-LINUX-X_64.rpm.part", ".vedette-agent-2.0.0-LINUX-X_64.rpm",
		"vedette-agent-2.0.0-LINUX-X_64", "vedette-agent-2.0.0-LINUX-X_64.", "vedette-agent-2.0.0-WINDOWS_95-X_64.exe", "vedette-agent-2.0.0-LINUX-ALL.rpm",
		"vedette-agent-2-LINUX-X_64.rpm", "vedette-agent-2.0.0-linux-X_64.rpm", "vedette-agent-2.0.0-LINUX-X_64.rpm\n", "vedette-agent--LINUX-X_64.rpm",
		"another-agent-2.0.0-LINUX-X_64.rpm", "vedette-agent-2.0.0-1-LINUX-X_64.rpm",
	} {
		put(t, dir, name, "x")
	}
	if err := os.Mkdir(filepath.Join(dir, "vedette-agent-2.0.0-LINUX-ARM_64.rpm"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(elsewhere, "secret"), filepath.Join(dir, debName)); err != nil {
		t.Fatal(err)
	}
	f := NewFolder(dir)
	if diff := cmp.Diff([]string{}, namesIn(t, f)); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if _, _, err := f.Open(t.Context(), "LINUX_UBUNTU", "X_64"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a link is opened: %v, want not found", err)
	}
}

func TestTheNewestVersionIsOffered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		versions []string
		want     string
	}{
		{"numbers, not text", []string{"2.9.0", "2.10.0", "2.2.0"}, "2.10.0"},
		{"more parts", []string{"2.0.0", "2.0.0.1"}, "2.0.0.1"},
		{"leading zeros", []string{"2.1", "2.01.0"}, "2.01.0"},
		{"one", []string{"1.0"}, "1.0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, v := range tc.versions {
				put(t, dir, "vedette-agent-"+v+"-LINUX-X_64.rpm", v)
			}
			f := NewFolder(dir)
			if diff := cmp.Diff([]string{"vedette-agent-" + tc.want + "-LINUX-X_64.rpm"}, namesIn(t, f)); diff != "" {
				t.Errorf("packages (-want +got):\n%s", diff)
			}
			if p, content := contentOf(t, f, "LINUX", "X_64"); p.Version != tc.want || content != tc.want {
				t.Errorf("opened version %s with %q, want %s", p.Version, content, tc.want)
			}
		})
	}
}

func TestAPackageIsHashedAgainOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, debName)
	then := time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)
	f := NewFolder(dir)
	for _, step := range []struct {
		content string
		at      time.Time
		want    string // content whose hash is expected
	}{
		{"first", then, "first"},
		{"other", then, "first"}, // same size and time: not read again
		{"other", then.Add(time.Second), "other"},
		{"longer", then.Add(time.Second), "longer"},
	} {
		put(t, dir, debName, step.content)
		if err := os.Chtimes(path, step.at, step.at); err != nil {
			t.Fatal(err)
		}
		if p, _ := contentOf(t, f, "LINUX_UBUNTU", "X_64"); p.SHA256 != sha256.Sum256([]byte(step.want)) || p.Size != int64(len(step.content)) {
			t.Errorf("after %q the hash is not that of %q, or the size is %d", step.content, step.want, p.Size)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, f); len(names) != 0 || len(f.known) != 0 {
		t.Errorf("a removed package is listed %v or remembered %v", names, f.known)
	}
}

func TestAFileThatChangesWhileItIsReadIsNoPackageYet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, debName, "half")
	file, err := os.Open(filepath.Join(dir, debName))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, debName, "half and more")
	f := NewFolder(dir)
	if _, ok, err := f.hash(t.Context(), debName, file, info); ok || err != nil || len(f.known) != 0 {
		t.Errorf("hash of a growing file: ok %v, error %v, remembered %v", ok, err, f.known)
	}
}

func TestAnOpenPackageStaysWhatItWas(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, debName, "old")
	p, content, err := NewFolder(dir).Open(t.Context(), "LINUX_UBUNTU", "X_64")
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	put(t, dir, "next", "new")
	if err := os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, debName)); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(content)
	if err != nil || sha256.Sum256(text) != p.SHA256 {
		t.Errorf("read %q (%v), which is not what the hash says", text, err)
	}
}

func TestAFolderThatIsNotThereHasNoPackages(t *testing.T) {
	t.Parallel()
	f := NewFolder(filepath.Join(t.TempDir(), "missing"))
	if names := namesIn(t, f); len(names) != 0 {
		t.Errorf("packages %v in no folder", names)
	}
	_, _, err := f.Open(t.Context(), "LINUX", "X_64")
	fe, ok := errors.AsType[*fault.Error](err)
	if !ok || fe.Code != fault.NotFound || !strings.Contains(fe.Message, "'LINUX'") || fe.Resolution == "" {
		t.Errorf("error %v, want not found with the platform and a next step", err)
	}
}

func TestAFolderThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "file", "x")
	if _, err := NewFolder(filepath.Join(dir, "file")).List(t.Context()); err == nil || fault.CodeOf(err) != fault.Internal {
		t.Errorf("a file for a folder: %v, want an internal error", err)
	}
	for i := range MaxFiles {
		put(t, dir, fmt.Sprintf("%04d", i), "")
	}
	if _, err := NewFolder(dir).List(t.Context()); err == nil || !strings.Contains(err.Error(), "1000") {
		t.Errorf("%d entries: %v, want an error that names the limit", MaxFiles+1, err)
	}
}

func TestAPackageBeyondTheLimitIsPassedOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, debName, "")
	put(t, dir, rpmName, "rpm")
	if err := os.Truncate(filepath.Join(dir, debName), MaxPackageBytes+1); err != nil { // takes no space
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{rpmName}, namesIn(t, NewFolder(dir))); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

func TestNobodyWaitsForALookThatIsNotWantedAnyMore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, debName, "")
	if err := os.Truncate(filepath.Join(dir, debName), 2*hashChunk); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f := NewFolder(dir)
	for range 20 { // whether the turn or the end is seen first
		if _, err := f.List(ctx); !errors.Is(err, context.Canceled) {
			t.Fatalf("list: %v, want the end of the context", err)
		}
	}
	f.turn <- struct{}{}
	if _, _, err := f.Open(ctx, "LINUX_UBUNTU", "X_64"); !errors.Is(err, context.Canceled) {
		t.Errorf("open while another looks: %v, want the end of the context", err)
	}
}

func TestManyMayLookAtOnceWhilePackagesChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, debName, "deb")
	f := NewFolder(dir)
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for j := range 20 {
				if i == 0 {
					err := os.WriteFile(filepath.Join(dir, "next"), []byte(fmt.Sprint(j)), 0o600)
					if err := errors.Join(err, os.Rename(filepath.Join(dir, "next"), filepath.Join(dir, rpmName))); err != nil {
						t.Error(err)
					}
					continue
				}
				if _, err := f.List(t.Context()); err != nil {
					t.Error(err)
				}
				p, content, err := f.Open(t.Context(), "LINUX_UBUNTU", "X_64")
				if err != nil || p.SHA256 != sha256.Sum256([]byte("deb")) {
					t.Errorf("opened %+v: %v", p, err)
					return
				}
				content.Close()
			}
		})
	}
	work.Wait()
}
