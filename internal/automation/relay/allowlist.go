package relay

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// MaxAllowed bounds the entries of an allow-list.
const MaxAllowed = 200

// AllowList says which targets may be reached through a relay. The zero value
// allows none. It is immutable and safe for concurrent use.
type AllowList struct {
	rules []rule
}

// rule allows a port of a name, or of the addresses of a network.
type rule struct {
	host    string       // empty for a network
	network netip.Prefix // of one address for an address
	port    uint16
}

// ParseAllowList reads entries of the form host:port, address:port and CIDR:port,
// such as 10.1.0.0/16:8443; an IPv6 address or network stands in brackets. A name
// allows itself alone, not what is below it. An entry that cannot mean anything is
// fault.Invalid and named.
func ParseAllowList(entries []string) (AllowList, error) {
	if len(entries) > MaxAllowed {
		return AllowList{}, fault.New(fault.Invalid, fmt.Sprintf("The allow-list has %d entries.", len(entries)), fmt.Sprintf("Use at most %d; a network such as 10.1.0.0/16:443 stands for many targets.", MaxAllowed))
	}
	var l AllowList
	for _, entry := range entries {
		r, err := parseRule(strings.TrimSpace(entry))
		if err != nil {
			return AllowList{}, err
		}
		if !slices.Contains(l.rules, r) {
			l.rules = append(l.rules, r)
		}
	}
	return l, nil
}

func parseRule(entry string) (rule, error) {
	host, port, err := splitHostPort(entry)
	if err != nil {
		return rule{}, err
	}
	if strings.Contains(host, "/") {
		network, err := netip.ParsePrefix(host)
		if err != nil || network != network.Masked() || network.Addr().Is4In6() {
			return rule{}, badTarget(entry, "the network must be an address without bits beyond its length")
		}
		return rule{network: network, port: port}, nil
	}
	target, err := ParseTarget(entry)
	if err != nil {
		return rule{}, err
	}
	if address, ok := target.Address(); ok {
		return rule{network: netip.PrefixFrom(address, address.BitLen()), port: port}, nil
	}
	return rule{host: target.Host, port: port}, nil
}

// Empty reports whether nothing is allowed.
func (l AllowList) Empty() bool { return len(l.rules) == 0 }

// Entries returns what is allowed, in the order in which it was given.
func (l AllowList) Entries() []string {
	entries := make([]string, len(l.rules))
	for i, r := range l.rules {
		host := r.host
		switch {
		case host == "" && r.network.IsSingleIP():
			host = r.network.Addr().String()
		case host == "":
			host = r.network.String()
		}
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		entries[i] = fmt.Sprintf("%s:%d", host, r.port)
	}
	return entries
}

// Allows reports whether a target is allowed by the way it is named, which is
// what the platform can judge: names are resolved on the relay. A name is allowed
// by its own entry, an address by one of a network it is in.
func (l AllowList) Allows(t Target) bool {
	if address, literal := t.Address(); literal {
		return l.covers(address, t.Port)
	}
	return l.names(t)
}

// AllowsAt reports whether a target may be reached at an address, which its name
// was resolved to; the relay asks it for the very address it then connects to.
// Whoever answers for a name may not lead the relay to itself: a loopback address
// needs an entry of its own, and is in no wider network. Addresses that nobody may
// reach, whatever the list has, are for the relay to refuse.
func (l AllowList) AllowsAt(t Target, address netip.Addr) bool {
	address = plain(address)
	return l.covers(address, t.Port) || l.names(t) && (!address.IsLoopback() || t.Host == "localhost")
}

// Resolves reports whether a name is worth a look-up: it is allowed itself, or
// there are networks in which its addresses may lie.
func (l AllowList) Resolves(t Target) bool {
	return l.names(t) || slices.ContainsFunc(l.rules, func(r rule) bool { return r.host == "" && r.port == t.Port })
}

func (l AllowList) names(t Target) bool {
	return slices.ContainsFunc(l.rules, func(r rule) bool { return r.host != "" && r.host == t.Host && r.port == t.Port })
}

func (l AllowList) covers(address netip.Addr, port uint16) bool {
	return slices.ContainsFunc(l.rules, func(r rule) bool {
		return r.host == "" && r.port == port && r.network.Contains(address) && (!address.IsLoopback() || r.network.Addr().IsLoopback())
	})
}
