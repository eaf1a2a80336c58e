// Package swarm runs thousands of agents in one process against a platform, to
// learn what it carries before hosts depend on it. The main type is Swarm; New
// makes one, Run lets it live through a Scenario and returns a Report.
//
// Its agents are real ones, package session with nothing taken out: their own
// keys, signatures, schedules, retries and resumed uploads. What differs is
// around them. Their files are in memory, they share one pool of connections, and
// in place of a scan worker a host is imagined: an inventory recorded from a real
// Debian installation and changed for each of them, always the same way for the
// same seed.
//
// With a speed above 1 the agents' clock runs faster than the world's, so that an
// interval of 30 minutes passes in 30 seconds. Whatever the platform measures or
// asks for stays in the time of the world: signatures, time-outs, Retry-After.
//
// Limits: about 40 KB of memory for each agent at rest. An outage is one of the
// network on this side; the platform notices nothing but silence. A scan takes no
// time and no part of a CPU limit.
package swarm
