// Package upgrade brings an agent to another version and back. Versions lie side
// by side in the state folder; a link names the current one:
//
//	versions/2.1.0/          agent and worker of a version
//	versions/current         link to one of them; none stands for the packaged agent
//	versions/upgrade.json    what is known about them: trial, roll backs, report
//	versions/trusted.json    release metadata that was verified
//	versions/health.json     what the running agent says of its health
//
// Upgrader finds and installs a version, and swaps the link in one step. Launcher
// runs whatever the link names: an agent that is new runs on trial as a child
// process, watched by the version it is to replace; one that proved healthy takes
// the place of this process.
//
// The link alone decides what runs. A process that is killed between two steps
// leaves the old version or the new one, and the next start does what was left to
// do; see Versions.
package upgrade
