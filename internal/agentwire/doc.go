// Package agentwire is the protocol between an agent and its platform: the
// messages, the facts they carry, the signatures that protect them and the
// limits both sides enforce. It is the only package of ours, beside
// performance, that agent and platform share.
//
// The main types are Snapshot (what a scan found), Delta (how one snapshot
// differs from another), StatusRequest and StatusAnswer (the consolidated
// check-in), Instruction (what the platform tells an agent, signed) and
// RequestSigner and RequestVerifier (what an agent sends, signed).
//
// Everything is JSON over HTTPS. Uploads are zstd-compressed JSON, sent in
// fragments. docs/protocol.md walks through the exchange with examples.
//
// Limits: a host's inventory is at most MaxDeltaBytes of JSON; one agent has at
// most one running scan per scan type.
package agentwire
