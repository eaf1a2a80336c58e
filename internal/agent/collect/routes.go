package collect

import (
	"bufio"
	"encoding/hex"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Flags of a route, as in the kernel's include/uapi/linux/route.h.
const (
	routeUp      = 0x1
	routeGateway = 0x2
)

// gateway is a default route through one interface.
type gateway struct {
	device  string
	address netip.Addr
	metric  uint64
}

// parseRoutes4 returns the default gateways of /proc/net/route.
func parseRoutes4(r io.Reader) ([]gateway, error) {
	var found []gateway
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 || fields[1] != "00000000" || fields[7] != "00000000" || !leadsOn(fields[3]) {
			continue
		}
		next, err := parseEndpoint(fields[2] + ":0")
		if err != nil {
			return nil, err
		}
		metric, err := strconv.ParseUint(fields[6], 10, 32)
		if err != nil {
			return nil, err
		}
		found = append(found, gateway{fields[0], next.Addr(), metric})
	}
	return found, lines.Err()
}

// parseRoutes6 returns the default gateways of /proc/net/ipv6_route.
func parseRoutes6(r io.Reader) ([]gateway, error) {
	var found []gateway
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// destination length source length next-hop metric refcnt use flags device
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[1] != "00" || fields[3] != "00" || !leadsOn(fields[8]) {
			continue
		}
		next, err := hex.DecodeString(fields[4])
		if err != nil {
			return nil, err
		}
		address, ok := netip.AddrFromSlice(next)
		if !ok {
			continue
		}
		metric, err := strconv.ParseUint(fields[5], 16, 32)
		if err != nil {
			return nil, err
		}
		found = append(found, gateway{fields[9], address, metric})
	}
	return found, lines.Err()
}

// leadsOn reports whether a route with these flags is up and has a gateway.
func leadsOn(flags string) bool {
	bits, err := strconv.ParseUint(flags, 16, 32)
	return err == nil && bits&routeUp != 0 && bits&routeGateway != 0
}

// preferred returns the gateway of the lowest metric, of one device if device
// is not empty, and of the address family v4 or IPv6.
func preferred(gateways []gateway, device string, v4 bool) (gateway, bool) {
	var best gateway
	found := false
	for _, g := range gateways {
		if (device != "" && g.device != device) || g.address.Is4() != v4 {
			continue
		}
		if !found || g.metric < best.metric {
			best, found = g, true
		}
	}
	return best, found
}
