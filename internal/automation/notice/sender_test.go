package notice_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/signature"
)

// outside is the world outside: settings, and channels that keep what they send.
type outside struct {
	settings notice.Settings
	unread   error // of the settings
	mails    []notice.Message
	mailErr  func(notice.Message) error
	hooks    []hook
	hookErr  func() error
}

type hook struct {
	target notice.Target
	secret signature.Secret
	id     string
	body   string
}

func (o *outside) NoticeSettings(context.Context) (notice.Settings, error) {
	return o.settings, o.unread
}

func (o *outside) sender() *notice.Sender {
	return &notice.Sender{Settings: o, Webhooks: o, Mailer: func(s notice.MailSettings) (notice.Carrier, error) {
		if err := s.Check(); err != nil {
			return nil, err
		}
		return mailer{o}, nil
	}}
}

type mailer struct{ *outside }

func (m mailer) Send(_ context.Context, message notice.Message) error {
	if err := message.Check(); err != nil {
		return err
	}
	m.mails = append(m.mails, message)
	if m.mailErr != nil {
		return m.mailErr(message)
	}
	return nil
}

func (o *outside) Send(_ context.Context, to notice.Target, secret signature.Secret, id string, body []byte) (int, error) {
	o.hooks = append(o.hooks, hook{to, secret, id, string(body)})
	if o.hookErr != nil {
		return 500, o.hookErr()
	}
	return 200, nil
}

func address(t *testing.T, text string) notice.Address {
	t.Helper()
	a, err := notice.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mailSettings(t *testing.T) *notice.MailSettings {
	t.Helper()
	return &notice.MailSettings{Host: "smtp.example.org", From: address(t, "vedette@example.org")}
}

func letter(t *testing.T) notice.Letter {
	t.Helper()
	return notice.Letter{
		ID: "msg_7", Time: time.Date(2025, 1, 22, 8, 5, 0, 0, time.UTC), To: []notice.Address{address(t, "soc@example.org")},
		Subject: "Rescan\r\nBcc: all@example.org", Text: "One\r\nTwo\x1b[31m\n\u202eThree",
	}
}

func TestALetterIsWrittenByItsSenderAndAddsNoHeader(t *testing.T) {
	t.Parallel()
	o := &outside{settings: notice.Settings{Mail: mailSettings(t)}}
	if err := o.sender().Mail(t.Context(), letter(t)); err != nil {
		t.Fatal(err)
	}
	m := o.mails[0]
	if m.Subject != "Rescan Bcc: all@example.org" || m.Text != "One\nTwo [31m\nThree\n" || m.ID != "msg_7" || len(m.Recipients) != 1 || m.Event.Kind() != notice.KindLetter {
		t.Errorf("%+v", m)
	}
}

func TestALetterGoesToTheDomainsThatPlaybooksMayWriteTo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		domains []string
		to      string
		sent    bool
	}{
		"that of the sender":          {nil, "soc@example.org", true},
		"in other letters":            {nil, "soc@EXAMPLE.org", true},
		"another one":                 {nil, "soc@example.net", false},
		"a subdomain":                 {nil, "soc@mail.example.org", false},
		"one that ends the same":      {nil, "soc@notexample.org", false},
		"one that is named":           {[]string{"example.com", "Example.Net"}, "soc@example.net", true},
		"that of the sender, unnamed": {[]string{"example.com", "example.net"}, "soc@example.org", false},
		"all":                         {[]string{notice.AnyDomain}, "soc@example.net", true},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			o, l := &outside{settings: notice.Settings{Mail: mailSettings(t)}}, letter(t)
			o.settings.Mail.PlaybookDomains = tc.domains
			l.To = []notice.Address{address(t, tc.to)}
			err := o.sender().Mail(t.Context(), l)
			if tc.sent {
				if err != nil || len(o.mails) != 1 {
					t.Errorf("%d are sent, %v", len(o.mails), err)
				}
				return
			}
			failed, ok := errors.AsType[*notice.SendError](err)
			if !ok || failed.Temporary || !strings.Contains(failed.Message, tc.to) || !strings.Contains(failed.Resolution, "--playbook-domain") || len(o.mails) != 0 {
				t.Errorf("%d are sent, %v", len(o.mails), err)
			}
		})
	}
}

func TestALetterThatCannotBeSentSaysWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		spoil     func(*outside, *notice.Letter)
		temporary bool
		want      string
	}{
		"no settings":      {func(o *outside, _ *notice.Letter) { o.settings.Mail = nil }, true, "no settings for mail"},
		"settings of once": {func(o *outside, _ *notice.Letter) { o.settings.Mail.Host = "" }, true, "Host"},
		"settings unread":  {func(o *outside, _ *notice.Letter) { o.unread = errors.New("disk I/O error") }, true, "could not be read"},
		"a long text":      {func(_ *outside, l *notice.Letter) { l.Text = strings.Repeat("x", 64<<10+1) }, false, "65537 bytes"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			o, l := &outside{settings: notice.Settings{Mail: mailSettings(t)}}, letter(t)
			tc.spoil(o, &l)
			err := o.sender().Mail(t.Context(), l)
			failed, ok := errors.AsType[*notice.SendError](err)
			if !ok || failed.Temporary != tc.temporary || !strings.Contains(failed.Message, tc.want) || strings.Contains(failed.Message, "disk") || len(o.mails) != 0 {
				t.Errorf("%v", err)
			}
		})
	}
}
