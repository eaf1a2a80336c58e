package notice

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Channel is one by which notices are delivered.
type Channel string

// The channels.
const (
	ByMail    Channel = "mail"
	ByWebhook Channel = "webhook"
)

// State is how far a delivery, or all of a notice, is.
type State string

// The states.
const (
	Pending   State = "pending"   // to be tried, or tried again
	Delivered State = "delivered" // everybody has it
	Failed    State = "failed"    // not everybody has it, and it is not tried any more
)

const (
	// firstPause is the pause after the first attempt that failed. It doubles with
	// each further one, up to longestPause.
	firstPause, longestPause = time.Minute, 4 * time.Hour
	// GiveUpAfter is how long a delivery is tried: settings that somebody makes the
	// next morning still deliver, and nobody is told of what was the day before.
	GiveUpAfter = 24 * time.Hour
)

// failureLimit bounds what is kept of a failure, in characters: a mail server says
// something of each recipient.
const failureLimit = 4000

// Delivery is a notice on one channel to its readers.
type Delivery struct {
	Channel Channel `json:"channel"`
	State   State   `json:"state"`
	// Attempts is how often it was tried, or began to be.
	Attempts int `json:"attempts"`
	// Retries is how often somebody asked for another attempt.
	Retries int `json:"retries,omitempty"`
	// Next is when it is tried again, zero when it is not.
	Next time.Time `json:"next,omitzero"`
	// Until is when it is given up.
	Until time.Time `json:"until"`
	// Ended is when it was delivered or failed.
	Ended time.Time `json:"ended,omitzero"`
	// To are the addresses that have no mail yet, Refused those whose mail was refused
	// for good.
	To      []string `json:"to,omitempty"`
	Refused []string `json:"refused,omitempty"`
	// Failure is what the last attempt came to, and Resolution the next step; empty
	// when nobody was refused.
	Failure    string `json:"failure,omitempty"`
	Resolution string `json:"resolution,omitempty"`
}

// Notice is an event that people are to be told of.
type Notice struct {
	ID int64
	// Key tells it from every notice of any platform: that of its messages.
	Key        string
	Kind       Kind
	Data       []byte // the event in JSON
	MailTo     []string
	Happened   time.Time
	Deliveries []Delivery // none before the first attempt
}

// State returns how far a notice is: as its worst delivery.
func (n *Notice) State() State {
	worst := Delivered
	if len(n.Deliveries) == 0 {
		worst = Pending
	}
	for i := range n.Deliveries {
		switch n.Deliveries[i].State {
		case Failed:
			return Failed
		case Pending:
			worst = Pending
		}
	}
	return worst
}

// Next returns when something of the notice is to be tried, zero for never.
func (n *Notice) Next() time.Time {
	if len(n.Deliveries) == 0 {
		return n.Happened
	}
	var next time.Time
	for i := range n.Deliveries {
		if at := n.Deliveries[i].Next; !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// Begin counts an attempt of every delivery that is due, and returns the channels of
// these. At the first time it decides which there are: mail to those who are named,
// and a webhook, where the platform has one.
func (n *Notice) Begin(now time.Time, webhook bool) []Channel {
	now = now.UTC()
	if len(n.Deliveries) == 0 {
		fresh := Delivery{State: Pending, Next: now, Until: n.Happened.Add(GiveUpAfter)}
		if len(n.MailTo) > 0 {
			byMail := fresh
			byMail.Channel, byMail.To = ByMail, slices.Compact(slices.Sorted(slices.Values(n.MailTo)))
			n.Deliveries = append(n.Deliveries, byMail)
		}
		if webhook || len(n.MailTo) == 0 {
			fresh.Channel = ByWebhook
			n.Deliveries = append(n.Deliveries, fresh)
		}
	}
	var due []Channel
	for i := range n.Deliveries {
		if d := &n.Deliveries[i]; d.State == Pending && !d.Next.After(now) {
			d.Attempts++
			due = append(due, d.Channel)
		}
	}
	return due
}

// Delivery returns the delivery on a channel, nil where there is none.
func (n *Notice) Delivery(channel Channel) *Delivery {
	for i := range n.Deliveries {
		if n.Deliveries[i].Channel == channel {
			return &n.Deliveries[i]
		}
	}
	return nil
}

// Retry has what is not delivered on some channels tried from now on for another day,
// and whoever was refused as well. It reports whether there is anything such.
func (n *Notice) Retry(now time.Time, channels ...Channel) bool {
	now = now.UTC()
	open := false
	for i := range n.Deliveries {
		d := &n.Deliveries[i]
		if d.State == Delivered || !slices.Contains(channels, d.Channel) {
			continue
		}
		open = true
		d.Retries++
		d.again(now, now.Add(GiveUpAfter))
	}
	return open
}

// again has a delivery tried at a time, with everybody who has nothing yet.
func (d *Delivery) again(next, until time.Time) {
	d.State, d.Next, d.Until, d.Ended = Pending, next, until, time.Time{}
	d.To, d.Refused = append(d.To, d.Refused...), nil
}

// Note takes in what an attempt came to. It reports false, and changes nothing, when
// that attempt is over: another one has begun since. An attempt that somebody asked
// for meanwhile, with other settings it may be, is made in any case.
func (n *Notice) Note(d Delivery) bool {
	stored := n.Delivery(d.Channel)
	if stored == nil || stored.State != Pending || stored.Attempts != d.Attempts {
		return false
	}
	if d.State != Delivered && stored.Retries != d.Retries {
		d.Retries = stored.Retries
		d.again(stored.Next, stored.Until)
	}
	*stored = d
	return true
}

// after takes note of what an attempt came to.
func (d *Delivery) after(err error, now time.Time) {
	now = now.UTC()
	d.Failure, d.Resolution = "", ""
	if err == nil {
		d.To = nil
		d.end(now)
		return
	}
	failed, ok := errors.AsType[*SendError](err)
	if !ok {
		failed = &SendError{Temporary: true, Message: "The message could not be sent.", Err: err}
	}
	d.Failure, d.Resolution = Line(failed.Message, failureLimit), Line(failed.Resolution, failureLimit)
	if len(failed.Pending)+len(failed.Refused) > 0 { // otherwise it was about none of them
		d.To = mailboxes(failed.Pending)
		d.Refused = append(d.Refused, mailboxes(failed.Refused)...)
	}
	next := now.Add(max(d.pause(), min(failed.Wait, longestPause)))
	switch {
	case !failed.Temporary:
		d.end(now)
		d.State = Failed
	case next.After(d.Until):
		d.end(now)
		d.State = Failed
		d.Failure = fmt.Sprintf("Given up after %s. %s", attempts(d.Attempts), d.Failure)
	default:
		d.Next = next
	}
}

// end ends a delivery. It failed if anybody was refused on the way.
func (d *Delivery) end(now time.Time) {
	d.State, d.Next, d.Ended = Delivered, time.Time{}, now
	if len(d.Refused) > 0 {
		d.State = Failed
		if d.Failure == "" {
			d.Failure = "The mail server refused the mail to " + strings.Join(d.Refused, ", ") + "."
			d.Resolution = "Check the addresses of the recipients."
		}
	}
}

// pause is how long to wait after this many attempts.
func (d *Delivery) pause() time.Duration {
	pause := firstPause
	for range d.Attempts - 1 {
		if pause *= 2; pause >= longestPause {
			return longestPause
		}
	}
	return pause
}

func attempts(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

func mailboxes(all []Address) []string {
	texts := make([]string, 0, len(all))
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return texts
}
