package notice

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/automation/signature"
)

// Sender sends by the channels, with the settings as they are when it sends. It is
// safe for concurrent use.
type Sender struct {
	Settings SettingsReader
	// Mailer returns what sends mail by settings that were checked.
	Mailer   func(MailSettings) (Carrier, error)
	Webhooks Webhooks
}

// Webhooks posts signed documents; see package signature.
type Webhooks interface {
	// Send posts a JSON document with the id of its message, unsigned where there is no
	// secret, and returns the status of the answer, 0 where there was none. An error is a
	// *SendError.
	Send(ctx context.Context, to Target, secret signature.Secret, id string, body []byte) (status int, err error)
}

// KindLetter is the kind of a mail in somebody's own words. It has no template.
const KindLetter Kind = "letter"

// letterLimit bounds the text of a letter in bytes.
const letterLimit = 64 << 10

// Letter is a mail in somebody's own words, such as a step of a playbook sends.
type Letter struct {
	ID      string // that of Message
	Time    time.Time
	To      []Address
	Subject string
	Text    string
}

// written is the event of a letter.
type written struct{}

func (written) Kind() Kind { return KindLetter }

// Mail sends a letter: its subject as one printable line, and of its text what is
// printable, in lines. Without settings for mail, for somebody of another domain than
// they allow, and where the server does not take it, the error is a *SendError.
func (s *Sender) Mail(ctx context.Context, l Letter) error {
	if len(l.Text) > letterLimit {
		return &SendError{Refused: l.To, Message: fmt.Sprintf("The text of the mail has %d bytes; at most %d are sent.", len(l.Text), letterLimit)}
	}
	m := Message{ID: l.ID, Time: l.Time.UTC(), Subject: Line(l.Subject, subjectLimit), Text: lines(l.Text), Recipients: l.To, Event: written{}}
	settings, err := s.Settings.NoticeSettings(ctx)
	if err != nil {
		return unread(err, l.To)
	}
	if settings.Mail != nil {
		if outside := settings.Mail.outside(l.To); len(outside) > 0 {
			return &SendError{
				Refused: l.To, Message: "Playbooks may not send mail to " + outside[0].Mailbox + "; nobody got it.",
				Resolution: "Use addresses of " + strings.Join(settings.Mail.domains(), ", ") + ", or ask a manager to allow the domain: vedette automation mail set --playbook-domain.",
			}
		}
	}
	return s.mail(ctx, settings.Mail, m)
}

// lines returns the printable lines of a text, each ended with a line feed.
func lines(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', unicode.IsPrint(r):
			return r
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return ' '
	}, text)
	return strings.TrimSpace(text) + "\n"
}

// mail sends a message by mail.
func (s *Sender) mail(ctx context.Context, settings *MailSettings, m Message) error {
	if settings == nil {
		return &SendError{
			Temporary: true, Pending: m.Recipients, Message: "This platform has no settings for mail.",
			Resolution: "Ask a manager to make them: vedette automation mail set.",
		}
	}
	carrier, err := s.Mailer(*settings)
	if err != nil {
		return &SendError{Temporary: true, Pending: m.Recipients, Message: err.Error(), Resolution: "Ask a manager to check the settings for mail.", Err: err}
	}
	return carrier.Send(ctx, m)
}

// webhook posts the event of a message: its kind, when it was, and its JSON form
// (Standard Webhooks, "Payload structure").
func (s *Sender) webhook(ctx context.Context, settings *WebhookSettings, m Message) error {
	if settings == nil {
		return &SendError{
			Temporary: true, Message: "This platform has no webhook any more.",
			Resolution: "Ask a manager to set it: vedette automation webhook set.",
		}
	}
	body, err := json.Marshal(struct {
		Type      Kind      `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      Event     `json:"data"`
	}{m.Event.Kind(), m.Time.Truncate(time.Second), m.Event})
	if err != nil {
		return &SendError{Message: fmt.Sprintf("The message %s cannot be written as JSON.", m.ID), Err: err}
	}
	_, err = s.Webhooks.Send(ctx, settings.Target, settings.Secret, m.ID, body)
	return err
}

// unread is the failure of settings that could not be read.
func unread(err error, to []Address) *SendError {
	return &SendError{Temporary: true, Pending: to, Message: "The settings for messages could not be read.", Err: err}
}
