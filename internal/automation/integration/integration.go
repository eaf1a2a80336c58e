package integration

import (
	"slices"
	"strings"
)

// Integration is one kind of platform: how to reach it and what it can be asked
// to do. It is read from a manifest once and shared: nobody may change it.
type Integration struct {
	Name        string      `yaml:"name" json:"name"` // stable, in URLs and files: "qualys-cloud-agent"
	DisplayName string      `yaml:"displayName" json:"displayName"`
	Category    string      `yaml:"category" json:"category"` // "Vulnerability Management"
	Version     string      `yaml:"version" json:"version"`   // of the manifest
	Description string      `yaml:"description" json:"description"`
	Platforms   []Platform  `yaml:"platforms" json:"platforms,omitempty"`
	Parameters  []Parameter `yaml:"parameters" json:"parameters"`
	Commands    []Command   `yaml:"commands" json:"commands"`
}

// Platform is an entry of the pick list that fills the server URL.
type Platform struct {
	Name string `yaml:"name" json:"name"` // "Qualys US Platform 1"
	// URL is the base URL. That of a private platform has a part in angle
	// brackets, which a person has to replace: CheckParameters refuses it.
	URL string `yaml:"url" json:"url"`
}

// Parameter is a setting of a connection.
type Parameter struct {
	Name        string `yaml:"name" json:"name"`
	DisplayName string `yaml:"displayName" json:"displayName"`
	Description string `yaml:"description" json:"description"`
	Type        Type   `yaml:"type" json:"type"`
	Required    bool   `yaml:"required" json:"required"`
	Default     string `yaml:"default" json:"default,omitempty"`
	Example     string `yaml:"example" json:"example,omitempty"`
}

// Secret reports whether values of the parameter are sealed at rest and never
// shown.
func (p Parameter) Secret() bool { return p.Type == Secret }

// SendsSecrets reports whether the parameter says where secrets go, or who may read
// them on the way. Such a one is chosen at the connection, where a change of it asks
// for the secrets anew.
func (p Parameter) SendsSecrets() bool {
	return p.Type == URL || p.Name == ParameterAllowHTTP || p.Name == ParameterCACertificate
}

// Integrations lists all integrations.
func Integrations() []Integration { return loaded() }

// Find returns the integration with this name.
func Find(name string) (Integration, bool) {
	for _, i := range loaded() {
		if i.Name == name {
			return i, true
		}
	}
	return Integration{}, false
}

// Search lists the integrations whose name, category or description has the
// text, in any case; all of them for an empty one.
func Search(text string) []Integration {
	text = strings.ToLower(strings.TrimSpace(text))
	found := slices.Clone(loaded())
	return slices.DeleteFunc(found, func(i Integration) bool {
		return !slices.ContainsFunc([]string{i.Name, i.DisplayName, i.Category, i.Description}, func(s string) bool {
			return strings.Contains(strings.ToLower(s), text)
		})
	})
}

// Command returns the command with this name.
func (i Integration) Command(name string) (Command, bool) {
	for _, c := range i.Commands {
		if c.Name == name {
			return c, true
		}
	}
	return Command{}, false
}

// Parameter returns the parameter with this name or display name.
func (i Integration) Parameter(name string) (Parameter, bool) {
	for _, p := range i.Parameters {
		if p.Name == name || p.DisplayName == name {
			return p, true
		}
	}
	return Parameter{}, false
}

// FindCommand returns the command that a playbook or a schedule names as
// "qualys-cloud-agent/search-cloud-agents".
func FindCommand(uses string) (Command, bool) {
	name, command, _ := strings.Cut(uses, "/")
	i, ok := Find(name)
	if !ok {
		return Command{}, false
	}
	return i.Command(command)
}
