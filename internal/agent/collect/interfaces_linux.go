package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"

	"vedette.dev/vedette/internal/agentwire"
)

// interfaces returns one entry per address of every network interface, and one
// without address for an interface that has none. Loopback addresses say nothing
// about a host and are left out; other addresses of the loopback interface, as
// routers and anycast services have them, are not.
func interfaces(context.Context, Env) ([]agentwire.Interface, error) {
	gateways, err := defaultGateways()
	if err != nil {
		return nil, err
	}
	devices, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var found []agentwire.Interface
	for _, device := range devices {
		addresses, err := device.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list addresses of %s: %w", device.Name, err)
		}
		found = append(found, describe(device, addresses, gateways)...)
	}
	return found, nil
}

func describe(device net.Interface, addresses []net.Addr, gateways []gateway) []agentwire.Interface {
	var found []agentwire.Interface
	mac := device.HardwareAddr.String()
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil || prefix.Addr().IsLoopback() {
			continue
		}
		entry := agentwire.Interface{Name: device.Name, MAC: mac, Address: prefix.Addr().Unmap().String()}
		if g, ok := preferred(gateways, device.Name, prefix.Addr().Unmap().Is4()); ok {
			entry.Gateway = g.address.String()
		}
		found = append(found, entry)
	}
	if len(found) == 0 && device.Flags&net.FlagLoopback == 0 {
		found = append(found, agentwire.Interface{Name: device.Name, MAC: mac})
	}
	return found
}

func defaultGateways() ([]gateway, error) {
	var found []gateway
	for file, parse := range map[string]func(io.Reader) ([]gateway, error){
		"/proc/net/route":      parseRoutes4,
		"/proc/net/ipv6_route": parseRoutes6,
	} {
		table, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without this protocol
		}
		if err != nil {
			return nil, fmt.Errorf("open routes: %w", err)
		}
		gateways, err := parse(table)
		if err = errors.Join(err, table.Close()); err != nil {
			return nil, fmt.Errorf("read routes of %s: %w", file, err)
		}
		found = append(found, gateways...)
	}
	return found, nil
}

// primaryAddress is the address a host is reached at: the first global one of
// the interface its default route leaves through, IPv4 before IPv6, else the
// first global one there is. It may be empty.
func primaryAddress(found []agentwire.Interface, gateways []gateway) string {
	for _, v4 := range []bool{true, false} {
		best, _ := preferred(gateways, "", v4)
		for _, device := range []string{best.device, ""} {
			for _, entry := range found {
				address, err := netip.ParseAddr(entry.Address)
				if err == nil && address.Is4() == v4 && address.IsGlobalUnicast() && (device == "" || entry.Name == device) {
					return entry.Address
				}
			}
		}
	}
	return ""
}
