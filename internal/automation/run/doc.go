// Package run executes commands with connections and keeps a record of each time.
// Run is the record; Desk is where runs are asked for, found, cancelled and run
// again, by the rights of who asks; Runner carries one out, as a job.
//
// # Life of a run
//
//	queued ──▶ running ──▶ successful, partially successful, failed, cancelled, unknown
//	             │  ▲
//	             ▼  │
//	           waiting      for the end of a scan, for a platform that said "later"
//
// A run that waits holds no worker: it is a row with the time at which it goes on,
// and what it has to know then. Two runs of one connection are at work at once at
// most as often as the connection allows, on all replicas together.
//
// # After a crash
//
// A run that was at work when its platform was killed is begun again if its command
// may be repeated: it only reads, or what it writes is the same twice, or its key
// keeps the platform from doing it twice. Otherwise it ends as unknown, and a person
// has to look.
//
// # What is kept
//
// A run keeps inputs, outputs, errors, and who started it from where, for Retention.
// Secret inputs are sealed until the run ends and are shown as connection.Kept; the
// values of the connection's secrets are taken out of whatever a run stores.
package run
