package relay

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
)

// Path is where a platform takes channels, with GET and an upgrade.
const Path = "/automation/v1/relays/channel"

// protocol is what the connection is upgraded to, with its version: another one
// needs another name.
const protocol = "vedette-relay/1"

// Header fields of the request for a channel: what the relay says of itself.
const (
	headerVersion   = "Vedette-Relay-Version"
	headerHost      = "Vedette-Relay-Host"
	headerAddresses = "Vedette-Relay-Addresses"
	headerInstance  = "Vedette-Relay-Instance"
	headerNumber    = "Vedette-Relay-Channel"
	// headerName is in the answer: the name the relay is registered under.
	headerName = "Vedette-Relay-Name"
)

// Bounds of what a relay says of itself.
const (
	maxTextBytes = 255
	maxAddresses = 16
	maxNumber    = 64 // channels of one instance
)

// endPath is where the platform tells a relay over a channel why the channel
// ends, in the header field of the reason.
const (
	endPath      = "/end"
	headerReason = "Vedette-Relay-Reason"
)

// reason is why a platform ends a channel.
type reason string

const (
	reasonReplaced reason = "replaced" // another instance with the same token came
	reasonRevoked  reason = "revoked"  // the token is not valid any more
	reasonStopping reason = "stopping" // the platform stops
)

func setHello(h http.Header, hello relay.Hello) {
	addresses := make([]string, len(hello.Addresses))
	for i, a := range hello.Addresses {
		addresses[i] = a.String()
	}
	h.Set(headerVersion, hello.Version)
	h.Set(headerHost, hello.Host)
	h.Set(headerAddresses, strings.Join(addresses, ","))
	h.Set(headerInstance, hello.Instance)
	h.Set(headerNumber, strconv.Itoa(hello.Number))
}

// helloOf reads what a relay says of itself. It is stored and shown, so it is text
// of one line that is not long.
func helloOf(h http.Header) (relay.Hello, error) {
	hello := relay.Hello{Version: h.Get(headerVersion), Host: h.Get(headerHost), Instance: h.Get(headerInstance)}
	for name, value := range map[string]string{headerVersion: hello.Version, headerHost: hello.Host, headerInstance: hello.Instance} {
		if value == "" || len(value) > maxTextBytes || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			return hello, badHello(name, fmt.Sprintf("a line of text of 1 to %d bytes", maxTextBytes))
		}
	}
	number, err := strconv.Atoi(h.Get(headerNumber))
	if err != nil || number < 0 || number >= maxNumber {
		return hello, badHello(headerNumber, fmt.Sprintf("an integer from 0 to %d", maxNumber-1))
	}
	hello.Number = number
	for text := range strings.SplitSeq(h.Get(headerAddresses), ",") {
		if text == "" {
			continue
		}
		address, err := netip.ParseAddr(text)
		if err != nil || address.Zone() != "" || len(hello.Addresses) == maxAddresses {
			return hello, badHello(headerAddresses, fmt.Sprintf("at most %d IP addresses with commas between them", maxAddresses))
		}
		hello.Addresses = append(hello.Addresses, address)
	}
	return hello, nil
}

func badHello(header, allowed string) error {
	return fault.New(fault.Invalid, "The header field "+header+" has an invalid value.", "Send "+allowed+".")
}

// refusal is the body of an answer to CONNECT that is not 200: why there is no
// connection to the target.
type refusal struct {
	Kind    refusalKind `json:"kind"`
	Message string      `json:"message"`
}

type refusalKind string

const (
	kindRefused refusalKind = "refused" // not on the allow-list of the relay
	kindDNS     refusalKind = "dns"     // the name has no address
	kindConnect refusalKind = "connect" // nobody answers there
	kindTimeout refusalKind = "timeout" // nobody answers there in time
)

// statuses are those of an answer to CONNECT, for whoever looks at the traffic.
var statuses = map[refusalKind]int{
	kindRefused: http.StatusForbidden, kindDNS: http.StatusBadGateway,
	kindConnect: http.StatusBadGateway, kindTimeout: http.StatusGatewayTimeout,
}

func (f refusal) write(w http.ResponseWriter) {
	body, _ := json.Marshal(f) // two strings
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses[f.Kind])
	_, _ = w.Write(body) // a platform that is gone cannot be told
}

// readRefusal reads what the other end says of a failure: text that people are
// shown, so whatever does not print goes.
func readRefusal(body io.Reader) refusal {
	var f refusal
	if json.NewDecoder(io.LimitReader(body, maxSaidBytes)).Decode(&f) != nil {
		return refusal{Kind: kindConnect, Message: "the relay gave no reason"}
	}
	f.Message = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(f.Message, ""))
	if len(f.Message) > maxTextBytes {
		f.Message = strings.ToValidUTF8(f.Message[:maxTextBytes], "")
	}
	return f
}
