package notice

import (
	"fmt"
	"net/mail"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// Address is where mail goes to or comes from. Its parts are as ParseAddress
// takes them.
type Address struct {
	Name    string // of the person or group, for the header only; may be empty
	Mailbox string // such as soc@example.org
}

// Lengths in bytes: RFC 5321, sections 4.5.3.1.1 and 4.5.3.1.3, of which the path
// has two for its angle brackets.
const (
	localLimit   = 64
	mailboxLimit = 254
	nameLimit    = 128
)

// ParseAddress reads an address, with or without a name: soc@example.org or
// "Security <soc@example.org>". It takes less than RFC 5322 does: the mailbox is
// ASCII, without quotes, comments and literal addresses, so it can stand in a
// header and in a command of SMTP as it is. An error is fault.Invalid.
func ParseAddress(text string) (Address, error) {
	parsed, err := mail.ParseAddress(text)
	if err != nil || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return Address{}, invalidAddress(text)
	}
	a := Address{Name: Line(parsed.Name, nameLimit), Mailbox: parsed.Address}
	return a, a.Check()
}

// Check refuses an address that ParseAddress would not have returned.
func (a Address) Check() error {
	local, domain, found := strings.Cut(a.Mailbox, "@")
	if !found || len(a.Mailbox) > mailboxLimit || len(local) > localLimit || !isLocal(local) || !isDomain(domain) {
		return invalidAddress(a.Mailbox)
	}
	if a.Name != Line(a.Name, nameLimit) {
		return fault.Newf(fault.Invalid, "The name of the mail address %s is not one printable line of at most %d characters.", a.Mailbox, nameLimit)
	}
	return nil
}

// domain returns what follows the @ of the mailbox.
func (a Address) domain() string {
	_, domain, _ := strings.Cut(a.Mailbox, "@")
	return domain
}

// String returns the form for headers, with the name quoted or encoded where it
// must be.
func (a Address) String() string {
	if a.Name == "" {
		return a.Mailbox
	}
	return (&mail.Address{Name: a.Name, Address: a.Mailbox}).String()
}

func invalidAddress(text string) error {
	return fault.New(fault.Invalid,
		fmt.Sprintf("%q is not a mail address.", Line(text, nameLimit)),
		"Use the form soc@example.org, or Security <soc@example.org>, in ASCII: a domain with other letters has a form that begins with xn--.")
}

// isLocal reports whether a text is a dot-atom (RFC 5322, section 3.2.3).
func isLocal(text string) bool {
	for atom := range strings.SplitSeq(text, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !isLetterOrDigit(r) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r) }) {
			return false
		}
	}
	return true
}

// isDomain reports whether a text is a domain of letters, digits and hyphens (RFC
// 5321, section 4.1.2).
func isDomain(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isLetterOrDigit(r) && r != '-' }) {
			return false
		}
	}
	return true
}

func isLetterOrDigit(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}
