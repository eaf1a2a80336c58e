package test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// TestActivationKeysRefuseNewAgentsAndHarmNone walks an activation key through its
// life with real agents: what refuses new ones, with the reason on their side,
// leaves the one it has made alone.
func TestActivationKeysRefuseNewAgentsAndHarmNone(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			data := newFolder(t)
			args := []string{"serve", "--data", data.path, "--listen", "127.0.0.1:0"}
			if engine == "PostgreSQL" {
				args = append(args, "--database", pgtest.Database(t))
			}
			data.startPlatform(t, args).awaitReady(t)
			testKeyLife(t, data)
		})
	}
}

func testKeyLife(t *testing.T, data *folder) {
	key := strings.TrimSpace(data.vedette(t, "keys", "create", "--title", "One", "--max-agents", "1", "--module", "VM_LICENSE", "--tag", "Cloud Agent"))
	startAgentWith(t, data, newHost(t), key)
	eventually(t, "the host is searchable", func() bool { return len(data.search(t)) == 1 })
	asset := strconv.FormatInt(data.search(t)[0].ID, 10)
	id := keyID(t, data, key)

	for _, step := range []struct {
		name   string
		change []string // of the key, before an agent tries it
		reason string   // why the agent is refused
	}{
		{"used up", nil, "used up: all of its 1 agents exist"},
		{"disabled", []string{"keys", "disable", id}, "is disabled"},
		{"expired", []string{"keys", "update", id, "--expires", "2024-01-01"}, "expired at 2024-01-01T00:00:00Z"},
		{"deleted", []string{"keys", "delete", id, "--yes"}, "is not known here"},
	} {
		if step.name == "expired" {
			data.vedette(t, "keys", "enable", id)
		}
		if step.change != nil {
			data.vedette(t, step.change...)
		}
		log := startAgentWith(t, data, newHost(t), key)
		eventually(t, "an agent is told that the key is "+step.name, func() bool {
			said, err := os.ReadFile(log)
			return err == nil && strings.Contains(string(said), step.reason)
		})
		// The agent that the key has made still works.
		data.vedette(t, "scans", "launch", "--wait", "--wait-timeout", "30s", asset)
		if n := len(data.search(t)); n != 1 {
			t.Fatalf("%s: there are %d agents, want 1", step.name, n)
		}
	}
}

// keyID returns the id of a key.
func keyID(t *testing.T, data *folder, key string) string {
	t.Helper()
	for line := range strings.Lines(data.vedette(t, "keys", "list", "-o", "csv")) {
		if strings.Contains(line, key) {
			id, _, _ := strings.Cut(line, ",")
			return id
		}
	}
	t.Fatalf("key %s is not listed", key)
	return ""
}
