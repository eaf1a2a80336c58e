package connector

import (
	"errors"
	"fmt"
	"log/slog"
)

// hidden is written in place of what must not be seen.
const hidden = "[hidden]"

// Keys are a pair of access keys of AWS. No formatting verb, logger or encoder
// shows them.
type Keys struct {
	AccessKeyID string
	SecretKey   string
}

// Given reports whether there are keys at all.
func (k Keys) Given() bool { return k.AccessKeyID != "" || k.SecretKey != "" }

// Format writes that the keys are hidden, whatever the verb.
func (k Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue returns that the keys are hidden.
func (k Keys) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalJSON refuses.
func (k Keys) MarshalJSON() ([]byte, error) { return nil, errSecret }

// Format writes the role, and that the rest is hidden, whatever the verb.
func (c Credentials) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.RoleARN + hidden)) }

// LogValue returns the role, and that the rest is hidden.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.RoleARN + hidden) }

// MarshalJSON refuses.
func (c Credentials) MarshalJSON() ([]byte, error) { return nil, errSecret }

var errSecret = errors.New("access keys are not for JSON: they would be shown")
