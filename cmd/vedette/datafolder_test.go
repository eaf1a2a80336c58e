package main

import (
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fault"
)

func newDataFolder(t *testing.T, path string) *dataFolder {
	t.Helper()
	d, err := openDataFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func TestADataFolderThatCannotBeMadeIsRefusedWithTheNextStep(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := openDataFolder(filepath.Join(file, "data"))
	if refused, ok := errors.AsType[*fault.Error](err); !ok || refused.Resolution == "" {
		t.Errorf("error = %v, want one with a next step", err)
	}
}

func TestAdminEnvMeansTheSameToShellsAndToUs(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"plain", "https://127.0.0.1:8443", "/home/a person/my data/ca.pem", "it's", `back\slash`, "$HOME", "`id`", "", "a;b&c", "üñí",
	} {
		path := filepath.Join(t.TempDir(), "admin.env")
		written := adminEnv{url: value, caFile: value, password: "secret"}
		if err := os.WriteFile(path, written.encode(), 0o600); err != nil {
			t.Fatal(err)
		}
		if read := readAdminEnv(written.encode()); read != written {
			t.Errorf("%q: read back %+v", value, read)
		}
		out, err := exec.Command("sh", "-c", `. "$0"; printf %s "$VEDETTE_CA_FILE"`, path).Output()
		if err != nil || string(out) != value {
			t.Errorf("%q: a shell reads %q, %v", value, out, err)
		}
	}
}

func TestADataFolderHasOnePlatformAtATime(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	newDataFolder(t, path)
	if _, err := openDataFolder(path); !fault.Is(err, fault.Conflict) {
		t.Errorf("opened twice: %v", err)
	}
}

func TestAServerCertificateIsKeptUntilItNoLongerServes(t *testing.T) {
	t.Parallel()
	d := newDataFolder(t, t.TempDir())
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	serial := func(at time.Time, hosts ...string) string {
		t.Helper()
		config, _, err := d.serverTLS(hosts, at)
		if err != nil {
			t.Fatal(err)
		}
		return config.Certificates[0].Leaf.SerialNumber.String()
	}
	first := serial(now, "localhost")
	if again := serial(now.Add(24*time.Hour), "localhost"); again != first {
		t.Error("a good certificate was replaced")
	}
	second := serial(now, "localhost", "edge.example.net")
	if second == first {
		t.Error("the certificate does not stand for the new host")
	}
	if err := os.Remove(d.file("tls", "server.key")); err != nil {
		t.Fatal(err)
	}
	if third := serial(now, "localhost", "edge.example.net"); third == second {
		t.Error("a certificate without its key was kept")
	}
}

func TestInstructionsAreAlwaysSignedByTheRootAgentsHavePinned(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	remove := func(t *testing.T, d *dataFolder, names ...string) {
		t.Helper()
		for _, name := range names {
			if err := os.Remove(d.file("trust", name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name    string
		change  func(*testing.T, *dataFolder)
		at      time.Time
		refused string
	}{
		{"nothing changed", func(*testing.T, *dataFolder) {}, now, ""},
		{"the online key was lost", func(t *testing.T, d *dataFolder) { remove(t, d, "instruction.key") }, now, ""},
		{"the root key is kept elsewhere", func(t *testing.T, d *dataFolder) { remove(t, d, "root.key") }, now, ""},
		{"the online key ends soon", func(*testing.T, *dataFolder) {}, now.Add(instructionKeyLife - time.Hour), ""},
		{"the online key has ended, the root key is elsewhere", func(t *testing.T, d *dataFolder) { remove(t, d, "root.key") },
			now.Add(instructionKeyLife + time.Hour), "Put the root key back"},
		{"both keys were lost", func(t *testing.T, d *dataFolder) { remove(t, d, "root.key", "instruction.key") }, now, "Put the root key back"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d := newDataFolder(t, t.TempDir())
			first, err := d.signer(now)
			if err != nil {
				t.Fatal(err)
			}
			test.change(t, d)
			next, err := d.signer(test.at)
			if test.refused != "" {
				if fe, ok := errors.AsType[*fault.Error](err); !ok || !strings.Contains(fe.Resolution, test.refused) {
					t.Fatalf("got %v, want one that says %q", err, test.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			signed, err := agentwire.SignInstruction(agentwire.Instruction{Audience: "a", Kind: agentwire.KindProfile, Version: 1, Issued: test.at, Body: []byte("{}")},
				next.Key, next.Certificate)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := signed.Open(first.Root, "a", agentwire.KindProfile); err != nil {
				t.Errorf("an agent that pinned the first root: %v", err)
			}
			if !test.at.Before(next.Certificate.NotAfter) {
				t.Errorf("the key ended at %s", next.Certificate.NotAfter)
			}
		})
	}
}

// openIn opens a platform in a folder and closes it again.
func openIn(t *testing.T, path string) error {
	t.Helper()
	p, err := openPlatform(t.Context(), platformConfig{Data: path, Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return p.close()
}

func TestAReplicaWithAnotherRootIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := openIn(t, path); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(path, "trust")); err != nil {
		t.Fatal(err)
	}
	err := openIn(t, path)
	if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "not the one the agents of this database trust") {
		t.Errorf("got %v", err)
	}
}

func TestAKeyOfSecretsThatIsLostOrNoneIsNotReplaced(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := openIn(t, path); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(path, "trust", envelopeFile)
	if err := os.WriteFile(file, []byte("not a key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openIn(t, path); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "secrets.key: line 1 is not 32 bytes") {
		t.Errorf("with a file that is no key: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := openIn(t, path); !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "There is no "+file) {
			t.Errorf("without the file: %v", err)
		}
	}
}

func TestTheAgentIsNotGivenThePassword(t *testing.T) {
	t.Parallel()
	got := withoutPassword([]string{"HOME=/root", "VEDETTE_PASSWORD=secret", "VEDETTE_URL=x"})
	if strings.Join(got, " ") != "HOME=/root VEDETTE_URL=x" {
		t.Errorf("got %v", got)
	}
}
