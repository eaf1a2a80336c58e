package access

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/fault"
)

// Limits on what people call things, in characters.
const (
	MaxNameLength        = 100 // of users, roles and tokens
	MaxDescriptionLength = 1000
)

// CallerName stands for the caller in paths of the automation API; no user may
// be called so.
const CallerName = "me"

// usernamePattern keeps usernames safe in HTTP Basic, which takes no colon, in
// paths and in shells. Letters are those of ASCII: names that only look the same
// would be told apart by nobody.
var usernamePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,99}$`)

func checkUsername(username string) error {
	if username == CallerName {
		return fault.New(fault.Invalid, "username: '"+CallerName+"' stands for whoever asks.", "Choose another username.")
	}
	if !usernamePattern.MatchString(username) {
		return fault.New(fault.Invalid, "username: invalid value '"+echo(username)+"'.",
			fmt.Sprintf("Use 1 to %d letters, digits and . _ @ + -, beginning with a letter, a digit or _.", MaxNameLength))
	}
	return nil
}

// checkText refuses what cannot be shown on one line.
func checkText(field, text string, most int) error {
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		return fault.New(fault.Invalid, field+": the value is not valid UTF-8.", "Send text in UTF-8.")
	case n > most:
		return fault.New(fault.Invalid, fmt.Sprintf("%s: the value has %d characters.", field, n), fmt.Sprintf("Use at most %d.", most))
	case strings.ContainsFunc(text, unicode.IsControl):
		return fault.New(fault.Invalid, field+": invalid value '"+echo(text)+"', it contains a control character.", "Use one line of text.")
	}
	return nil
}

// checkName is checkText for something that must have a name.
func checkName(field, name string) error {
	if name == "" || strings.TrimSpace(name) != name {
		return fault.New(fault.Invalid, field+": invalid value '"+echo(name)+"'.",
			fmt.Sprintf("Use 1 to %d characters, with no space at either end.", MaxNameLength))
	}
	return checkText(field, name, MaxNameLength)
}

// checkRoleName is checkName for roles, which are named in place of their ids.
func checkRoleName(name string) error {
	if err := checkName("name", name); err != nil {
		return err
	}
	if strings.Trim(name, "0123456789") == "" {
		return fault.New(fault.Invalid, "name: '"+name+"' would be taken for the id of a role.", "Use at least one character that is no digit.")
	}
	return nil
}

// maxEchoBytes bounds how much of an input a message repeats.
const maxEchoBytes = 80

func echo(s string) string {
	if len(s) > maxEchoBytes {
		s = strings.ToValidUTF8(s[:maxEchoBytes], "") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// maxListed bounds how many names a message lists.
const maxListed = 20

// listed returns names as a message lists them.
func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}
