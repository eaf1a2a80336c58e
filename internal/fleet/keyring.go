package fleet

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// MaxKeyMoves bounds the agents that one call gives another activation key: all
// of them move in one transaction, beside which agents check in.
const MaxKeyMoves = 10_000

// KeyStore is the storage Keyring needs. Tags of a key that have no id are looked
// up by name; a tag that does not exist, or a name that several have, is
// fault.Invalid and named.
type KeyStore interface {
	// ActivationKeys returns every key in ascending order of id.
	ActivationKeys(ctx context.Context) ([]ActivationKey, error)
	// ActivationKey returns one key, or fault.NotFound.
	ActivationKey(ctx context.Context, id int64) (ActivationKey, error)
	// CreateActivationKey stores a new key and returns it with its id.
	CreateActivationKey(ctx context.Context, k ActivationKey) (ActivationKey, error)
	// UpdateActivationKey stores what change makes of a key, between two
	// enrolments with it; change may be called several times. onAgents also
	// brings the agents of the key into line; see KeyChange.OnAgents.
	UpdateActivationKey(ctx context.Context, id int64, onAgents bool, change func(ActivationKey) (ActivationKey, error)) (ActivationKey, error)
	// DeleteActivationKey removes a key; its agents stay, without one.
	DeleteActivationKey(ctx context.Context, id int64) error
	// MoveAgents gives the agents in scope that meet all conditions, at most limit,
	// the key with this UUID, with their units: all of them or none. It returns how many
	// agents met the conditions. An unknown key is fault.NotFound, one that cannot
	// take them all fault.Conflict, more agents than limit fault.TooLarge.
	MoveAgents(ctx context.Context, scope Scope, key string, conditions []Condition, limit int, at time.Time) (int64, error)
}

// Keyring manages the activation keys. It is safe for concurrent use.
//
// Titles need not be unique: the API does not document that they are, and scripts
// make keys of the same title. Keys are told apart by id and by UUID.
//
// To a caller whose scope is limited, keys without a tag of that scope do not
// exist: who knows a key's UUID can let hosts join with it. What changes agents
// that a key has made is refused where one of them is out of scope.
type Keyring struct {
	Keys  KeyStore
	Hosts Hosts
	Now   func() time.Time
	// NewKey makes the UUID of a new key. It is a secret that lets hosts join, so
	// it must not be predictable.
	NewKey func() string
}

// Criteria on activation keys (Qualys Cloud Agent API, search activation keys;
// title and type are not documented there).
const (
	FieldTitle          Field = "title"
	FieldCountPurchased Field = "countPurchased"
	FieldIsDisabled     Field = "isDisabled"
)

// keySchema says what criteria on keys may ask for.
func keySchema() Schema[ActivationKey] {
	return NewSchema(map[Field]Property[ActivationKey]{
		FieldID:             Integer(func(k *ActivationKey) []int64 { return []int64{k.ID} }),
		FieldActivationKey:  Text(func(k *ActivationKey) string { return k.Key }),
		FieldTitle:          Text(func(k *ActivationKey) string { return k.Title }),
		FieldType:           Keyword(func(k *ActivationKey) string { return string(k.Type) }),
		FieldCountPurchased: Integer(func(k *ActivationKey) []int64 { return []int64{int64(k.CountPurchased)} }),
		FieldIsDisabled:     Boolean(func(k *ActivationKey) bool { return k.Disabled }),
	})
}

// Search returns the keys in scope that meet all criteria, in ascending order of
// id. Without criteria these are all keys, disabled ones too.
func (r *Keyring) Search(ctx context.Context, scope Scope, criteria []qps.Criterion) ([]ActivationKey, error) {
	schema := keySchema()
	conditions, err := schema.Parse(criteria)
	if err != nil {
		return nil, err
	}
	all, err := r.Keys.ActivationKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("search activation keys: %w", err)
	}
	var found []ActivationKey
	for i := range all {
		if scope.allowKey(all[i]) == nil && schema.Match(&all[i], conditions) {
			found = append(found, all[i])
		}
	}
	return found, nil
}

