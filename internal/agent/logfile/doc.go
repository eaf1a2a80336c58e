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
// followed by their number. The agent itself is never held up.
//
// Limits: one process writes to a folder. A logrotate that moves the file away is
// not noticed; none is needed.
package logfile
