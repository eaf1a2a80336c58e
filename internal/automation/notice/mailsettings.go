package notice

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/hidden"
)

// Security says how the connection to a server is encrypted.
type Security string

// The kinds of security. Servers that take mail of users offer STARTTLS on port
// 587 (RFC 6409) and TLS on port 465 (RFC 8314).
const (
	StartTLS Security = "starttls" // encrypted before anything but a greeting is said, or not used
	TLS      Security = "tls"      // encrypted from the beginning
	NoTLS    Security = "none"     // in clear; for servers on this machine or in a network of trust
)

// Auth is how the account is proven to the server.
type Auth string

// The mechanisms (RFC 4954, RFC 4616, RFC 2195).
const (
	AuthAuto    Auth = "auto" // the first of the others that the server offers
	AuthPlain   Auth = "plain"
	AuthLogin   Auth = "login"
	AuthCRAMMD5 Auth = "cram-md5"
)

// MailSettings are how to reach a mail server.
type MailSettings struct {
	Host     string
	Port     int      // 0: 587 with STARTTLS, 465 with TLS, 25 without
	Security Security // empty: STARTTLS
	Username string   // empty: without an account
	Password hidden.Text
	Auth     Auth    // empty: auto
	From     Address // of the header and of the envelope
	// CA are the certificates, in PEM, that the server's is signed by, instead of
	// those that this machine trusts. It may be empty.
	CA string
	// PlaybookDomains are those whose mailboxes playbooks may write to, subdomains not
	// included; AnyDomain is all of them. Empty: that of From.
	PlaybookDomains []string
	// Timeout bounds a connection from its beginning to the last answer; 0: 30 s.
	Timeout time.Duration
}

// AnyDomain in MailSettings.PlaybookDomains has playbooks write to everybody.
const AnyDomain = "*"

// maxPlaybookDomains bounds MailSettings.PlaybookDomains.
const maxPlaybookDomains = 50

// Bounds of MailSettings.Timeout.
const (
	defaultTimeout = 30 * time.Second
	leastTimeout   = time.Second
	mostTimeout    = 5 * time.Minute
)

// Check refuses settings that cannot work or must not be used, as fault.Invalid.
// It asks no server.
func (s MailSettings) Check() error {
	s = s.Complete()
	switch {
	case !isHost(s.Host):
		return invalid("Host", s.Host, "a host name or an address, without a port: smtp.example.org")
	case !slices.Contains([]Security{StartTLS, TLS, NoTLS}, s.Security):
		return invalid("Security", string(s.Security), "starttls, tls or none")
	case s.Port < 1 || s.Port > 65535:
		return invalid("Port", s.Port, "1 to 65535, or 0 for the usual one: 587 with starttls, 465 with tls, 25 with none")
	case !slices.Contains([]Auth{AuthAuto, AuthPlain, AuthLogin, AuthCRAMMD5}, s.Auth):
		return invalid("Auth", string(s.Auth), "auto, plain, login or cram-md5")
	case s.Timeout < leastTimeout || s.Timeout > mostTimeout:
		return invalid("Timeout", s.Timeout.String(), fmt.Sprintf("%s to %s, or 0 for %s", leastTimeout, mostTimeout, defaultTimeout))
	}
	if err := s.checkAccount(); err != nil {
		return err
	}
	if err := s.checkDomains(); err != nil {
		return err
	}
	if _, err := authorities("mail", s.CA); err != nil {
		return err
	}
	return s.From.Check()
}

func (s MailSettings) checkAccount() error {
	switch {
	case (s.Username == "") != s.Password.IsEmpty():
		return fault.Newf(fault.Invalid, "The mail settings have one of Username and Password: give both, or none for a server that asks for no account.")
	case s.Username == "":
		return nil
	case s.Username != Line(s.Username, 254):
		return invalid("Username", s.Username, "one printable line of at most 254 characters")
	case strings.ContainsRune(s.Password.Reveal(), 0):
		return fault.Newf(fault.Invalid, "The Password of the mail settings has a zero byte.")
	case s.Security == NoTLS && !isThisMachine(s.Host):
		return fault.New(fault.Invalid,
			fmt.Sprintf("The mail settings have a password and Security none for the host %s.", s.Host),
			"Choose starttls or tls, or leave out Username and Password: they are sent in clear to this machine only.")
	}
	return nil
}

func (s MailSettings) checkDomains() error {
	if len(s.PlaybookDomains) > maxPlaybookDomains {
		return fault.Newf(fault.Invalid, "PlaybookDomains of the mail settings has %d domains; at most %d are allowed.", len(s.PlaybookDomains), maxPlaybookDomains)
	}
	for _, domain := range s.PlaybookDomains {
		if domain != AnyDomain && (Address{Mailbox: "x@" + domain}).Check() != nil {
			return invalid("PlaybookDomains", domain, "domains such as example.org, or "+AnyDomain+" for all")
		}
	}
	return nil
}

// domains returns the domains that playbooks write to.
func (s MailSettings) domains() []string {
	if len(s.PlaybookDomains) > 0 {
		return s.PlaybookDomains
	}
	return []string{s.From.domain()}
}

// outside returns those of some recipients whom playbooks must not write to. Domains
// have no case (RFC 5321, section 2.4).
func (s MailSettings) outside(to []Address) []Address {
	return slices.DeleteFunc(slices.Clone(to), func(a Address) bool {
		return slices.ContainsFunc(s.domains(), func(domain string) bool { return domain == AnyDomain || strings.EqualFold(domain, a.domain()) })
	})
}

// Complete returns the settings with defaults in place of what is not set.
func (s MailSettings) Complete() MailSettings {
	if s.Security == "" {
		s.Security = StartTLS
	}
	if s.Port == 0 {
		s.Port = map[Security]int{StartTLS: 587, TLS: 465, NoTLS: 25}[s.Security]
	}
	if s.Auth == "" {
		s.Auth = AuthAuto
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	return s
}

// ClientTLS returns how the server is trusted; see CA.
func (s MailSettings) ClientTLS() (*tls.Config, error) {
	pool, err := authorities("mail", s.CA)
	return &tls.Config{ServerName: s.Host, RootCAs: pool, MinVersion: tls.VersionTLS12}, err
}

func invalid(field string, value any, allowed string) error {
	return fault.Newf(fault.Invalid, "%s of the mail settings is %q; allowed: %s.", field, Line(fmt.Sprint(value), 80), allowed)
}

// isHost reports whether a text is a host name or an IP address.
func isHost(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	return Address{Mailbox: "x@" + text}.Check() == nil
}

// isThisMachine reports whether a host can be none but this machine. What a name
// leads to is known only when it is connected to, so but for localhost, which is
// checked again then, names are others.
func isThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}
