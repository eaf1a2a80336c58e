package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

// installLine is what a line says that makes a host an agent. It is run by root
// on another machine, and what is in it comes from a platform: nothing goes into
// it that does not have the form it should have.
type installLine struct {
	system        string // one of fleet.InstallSystems
	url           string // base URL, https
	authority     string // SHA-256 of the certificate to trust, in hexadecimal; empty trusts the host's own authorities
	customerID    string // UUID
	activationKey string // UUID
}

// systemTitle says for people which hosts a system is for.
var systemTitle = map[string]string{
	fleet.SystemDeb: "Debian, Ubuntu and others with deb packages",
	fleet.SystemRPM: "Red Hat, SUSE and others with rpm packages",
	fleet.SystemTar: "other Linux",
}

// The forms of what is in a line. Each of them can stand unquoted in a shell.
var (
	installURL  = regexp.MustCompile(`^https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*$`)
	fingerprint = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// The scripts of a line; their arguments are system, URL and fingerprint. With an
// authority of the platform's own, what is fetched over a connection that nobody
// vouches for is used only when it has the digest that is in the line, and cut
// off where no certificate is as long. It is fetched as DER and put into PEM here:
// a PEM file may hold more than what is digested of it. The empty folder keeps curl from trusting the host's own
// authorities besides. All of it is dash, coreutils or busybox, and curl.
const (
	pinnedScript = `d=$(mktemp -d /tmp/vedette.XXXXXX); trap "rm -rf $d" EXIT; cd $d; mkdir none; ` +
		`curl -sSfgk -m 60 "$2` + agentwire.PathAuthority + `" | head -c 9999 >ca.der; echo "$3  ca.der" | sha256sum -c; ` +
		`(echo -----BEGIN CERTIFICATE-----; base64 ca.der; echo -----END CERTIFICATE-----) >ca.pem; ` +
		`curl -sSfg -m 60 --cacert ca.pem --capath none -o install.sh "$2` + agentwire.PathInstall + `"; sh install.sh "$1" "$2" ca.pem`
	plainScript = `d=$(mktemp -d /tmp/vedette.XXXXXX); trap "rm -rf $d" EXIT; cd $d; ` +
		`curl -sSfg -m 60 -o install.sh "$2` + agentwire.PathInstall + `"; sh install.sh "$1" "$2"`
)

// shell returns the line for a POSIX shell. Customer id and key go through a pipe,
// from a command that shells have built in: other users of the host could read
// them on a command line.
func (l installLine) shell() (string, error) {
	if _, known := systemTitle[l.system]; !known {
		return "", fmt.Errorf("the system is %s: allowed are %s", quote(l.system), strings.Join(fleet.InstallSystems(), ", "))
	}
	if !installURL.MatchString(l.url) {
		return "", fmt.Errorf("the platform's URL for agents is %s: start the platform with --public-url and an https URL of host, port and path", quote(l.url))
	}
	if l.authority != "" && !fingerprint.MatchString(l.authority) {
		return "", fmt.Errorf("the fingerprint of the platform's authority is %s, no SHA-256 in lower-case hexadecimal", quote(l.authority))
	}
	for _, id := range []struct{ name, value string }{{"customer id", l.customerID}, {"activation key", l.activationKey}} {
		if parsed, err := uuid.Parse(id.value); err != nil || parsed.String() != id.value {
			return "", fmt.Errorf("the %s is no UUID in its usual form", id.name)
		}
	}
	script, arguments := pinnedScript, []string{l.system, shellWord(l.url), l.authority}
	if l.authority == "" {
		script, arguments = plainScript, arguments[:2]
	}
	return fmt.Sprintf(`printf '%%s\n' %s %s | sh -euc '%s' vedette %s`, l.customerID, l.activationKey, script, strings.Join(arguments, " ")), nil
}
