package collect

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/agentwire"
)

// States of a socket in /proc/net, as in the kernel's include/net/tcp_states.h.
const (
	tcpListen    = "0A"
	udpUnconnect = "07" // TCP_CLOSE: a bound UDP socket without a peer
)

// socket is a port with the inode that leads to the processes holding it.
type socket struct {
	port  agentwire.Port
	inode string
}

// parseSockets returns the sockets in the given state of a file such as
// /proc/net/tcp6 (proc_net_tcp in the kernel's documentation). Lines that are
// none are passed over: columns have been added at the end before.
func parseSockets(r io.Reader, protocol, state string) ([]socket, error) {
	var found []socket
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != state {
			continue
		}
		local, err := parseEndpoint(fields[1])
		if err != nil {
			return nil, fmt.Errorf("%s socket: %w", protocol, err)
		}
		found = append(found, socket{
			port:  agentwire.Port{Protocol: protocol, Address: local.Addr().String(), Port: int(local.Port())},
			inode: fields[9],
		})
	}
	return found, lines.Err()
}

// parseEndpoint reads an address and port as the kernel prints them: the address
// in words of the machine's byte order, everything in hexadecimal. IPv4
// addresses mapped into IPv6 come out as the IPv4 addresses they are.
func parseEndpoint(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q has no port", s)
	}
	words, err := hex.DecodeString(host)
	if err != nil || len(words)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q is not hexadecimal", s)
	}
	for word := range words {
		if word%4 == 0 {
			binary.NativeEndian.PutUint32(words[word:], binary.BigEndian.Uint32(words[word:]))
		}
	}
	addr, ok := netip.AddrFromSlice(words)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q has a length of %d bytes, not 4 or 16", s, len(words))
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("port of address %q: %w", s, err)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), nil
}
