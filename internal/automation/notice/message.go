package notice

import (
	"regexp"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// Message is one thing told to some people. It does not change on its way: what
// is sent again after a failure is the same message.
type Message struct {
	// ID tells a message from every other one, also for those who get it: a message
	// that is sent again has the same. See Check.
	ID string
	// Time is when the event was.
	Time time.Time
	// Subject is one printable line.
	Subject string
	// Text is the body, lines that end with a line feed.
	Text string
	// Recipients are for channels that have such: mail.
	Recipients []Address
	// Event is what the message was made of.
	Event Event
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Check refuses, as fault.Invalid, a message that a channel must not send: one
// whose id, subject or recipients could be taken for something else in a header.
func (m Message) Check() error {
	if !idForm.MatchString(m.ID) {
		return fault.Newf(fault.Invalid, "The id %q of a message is not 1 to 64 letters, digits, hyphens and underscores.", Line(m.ID, 64))
	}
	if m.Subject == "" || m.Subject != Line(m.Subject, subjectLimit) {
		return fault.Newf(fault.Invalid, "The subject of message %s is not one printable line of 1 to %d characters.", m.ID, subjectLimit)
	}
	if m.Event == nil {
		return fault.Newf(fault.Invalid, "Message %s is about no event.", m.ID)
	}
	for _, to := range m.Recipients {
		if err := to.Check(); err != nil {
			return err
		}
	}
	return nil
}
