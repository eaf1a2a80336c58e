// Package trigger starts playbooks without anybody asking for it: at the times of
// schedules ([Scheduler]), for messages of others that are signed ([Hooks]), and when
// something happens on the platform ([Events]).
//
// # Whose rights
//
// A run that a trigger starts has the rights of who published the version that is
// live. One that a schedule starts which somebody made has those of its owner. Events
// start nothing for hosts and keys that the publisher does not see.
//
// # What does not start
//
// Nobody waits for what a trigger starts. What cannot be started is therefore a run
// that has failed already, with the reason, which people find among the others. Who
// sends a message waits, and sends it again when its publisher is back: there is one
// such run an hour then. So there is for an event, whose occurrences are dropped.
//
// # Once
//
// What happened is an [Occurrence], stored by the transaction in which it happened or in
// which it was seen, and removed by the one that stores its run. An event starts with
// the publishing of the version: what was so before is none.
package trigger
