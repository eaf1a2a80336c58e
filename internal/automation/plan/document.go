package plan

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"vedette.dev/vedette/internal/fault"
)

// Kind says what a document describes.
type Kind string

// The kinds, in the order in which they are made.
const (
	KindTag     Kind = "Tag"
	KindKey     Kind = "ActivationKey"
	KindProfile Kind = "ConfigurationProfile"
)

// Kinds returns every kind, those first that others refer to.
func Kinds() []Kind { return []Kind{KindTag, KindKey, KindProfile} }

// phrase is the kind within a sentence.
func (k Kind) phrase() string {
	switch k {
	case KindTag:
		return "tag"
	case KindKey:
		return "activation key"
	}
	return "configuration profile"
}

// Document describes one object. Kind says which of the three it holds.
type Document struct {
	Kind    Kind
	Source  string // where it is written, such as edge.yaml:12; for people
	Tag     *Tag
	Key     *ActivationKey
	Profile *ConfigurationProfile
}

// refuse returns the error that the document causes.
func (d Document) refuse(resolution, format string, args ...any) error {
	return fault.New(fault.Invalid, d.Source+": "+fmt.Sprintf(format, args...)+".", resolution)
}

// maxEcho bounds how much of an input a message repeats, in bytes.
const maxEcho = 80

// quote quotes a text of somebody's, shortened and printable.
func quote(s string) string {
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// carried reports whether the API carries the text as it is: XML has no other
// control characters than these three.
func carried(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < ' ' && r != '\n' && r != '\t' && r != '\r') || r == '\uFFFE' || r == '\uFFFF'
	})
}

func asFault(err error) (*fault.Error, bool) { return errors.AsType[*fault.Error](err) }

// asInvalid makes a mistake in a file of what was not found.
func asInvalid(err error) error {
	if f, ok := asFault(err); ok && f.Code == fault.NotFound {
		return fault.New(fault.Invalid, f.Message, f.Resolution)
	}
	return err
}
