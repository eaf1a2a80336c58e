// Package session is the resident agent without its process: what an agent
// knows, when it contacts its platform, and what it does with the answers. The
// main type is Agent; Open makes one from a state folder and Run keeps it going.
//
// The life of an agent is provision → configuration → manifest → scan → upload →
// idle. What it does with its platform are events, see event.go: each has one
// handler, which the answer to the consolidated status triggers or, in the legacy
// mode, a timer of its own. One loop makes every decision and owns all state, so no
// two decisions race. Beside it run only a scan (in a process of its own, started
// by a Runner), the wake-up poll and an Upgrader; they hand their outcome to the
// loop.
//
// Everything that matters is on disk before it is acted on or acknowledged:
//
//	host.key          private key, in a folder of its own where there is one; mode 0600
//	identity.json     agent id, pinned root, platform address
//	sequence.json     high-water mark of the sequence numbers in requests
//	profile.json      signed configuration profile, verified whenever it is read
//	manifest.json     signed manifest, verified whenever it is read
//	state.json        on-demand requests, confirmed snapshot, pending upload, versions
//	snapshots/ spool/ files of the scan worker, see package scan
//	lock              held while an Agent is open
//
// Nothing is saved at the end: stopping an agent and killing it are the same.
//
// Limits: one running scan and one pending upload at a time. A scan that ends
// while an upload still waits replaces it, since its delta starts from the same
// confirmed snapshot; the replaced upload is counted. Request time-outs run on
// the system's clock, everything else on Clock.
package session