// Get returns one key, or fault.NotFound.
func (r *Keyring) Get(ctx context.Context, scope Scope, id int64) (ActivationKey, error) {
	k, err := r.Keys.ActivationKey(ctx, id)
	if err == nil {
		err = scope.allowKey(k)
	}
	if err != nil {
		return ActivationKey{}, err
	}
	return k, nil
}

// Create makes a key. What is wrong with it is fault.Invalid.
func (r *Keyring) Create(ctx context.Context, scope Scope, c KeyChange) (ActivationKey, error) {
	k, err := c.Apply(ActivationKey{Key: r.NewKey(), Created: r.Now().UTC().Truncate(time.Second)})
	if err == nil {
		err = scope.allowKeyChange(ActivationKey{}, k)
	}
	if err != nil {
		return ActivationKey{}, err
	}
	return r.Keys.CreateActivationKey(ctx, k)
}

// Update changes a key; agents it has made are not touched unless c says so. An
// unknown key is fault.NotFound, what is wrong with the change fault.Invalid.
func (r *Keyring) Update(ctx context.Context, scope Scope, id int64, c KeyChange) (ActivationKey, error) {
	if c.OnAgents {
		if err := r.ownsAgents(ctx, scope, id); err != nil {
			return ActivationKey{}, err
		}
	}
	return r.Keys.UpdateActivationKey(ctx, id, c.OnAgents, func(before ActivationKey) (ActivationKey, error) {
		if err := scope.allowKey(before); err != nil {
			return before, err
		}
		after, err := c.Apply(before)
		if err != nil {
			return before, err
		}
		return after, scope.allowKeyChange(before, after)
	})
}

// ownsAgents refuses to change the agents of a key unless all are in scope.
func (r *Keyring) ownsAgents(ctx context.Context, scope Scope, id int64) error {
	if scope.All {
		return nil
	}
	k, err := r.Get(ctx, scope, id)
	if err != nil {
		return err
	}
	ofKey := []Condition{{Field: FieldActivationKey, Operator: qps.OpEquals, Texts: []string{k.Key}}}
	all, err := r.Hosts.CountHosts(ctx, WholeFleet(), ofKey)
	if err != nil {
		return err
	}
	mine, err := r.Hosts.CountHosts(ctx, scope, ofKey)
	if err == nil && mine != all {
		err = outside(fmt.Sprintf("Activation key %d has made agents outside your scope.", id), "Ask a manager.")
	}
	return err
}

// Delete removes a key. Its agents go on; hosts can no longer join with it.
func (r *Keyring) Delete(ctx context.Context, scope Scope, id int64) error {
	if err := r.ownsAgents(ctx, scope, id); err != nil {
		return err
	}
	return r.Keys.DeleteActivationKey(ctx, id)
}

// MoveAgents gives the agents in scope that meet all conditions another key,
// named by its UUID, which must be in scope too, and returns how many met them. Their units move with them: a key that is
// disabled, expired or has too few units left refuses all of them with
// fault.Conflict. Tags and modules of the agents stay as they are. Without a
// condition it is refused: nothing moves a fleet by accident.
func (r *Keyring) MoveAgents(ctx context.Context, scope Scope, key string, conditions []Condition) (int64, error) {
	if len(conditions) == 0 {
		return 0, fault.New(fault.Invalid, "Criteria: at least one criterion is required to change the activation key of agents.",
			"Specify a criterion on id, tagName or activationKey.")
	}
	if key == "" {
		return 0, fault.New(fault.Invalid, "newActivationKey: the element is missing.", "Specify the UUID of an activation key.")
	}
	if !scope.All {
		held, err := r.Search(ctx, scope, []qps.Criterion{{Field: string(FieldActivationKey), Operator: qps.OpEquals, Value: key}})
		if err != nil {
			return 0, err
		}
		if len(held) == 0 {
			return 0, fault.New(fault.NotFound, "newActivationKey: there is no activation key with this UUID.", "Search for the activation keys there are.")
		}
	}
	return r.Keys.MoveAgents(ctx, scope, key, conditions, MaxKeyMoves, r.Now())
}
