package mail

import (
	"errors"
	"net"
	"net/mail"
	"strings"

	"github.com/wneessen/go-mail/smtp"

	"vedette.dev/vedette/internal/automation/notice"
)

// answerLimit is how many bytes a server may answer on one connection. With
// encryption and a hundred recipients it is some 30 KiB.
const answerLimit = 1 << 20

var errTooLong = errors.New("the server's answers are longer than 1 MiB")

// bounded is a connection that reads no more than so many bytes.
type bounded struct {
	net.Conn
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func isLoopback(connection net.Conn) bool {
	to, ok := connection.RemoteAddr().(*net.TCPAddr)
	return ok && to.IP.IsLoopback()
}

func standard(a notice.Address) *mail.Address { return &mail.Address{Name: a.Name, Address: a.Mailbox} }

var (
	errNoStartTLS = errors.New("the server does not offer STARTTLS")
	errInClear    = errors.New("the connection is not encrypted and leads to another machine")
)

// noMechanism says that a server offers no mechanism that may be used.
type noMechanism struct{ offered []string }

func (e *noMechanism) Error() string {
	if len(e.offered) == 0 {
		return "the server takes no account"
	}
	return "the server proves accounts by " + strings.Join(e.offered, ", ") + " only"
}

// account proves who sends. It is an smtp.Auth that chooses the mechanism when it
// knows what the server offers and whether the connection is encrypted.
type account struct {
	settings notice.MailSettings
	local    bool // the connection ends on this machine
	chosen   smtp.Auth
}

// Start sends nothing where somebody could read it.
func (a *account) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS && !a.local {
		return "", nil, errInClear
	}
	user, password := a.settings.Username, a.settings.Password.Reveal()
	for _, mechanism := range []notice.Auth{notice.AuthPlain, notice.AuthLogin, notice.AuthCRAMMD5} {
		if a.settings.Auth != notice.AuthAuto && a.settings.Auth != mechanism || !offers(server, mechanism) {
			continue
		}
		switch mechanism {
		case notice.AuthPlain:
			a.chosen = smtp.PlainAuth("", user, password, server.Name, true)
		case notice.AuthLogin:
			a.chosen = smtp.LoginAuth(user, password, server.Name, true)
		default:
			a.chosen = smtp.CRAMMD5Auth(user, password)
		}
		return a.chosen.Start(server)
	}
	return "", nil, &noMechanism{server.Auth}
}

// Next answers a challenge of the server.
func (a *account) Next(challenge []byte, more bool) ([]byte, error) {
	return a.chosen.Next(challenge, more)
}

func offers(server *smtp.ServerInfo, mechanism notice.Auth) bool {
	for _, name := range server.Auth {
		if strings.EqualFold(name, string(mechanism)) {
			return true
		}
	}
	return false
}
