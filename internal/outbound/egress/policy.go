// Package egress keeps users who may enter a URL or a host name from reaching,
// through the platform, what only the platform's own machine reaches: above all
// the metadata service of a cloud, which hands out credentials to whoever asks
// from that machine.
//
// Policy is its main type. It judges the address that is connected to, after the
// name was resolved, so a name that resolves otherwise the second time is judged
// by what it resolves to then.
package egress

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// Policy says which addresses may be connected to. The zero value allows all
// but those that no service for people has: link-local and multicast ones,
// unspecified and reserved ones, and metadata services of clouds.
type Policy struct {
	// NoPrivate refuses also loopback, private and other addresses that are not of
	// the public Internet.
	NoPrivate bool
	// OnlyLoopback refuses all but addresses of this machine: what is not encrypted
	// must not leave it.
	OnlyLoopback bool
	// NoLoopback refuses this machine: who writes a playbook must not reach what listens
	// for nobody else.
	NoLoopback bool
}

// RefusedError says that an address may not be connected to.
type RefusedError struct {
	Address netip.Addr
	Why     string // such as "it is link-local"
}

// Error names the address and the reason.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("connections to %s are refused: %s", e.Address, e.Why)
}

// metadata are metadata services outside of the link-local range: of AWS and
// Google Cloud over IPv6, of Azure (also its DHCP and DNS), of Alibaba Cloud and of
// Oracle Cloud before 169.254.169.254. They are as their documentation names them.
var metadata = prefixes("fd00:ec2::254/128", "fd20:ce::254/128", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32")

// reserved lead to no other host, or to all of them (IANA special-purpose address
// registry). An address of the network 0.0.0.0 is this host on Linux.
var reserved = prefixes("0.0.0.0/8", "240.0.0.0/4")

// internal are not of the public Internet (the same registry), beside the ranges
// that package netip knows.
var internal = prefixes("100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "5f00::/16", "fec0::/10")

// Addresses of IPv6 that a gateway turns into the address of IPv4 in them: NAT64
// (RFC 6052), 6to4 (RFC 3056), and the compatible ones (RFC 4291).
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
	compatible = netip.MustParsePrefix("::/96")
)

func prefixes(texts ...string) []netip.Prefix {
	var parsed []netip.Prefix
	for _, text := range texts {
		parsed = append(parsed, netip.MustParsePrefix(text))
	}
	return parsed
}

// Check refuses, with a *RefusedError, an address that may not be connected to.
func (p Policy) Check(address netip.Addr) error {
	plain := address.WithZone("").Unmap()
	why := p.why(plain)
	if inner, ok := embedded(plain); ok && why == "" {
		why = p.why(inner)
	}
	if why == "" {
		return nil
	}
	return &RefusedError{address, why}
}

func (p Policy) why(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "it is no address"
	case within(a, metadata):
		return "it is a metadata service of a cloud"
	case a.IsLinkLocalUnicast():
		return "it is link-local, as metadata services of clouds are"
	case a.IsMulticast(), a.IsUnspecified(), within(a, reserved):
		return "it is reserved"
	case p.OnlyLoopback && !a.IsLoopback():
		return "it is not of this machine, and the connection would not be encrypted"
	case p.NoLoopback && a.IsLoopback():
		return "it is of this machine"
	case p.NoPrivate && (a.IsLoopback() || a.IsPrivate() || within(a, internal)):
		return "it is not of the public Internet"
	}
	return ""
}

func within(a netip.Addr, ranges []netip.Prefix) bool {
	for _, r := range ranges {
		if r.Contains(a) {
			return true
		}
	}
	return false
}

// embedded returns the address of IPv4 that one of IPv6 leads to.
func embedded(a netip.Addr) (netip.Addr, bool) {
	bytes := a.As16()
	switch {
	case !a.Is6() || a.IsLoopback() || a.IsUnspecified():
		return netip.Addr{}, false
	case nat64.Contains(a), compatible.Contains(a):
		return netip.AddrFrom4([4]byte(bytes[12:])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(bytes[2:6])), true
	}
	return netip.Addr{}, false
}

// Dialer returns a dialer that connects within a time and to allowed addresses
// only. Its error has a *RefusedError in its chain when no address of a name is
// allowed.
func (p Policy) Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, Control: p.control}
}

// control is called with every address that is about to be connected to.
func (p Policy) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", address, err)
	}
	return p.Check(to.Addr())
}
