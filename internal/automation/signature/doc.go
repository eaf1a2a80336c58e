// Package signature signs webhooks and verifies them, as Standard Webhooks 1.0.0
// says (https://www.standardwebhooks.com): what the platform sends to others, and
// what others send to start a playbook.
//
// A sender and a receiver share a Secret. The sender adds three headers to a
// request, which are a Signed: an id that is the same each time one message is
// sent, the time of sending, and an HMAC-SHA256 over both and the body. A receiver
// that keeps the ids of the last ten minutes, which is what Tolerance allows in
// both directions, takes no message twice.
//
// Limits: symmetric signatures (v1) alone. All types are safe for concurrent use.
package signature
