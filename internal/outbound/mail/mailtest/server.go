// Package mailtest gives tests a mail server that listens on this machine. It is
// go-smtp's, with STARTTLS or TLS, accounts and refusals as a test wants them.
//
//	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: "pass"})
//	… send to server.Host, server.Port, trusting server.CA …
//	mails := server.Mails()
package mailtest

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 is made of it
	"crypto/tls"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Options are what a server does. The zero value takes every mail from everybody
// and offers STARTTLS.
type Options struct {
	Username, Password string // of the only account, which must be proven first
	// Mechanisms it proves accounts by; without any PLAIN.
	Mechanisms []string
	TLS        bool // encrypted from the beginning
	NoSTARTTLS bool // and not encrypted at all
	// Refuse are mailboxes of recipients, and that of a sender, that it refuses.
	Refuse map[string]*smtp.SMTPError
	// RefuseLogin is the answer to a wrong account instead of the usual 535.
	RefuseLogin *smtp.SMTPError
	// Domain is how it greets; it may be of any length.
	Domain string
	// HangAt is the step from which it answers no more: connect, mail, data.
	HangAt string
	// BreakAt is the step at which it ends the connection: mail.
	BreakAt string
}

// Mail is a mail that the server took.
type Mail struct {
	From, To  string // of the envelope
	Content   string // header and body as they came, lines ended by CR LF
	Encrypted bool
	Account   string // that was proven
}

// Server is a mail server. It ends with its test.
type Server struct {
	Host string
	Port int
	CA   string // the authority of its certificate, in PEM

	options  Options
	released chan struct{} // closed when it hangs no more
	release  sync.Once

	mu      sync.Mutex
	mails   []Mail
	logins  int
	hanging int
}

// New starts a server for a test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	web := httptest.NewUnstartedServer(nil) // for its certificate
	web.StartTLS()
	certificates := web.TLS.Certificates
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	web.Close()

	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, CA: string(authority), options: o, released: make(chan struct{})}
	security := &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12}
	server := smtp.NewServer(smtp.BackendFunc(s.session))
	server.Domain = "mail.example.org"
	if o.Domain != "" {
		server.Domain = o.Domain
	}
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	server.AllowInsecureAuth = true // it is the client that has to take care
	switch {
	case o.TLS:
		listener = tls.NewListener(listener, security)
	case !o.NoSTARTTLS:
		server.TLSConfig = security
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // ends with an error when it is closed
	}()
	t.Cleanup(func() {
		s.Release()
		_ = server.Close()
		_ = listener.Close() // which Close does not know when Serve has not begun
		<-ended
	})
	return s
}

// Mails returns the mails that were taken, in their order.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Logins returns how often credentials were sent, right or wrong.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// Release ends HangAt, also for the connections that hang.
func (s *Server) Release() { s.release.Do(func() { close(s.released) }) }

// hang waits at a step until the server is released, or the test is over.
func (s *Server) hang(step string) {
	if s.options.HangAt != step {
		return
	}
	s.mu.Lock()
	s.hanging++
	s.mu.Unlock()
	<-s.released
}

// Hanging returns how many connections have come to HangAt.
func (s *Server) Hanging() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hanging
}

func (s *Server) session(c *smtp.Conn) (smtp.Session, error) {
	s.hang("connect")
	return &session{server: s, connection: c}, nil
}

// session is one connection; go-smtp calls its methods one after the other.
type session struct {
	server     *Server
	connection *smtp.Conn
	account    string
	from, to   string
}

func (x *session) Reset()        { x.from, x.to = "", "" }
func (x *session) Logout() error { return nil }

func (x *session) AuthMechanisms() []string {
	o := x.server.options
	if o.Username == "" || len(o.Mechanisms) > 0 {
		return o.Mechanisms
	}
	return []string{sasl.Plain}
}

func (x *session) Auth(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, password string) error { return x.prove(user, password) }), nil
	case sasl.Login:
		return &loginServer{prove: x.prove}, nil
	case "CRAM-MD5":
		return &cramServer{session: x}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

func (x *session) prove(user, password string) error {
	o := x.server.options
	return x.proven(user, user == o.Username && password == o.Password)
}

func (x *session) proven(user string, right bool) error {
	x.server.mu.Lock()
	x.server.logins++
	x.server.mu.Unlock()
	if right {
		x.account = user
		return nil
	}
	if refusal := x.server.options.RefuseLogin; refusal != nil {
		return refusal
	}
	return smtp.ErrAuthFailed
}

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	x.server.hang("mail")
	if x.server.options.BreakAt == "mail" && len(x.server.Mails()) > 0 {
		_ = x.connection.Conn().Close()
		return errors.New("the test wanted the connection to break")
	}
	if x.server.options.Username != "" && x.account == "" {
		return smtp.ErrAuthRequired
	}
	x.from = from
	return x.refuse(from)
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if x.to != "" {
		return errors.New("a mail of the product has one recipient")
	}
	x.to = to
	return x.refuse(to)
}

func (x *session) refuse(mailbox string) error {
	if refusal := x.server.options.Refuse[mailbox]; refusal != nil {
		return refusal
	}
	return nil
}

func (x *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.server.hang("data")
	_, encrypted := x.connection.TLSConnectionState()
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	x.server.mails = append(x.server.mails, Mail{x.from, x.to, string(content), encrypted, x.account})
	return nil
}

// loginServer asks for the name and then for the password.
type loginServer struct {
	prove func(user, password string) error
	asked int
	user  string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.prove(l.user, string(response))
}

// cramServer asks for a keyed hash of its challenge (RFC 2195).
type cramServer struct {
	session *session
	asked   bool
}

const challenge = "<1896.697170952@mail.example.org>"

func (c *cramServer) Next(response []byte) ([]byte, bool, error) {
	if !c.asked {
		c.asked = true
		return []byte(challenge), false, nil
	}
	o := c.session.server.options
	hash := hmac.New(md5.New, []byte(o.Password))
	_, _ = io.WriteString(hash, challenge)
	user, given, _ := strings.Cut(string(response), " ")
	return nil, true, c.session.proven(user, user == o.Username && given == hex.EncodeToString(hash.Sum(nil)))
}
