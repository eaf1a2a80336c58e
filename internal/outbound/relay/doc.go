// Package relay is the tunnel to closed networks, both ends of it: Serve is the
// relay's, Channels the platform's.
//
// A relay dials out with HTTPS, names itself by its token and asks for an upgrade
// of HTTP/1.1, which proxies and load balancers let through. From then on the
// connection carries HTTP/2 turned round: the platform is the client, the relay
// the server. Each connection to a target is one CONNECT request (RFC 9113,
// section 8.5), whose body is the bytes of the connection. Heartbeats, flow
// control and the bounds against a peer that floods are those of net/http, which
// is maintained against hostile servers and clients alike.
//
// Neither end trusts the other. The relay checks the platform's certificate and,
// against its own allow-list, every target. The platform believes nothing a relay
// says but the bytes of targets, which TLS protects end to end.
package relay
