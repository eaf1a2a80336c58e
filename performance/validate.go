package performance

import (
	"fmt"
	"strings"
)

// Limits of what a profile may carry. Settings travel with every profile to
// every agent and unknown keys are kept, so both need an end.
const (
	MaxSettings   = 128 // keys of one profile; the catalogue has 16
	MaxKeyBytes   = 128 // the longest known key has 34
	MaxValueBytes = 256 // the longest known value has 13 ("informational")
)

// Violation is one setting that may not be written.
type Violation struct {
	Key, Value string
	Allowed    string // what would be allowed, for a person
}

// String returns the violation as a clause of a sentence.
func (v Violation) String() string {
	return fmt.Sprintf("%s is %s, allowed is %s", abridged(v.Key), abridged(v.Value), v.Allowed)
}

// ValidationError is the error of Validate. It names every offending setting,
// in the order of Settings.Ordered.
type ValidationError struct {
	Violations []Violation
}

// Error returns all violations in one line.
func (e *ValidationError) Error() string {
	clauses := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		clauses[i] = v.String()
	}
	return "performance settings: " + strings.Join(clauses, "; ")
}

// Validate checks settings that somebody is about to write. Keys of the
// catalogue must hold a value within the published range; keys that it does not
// have are accepted within the limits of this package. To leave a parameter out,
// leave its key out: an empty value is refused. The error is a *ValidationError.
func Validate(settings Settings) error {
	if len(settings) > MaxSettings {
		return &ValidationError{Violations: []Violation{{
			Key: "number of keys", Value: fmt.Sprint(len(settings)), Allowed: fmt.Sprintf("at most %d", MaxSettings),
		}}}
	}
	var violations []Violation
	for _, s := range settings.Ordered() {
		if allowed, ok := check(s); !ok {
			violations = append(violations, Violation{Key: s.Key, Value: s.Value, Allowed: allowed})
		}
	}
	if violations == nil {
		return nil
	}
	return &ValidationError{Violations: violations}
}

// check reports whether a setting may be written and, if not, what could be.
func check(s Setting) (allowed string, ok bool) {
	if p, known := Lookup(s.Key); known {
		return p.Allowed(), p.allows(s.Value)
	}
	switch {
	case s.Key == "" || len(s.Key) > MaxKeyBytes:
		return fmt.Sprintf("a key of 1 to %d bytes", MaxKeyBytes), false
	case len(s.Value) > MaxValueBytes:
		return fmt.Sprintf("a value of at most %d bytes", MaxValueBytes), false
	}
	return "", true
}

// abridged makes a key or value of any origin fit for a message: quoted unless
// it is plain, and never longer than a line.
func abridged(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
	}
	for _, r := range s {
		if r < ' ' || r == '"' || r >= 0x7f {
			return fmt.Sprintf("%q", s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}
