package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"vedette.dev/vedette/internal/fault"
)

// Job is the kind of job that delivers one notice.
const Job = "notice"

// noteTimeout bounds writing down what an attempt came to, which is done also when
// the platform stops.
const noteTimeout = 5 * time.Second

// Queue is where notices wait for their delivery.
type Queue interface {
	// BeginNotice begins the attempts of a notice that are due, and returns it with
	// their channels. Where there are none, or the notice is gone, there is nothing to do.
	// See Notice.Begin.
	BeginNotice(ctx context.Context, id int64, at time.Time) (Notice, []Channel, error)
	// NoteDelivery writes down what an attempt came to. One that somebody else has
	// begun again since is fault.Conflict, and nothing is written.
	NoteDelivery(ctx context.Context, id int64, d Delivery) error
}

// Deliverer delivers notices. Its fields are set before it is used and do not
// change; it is safe for concurrent use.
//
// A notice that was sent when the platform was killed is sent again: its readers get
// it at least once, each time with the same Message-ID and webhook-id. That two
// replicas do not send it at the same time is for the job engine to see; what one
// that stood still writes of an attempt that is over is dropped.
type Deliverer struct {
	Queue     Queue
	Sender    *Sender
	Templates *Templates
	Now       func() time.Time
	Log       *slog.Logger
}

// Deliver tries what is due of a notice, the channels beside each other, and returns
// when it has written down what it came to. An error is one of the storage; that
// something could not be sent is none.
func (d *Deliverer) Deliver(ctx context.Context, id int64) error {
	n, due, err := d.Queue.BeginNotice(ctx, id, d.Now())
	if err != nil || len(due) == 0 {
		return err
	}
	failures := make([]error, len(due))
	var work sync.WaitGroup
	for i, channel := range due {
		work.Go(func() { failures[i] = d.attempt(ctx, &n, *n.Delivery(channel)) })
	}
	work.Wait()
	return errors.Join(failures...)
}

// attempt tries one channel. A notice is only read.
func (d *Deliverer) attempt(ctx context.Context, n *Notice, on Delivery) error {
	err := d.send(ctx, n, on)
	on.after(err, d.Now())
	if err != nil && ctx.Err() != nil && on.State == Pending {
		on.Next = d.Now().UTC() // nobody refused anything: it was cut off
	}
	if on.State == Failed {
		d.Log.WarnContext(ctx, "a notice was not delivered", "notice", n.ID, "kind", n.Kind, "channel", on.Channel, "attempts", on.Attempts, "failure", on.Failure)
	}
	note, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	err = d.Queue.NoteDelivery(note, n.ID, on)
	if fault.Is(err, fault.Conflict) {
		d.Log.InfoContext(ctx, "a notice was taken over while it was sent", "notice", n.ID, "channel", on.Channel)
		return nil
	}
	if err != nil {
		return fmt.Errorf("note delivery of notice %d: %w", n.ID, err)
	}
	return nil
}

func (d *Deliverer) send(ctx context.Context, n *Notice, on Delivery) error {
	message, err := d.message(n, on.To)
	if err != nil {
		return &SendError{Message: "The message cannot be written: " + Line(err.Error(), valueLimit) + ".", Err: err}
	}
	settings, err := d.Sender.Settings.NoticeSettings(ctx)
	if err != nil {
		return unread(err, message.Recipients)
	}
	if on.Channel == ByMail {
		return d.Sender.mail(ctx, settings.Mail, message)
	}
	return d.Sender.webhook(ctx, settings.Webhook, message)
}

func (d *Deliverer) message(n *Notice, to []string) (Message, error) {
	event, err := ParseEvent(n.Kind, n.Data)
	if err != nil {
		return Message{}, err
	}
	var recipients []Address
	for _, text := range to {
		address, err := ParseAddress(text)
		if err != nil {
			return Message{}, err
		}
		recipients = append(recipients, address)
	}
	return d.Templates.Message(n.Key, n.Happened, event, recipients...)
}
