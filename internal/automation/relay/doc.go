// Package relay holds the relays of the platform: small services in closed
// networks that dial out to the platform, which then reaches targets through
// them. Relay is the main type; Directory is who registers, rotates, revokes and
// deletes them.
//
// A relay carries the bytes of TCP connections and nothing else. TLS to a target
// is between the platform and the target, so no credential is visible to the
// relay, or stored on it beside the token that is its own. AllowList says which
// targets may be reached; the platform has one for each connection, the relay one
// of its own, and both are asked.
//
// How bytes travel is not the business of this package: see package
// internal/outbound/relay. A relay that has no channel makes OfflineError, a
// target that is not allowed RefusedError; nothing falls back to a direct call.
package relay
