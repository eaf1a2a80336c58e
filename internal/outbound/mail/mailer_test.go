package mail_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/hidden"
	"vedette.dev/vedette/internal/outbound/egress"
	"vedette.dev/vedette/internal/outbound/mail"
	"vedette.dev/vedette/internal/outbound/mail/mailtest"
)

const password = "pa55-planted"

func address(t *testing.T, text string) notice.Address {
	t.Helper()
	a, err := notice.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// settings are those for a server of the test.
func settings(t *testing.T, s *mailtest.Server) notice.MailSettings {
	t.Helper()
	return notice.MailSettings{
		Host: s.Host, Port: s.Port, CA: s.CA, From: address(t, "Vedette <vedette@example.org>"),
		Username: "ada", Password: hidden.New(password), Timeout: 20 * time.Second,
	}
}

func send(t *testing.T, s notice.MailSettings, to ...string) error {
	t.Helper()
	mailer, err := mail.New(s, egress.Policy{}, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return mailer.Send(t.Context(), message(t, to...))
}

func message(t *testing.T, to ...string) notice.Message {
	t.Helper()
	var recipients []notice.Address
	for _, text := range to {
		recipients = append(recipients, address(t, text))
	}
	event := notice.HealthCheckFailed{
		Subject: notice.Subject{Connection: "Zürich\r\nBcc: all@example.org", Integration: "Qualys Cloud Agent", Site: "Zürich"}, Failures: 3,
		Since: time.Date(2025, 1, 22, 7, 55, 0, 0, time.UTC), Link: "https://vedette.example.org/connections/7",
	}
	m, err := notice.Embedded().Message("msg_7", time.Date(2025, 1, 22, 8, 5, 0, 0, time.UTC), event, recipients...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// failure returns how a message failed, or fails the test. Whatever it says, it
// has no password.
func failure(t *testing.T, err error) *notice.SendError {
	t.Helper()
	failed, ok := errors.AsType[*notice.SendError](err)
	if !ok {
		t.Fatalf("error %v, want one of sending", err)
	}
	if shown := fmt.Sprintf("%v %+v %v", failed, *failed, failed.Err); strings.Contains(shown, password) {
		t.Errorf("shown: %s", shown)
	}
	return failed
}

func TestAMailArrivesEncryptedAndReadsAsItWasWritten(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password})
	if err := send(t, settings(t, server), "Security Team <soc@example.org>"); err != nil {
		t.Fatal(err)
	}
	mails := server.Mails()
	if len(mails) != 1 || !mails[0].Encrypted || mails[0].Account != "ada" || mails[0].From != "vedette@example.org" || mails[0].To != "soc@example.org" {
		t.Fatalf("mails %+v", mails)
	}
	if strings.Contains(strings.ReplaceAll(mails[0].Content, "\r\n", ""), "\n") {
		t.Error("a line does not end with CR LF")
	}
	read, err := netmail.ReadMessage(strings.NewReader(mails[0].Content))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"From": `"Vedette" <vedette@example.org>`, "To": `"Security Team" <soc@example.org>`, "Date": "Wed, 22 Jan 2025 08:05:00 +0000",
		"Auto-Submitted": "auto-generated", "X-Vedette-Event": "health_check.failed", "User-Agent": "Vedette 1.2.3", "Bcc": "",
	}
	for name, value := range want {
		if got := read.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if sent := message(t, "soc@example.org").Subject; err != nil || subject != sent || !strings.Contains(subject, "Zürich Bcc: all@example.org") {
		t.Errorf("subject %q, %v, want %q", subject, err, sent)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
	if text := strings.ReplaceAll(string(body), "\r\n", "\n"); err != nil || strings.TrimSpace(text) != strings.TrimSpace(message(t).Text) {
		t.Errorf("body %q, %v", text, err)
	}
	if err := send(t, settings(t, server), "soc@example.org", "noc@example.org"); err != nil {
		t.Fatal(err)
	}
	if mails = server.Mails(); messageID(t, mails[0]) != messageID(t, mails[1]) || messageID(t, mails[1]) == messageID(t, mails[2]) {
		t.Error("a mail that is sent again must have the same Message-ID, one for another person another")
	}
}

func messageID(t *testing.T, m mailtest.Mail) string {
	t.Helper()
	read, err := netmail.ReadMessage(strings.NewReader(m.Content))
	if err != nil {
		t.Fatal(err)
	}
	return read.Header.Get("Message-Id")
}

func TestEveryRecipientGetsAMailOfTheirOwn(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{TLS: true, Username: "ada", Password: password})
	s := settings(t, server)
	s.Security = notice.TLS
	if err := send(t, s, "soc@example.org", "noc@example.org"); err != nil {
		t.Fatal(err)
	}
	mails := server.Mails()
	if len(mails) != 2 || !mails[0].Encrypted || !mails[1].Encrypted || strings.Contains(mails[0].Content, "noc@") || strings.Contains(mails[1].Content, "soc@") {
		t.Errorf("mails %+v", mails)
	}
}

func TestEveryMechanismProvesTheAccount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		auth    notice.Auth
		offered []string
	}{
		{notice.AuthAuto, []string{"PLAIN"}}, {"", []string{"LOGIN"}}, {notice.AuthAuto, []string{"XOAUTH2", "CRAM-MD5"}},
		{notice.AuthPlain, []string{"CRAM-MD5", "LOGIN", "PLAIN"}}, {notice.AuthLogin, []string{"PLAIN", "LOGIN"}}, {notice.AuthCRAMMD5, []string{"PLAIN", "CRAM-MD5"}},
	} {
		server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password, Mechanisms: tt.offered})
		s := settings(t, server)
		s.Auth = tt.auth
		if err := send(t, s, "soc@example.org"); err != nil || len(server.Mails()) != 1 || server.Mails()[0].Account != "ada" {
			t.Errorf("%s of %v: %v", tt.auth, tt.offered, err)
		}
	}
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password, Mechanisms: []string{"XOAUTH2"}})
	if f := failure(t, send(t, settings(t, server), "soc@example.org")); f.Temporary || !strings.Contains(f.Message, "XOAUTH2") || server.Logins() != 0 {
		t.Errorf("a server with another mechanism: %+v", f)
	}
}

