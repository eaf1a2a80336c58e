// Package vault is what the automation layer knows of password vaults, OpenBao
// and HashiCorp Vault alike: how one is reached, which value of it is meant, and
// how fetching failed. The client is internal/outbound/vault.
package vault

import (
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/hidden"
)

// Auth is how the platform proves itself to a vault.
type Auth string

// The methods.
const (
	AuthToken   Auth = "token"
	AuthAppRole Auth = "approle"
)

// Settings are how to reach a vault and a key-value engine of it, version 2.
type Settings struct {
	Address   string // https://vault.example.org:8200; http only for this machine
	Namespace string // empty: the root
	Mount     string // of the engine; empty: secret
	Auth      Auth   // empty: token
	Token     hidden.Text
	RoleID    string
	SecretID  hidden.Text
	AuthMount string // of the method AppRole; empty: approle
	// CA are the certificates, in PEM, that the vault's is signed by, instead of those
	// that this machine trusts. It may be empty.
	CA string
	// Timeout bounds a fetch with everything it needs; 0: 10 s.
	Timeout time.Duration
}

// Item is one value in a vault.
type Item struct {
	Path  string // below the mount, without data/: teams/soc/qualys
	Field string // such as password
}

// Document is everything that is kept at one path.
type Document struct {
	Path    string
	Version int
	Created time.Time // of the version
	Fields  map[string]hidden.Text
}

// Kind says why a vault gave no value.
type Kind string

// The kinds of a Failure.
const (
	Unreachable Kind = "unreachable" // no answer, or none in time
	Sealed      Kind = "sealed"      // it has to be unsealed first
	Denied      Kind = "denied"      // wrong credentials, or a policy does not allow it
	NotFound    Kind = "not found"   // no such path, version or field
	Busy        Kind = "busy"        // a limit of the vault; later it may work
	Malformed   Kind = "malformed"   // an answer, or a value, that is of no use
	Invalid     Kind = "invalid"     // settings or an item that cannot be asked for
	Refused     Kind = "refused"     // any other status
	Cancelled   Kind = "cancelled"   // whoever asked did not wait
)

// Indicator is the first line of every failure to fetch.
const Indicator = "Fetch Credential failed."

// Failure says why a vault gave no value. It is told apart from failures of the
// platform that the value is for, and has no secrets in it.
type Failure struct {
	Kind Kind
	// StatusCode is that of the vault's answer, and where there was none the one that
	// fits: 502, 504 when there was none in time, 404 for a field, 400 for settings.
	StatusCode int
	Message    string // one sentence
	Resolution string // the next step
}

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Entry returns the failure as an entry of the Error tab.
func (f *Failure) Entry() automation.Error {
	return automation.Error{Indicator: Indicator, StatusCode: f.StatusCode, Message: f.Message, Resolution: f.Resolution}
}
