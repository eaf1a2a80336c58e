package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/backup"
	"vedette.dev/vedette/internal/fault"
)

func TestABackupHoldsWhatThePlatformKeepsInItsFolder(t *testing.T) {
	t.Parallel()
	folder := &dataFolder{path: t.TempDir()}
	for _, name := range []string{
		"admin.env", "tls/ca.key", "trust/root.key", "later/versions.key", // to be kept
		"lock", "vedette.db", "vedette.db-wal", "vedette.db-shm", "agent/identity.json", "agent.log", "agent.log.1", ".admin.env123", "tls/.ca.key9",
	} {
		if err := folder.write([]byte(name), 0o600, filepath.FromSlash(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := folder.write(make([]byte, backup.MaxFileBytes+1), 0o600, "old.backup"); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "instruction.key")
	if err := os.WriteFile(elsewhere, []byte("linked"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, folder.file("trust", "instruction.key")); err != nil {
		t.Fatal(err)
	}
	files, skipped, err := folder.secrets()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.Name)
		if file.Name == "trust/instruction.key" && string(file.Content) != "linked" {
			t.Errorf("the linked key holds %q", file.Content)
		}
	}
	if want := []string{"admin.env", "later/versions.key", "tls/ca.key", "trust/instruction.key", "trust/root.key"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	if !slices.Equal(skipped, []string{"old.backup"}) {
		t.Errorf("skipped %v", skipped)
	}
}

func TestABackupOfANewerSchemaIsRefusedWithTheVersionToUse(t *testing.T) {
	t.Parallel()
	for _, engine := range []backup.Engine{backup.SQLite, backup.PostgreSQL} {
		m := &backup.Manifest{Vedette: "v9.8.7", Database: backup.Database{Engine: engine, Schema: 1}}
		if err := refuseNewerSchema(m); err != nil {
			t.Errorf("an older one: %v", err)
		}
		m.Database.Schema = 9999
		err := refuseNewerSchema(m)
		refused, ok := errors.AsType[*fault.Error](err)
		if !ok || !strings.Contains(refused.Message, "has schema 9999") || !strings.Contains(refused.Resolution, "v9.8.7 or newer") {
			t.Errorf("%s: %v", engine, err)
		}
	}
}

func TestAMeterSaysHowFarWorkIs(t *testing.T) {
	t.Parallel()
	for want, step := range map[string]struct {
		what        string
		done, total int64
	}{
		"   2.0s  copying the database: 1.5 MB of 6.0 MB, 25 %\n": {"copying the database", 1_500_000, 6_000_000},
		"   2.0s  copying the database: 999 B\n":                  {"copying the database", 999, 0},
		"   2.0s  checking the copy\n":                            {"checking the copy", 0, 0},
		"   2.0s  compressing: 7.0 TB of 7.0 TB, 100 %\n":         {"compressing", 7e12, 7e12},
	} {
		var out bytes.Buffer
		m := &meter{out: &out, started: time.Unix(100, 0)}
		m.at(step.what, step.done, step.total)
		m.say(time.Unix(102, 0))
		if out.String() != want {
			t.Errorf("said %q, want %q", out.String(), want)
		}
	}
}
