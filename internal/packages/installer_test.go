package packages

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
)

func TestHostsGetTheNewestPackageOfTheirSystemAndMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{
		debName, rpmName, "vedette-agent-2.0.0-LINUX-ARM_64.rpm",
		"vedette-agent-2.0.0-linux-amd64.tar.gz", "vedette-agent-1.9.0-linux-amd64.tar.gz",
		"vedette-agent-2.0.0-LINUX_UBUNTU-ARM_64.sh", "vedette-agent-2.0.0-linux-riscv64.tar.gz", "vedette-agent-2.0.0-linux-arm64.tar.gz.part",
	} {
		put(t, dir, name, name)
	}
	f := NewFolder(dir)
	got, err := f.Installers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range got {
		names = append(names, p.System+" "+p.Machine+" "+p.Name)
		_, content, err := f.OpenInstaller(t.Context(), p.System, p.Machine)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(content)
		if err != nil || string(text) != p.Name {
			t.Errorf("content of %s is %q, %v", p.Name, text, err)
		}
		if err := content.Close(); err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"deb x86_64 " + debName, "rpm x86_64 " + rpmName, "rpm aarch64 vedette-agent-2.0.0-LINUX-ARM_64.rpm",
		"tar.gz x86_64 vedette-agent-2.0.0-linux-amd64.tar.gz",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("packages for hosts (-want +got):\n%s", diff)
	}
	for _, none := range [][2]string{{"deb", "aarch64"}, {"tar.gz", "aarch64"}, {"deb", "amd64"}, {"msi", "x86_64"}, {"", ""}, {"linux", "amd64"}} {
		if _, _, err := f.OpenInstaller(t.Context(), none[0], none[1]); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v, want not found", none, err)
		}
	}
}

func TestArchivesAreNotOfferedThroughTheAPI(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "vedette-agent-2.0.0-linux-amd64.tar.gz", "archive")
	put(t, dir, rpmName, "rpm")
	if diff := cmp.Diff([]string{rpmName}, namesIn(t, NewFolder(dir))); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}
