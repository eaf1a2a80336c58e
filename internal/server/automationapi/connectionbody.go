package automationapi

import (
	"bytes"
	"encoding/json"
)

// The bodies about sites, connections and commands. Members that are left out are
// nil where that differs from an empty value. Those of connections are in answers
// as well.
type (
	newSite struct {
		Name        string `json:"name"`
		Kind        string `json:"kind"`
		Description string `json:"description"`
	}
	siteChange struct {
		Name        *string `json:"name"`
		Kind        *string `json:"kind"`
		Description *string `json:"description"`
	}
	memberChange struct {
		Add    []string `json:"add"`
		Remove []string `json:"remove"`
	}
	userPermission struct {
		User  string `json:"user,omitempty"`
		Role  string `json:"role,omitempty"`
		Level string `json:"level"`
	}
	passwordVault struct {
		Connection *reference           `json:"connection,omitempty"`
		Items      map[string]vaultItem `json:"items"`
	}
	vaultItem struct {
		Path  string `json:"path"`
		Field string `json:"field"`
	}
	connectionLimits struct {
		RequestsPerMinute *int `json:"requestsPerMinute"`
		Concurrency       *int `json:"concurrency"`
	}
	healthCheck struct {
		Enabled         *bool    `json:"enabled"`
		IntervalMinutes *int64   `json:"intervalMinutes"`
		MailAfter       *int     `json:"mailAfter"`
		MailTo          []string `json:"mailTo"`
	}
	newConnection struct {
		Integration          string            `json:"integration"`
		Name                 string            `json:"name"`
		Site                 *reference        `json:"site"`
		ShareToInternalSites bool              `json:"shareToInternalSites"`
		RecipientSite        *reference        `json:"recipientSite"`
		Relay                *reference        `json:"relay"`
		Description          string            `json:"description"`
		Active               *bool             `json:"active"`
		UserPermissions      []userPermission  `json:"userPermissions"`
		Parameters           map[string]string `json:"parameters"`
		PasswordVault        *passwordVault    `json:"passwordVault"`
		Limits               *connectionLimits `json:"limits"`
		HealthCheck          *healthCheck      `json:"healthCheck"`
		SecretsLater         bool              `json:"secretsLater"`
	}
	connectionChange struct {
		Name                 *string           `json:"name"`
		Site                 *reference        `json:"site"`
		ShareToInternalSites *bool             `json:"shareToInternalSites"`
		RecipientSite        *reference        `json:"recipientSite"`
		Relay                *reference        `json:"relay"`
		Description          *string           `json:"description"`
		Active               *bool             `json:"active"`
		UserPermissions      *[]userPermission `json:"userPermissions"`
		Parameters           map[string]string `json:"parameters"`
		PasswordVault        *passwordVault    `json:"passwordVault"`
		Limits               *connectionLimits `json:"limits"`
		HealthCheck          *healthCheck      `json:"healthCheck"`
		SecretsLater         bool              `json:"secretsLater"`
	}
	commandWait struct {
		Interval string `json:"interval,omitempty"`
		Timeout  string `json:"timeout,omitempty"`
	}
	commandRequest struct {
		Inputs inputValues  `json:"inputs"`
		DryRun bool         `json:"dryRun"`
		Force  bool         `json:"force"`
		Wait   *commandWait `json:"wait"`
		Test   bool         `json:"test"`
	}
	// inputValues are inputs of a command as JSON has them, with numbers as they were
	// written: an id has more digits than a float64 keeps.
	inputValues map[string]any
)

// UnmarshalJSON refuses members it does not know, as those below do.
func (b *newSite) UnmarshalJSON(doc []byte) error {
	type plain newSite
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *siteChange) UnmarshalJSON(doc []byte) error {
	type plain siteChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *memberChange) UnmarshalJSON(doc []byte) error {
	type plain memberChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newConnection) UnmarshalJSON(doc []byte) error {
	type plain newConnection
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *connectionChange) UnmarshalJSON(doc []byte) error {
	type plain connectionChange
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *commandRequest) UnmarshalJSON(doc []byte) error {
	type plain commandRequest
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON keeps numbers as they were written.
func (v *inputValues) UnmarshalJSON(doc []byte) error {
	type plain inputValues
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	return decoder.Decode((*plain)(v))
}
