package run

import (
	"net/http"

	"vedette.dev/vedette/internal/automation"
)

// VaultError says why a password vault gave no value. It is a failure of its own:
// not the platform of the connection, the vault has to be looked at.
type VaultError struct {
	Vault string // name of the connection to the vault
	// StatusCode is that of the vault's answer, or the one that fits where there was
	// none.
	StatusCode int
	Message    string // one sentence, without secrets
	Resolution string
}

// Error describes the failure.
func (e *VaultError) Error() string { return e.Message }

// outcome is the outcome of a command that could not begin because of the vault.
func (e *VaultError) outcome() automation.Outcome {
	status := e.StatusCode
	if status == 0 {
		status = http.StatusBadGateway
	}
	indicator := "Fetch Credential failed."
	if e.Vault != "" {
		indicator += " The password vault of connection '" + e.Vault + "' gave no value."
	}
	return automation.Outcome{State: automation.Failed, Errors: []automation.Error{
		{Indicator: indicator, StatusCode: status, Message: e.Message, Resolution: e.Resolution},
	}}
}
