// Package logfile writes an agent's log to a file of its own, in the pattern of the
// public Linux agents:
//
//	2026-03-01 12:00:00.123 +0100 [vedette-agent][4711]:[Info]:agent started version=2.0.0
//
// The time is the host's local time. File rotates at MaxBytes and keeps Keep
// archives, vedette-agent.log.1 being the latest; Handler makes the lines.
//
// Nothing is kept in memory: a line that was logged is the kernel's. A process that
// is killed leaves at most a gap in the numbers of the archives, a half line, or a
// half archive; the next one closes, ends and removes them. Where the disk is full,
// lines are dropped and counted, and the first that can be written again is
// followed by their number. The agent itself is held up for moments
// at most.
//
// Several processes may write to a folder, as a version of the agent on trial and
// the one that watches it do. They take turns, for each line, by a lock on the
// folder, and go on with whatever file has the name then: one that was moved away,
// by another process or by logrotate, is begun again.
//
// Limits: whoever waits for its turn for a second goes on without; lines of a file
// that is packed just then may be lost.
package logfile
