package agentwire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fact is one keyed entry of a Snapshot list.
type fact interface {
	comparable
	Key() string
}

// ErrTooManyEntries is returned when a list of a delta is longer than MaxEntries.
var ErrTooManyEntries = fmt.Errorf("a list of the delta has more than %d entries", MaxEntries)

// Delta turns the snapshot with digest Base into the one with digest Result. A
// delta with an empty Base is a baseline: everything known of the host, to be
// applied to nothing.
type Delta struct {
	Base   string `json:"base,omitempty"` // digest of the snapshot it applies to
	Result string `json:"result"`         // digest of the snapshot it leads to

	Host       *Host              `json:"host,omitempty"` // nil when unchanged
	Software   Changes[Software]  `json:"software,omitzero"`
	Ports      Changes[Port]      `json:"ports,omitzero"`
	Interfaces Changes[Interface] `json:"interfaces,omitzero"`
	Accounts   Changes[Account]   `json:"accounts,omitzero"`
	Processors Changes[Processor] `json:"processors,omitzero"`
	Volumes    Changes[Volume]    `json:"volumes,omitzero"`
}

// Changes are the differences of one list: entries that are new or differ, and
// the keys of entries that are gone. A key is never in both.
type Changes[T fact] struct {
	Put  []T      `json:"put,omitempty"`
	Drop []string `json:"drop,omitempty"`
}

// IsZero reports whether nothing changed.
func (c Changes[T]) IsZero() bool { return len(c.Put) == 0 && len(c.Drop) == 0 }

// UnmarshalJSON reads the changes and stops at the entry that is one too many.
func (c *Changes[T]) UnmarshalJSON(doc []byte) error {
	*c = Changes[T]{}
	var lists struct {
		Put  bounded[T]      `json:"put"`
		Drop bounded[string] `json:"drop"`
	}
	if err := json.Unmarshal(doc, &lists); err != nil {
		return err
	}
	c.Put, c.Drop = lists.Put, lists.Drop
	return nil
}

// bounded is a list that is not read beyond MaxEntries.
type bounded[T any] []T

// UnmarshalJSON reads entry by entry.
func (b *bounded[T]) UnmarshalJSON(doc []byte) error {
	*b = nil
	decoder := json.NewDecoder(bytes.NewReader(doc))
	start, err := decoder.Token()
	if err != nil || start == nil { // nil is null
		return err
	}
	if start != json.Delim('[') {
		return fmt.Errorf("a list of entries begins with %v", start)
	}
	for decoder.More() {
		if len(*b) == MaxEntries {
			return ErrTooManyEntries
		}
		var entry T
		if err := decoder.Decode(&entry); err != nil {
			return err
		}
		*b = append(*b, entry)
	}
	return nil
}

// Empty reports whether the delta changes nothing.
func (d *Delta) Empty() bool {
	return d.Host == nil && d.Software.IsZero() && d.Ports.IsZero() && d.Interfaces.IsZero() &&
		d.Accounts.IsZero() && d.Processors.IsZero() && d.Volumes.IsZero()
}

// Baseline reports whether the delta stands for a whole snapshot.
func (d *Delta) Baseline() bool { return d.Base == "" }

// Normalize makes the snapshot what it will be on the other side, so that equal
// hosts have equal digests on both: text is valid UTF-8 (a mount point need not
// be), times are UTC to the second, every list is ordered by key, and of a key
// that occurs twice the first entry stays.
func (s *Snapshot) Normalize() {
	var there Snapshot
	if err := json.Unmarshal(s.encode(), &there); err != nil {
		panic(fmt.Sprintf("decode snapshot: %v", err)) // just encoded
	}
	*s = there
	s.Host.LastBoot = s.Host.LastBoot.UTC().Truncate(time.Second)
	s.Software = normalize(s.Software)
	s.Ports = normalize(s.Ports)
	s.Interfaces = normalize(s.Interfaces)
	s.Accounts = normalize(s.Accounts)
	s.Processors = normalize(s.Processors)
	s.Volumes = normalize(s.Volumes)
}

func normalize[T fact](list []T) []T {
	slices.SortStableFunc(list, byKey[T])
	return slices.CompactFunc(list, func(a, b T) bool { return a.Key() == b.Key() })
}

func byKey[T fact](a, b T) int { return strings.Compare(a.Key(), b.Key()) }

