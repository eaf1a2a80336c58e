package vault

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/fault"
)

// Bounds of settings and items.
const (
	defaultTimeout = 10 * time.Second
	leastTimeout   = time.Second
	mostTimeout    = time.Minute
	pathLimit      = 512 // bytes
	nameLimit      = 256
)

// Complete returns the settings with defaults in place of what is not set.
func (s Settings) Complete() Settings {
	if s.Mount == "" {
		s.Mount = "secret"
	}
	if s.Auth == "" {
		s.Auth = AuthToken
	}
	if s.AuthMount == "" {
		s.AuthMount = "approle"
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	return s
}

// Check refuses, as fault.Invalid, settings that cannot work or must not be used.
// It asks no vault.
func (s Settings) Check() error {
	s = s.Complete()
	if err := checkAddress(s.Address); err != nil {
		return err
	}
	switch {
	case !isPath(s.Mount):
		return invalid("Mount", s.Mount, "the path of a key-value engine of version 2, such as secret")
	case s.Namespace != "" && !isPath(strings.TrimSuffix(s.Namespace, "/")):
		return invalid("Namespace", s.Namespace, "a path such as teams/soc, or nothing for the root")
	case s.Timeout < leastTimeout || s.Timeout > mostTimeout:
		return invalid("Timeout", s.Timeout.String(), fmt.Sprintf("%s to %s, or 0 for %s", leastTimeout, mostTimeout, defaultTimeout))
	case s.CA != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(s.CA)):
		return fault.New(fault.Invalid, "CA of the vault holds no certificate.", "Give one or more certificates in PEM, from -----BEGIN CERTIFICATE----- on.")
	}
	return s.checkCredentials()
}

func (s Settings) checkCredentials() error {
	switch s.Auth {
	case AuthToken:
		if !isCredential(s.Token.Reveal()) {
			return fault.New(fault.Invalid, "The vault has no Token that can be sent.", "Give a token, printable and without spaces, or choose the method approle.")
		}
	case AuthAppRole:
		switch {
		case !isPath(s.AuthMount):
			return invalid("AuthMount", s.AuthMount, "the path of the method AppRole, such as approle")
		case !isCredential(s.RoleID):
			return invalid("RoleID", s.RoleID, "the role id of an AppRole, printable and without spaces")
		case !isCredential(s.SecretID.Reveal()):
			return fault.New(fault.Invalid, "The vault has no SecretID that can be sent.", "Give a secret id of the AppRole, printable and without spaces.")
		}
	default:
		return invalid("Auth", string(s.Auth), "token or approle")
	}
	return nil
}

// Check refuses, as fault.Invalid, an item that no vault can have.
func (i Item) Check() error {
	if !isPath(i.Path) {
		return invalid("Path", i.Path, "a path below the mount, such as teams/soc/qualys, without . and .. and without slashes at its ends")
	}
	if i.Field == "" || len(i.Field) > nameLimit || !isPrintable(i.Field) {
		return invalid("Field", i.Field, "the name of a field, such as password")
	}
	return nil
}

// checkAddress refuses an address that is not encrypted, unless it is of this
// machine, and one that says more than where the vault is.
func checkAddress(text string) error {
	const allowed = "https://vault.example.org:8200, or http:// for this machine (localhost, 127.0.0.1)"
	u, err := url.Parse(text)
	if err != nil || len(text) > pathLimit || !isPrintable(text) || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return fault.Newf(fault.Invalid, "Address of the vault is no URL of a host alone; allowed: %s.", allowed) // it may have a password in it
	}
	if u.Scheme == "https" || u.Scheme == "http" && isThisMachine(u.Hostname()) {
		return nil
	}
	return invalid("Address", u.Scheme+"://"+u.Host, allowed)
}

func isThisMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Unmap().IsLoopback()
}

// isPath reports whether a text stays where it says when it is part of a URL.
func isPath(text string) bool {
	if text == "" || len(text) > pathLimit || !isPrintable(text) {
		return false
	}
	for segment := range strings.SplitSeq(text, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// isCredential reports whether a text can be sent in a header.
func isCredential(text string) bool {
	return text != "" && len(text) <= 8<<10 && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

func invalid(field, value, allowed string) error {
	if len(value) > 80 {
		value = strings.ToValidUTF8(value[:80], "") + "…"
	}
	return fault.Newf(fault.Invalid, "%s of the vault is %q; allowed: %s.", field, value, allowed)
}
