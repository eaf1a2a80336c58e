// Package trigger starts playbooks without anybody asking for it: at the times of
// schedules ([Scheduler]), and for messages of others that are signed ([Hooks]).
//
// # Whose rights
//
// A run that a trigger starts has the rights of who published the version that is
// live. One that a schedule starts which somebody made has those of its owner.
//
// # What does not start
//
// Nobody waits for what a trigger starts. What cannot be started is therefore a run
// that has failed already, with the reason, which people find among the others. Who
// sends a message waits, and sends it again when its publisher is back: there is one
// such run an hour then.
package trigger
