// Package trigger starts playbooks without anybody asking for it: at the times of
// schedules ([Scheduler]).
//
// # Whose rights
//
// A run that a trigger starts has the rights of who published the version that is
// live. One that a schedule starts which somebody made has those of its owner.
//
// # What does not start
//
// Nobody waits for what a trigger starts. What cannot be started is therefore a run
// that has failed already, with the reason, which people find among the others.
package trigger
