// Package agentapi is the agents' side of the platform over HTTP: provision,
// status, wake-up, instructions, scan reports and uploads, as docs/protocol.md
// describes them. Gateway is the main type.
//
// Every request is signed. A signature is verified, and its sequence number
// checked against replay, before the body is read. An unchanged status reads no
// database row and is answered in a few bytes.
package agentapi