// Digest names the snapshot's content. The snapshot must be normalized.
func (s *Snapshot) Digest() string {
	sum := sha256.Sum256(s.encode())
	return hex.EncodeToString(sum[:])
}

func (s *Snapshot) encode() []byte {
	doc, err := json.Marshal(s)
	if err != nil {
		// Only strings, numbers and times of this package's own types: cannot fail
		// short of a year outside 0..9999, which collectors never produce.
		panic(fmt.Sprintf("encode snapshot: %v", err))
	}
	return doc
}

// Diff returns the delta that leads from base to next. With a nil base it is a
// baseline. Both must be normalized.
func Diff(base, next *Snapshot) *Delta {
	d := &Delta{Result: next.Digest()}
	if base == nil {
		base = &Snapshot{}
	} else {
		d.Base = base.Digest()
	}
	if d.Baseline() || !base.Host.equal(&next.Host) {
		host := next.Host
		d.Host = &host
	}
	d.Software = diff(base.Software, next.Software)
	d.Ports = diff(base.Ports, next.Ports)
	d.Interfaces = diff(base.Interfaces, next.Interfaces)
	d.Accounts = diff(base.Accounts, next.Accounts)
	d.Processors = diff(base.Processors, next.Processors)
	d.Volumes = diff(base.Volumes, next.Volumes)
	return d
}

// diff merges two lists that are ordered by key.
func diff[T fact](base, next []T) (c Changes[T]) {
	i, j := 0, 0
	for i < len(base) || j < len(next) {
		switch {
		case j == len(next) || (i < len(base) && base[i].Key() < next[j].Key()):
			c.Drop = append(c.Drop, base[i].Key())
			i++
		case i == len(base) || next[j].Key() < base[i].Key():
			c.Put = append(c.Put, next[j])
			j++
		default:
			if base[i] != next[j] {
				c.Put = append(c.Put, next[j])
			}
			i, j = i+1, j+1
		}
	}
	return c
}

// Apply returns the snapshot that d leads to from base, which is nil for a
// baseline. It fails when d was made for another base or does not lead to the
// result it promises.
func (d *Delta) Apply(base *Snapshot) (*Snapshot, error) {
	if base == nil {
		base = &Snapshot{}
		if !d.Baseline() {
			return nil, fmt.Errorf("delta needs snapshot %s, there is none", d.Base)
		}
	} else if digest := base.Digest(); d.Base != digest && !d.Baseline() {
		return nil, fmt.Errorf("delta needs snapshot %s, have %s", d.Base, digest)
	}
	if d.Baseline() {
		base = &Snapshot{}
	}
	next := &Snapshot{
		Host:       base.Host,
		Software:   apply(base.Software, d.Software),
		Ports:      apply(base.Ports, d.Ports),
		Interfaces: apply(base.Interfaces, d.Interfaces),
		Accounts:   apply(base.Accounts, d.Accounts),
		Processors: apply(base.Processors, d.Processors),
		Volumes:    apply(base.Volumes, d.Volumes),
	}
	if d.Host != nil {
		next.Host = *d.Host
	}
	if digest := next.Digest(); digest != d.Result {
		return nil, fmt.Errorf("delta leads to snapshot %s, promises %s", digest, d.Result)
	}
	return next, nil
}

func apply[T fact](base []T, c Changes[T]) []T {
	if c.IsZero() {
		return slices.Clone(base)
	}
	gone := make(map[string]bool, len(c.Drop)+len(c.Put))
	for _, key := range c.Drop {
		gone[key] = true
	}
	for _, entry := range c.Put {
		gone[entry.Key()] = true
	}
	next := slices.DeleteFunc(slices.Clone(base), func(entry T) bool { return gone[entry.Key()] })
	return normalize(append(next, c.Put...))
}

func (h *Host) equal(other *Host) bool {
	a, b := *h, *other
	if !same(a.Docker, b.Docker) || !same(a.Cloud, b.Cloud) || !a.LastBoot.Equal(b.LastBoot) {
		return false
	}
	a.Docker, a.Cloud, a.LastBoot = b.Docker, b.Cloud, b.LastBoot
	return a == b
}

// same compares what is pointed to; nil equals only nil.
func same[T comparable](a, b *T) bool {
	return (a == nil) == (b == nil) && (a == nil || *a == *b)
}
