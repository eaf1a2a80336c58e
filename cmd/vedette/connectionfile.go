package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/fault"
)

// userConfig is the user's configuration file, config.json in the folder
// vedette of the user's configuration folder. It holds no passwords.
type userConfig struct {
	// Current is the connection in use, empty for none.
	Current     string                `json:"current,omitempty"`
	Connections map[string]connection `json:"connections"`
	chosenTimes
}

// connection is a named platform with the user to call it as.
type connection struct {
	URL        string `json:"url"`
	Username   string `json:"username"` // empty with a token
	APIVersion string `json:"apiVersion"`
	CAFile     string `json:"caFile,omitempty"`
	// PasswordIn says which store has the password.
	PasswordIn passwordPlace `json:"passwordIn"`
	// Token says that what is kept there is an API token.
	Token bool `json:"token,omitempty"`
}

// connectionName is what a connection may be called: short, and safe in paths of
// the configuration and in shells.
var connectionName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

func (a *app) configPath(name string) (string, error) {
	dir, err := a.configDir()
	if err != nil {
		return "", fmt.Errorf("find the user's configuration folder: %w", err)
	}
	return filepath.Join(dir, "vedette", name), nil
}

// readConfig reads the configuration file; a missing one is an empty one.
// Without a configuration folder, as in bare containers, there is no file.
func (a *app) readConfig() (userConfig, error) {
	cfg := userConfig{Connections: map[string]connection{}}
	path, err := a.configPath("config.json")
	if err != nil {
		return cfg, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cfg, nil
	}
	if err != nil {
		return cfg, fmt.Errorf("read configuration: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&cfg); err != nil {
		return cfg, fault.New(fault.Invalid, fmt.Sprintf("Configuration file %s is not valid: %v.", path, err), "Correct the file, or remove it to start anew.")
	}
	return cfg, nil
}

// writeConfig replaces the configuration file as a whole.
func (a *app) writeConfig(cfg userConfig) error {
	return a.writePrivate("config.json", cfg)
}

// writePrivate writes JSON to a file that only the user can read.
func (a *app) writePrivate(name string, v any) error {
	path, err := a.configPath(name)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make configuration folder: %w", err)
	}
	if err := renameio.WriteFile(path, append(text, '\n'), 0o600, renameio.IgnoreUmask()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// find returns a connection by name.
func (c userConfig) find(name string) (connection, error) {
	conn, ok := c.Connections[name]
	if !ok {
		text := "there is no connection " + quote(name)
		if names := c.names(); len(names) > 0 {
			text += fmt.Sprintf(", only %v", names)
		}
		return conn, usagef("%s: see 'vedette connections list' and 'vedette connections add'", text)
	}
	return conn, nil
}

func (c userConfig) names() []string { return slices.Sorted(maps.Keys(c.Connections)) }

// namedSettings returns the settings of a saved connection.
func (a *app) namedSettings(name string) (settings, error) {
	cfg, err := a.readConfig()
	if err != nil {
		return settings{}, err
	}
	conn, err := cfg.find(name)
	if err != nil {
		return settings{}, err
	}
	s := settings{url: conn.URL, username: conn.Username, caFile: conn.CAFile, apiVersion: conn.APIVersion, source: "connection " + name}
	secret := func() (string, error) { return a.loadPassword(name, conn.PasswordIn) }
	if conn.Token {
		s.token = secret
	} else {
		s.password = secret
	}
	return s, nil
}

// currentSettings returns the settings of the connection in use, and whether
// there is one.
func (a *app) currentSettings() (settings, bool, error) {
	cfg, err := a.readConfig()
	if err != nil || cfg.Current == "" {
		return settings{}, false, err
	}
	s, err := a.namedSettings(cfg.Current)
	return s, err == nil, err
}

func (a *app) completeConnections(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg, err := a.readConfig()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return cfg.names(), cobra.ShellCompDirectiveNoFileComp
}
