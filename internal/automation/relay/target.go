package relay

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// Target is where a connection through a relay goes.
type Target struct {
	Host string // a name in lower case without a dot at its end, or an address
	Port uint16
}

// hostPattern takes host names as DNS has them, with the underscores that some
// networks use. Names of other scripts come as xn--.
var hostPattern = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// maxHostBytes is the length of the longest name that DNS has.
const maxHostBytes = 253

// ParseTarget reads host:port; an IPv6 address stands in brackets.
func ParseTarget(text string) (Target, error) {
	host, port, err := splitHostPort(text)
	if err != nil {
		return Target{}, err
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return Target{Host: plain(address).String(), Port: port}, nil
	}
	name, ok := hostName(host)
	if !ok {
		return Target{}, badTarget(text, "the host is neither a name nor an address")
	}
	return Target{Host: name, Port: port}, nil
}

// TargetOfURL returns the target of calls to a base URL. One without TLS is
// fault.Invalid: its credentials would be read on the relay and behind it.
func TargetOfURL(text string) (Target, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" {
		return Target{}, fault.New(fault.Invalid, "A relay reaches no platform without TLS, and the server URL is not one with https://.",
			"Use https:// in the server URL, or no relay.")
	}
	return ParseTarget(net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
}

func (t Target) String() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

// Address returns the address of a target that is named by one.
func (t Target) Address() (netip.Addr, bool) {
	address, err := netip.ParseAddr(t.Host)
	return address, err == nil
}

func splitHostPort(text string) (host string, port uint16, err error) {
	host, digits, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return "", 0, badTarget(text, "it must be host:port")
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != digits {
		return "", 0, badTarget(text, "the port must be an integer from 1 to 65535")
	}
	return host, uint16(n), nil
}

func hostName(host string) (string, bool) {
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	return name, len(name) <= maxHostBytes && hostPattern.MatchString(name)
}

func badTarget(text, why string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("Target '%s': %s.", echo(text), why),
		"Use host:port, address:port or CIDR:port, such as qualysapi.qualys.com:443, [2001:db8::7]:443 or 10.1.0.0/16:8443.")
}

// plain returns an address without what hides it: an IPv4 address within an IPv6
// one, or a zone.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
