package connection

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

// SiteKind tells the sites of the own organisation from those of clients.
type SiteKind string

// The kinds of sites.
const (
	Internal SiteKind = "internal"
	Client   SiteKind = "client"
)

// Site is a tenant.
type Site struct {
	ID          int64
	Name        string // unique among all sites
	Kind        SiteKind
	Description string
	// Members are the names of the users of the site, ascending.
	Members []string
	Created time.Time
}

// Bounds: of what one answer lists, and of texts of people in bytes.
const (
	MaxSites            = 1000
	MaxConnections      = 2000
	MaxNameBytes        = 255
	MaxDescriptionBytes = 1000
)

func (s Site) check() error {
	if err := checkName("name", s.Name); err != nil {
		return err
	}
	if s.Kind != Internal && s.Kind != Client {
		return fault.New(fault.Invalid, fmt.Sprintf("kind: invalid value '%s'.", automation.Echo(string(s.Kind))), "Specify kind as internal or client.")
	}
	return checkText("description", s.Description, MaxDescriptionBytes)
}

// checkName refuses what cannot be the name of an object.
func checkName(field, name string) error {
	if name == "" {
		return fault.New(fault.Invalid, field+": the value is missing.", fmt.Sprintf("Specify %s as a text of 1 to %d bytes.", field, MaxNameBytes))
	}
	if first, _ := utf8.DecodeRuneInString(name); unicode.IsSpace(first) {
		return fault.New(fault.Invalid, fmt.Sprintf("%s: '%s' begins with a space.", field, automation.Echo(name)), "Leave the space out.")
	}
	return checkText(field, name, MaxNameBytes)
}

// checkText refuses text that is too long or does not print.
func checkText(field, text string, limit int) error {
	if len(text) > limit {
		return fault.Newf(fault.Invalid, "%s: the value has %d bytes, at most %d are allowed.", field, len(text), limit)
	}
	for _, r := range text {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' {
			return fault.New(fault.Invalid, fmt.Sprintf("%s: '%s' holds a character that cannot be printed.", field, automation.Echo(text)), "Use printable UTF-8 text.")
		}
	}
	return nil
}
