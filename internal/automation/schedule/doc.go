// Package schedule says when commands and playbooks run by themselves. Spec is
// the rule, pure and exact over daylight-saving changes; Schedule is a rule with
// what it runs and where it stands, and what happens to it is decided by Fire
// and Finished without looking at anything else. Schedules is the storage that
// makes each firing happen once on all replicas together.
//
// # Firings
//
// A firing is a moment at which a Spec says that something runs. It is known by
// that moment to the second, whenever it was really carried out, so two replicas
// that see the same schedule mean the same firing.
//
// # The changes of the clock
//
// A cron means the clock on a wall of its time zone: it fires when that clock
// first reaches, or jumps past, a time that matches. A local time that does not
// exist, because the clock is put forward over it, fires once, at the first
// moment after the gap, and together with all others of that gap. A local time
// that happens twice, because the clock is put back, fires once, the first time.
// So every local time fires once, and what means every hour by cron rests for one
// hour in the night the clock is put back. What has to run by elapsed time is an
// interval, which knows no clock: it is counted in seconds from its start.
//
// # Limits
//
// Firings are at least a minute apart. Crons are read by robfig/cron, so names of
// months and days, lists, ranges, steps and @daily are understood; L, W and # are
// not.
package schedule
