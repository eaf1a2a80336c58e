package test

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/agentwire"
)

// host is a file system that belongs to the test: a small Debian with a package
// database. The agent takes stock of it instead of the machine's own.
type host struct {
	root     string
	packages map[string]string // name -> version
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{root: t.TempDir(), packages: map[string]string{"bash": "5.2.15-2+b2", "libc6": "2.36-9+deb12u13", "openssl": "3.0.17-1~deb12u2"}}
	for i := range 40 {
		h.packages[fmt.Sprintf("sample-%02d", i)] = fmt.Sprintf("1.%d-1", i)
	}
	h.write(t, "etc/os-release", `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
`)
	h.write(t, "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n")
	h.savePackages(t)
	return h
}

func (h *host) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(h.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// install puts a package into the database, as dpkg does.
func (h *host) install(t *testing.T, name, version string) {
	t.Helper()
	h.packages[name] = version
	h.savePackages(t)
}

// Packages that take more than goes with the start of an upload: their versions do
// not compress.
const (
	largePackages = 48
	largeVersion  = agentwire.MaxStartData / 32 // random bytes of each
)

// installLarge puts packages into the database that make a large upload.
func (h *host) installLarge(t *testing.T, name string) {
	t.Helper()
	random := rand.NewChaCha8(sha256.Sum256([]byte(name)))
	version := make([]byte, largeVersion)
	for i := range largePackages {
		_, _ = random.Read(version) // never fails
		h.packages[fmt.Sprintf("%s-%02d", name, i)] = "1.0-" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(version)
	}
	h.savePackages(t)
}

// remove takes a package out of it.
func (h *host) remove(t *testing.T, name string) {
	t.Helper()
	delete(h.packages, name)
	h.savePackages(t)
}

func (h *host) savePackages(t *testing.T) {
	t.Helper()
	var b strings.Builder
	for name, version := range h.packages {
		fmt.Fprintf(&b, "Package: %s\nStatus: install ok installed\nPriority: optional\nSection: utils\n"+
			"Maintainer: Nobody <nobody@example.net>\nArchitecture: amd64\nVersion: %s\nDescription: a package\n\n", name, version)
	}
	h.write(t, "var/lib/dpkg/status", b.String())
}
