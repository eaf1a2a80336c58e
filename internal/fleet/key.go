package fleet

import "time"

// KeyType limits what an activation key may be used for (Qualys Cloud Agent
// API, activation keys).
type KeyType string

// The key types.
const (
	KeyUnlimited        KeyType = "UNLIMITED"
	KeyCountLimited     KeyType = "COUNT_LIMITED"
	KeyTimeLimited      KeyType = "TIME_LIMITED"
	KeyCountTimeLimited KeyType = "COUNT_TIME_LIMITED"
)

// ActivationKey lets hosts become agents. Disabled, expired or used up, it
// refuses new agents and never touches those it has made.
type ActivationKey struct {
	ID             int64
	Key            string // UUID, what an agent is installed with
	Title          string
	Type           KeyType
	CountPurchased int       // agents it may make; only for the two count types
	CountUsed      int       // agents it has made and that still exist
	ExpireDate     time.Time // only for the two time types
	Disabled       bool
	Modules        []Module // activated on every agent it makes
	TagIDs         []int64  // put on every agent it makes, beside the system tag
	Created        time.Time
}

// Module is an application module of an agent, by its activation token.
type Module string

// The modules Vedette has engines or plans for. Inventory needs none.
const (
	ModuleVM   Module = "AGENT_VM"
	ModulePC   Module = "AGENT_PC"
	ModuleSCA  Module = "AGENT_SCA"
	ModuleSwCA Module = "AGENT_SwCA"
)
