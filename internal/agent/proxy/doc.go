// Package proxy takes an agent's requests to its platform, through as many as five
// proxies. The main types are Settings, read from the environment, and Transport.
//
//	vedette_https_proxy   for the agent's own traffic; wins over
//	https_proxy           for everything on the host
//	no_proxy              hosts that are asked directly
//
// The names may be in upper case. A value is one to five addresses, separated by
// semicolons: [http://|https://|socks5://][user:password@]host[:port]. A request
// goes through the first that gives a connection. One that did not is tried last
// for five minutes, so that a silent one does not hold up every request. An order
// "random" is drawn once for a process: it spreads a fleet, not the requests of one
// agent. When all fail the request fails, or with fail open goes without a proxy.
//
// A request that may have reached the platform is never repeated here. Credentials
// are in no name and no error of this package.
//
// Limits: a proxy that is itself spoken to over TLS must have a certificate of the
// authority that the platform has. Loopback addresses are always asked directly.
package proxy
