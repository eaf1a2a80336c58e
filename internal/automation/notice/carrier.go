package notice

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Carrier carries messages to people. It is safe for concurrent use.
type Carrier interface {
	// Send returns once everybody has the message, as far as the channel can know.
	// An error is a *SendError, also when ctx ended; Send ends on its own, whatever
	// the other side does.
	Send(ctx context.Context, m Message) error
}

// SendError says that a message did not reach everybody. A message sent again
// after a failure can reach somebody twice, with the same ID.
type SendError struct {
	// Temporary says that sending the same message later may help: it was a
	// refusal for now, or nobody answered. Otherwise somebody has to change
	// something first.
	Temporary bool
	// Wait is how long the other side asked to wait; zero when it did not.
	Wait time.Duration
	// Pending are the recipients who may still get the message: who sends it again
	// sends it to them. It is empty for a channel that has no recipients.
	Pending []Address
	// Refused are the recipients who cannot get it, and are not worth another try.
	Refused []Address
	// Message says what happened, in one sentence without secrets.
	Message string
	// Resolution is the next step; it may be empty.
	Resolution string
	// Err is the cause where it is no text of the other side, such as the end of a
	// context; it may be nil.
	Err error
}

// Error returns the message.
func (e *SendError) Error() string { return strings.TrimSuffix(e.Message, ".") }

// Unwrap returns the cause.
func (e *SendError) Unwrap() error { return e.Err }

// Temporary reports whether a channel's error may pass by itself. Nil and errors
// that are not a SendError may not.
func Temporary(err error) bool {
	failed, ok := errors.AsType[*SendError](err)
	return ok && failed.Temporary
}
