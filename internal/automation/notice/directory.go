package notice

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/hidden"
)

// Storage keeps settings and notices.
type Storage interface {
	SettingsReader
	// UpdateNoticeSettings changes the settings, secrets included, and returns them.
	// change may be called several times; its error ends the update.
	UpdateNoticeSettings(ctx context.Context, change func(*Settings) error) (Settings, error)
	// Notices returns notices, newest first.
	Notices(ctx context.Context, f Filter) ([]Notice, error)
	// Notice returns one notice, or NoNotice.
	Notice(ctx context.Context, id int64) (Notice, error)
	// RetryNotice changes a notice and has it delivered when it is due, or returns
	// NoNotice. change may be called several times; its error ends the update.
	RetryNotice(ctx context.Context, id int64, change func(*Notice) error) (Notice, error)
	// RetryNotices does so with every notice since a time that is not delivered and
	// that change says it has changed; with the newest, if there are very many.
	RetryNotices(ctx context.Context, since time.Time, change func(*Notice) bool) error
}

// Filter selects notices. Empty fields select everything.
type Filter struct {
	State  State
	Before int64 // only notices with a lower id; 0 for no bound
	Limit  int   // at least 1
}

// MaxTestRecipients bounds who gets a test mail.
const MaxTestRecipients = 10

// Directory is where the settings of the channels are changed and notices are found.
// Who may do so is for its caller to see: managers alone, since notices are of every
// site. It is safe for concurrent use.
type Directory struct {
	Storage   Storage
	Sender    *Sender
	Templates *Templates
	Now       func() time.Time
}

// NoNotice is the error for a notice that does not exist.
func NoNotice(id int64) *fault.Error {
	return fault.New(fault.NotFound, fmt.Sprintf("There is no notice %d.", id), "List the notices there are; they are kept for 30 days.")
}

var (
	errNoMail    = fault.New(fault.NotFound, "This platform has no settings for mail.", "Make them first.")
	errNoWebhook = fault.New(fault.NotFound, "This platform has no webhook.", "Set it first.")
)

// Mail returns the settings for mail; without any it is fault.NotFound.
func (d *Directory) Mail(ctx context.Context) (MailSettings, error) {
	s, err := d.Storage.NoticeSettings(ctx)
	if err != nil {
		return MailSettings{}, err
	}
	if s.Mail == nil {
		return MailSettings{}, errNoMail
	}
	return *s.Mail, nil
}

// SetMail makes or replaces the settings for mail, and has what failed for want of
// them within a day tried again. A user name without a password,
// or with hidden.Mask in its place, keeps the password there is. It does not follow
// the settings to another server, nor to another way of proving who that is: somebody
// who may change them could have it sent to themselves.
func (d *Directory) SetMail(ctx context.Context, s MailSettings) (MailSettings, error) {
	changed, err := d.Storage.UpdateNoticeSettings(ctx, func(all *Settings) error {
		made := s.Complete()
		if made.Password.Reveal() == hidden.Mask {
			made.Password = hidden.Text{}
		}
		if made.Username != "" && made.Password.IsEmpty() && all.Mail != nil && !all.Mail.Password.IsEmpty() {
			if !made.asSafeAs(all.Mail) {
				return fault.New(fault.Invalid, "password: the value is missing.", "A password stays only while host, port, security, auth and CA stay as they are: specify it again.")
			}
			made.Password = all.Mail.Password
		}
		all.Mail = &made
		return made.Check()
	})
	if err != nil {
		return MailSettings{}, err
	}
	return *changed.Mail, d.again(ctx, ByMail)
}

// again has what failed on a channel, or waits, tried at once: its settings have changed.
func (d *Directory) again(ctx context.Context, channel Channel) error {
	now := d.Now()
	return d.Storage.RetryNotices(ctx, now.Add(-GiveUpAfter), func(n *Notice) bool { return n.Retry(now, channel) })
}

// asSafeAs reports whether a password goes the same way by both settings.
func (s MailSettings) asSafeAs(before *MailSettings) bool {
	b := before.Complete()
	return s.Host == b.Host && s.Port == b.Port && s.Security == b.Security && s.Auth == b.Auth && s.CA == b.CA
}

// RemoveMail removes the settings for mail. What is pending is tried until it is
// given up.
func (d *Directory) RemoveMail(ctx context.Context) error {
	_, err := d.Storage.UpdateNoticeSettings(ctx, func(all *Settings) error {
		if all.Mail == nil {
			return errNoMail
		}
		all.Mail = nil
		return nil
	})
	return err
}