func TestARefusedAccountIsForGoodUnlessTheServerSaysItIsNot(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: "another"})
	f := failure(t, send(t, settings(t, server), "soc@example.org"))
	if f.Temporary || len(f.Refused) != 1 || len(f.Pending) != 0 || !strings.Contains(f.Message, "535") || !strings.Contains(f.Resolution, "Password") {
		t.Errorf("wrong password: %+v", f)
	}
	echo := &smtp.SMTPError{Code: 454, EnhancedCode: smtp.EnhancedCode{4, 7, 0}, Message: "not now, " + password}
	server = mailtest.New(t, mailtest.Options{Username: "ada", Password: "another", RefuseLogin: echo})
	if f = failure(t, send(t, settings(t, server), "soc@example.org")); !f.Temporary || len(f.Pending) != 1 || !strings.Contains(f.Message, "not now") {
		t.Errorf("454: %+v", f)
	}
}

func TestARefusedRecipientKeepsNobodyElseFromTheirMail(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password, Refuse: map[string]*smtp.SMTPError{
		"gone@example.org": {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"},
		"full@example.org": {Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "mailbox full"},
	}})
	f := failure(t, send(t, settings(t, server), "gone@example.org", "soc@example.org", "full@example.org", "noc@example.org"))
	var got []string
	for _, m := range server.Mails() {
		got = append(got, m.To)
	}
	if !slices.Equal(got, []string{"soc@example.org", "noc@example.org"}) {
		t.Errorf("mails to %v", got)
	}
	if !f.Temporary || len(f.Pending) != 1 || f.Pending[0].Mailbox != "full@example.org" || len(f.Refused) != 1 || f.Refused[0].Mailbox != "gone@example.org" ||
		!strings.Contains(f.Message, "no such user") || !strings.Contains(f.Message, "mailbox full") {
		t.Errorf("%+v", f)
	}
	if f = failure(t, send(t, settings(t, server), "gone@example.org")); f.Temporary || notice.Temporary(f) {
		t.Errorf("one recipient, unknown: %+v", f)
	}
}

func TestARefusedSenderIsNamed(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password, Refuse: map[string]*smtp.SMTPError{
		"vedette@example.org": {Code: 553, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "not yours"},
	}})
	if f := failure(t, send(t, settings(t, server), "soc@example.org")); f.Temporary || !strings.Contains(f.Resolution, "From") {
		t.Errorf("%+v", f)
	}
}

func TestAConnectionThatBreaksLeavesTheRestToSendAgain(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password, BreakAt: "mail"})
	f := failure(t, send(t, settings(t, server), "soc@example.org", "noc@example.org", "boc@example.org"))
	if !f.Temporary || len(f.Pending) != 2 || f.Pending[0].Mailbox != "noc@example.org" || len(server.Mails()) != 1 {
		t.Errorf("%+v", f)
	}
}

func TestNothingIsSentInClearUnlessThatIsChosen(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password, NoSTARTTLS: true})
	f := failure(t, send(t, settings(t, server), "soc@example.org"))
	if f.Temporary || !strings.Contains(f.Message, "STARTTLS") || server.Logins() != 0 || len(server.Mails()) != 0 {
		t.Errorf("a server without STARTTLS: %+v, %d logins", f, server.Logins())
	}
	s := settings(t, server)
	s.Security = notice.NoTLS
	if err := send(t, s, "soc@example.org"); err != nil || server.Mails()[0].Encrypted {
		t.Errorf("in clear to this machine: %v", err)
	}
	s.Host = "smtp.example.org"
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "password") {
		t.Errorf("a password in clear to another machine: %v", err)
	}
}

