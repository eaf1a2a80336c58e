// Package hidden keeps passwords and tokens out of logs, errors and encoded
// documents. Text is its only type.
package hidden

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Mask stands for a text that is not shown.
const Mask = "********"

// Text is a text that only Reveal shows. Whatever prints, logs or encodes it, or
// a struct that holds it, gets Mask instead, or nothing where it is empty. The
// zero value is the empty text. It does not change, and is not to be compared
// with ==.
//
// It does not protect the memory of the process.
type Text struct {
	// A pointer, because package fmt prints unexported fields of a struct without
	// asking them how: it would show a string there, and shows an address here.
	text *string
}

// New hides a text.
func New(text string) Text {
	if text == "" {
		return Text{}
	}
	return Text{&text}
}

// Reveal returns the text.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// IsEmpty reports whether there is no text.
func (t Text) IsEmpty() bool { return t.text == nil }

// Equal reports whether two texts are the same, in a time that tells no more than
// whether their lengths are.
func (t Text) Equal(other Text) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(other.Reveal())) == 1
}

// String returns Mask, or nothing for the empty text.
func (t Text) String() string {
	if t.IsEmpty() {
		return ""
	}
	return Mask
}

// GoString returns what String does.
func (t Text) GoString() string { return t.String() }

// Format writes what String returns, whatever the verb.
func (t Text) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, t.String()) }

// LogValue returns what String does.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns what String does: a hidden text can be written in no
// document. Whoever stores it seals what Reveal returns.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText hides the text of a document.
func (t *Text) UnmarshalText(text []byte) error {
	*t = New(string(text))
	return nil
}
