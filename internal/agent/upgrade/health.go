package upgrade

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"vedette.dev/vedette/internal/agent/session"
)

// healthNote is what a running agent says of its health.
type healthNote struct {
	Version string         `json:"version"`
	Health  session.Health `json:"health"`
}

// Healthy notes how the running version is, for the version that watches it.
func (v *Versions) Healthy(version string, health session.Health) error {
	doc, err := json.Marshal(healthNote{version, health})
	if err != nil {
		return fmt.Errorf("encode health: %w", err)
	}
	return writeFile(v.file("health.json"), doc)
}

// health returns what a version said of its health since forgetHealth; empty for
// nothing.
func (v *Versions) health(version string) session.Health {
	var note healthNote
	doc, err := os.ReadFile(v.file("health.json"))
	if err != nil || json.Unmarshal(doc, &note) != nil || note.Version != version {
		return ""
	}
	return note.Health
}

func (v *Versions) forgetHealth() error {
	if err := os.Remove(v.file("health.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget health: %w", err)
	}
	return nil
}