func TestAnotherServerThanTheTrustedOneGetsNothing(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password})
	web := httptest.NewTLSServer(nil)
	t.Cleanup(web.Close)
	for name, change := range map[string]func(*notice.MailSettings){
		"authority":               func(s *notice.MailSettings) { s.CA = "" },
		"name":                    func(s *notice.MailSettings) { s.Host = "localhost" },
		"TLS where there is none": func(s *notice.MailSettings) { s.Security = notice.TLS },
	} {
		s := settings(t, server)
		change(&s)
		if f := failure(t, send(t, s, "soc@example.org")); f.Temporary || !strings.Contains(f.Message, "TLS") || f.Resolution == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if server.Logins() != 0 || len(server.Mails()) != 0 {
		t.Error("the server got credentials or a mail")
	}
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"connect", "mail", "data"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password, HangAt: step})
			s := settings(t, server)
			s.Timeout = time.Second
			f := failure(t, send(t, s, "soc@example.org"))
			if !f.Temporary || len(f.Pending) != 1 || !errors.Is(f, context.DeadlineExceeded) || !strings.Contains(f.Message, "in time") {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestWhoeverCancelsIsNotKeptWaiting(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{HangAt: "connect"})
	mailer, err := mail.New(settings(t, server), egress.Policy{}, "1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f := failure(t, mailer.Send(ctx, message(t, "soc@example.org"))); !errors.Is(f, context.Canceled) || !f.Temporary {
		t.Errorf("%+v", f)
	}
}

func TestAServerThatTalksWithoutEndIsCutOff(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Domain: strings.Repeat("x", 2<<20)})
	if f := failure(t, send(t, settings(t, server), "soc@example.org")); !strings.Contains(f.Message, "1 MiB") {
		t.Errorf("%+v", f)
	}
}

func TestNobodyThereIsTemporaryAndAForbiddenAddressIsNot(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	s := notice.MailSettings{Host: "127.0.0.1", Port: port, From: address(t, "a@example.org")}
	if f := failure(t, send(t, s, "soc@example.org")); !f.Temporary {
		t.Errorf("nobody listens: %+v", f)
	}
	s.Host = "169.254.169.254"
	if f := failure(t, send(t, s, "soc@example.org")); f.Temporary || !strings.Contains(f.Message, "link-local") {
		t.Errorf("a metadata service: %+v", f)
	}
}

func TestAMessageThatNobodyOrEverybodyWouldGetIsRefused(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{Username: "ada", Password: password})
	mailer, err := mail.New(settings(t, server), egress.Policy{}, "1")
	if err != nil {
		t.Fatal(err)
	}
	spoiled := message(t, "soc@example.org")
	spoiled.Recipients[0].Mailbox = "soc@example.org>\r\nRCPT TO:<all@example.org"
	for name, m := range map[string]notice.Message{
		"none": message(t), "many": message(t, slices.Repeat([]string{"soc@example.org"}, 101)...), "injected": spoiled,
	} {
		if f := failure(t, mailer.Send(t.Context(), m)); f.Temporary || len(server.Mails()) != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestSettingsAreRefusedByFieldValueAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	web := httptest.NewTLSServer(nil)
	t.Cleanup(web.Close)
	good := notice.MailSettings{Host: "smtp.example.org", From: address(t, "a@example.org"), Username: "ada", Password: hidden.New(password),
		CA: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*notice.MailSettings){
		`Host of the mail settings is ""`:                    func(s *notice.MailSettings) { s.Host = "" },
		`Host of the mail settings is "smtp.example.org:25"`: func(s *notice.MailSettings) { s.Host = "smtp.example.org:25" },
		`Host of the mail settings is "a b"`:                 func(s *notice.MailSettings) { s.Host = "a\nb" },
		`Port of the mail settings is "70000"`:               func(s *notice.MailSettings) { s.Port = 70000 },
		`Security of the mail settings is "ssl"`:             func(s *notice.MailSettings) { s.Security = "ssl" },
		`Auth of the mail settings is "ntlm"`:                func(s *notice.MailSettings) { s.Auth = "ntlm" },
		`Timeout of the mail settings is "1ms"`:              func(s *notice.MailSettings) { s.Timeout = time.Millisecond },
		`one of Username and Password`:                       func(s *notice.MailSettings) { s.Password = hidden.Text{} },
		`Username of the mail settings is`:                   func(s *notice.MailSettings) { s.Username = "a\r\nb" },
		`zero byte`:                                          func(s *notice.MailSettings) { s.Password = hidden.New("a\x00b") },
		`CA of the mail settings holds no certificate`:       func(s *notice.MailSettings) { s.CA = "-----BEGIN" },
		`PlaybookDomains of the mail settings is "a b"`:      func(s *notice.MailSettings) { s.PlaybookDomains = []string{"example.org", "a b"} },
		`has 51 domains; at most 50`:                         func(s *notice.MailSettings) { s.PlaybookDomains = slices.Repeat([]string{"*"}, 51) },
		`"" is not a mail address`:                           func(s *notice.MailSettings) { s.From = notice.Address{} },
	} {
		s := good
		spoil(&s)
		err := s.Check()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", want, err)
		}
		if _, err := mail.New(s, egress.Policy{}, "1"); err == nil {
			t.Errorf("%s: a mailer was made", want)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v", good, good, &good); strings.Contains(shown, password) {
		t.Errorf("shown: %s", shown)
	}
}
