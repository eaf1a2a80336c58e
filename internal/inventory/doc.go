// Package inventory is what is known of a host: it takes the deltas agents send,
// checks them and applies them to the host's inventory.
//
// Intake is the main type: start, fragment and commit of an upload, each
// idempotent by (agent, digest), so an agent that was cut off anywhere begins
// again with the same start and loses nothing. A commit is acknowledged after
// the database committed it.
//
// Limits: those of agentwire; decoding a delta is bounded in memory and runs for
// at most a few uploads at a time.
package inventory
