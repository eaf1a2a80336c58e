package fleet

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// Limits of activation keys.
const (
	// MaxKeyTitle bounds a title in characters: it is for people to tell keys
	// apart, and every host asset carries that of its key.
	MaxKeyTitle = 256
	// MaxKeyCount is the largest countPurchased, the largest int of the schema.
	MaxKeyCount = math.MaxInt32
	// MaxKeyTags bounds the tags of a key: each enrolment writes them all.
	MaxKeyTags = 1000
)

// KeyChange is what a call gives of an activation key; nil and zero lists mean
// "not given". The same change creates a key and updates one.
type KeyChange struct {
	Title          *string
	Type           *KeyType
	CountPurchased *int64
	ExpireDate     *time.Time
	Disabled       *bool
	Modules        KeyList[Module]
	Tags           KeyList[qps.TagSimple] // by id, or by name where the id is 0
	// OnAgents also puts the tags and modules of the updated key on the agents it
	// has made, and takes off them what the update takes off the key.
	OnAgents bool
}

// KeyList is a change of one of the lists of a key, or of a connector: Set replaces all of it unless
// nil, then Add and Remove change it. Removing what is not there does nothing.
type KeyList[T any] struct {
	Set         []T
	Add, Remove []T
}

// Applied returns the list with the change, each item once.
func (l KeyList[T]) Applied(to []T, same func(a, b T) bool) []T {
	if l.Set != nil {
		to = nil
	}
	to = slices.Clone(to)
	for _, item := range slices.Concat(l.Set, l.Add) {
		if !slices.ContainsFunc(to, func(o T) bool { return same(o, item) }) {
			to = append(to, item)
		}
	}
	return slices.DeleteFunc(to, func(item T) bool {
		return slices.ContainsFunc(l.Remove, func(o T) bool { return same(o, item) })
	})
}

// SameTag compares by id where both have one, and by name otherwise.
func SameTag(a, b qps.TagSimple) bool {
	if a.ID != 0 && b.ID != 0 {
		return a.ID == b.ID
	}
	return a.Name == b.Name
}

// Apply returns the key with the change. What is not given stays. A type without
// a count or an expiry drops them. Errors are fault.Invalid and name the field,
// its value and what is allowed.
func (c KeyChange) Apply(k ActivationKey) (ActivationKey, error) {
	if c.Title != nil {
		k.Title = strings.TrimSpace(*c.Title)
		if n := utf8.RuneCountInString(k.Title); n > MaxKeyTitle {
			return k, fault.New(fault.Invalid, fmt.Sprintf("title: it has %d characters.", n), fmt.Sprintf("Specify at most %d characters.", MaxKeyTitle))
		}
	}
	if c.Type != nil {
		k.Type = *c.Type
	}
	if err := checkType(k.Type); err != nil {
		return k, err
	}
	if err := c.applyCount(&k); err != nil {
		return k, err
	}
	if err := c.applyExpiry(&k); err != nil {
		return k, err
	}
	if c.Disabled != nil {
		k.Disabled = *c.Disabled
	}
	k.Modules = c.Modules.Applied(k.Modules, func(a, b Module) bool { return a == b })
	slices.Sort(k.Modules)
	if err := checkLicensed(k.Modules); err != nil {
		return k, err
	}
	k.Tags = c.Tags.Applied(k.Tags, SameTag)
	if len(k.Tags) > MaxKeyTags {
		return k, fault.New(fault.Invalid, fmt.Sprintf("tags: the key would have %d tags.", len(k.Tags)), fmt.Sprintf("Specify at most %d tags.", MaxKeyTags))
	}
	return k, nil
}

func checkType(t KeyType) error {
	types := []KeyType{KeyUnlimited, KeyCountLimited, KeyTimeLimited, KeyCountTimeLimited}
	if slices.Contains(types, t) {
		return nil
	}
	names := make([]string, len(types))
	for i, one := range types {
		names[i] = string(one)
	}
	message := "type: the element is missing."
	if t != "" {
		message = fmt.Sprintf("type: invalid value '%s'.", echo(string(t)))
	}
	return fault.New(fault.Invalid, message, "Values expected: "+strings.Join(names, ", ")+".")
}

func (c KeyChange) applyCount(k *ActivationKey) error {
	if !k.Type.Counted() {
		// Clients send 0 with UNLIMITED. Any other number is a limit that would
		// not hold.
		if c.CountPurchased != nil && *c.CountPurchased != 0 {
			return fault.New(fault.Invalid, fmt.Sprintf("countPurchased: a key of type %s has no count, and %d is given.", k.Type, *c.CountPurchased),
				"Leave it out, or specify the type COUNT_LIMITED or COUNT_TIME_LIMITED.")
		}
		k.CountPurchased = 0
		return nil
	}
	count := int64(k.CountPurchased)
	if c.CountPurchased != nil {
		count = *c.CountPurchased
	} else if count == 0 {
		return fault.New(fault.Invalid, fmt.Sprintf("countPurchased: the element is missing, a key of type %s needs it.", k.Type),
			fmt.Sprintf("Specify an integer from 1 to %d.", MaxKeyCount))
	}
	switch {
	case count < 1 || count > MaxKeyCount:
		return fault.New(fault.Invalid, fmt.Sprintf("countPurchased: invalid value '%d'.", count), fmt.Sprintf("Specify an integer from 1 to %d.", MaxKeyCount))
	case count < int64(k.CountUsed) && count != int64(k.CountPurchased):
		return fault.New(fault.Invalid, fmt.Sprintf("countPurchased: %d is less than the %d agents the key has made.", count, k.CountUsed),
			fmt.Sprintf("Specify at least %d, or disable the key.", k.CountUsed))
	}
	k.CountPurchased = int(count)
	return nil
}

func (c KeyChange) applyExpiry(k *ActivationKey) error {
	if !k.Type.Timed() {
		if c.ExpireDate != nil {
			return fault.New(fault.Invalid, fmt.Sprintf("expireDate: a key of type %s does not expire, and %s is given.", k.Type, qps.FormatTime(*c.ExpireDate)),
				"Leave it out, or specify the type TIME_LIMITED or COUNT_TIME_LIMITED.")
		}
		k.ExpireDate = time.Time{}
		return nil
	}
	if c.ExpireDate != nil {
		k.ExpireDate = c.ExpireDate.UTC().Truncate(time.Second)
	}
	if k.ExpireDate.IsZero() {
		return fault.New(fault.Invalid, fmt.Sprintf("expireDate: the element is missing, a key of type %s needs it.", k.Type),
			"Specify a date as YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ.")
	}
	return nil
}
