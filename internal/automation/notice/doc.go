// Package notice is what the automation layer tells people who are not looking
// at it: that a connection stopped working or works again, that a schedule was
// paused, that a run failed, that somebody has to approve.
//
// Each thing to tell is an Event. A Notice is an event on its way to its readers, by
// mail and by a webhook, each a Delivery with a state of its own. Deliverer tries what
// is due: Templates makes a Message of the event, and Sender hands it to a Carrier, by
// the Settings that a manager made with Directory. The channels are in package
// outbound.
//
// What an event says comes from outside, from users and from the platforms that
// commands talk to; Templates makes every text of it one printable line before a
// template sees it, so that no value can add a header, a line or hidden characters to
// a mail.
//
// Messages are plain text. All types are safe for concurrent use but Notice and
// Delivery, which are values.
package notice