// TestMail sends a test to some addresses, asked for by somebody. An error is
// fault.Invalid or a *SendError.
func (d *Directory) TestMail(ctx context.Context, by string, to []string) error {
	if len(to) == 0 || len(to) > MaxTestRecipients {
		return fault.New(fault.Invalid, fmt.Sprintf("to: there are %d addresses.", len(to)), fmt.Sprintf("Specify 1 to %d e-mail addresses.", MaxTestRecipients))
	}
	var recipients []Address
	for _, text := range to {
		address, err := ParseAddress(text)
		if err != nil {
			return err
		}
		recipients = append(recipients, address)
	}
	s, err := d.Mail(ctx)
	if err != nil {
		return err
	}
	m, err := d.test(by, recipients...)
	if err != nil {
		return err
	}
	return d.Sender.mail(ctx, &s, m)
}

func (d *Directory) test(by string, to ...Address) (Message, error) {
	return d.Templates.Message(NewKey(), d.Now(), Test{By: by}, to...)
}

// Webhook returns the webhook; without one it is fault.NotFound.
func (d *Directory) Webhook(ctx context.Context) (WebhookSettings, error) {
	s, err := d.Storage.NoticeSettings(ctx)
	if err != nil {
		return WebhookSettings{}, err
	}
	if s.Webhook == nil {
		return WebhookSettings{}, errNoWebhook
	}
	return *s.Webhook, nil
}

// SetWebhook sets where the webhook goes. The first time it makes a secret, and
// returns its text; later the secret stays, and the text is empty.
func (d *Directory) SetWebhook(ctx context.Context, to Target) (w WebhookSettings, secret string, err error) {
	if _, err := to.Check(); err != nil {
		return WebhookSettings{}, "", err
	}
	changed, err := d.Storage.UpdateNoticeSettings(ctx, func(all *Settings) error {
		secret = ""
		made := WebhookSettings{Target: to}
		if all.Webhook != nil {
			made.Secret = all.Webhook.Secret
		} else {
			made.Secret = signature.NewSecret()
			secret = made.Secret.Reveal()
		}
		all.Webhook = &made
		return nil
	})
	if err != nil {
		return WebhookSettings{}, "", err
	}
	return *changed.Webhook, secret, d.again(ctx, ByWebhook)
}

// RotateWebhook gives the webhook another secret, and returns its text. Until its
// receiver has it, messages are refused and tried again.
func (d *Directory) RotateWebhook(ctx context.Context) (w WebhookSettings, secret string, err error) {
	changed, err := d.Storage.UpdateNoticeSettings(ctx, func(all *Settings) error {
		if all.Webhook == nil {
			return errNoWebhook
		}
		all.Webhook.Secret = signature.NewSecret()
		return nil
	})
	if err != nil {
		return WebhookSettings{}, "", err
	}
	return *changed.Webhook, changed.Webhook.Secret.Reveal(), nil
}

// RemoveWebhook removes the webhook with its secret.
func (d *Directory) RemoveWebhook(ctx context.Context) error {
	_, err := d.Storage.UpdateNoticeSettings(ctx, func(all *Settings) error {
		if all.Webhook == nil {
			return errNoWebhook
		}
		all.Webhook = nil
		return nil
	})
	return err
}

// TestWebhook sends a test to the webhook, asked for by somebody. An error is
// fault.NotFound or a *SendError.
func (d *Directory) TestWebhook(ctx context.Context, by string) error {
	w, err := d.Webhook(ctx)
	if err != nil {
		return err
	}
	m, err := d.test(by)
	if err != nil {
		return err
	}
	return d.Sender.webhook(ctx, &w, m)
}

// List returns notices, newest first.
func (d *Directory) List(ctx context.Context, f Filter) ([]Notice, error) {
	return d.Storage.Notices(ctx, f)
}

// Get returns one notice, or NoNotice.
func (d *Directory) Get(ctx context.Context, id int64) (Notice, error) {
	return d.Storage.Notice(ctx, id)
}

// Retry has what was not delivered of a notice tried for another day, beginning now,
// and whoever was refused as well. A notice that everybody has is fault.Conflict.
func (d *Directory) Retry(ctx context.Context, id int64) (Notice, error) {
	return d.Storage.RetryNotice(ctx, id, func(n *Notice) error {
		if len(n.Deliveries) > 0 && !n.Retry(d.Now(), ByMail, ByWebhook) {
			return fault.New(fault.Conflict, fmt.Sprintf("Notice %d is delivered.", id), "Retry those that are pending or failed.")
		}
		return nil
	})
}

// NewKey returns a key for a new notice, or for a message without one.
func NewKey() string { return "msg_" + rand.Text() }
