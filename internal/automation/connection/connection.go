package connection

import (
	"slices"
	"time"

	"vedette.dev/vedette/internal/automation/integration"
)

// Connection is a platform together with the account that is used there.
type Connection struct {
	ID          int64
	Integration string // name of the integration, such as qualys-cloud-agent
	// Name is unique within the site.
	Name string
	// SiteID is the site it belongs to; of a shared one, the recipient site.
	SiteID   int64
	SiteName string
	SiteKind SiteKind
	// Shared opens it to the users of every internal site.
	Shared      bool
	Description string
	// Active connections are used; an inactive one refuses commands, and is not
	// checked.
	Active bool
	// RelayID is the relay that reaches the platform, the "proxy agent" of the form;
	// 0: the platform is reached directly.
	RelayID int64
	Grants  []Grant
	// Parameters are those of the integration that are no secrets, by name.
	Parameters map[string]string
	// Stored are the names of the secret parameters that have a value, ascending.
	Stored   []string
	Vault    VaultUse
	Limits   Limits
	Check    Check
	Health   Health
	Created  time.Time
	Modified time.Time
}

// Missing returns the names of the secret parameters that the connection needs, and
// that neither it nor its vault has. Until they are given it refuses commands, and is
// not checked.
func (c *Connection) Missing() []string {
	of, _ := integration.Find(c.Integration)
	return slices.DeleteFunc(of.SecretsNeeded(c.Parameters), func(name string) bool {
		_, inVault := c.Vault.Items[name]
		return inVault || slices.Contains(c.Stored, name)
	})
}

// Limits bound what all runs on all replicas together ask of the platform through
// one connection.
type Limits struct {
	// RequestsPerMinute bounds requests; 0 for no bound.
	RequestsPerMinute int
	// Concurrency is how many runs may be at work at once.
	Concurrency int
}

// DefaultConcurrency is that of connections for which nobody chose one: Qualys
// lets two calls of an API run at once for each subscription.
const DefaultConcurrency = 2

// VaultUse says that parameters are fetched from a password vault when a run
// begins. Without items no vault is used.
type VaultUse struct {
	// ConnectionID is the connection to the vault.
	ConnectionID int64
	// Items say where each parameter is found, by its name.
	Items map[string]VaultItem
}

// VaultItem is one value in a vault.
type VaultItem struct {
	Path  string `json:"path"`
	Field string `json:"field"`
}

// Enabled reports whether a vault is used.
func (v VaultUse) Enabled() bool { return len(v.Items) > 0 }

// Kept stands for a secret in what is shown, and in a change for the one that is
// stored already.
const Kept = "********"

// Bounds of the settings of a connection.
const (
	MaxGrants            = 200
	MaxRequestsPerMinute = 10_000
	MaxConcurrency       = 50
	MaxMailTo            = 20
	// MinCheckEvery and MaxCheckEvery bound the interval of health checks.
	MinCheckEvery = time.Minute
	MaxCheckEvery = 7 * 24 * time.Hour
	MaxMailAfter  = 100
)
