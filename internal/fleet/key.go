package fleet

import (
	"time"

	"vedette.dev/vedette/qps"
)

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
	Modules        []Module // what it is licensed for; see Activates
	// Tags are put on every agent it makes, beside the system tag. A tag that is
	// to be stored may have only an id or only a name.
	Tags    []qps.TagSimple
	Created time.Time
}

// Counted reports whether keys of this type make a limited number of agents.
func (t KeyType) Counted() bool { return t == KeyCountLimited || t == KeyCountTimeLimited }

// Timed reports whether keys of this type expire.
func (t KeyType) Timed() bool { return t == KeyTimeLimited || t == KeyCountTimeLimited }

// Module is an application module of an agent, by its activation token.
type Module string

// The modules Vedette has engines or plans for. Inventory needs none.
const (
	ModuleVM   Module = "AGENT_VM"
	ModulePC   Module = "AGENT_PC"
	ModuleSCA  Module = "AGENT_SCA"
	ModuleSwCA Module = "AGENT_SwCA"
)
