package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/outbound/egress"
)

// recipientLimit is how many people get one message: it tells a team, and is no
// mailing list.
const recipientLimit = 100

// Mailer sends messages to a mail server. It is safe for concurrent use; it keeps
// no connection.
type Mailer struct {
	settings notice.MailSettings
	security *tls.Config
	policy   egress.Policy
	version  string
}

var _ notice.Carrier = (*Mailer)(nil)

// New returns a Mailer that names the product's version in its mails. It refuses
// what MailSettings.Check refuses, and connects to no address that policy refuses.
func New(s notice.MailSettings, policy egress.Policy, version string) (*Mailer, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s = s.Complete()
	security, err := s.ClientTLS()
	if err != nil {
		return nil, err
	}
	return &Mailer{settings: s, security: security, policy: policy, version: version}, nil
}

// Send implements notice.Carrier: it returns when the server has taken a mail for
// every recipient. A recipient whom the server refuses does not keep the others
// from their mail.
func (m *Mailer) Send(ctx context.Context, message notice.Message) error {
	if err := m.check(message); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, m.settings.Timeout)
	defer cancel()
	client, err := m.open(ctx)
	if err != nil {
		return m.failed(ctx, err, message.Recipients)
	}
	defer client.Close()
	var done outcome
	for i, to := range message.Recipients {
		err := m.deliver(client, message, to)
		if err == nil {
			continue
		}
		if !isAnswer(err) {
			return m.unfinished(ctx, err, done, message.Recipients[i:])
		}
		done.add(to, m.shown(err), err)
		if err := client.Reset(); err != nil {
			return m.unfinished(ctx, err, done, message.Recipients[i+1:])
		}
	}
	_ = client.Quit() // everything was taken
	return done.err(m.settings.Host)
}

func (m *Mailer) check(message notice.Message) error {
	err := message.Check()
	switch {
	case err != nil:
		return &notice.SendError{Refused: message.Recipients, Message: err.Error(), Err: err}
	case len(message.Recipients) == 0 || len(message.Recipients) > recipientLimit:
		return &notice.SendError{
			Refused: message.Recipients,
			Message: fmt.Sprintf("Message %s has %d recipients; mail goes to 1 to %d.", message.ID, len(message.Recipients), recipientLimit),
		}
	}
	return nil
}

// open connects, encrypts and proves the account. The connection ends with ctx.
func (m *Mailer) open(ctx context.Context) (*smtp.Client, error) {
	raw, err := m.policy.Dialer(m.settings.Timeout).DialContext(ctx, "tcp", net.JoinHostPort(m.settings.Host, strconv.Itoa(m.settings.Port)))
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = raw.Close() }) // so no step needs a deadline of its own
	client, err := m.greet(ctx, raw)
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return client, nil
}

func (m *Mailer) greet(ctx context.Context, raw net.Conn) (*smtp.Client, error) {
	s := m.settings
	connection := net.Conn(&bounded{Conn: raw, left: answerLimit})
	if s.Security == notice.TLS {
		encrypted := tls.Client(connection, m.security)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			return nil, &tlsError{err}
		}
		connection = encrypted
	}
	client, err := smtp.NewClient(connection, s.Host)
	if err != nil {
		return nil, err
	}
	client.SkipSMTPUTF8(true) // notice.Address is ASCII
	if err := client.Hello(ownName()); err != nil {
		return nil, err
	}
	if s.Security == notice.StartTLS {
		if err := m.startTLS(client); err != nil {
			return nil, err
		}
	}
	if s.Username == "" {
		return client, nil
	}
	return client, client.Auth(&account{settings: s, local: isLoopback(raw)})
}

func (m *Mailer) startTLS(client *smtp.Client) error {
	if offered, _ := client.Extension("STARTTLS"); !offered {
		return errNoStartTLS
	}
	err := client.StartTLS(m.security)
	if err != nil && !isAnswer(err) {
		return &tlsError{err}
	}
	return err
}

// deliver gives the server a mail for one recipient.
func (m *Mailer) deliver(client *smtp.Client, message notice.Message, to notice.Address) error {
	if err := client.Mail(m.settings.From.Mailbox); err != nil {
		return &senderError{err}
	}
	if err := client.Rcpt(to.Mailbox); err != nil {
		return err
	}
	content, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := m.compose(message, to).WriteTo(content); err != nil {
		return err // without the line that ends a mail: the server drops it
	}
	return content.Close()
}

// compose writes the mail for one recipient. It is the same each time, so whoever
// gets it twice can tell.
func (m *Mailer) compose(message notice.Message, to notice.Address) *gomail.Msg {
	from := m.settings.From
	mail := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP), gomail.WithCharset(gomail.CharsetUTF8))
	mail.FromMailAddress(standard(from))
	mail.ToMailAddress(standard(to))
	mail.Subject(message.Subject)
	mail.SetDateWithValue(message.Time)
	_, domain, _ := strings.Cut(from.Mailbox, "@")
	recipient := sha256.Sum256([]byte(to.Mailbox))
	mail.SetMessageIDWithValue(message.ID + "." + hex.EncodeToString(recipient[:8]) + "@" + domain)
	mail.SetUserAgent("Vedette " + m.version)
	mail.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no replies of absence
	mail.SetGenHeader("X-Vedette-Event", string(message.Event.Kind()))
	mail.SetBodyString(gomail.TypeTextPlain, message.Text)
	return mail
}

// ownName is what this machine calls itself to a server.
func ownName() string {
	if name, err := os.Hostname(); err == nil && (notice.Address{Mailbox: "x@" + name}).Check() == nil {
		return name
	}
	return "localhost"
}
