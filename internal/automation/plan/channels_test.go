package plan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// channelOf is what a caller gets who may see a channel.
func channelOf[T any](o *office, kind Kind, settings *T) (T, error) {
	if err := o.list(kind); err != nil || settings != nil {
		return valueOf(settings), err
	}
	var none T
	return none, fmt.Errorf("read: %w", &qpsclient.StatusError{StatusCode: http.StatusNotFound, Message: "there is none"})
}

func (o *office) MailSettings(context.Context) (qpsclient.MailSettings, error) {
	return channelOf(o, KindMail, o.mail)
}

func (o *office) Webhook(context.Context) (qpsclient.Webhook, error) {
	return channelOf(o, KindWebhook, o.webhook)
}

// SetMailSettings keeps a password only while it goes the same way, as a platform does.
func (o *office) SetMailSettings(_ context.Context, s qpsclient.MailSettings) (qpsclient.MailSettings, error) {
	if s.Port == 0 {
		s.Port = map[string]int{"starttls": 587, "tls": 465, "none": 25}[s.Security]
	}
	if s.Username != "" && s.Password == "" {
		if o.mail == nil || o.mail.Password == "" || s.Host != o.mail.Host || s.Port != o.mail.Port || s.Security != o.mail.Security || s.Auth != o.mail.Auth || s.CA != o.mail.CA {
			return s, errors.New("the password is missing")
		}
		s.Password = o.mail.Password
	}
	if _, err := o.write("set mail %s", s.Host); err != nil {
		return s, err
	}
	o.mail = &s
	return s, nil
}

func (o *office) SetWebhook(_ context.Context, w qpsclient.Webhook) (qpsclient.WebhookSecret, error) {
	if _, err := o.write("set webhook"); err != nil {
		return qpsclient.WebhookSecret{}, err
	}
	o.webhook = &w
	return qpsclient.WebhookSecret{Webhook: w, Secret: "whsec_planted"}, nil
}

// telling is an office that tells people by both channels.
func telling() *office {
	o := newOffice()
	o.mail = &qpsclient.MailSettings{
		Host: "smtp.example.org", Port: 587, Security: "starttls", Auth: "auto", Username: "vedette", Password: qpsclient.KeptSecret, From: `"Vedette" <vedette@example.org>`,
	}
	o.webhook = &qpsclient.Webhook{URL: "https://hooks.example.org/services/planted-7431"}
	return o
}

const (
	givingVedette = `note Mail is sent without the account "vedette" until the platform has its password: vedette automation mail set --account vedette --account-password-file FILE`
	givingSecret  = `note The webhook is new, and nobody has its secret. This shows one for its receiver: vedette automation webhook rotate`
	givingURL     = `note The webhook has nothing behind its server "https://hooks.example.org", which no file has. This takes the whole URL from standard input: vedette automation webhook set -`
)

func TestAPlanOfTheChannelsIsWhatDiffers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		of   func() *office
		give string
		want []string
	}{
		{"nothing said", telling, "{kind: MailSettings}\n---\n{kind: Webhook}", []string{}},
		{"said as it is", telling, "{kind: MailSettings, host: smtp.example.org, port: 587, security: starttls, auth: auto, username: vedette, from: Vedette <vedette@example.org>, ca: ''}\n---\n{kind: Webhook, url: 'https://hooks.example.org'}", []string{}},
		{"new", newOffice, "{kind: MailSettings, host: smtp.example.org, security: tls, from: a@example.org}\n---\n{kind: Webhook, url: 'https://soc.example.org/hooks/a'}", []string{
			"create MailSettings  0", "  host: <nil> -> smtp.example.org", "  security: <nil> -> tls", "  from: <nil> -> a@example.org",
			"create Webhook  0", "  url: <nil> -> https://soc.example.org/…", givingSecret,
		}},
		{"new, with what no file has", newOffice, "{kind: MailSettings, host: smtp.example.org, username: vedette, from: a@example.org}\n---\n{kind: Webhook, url: 'https://hooks.example.org'}", []string{
			"create MailSettings  0", "  host: <nil> -> smtp.example.org", "  from: <nil> -> a@example.org",
			"create Webhook  0", "  url: <nil> -> https://hooks.example.org", givingVedette, givingSecret, givingURL,
		}},
		{"what sends no password elsewhere keeps it", telling, "{kind: MailSettings, from: noc@example.org, username: other}", []string{
			"change MailSettings  0", `  from: "Vedette" <vedette@example.org> -> noc@example.org`, "  username: vedette -> other",
		}},
		{"another server does not get the password", telling, "{kind: MailSettings, host: smtp.example.net}", []string{
			"change MailSettings  0", "  host: smtp.example.org -> smtp.example.net", "  username: vedette -> missing", "  password: ******** -> missing", givingVedette,
		}},
		{"nor is it sent with less care", telling, "{kind: MailSettings, port: 465, security: tls, auth: plain, username: vedette}", []string{
			"change MailSettings  0", "  port: 587 -> 465", "  security: starttls -> tls", "  auth: auto -> plain", "  username: vedette -> missing", "  password: ******** -> missing", givingVedette,
		}},
		{"without an account", telling, "{kind: MailSettings, username: ''}", []string{"change MailSettings  0", "  username: vedette -> "}},
		{"whom playbooks write to", telling, "{kind: MailSettings, playbookDomains: [example.org, example.net]}", []string{
			"change MailSettings  0", "  playbookDomains: [] -> [example.net example.org]",
		}},
		{"another path", telling, "{kind: Webhook, url: 'https://hooks.example.org/services/other-planted'}", []string{
			"change Webhook  0", "  url: https://hooks.example.org/… -> https://hooks.example.org/… (another)",
		}},
		{"another server has not what is behind the first", telling, "{kind: Webhook, url: 'https://soc.example.org/'}", []string{
			"change Webhook  0", "  url: https://hooks.example.org/… -> https://soc.example.org/",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := tt.of()
			p, err := o.plan(t, tt.give, true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, lines(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if _, err := p.Apply(t.Context(), layerOnly{LayerWriter: o}, func(Change) {}); err != nil {
				t.Fatal(err)
			}
			if again, err := o.plan(t, tt.give, true); err != nil || !again.Empty() {
				t.Errorf("left to do: %v (%v)", lines(again), err)
			}
		})
	}
}

func TestChannelsAreDescribedWithoutWhatIsSecret(t *testing.T) {
	t.Parallel()
	first, second := telling(), newOffice()
	export := func(o *office) string {
		d, err := Describe(t.Context(), shelf{office: o}, Selection{Kinds: []Kind{KindMail, KindWebhook}})
		if err != nil || len(d.Files) != 2 {
			t.Fatalf("%d files, %v", len(d.Files), err)
		}
		return string(d.Files[0].Content) + "---\n" + string(d.Files[1].Content)
	}
	written := export(first)
	if strings.Contains(written, "planted") || strings.Contains(written, qpsclient.KeptSecret) {
		t.Errorf("the files have a secret:\n%s", written)
	}
	p, err := second.plan(t, written, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context(), layerOnly{LayerWriter: second}, func(Change) {}); err != nil {
		t.Fatal(err)
	}
	if again, err := second.plan(t, written, false); err != nil || !slices.Equal(lines(again), []string{givingVedette, givingURL}) {
		t.Errorf("left to do: %v (%v)", lines(again), err)
	}
	// Once people have given both what no file has, it is the same.
	second.mail.Username, second.mail.Password, second.webhook.URL = "vedette", qpsclient.KeptSecret, "https://hooks.example.org/services/elsewhere"
	if diff := cmp.Diff(written, export(second)); diff != "" {
		t.Errorf("elsewhere (-want +got):\n%s", diff)
	}
	if again, err := second.plan(t, written, false); err != nil || len(lines(again)) != 0 {
		t.Errorf("left to do: %v (%v)", lines(again), err)
	}
}

func TestChannelsBelongToNoSite(t *testing.T) {
	t.Parallel()
	for _, selection := range []Selection{{Site: "Main"}, {Site: "Main", Kinds: []Kind{KindMail, KindWebhook}}} {
		d, err := Describe(t.Context(), shelf{office: telling()}, selection)
		if err != nil || slices.ContainsFunc(d.Files, func(f File) bool { return f.Kind.channel() }) {
			t.Errorf("of %v there is %v (%v)", selection, d.Files, err)
		}
	}
	o := telling()
	o.denied = map[Kind]bool{KindMail: true, KindWebhook: true}
	d, err := Describe(t.Context(), shelf{office: o}, Selection{})
	if err != nil || !slices.Equal(d.KeptOut, []Kept{{Kind: KindMail, Reason: hiddenReason}, {Kind: KindWebhook, Reason: hiddenReason}}) {
		t.Errorf("left out is %v (%v), want what the account may not see", d.KeptOut, err)
	}
	if _, err := o.plan(t, "{kind: MailSettings}", false); !forbidden(err) {
		t.Errorf("a channel that the account may not see: %v", err)
	}
}

func TestChannelsThatCannotWorkAreRefusedWhereTheyAreWritten(t *testing.T) {
	t.Parallel()
	const plantedInFile = "planted-in-a-file-7431"
	for give, want := range map[string]string{
		"kind: MailSettings\nfrom: a@example.org":                                                         `f:1: host: the key is missing, and the platform has no settings for mail.`,
		"kind: MailSettings\nhost: a.example.org":                                                         `f:1: from: the key is missing, and the platform has no settings for mail.`,
		"kind: MailSettings\nhost: a b\nfrom: a@example.org":                                              `f:2:7: host: Host of the mail settings is "a b"; allowed: `,
		"kind: MailSettings\nhost: a.example.org\nfrom: nobody":                                           `f:3:1: from: "nobody" is no mail address.`,
		"kind: MailSettings\nhost: a.example.org\nfrom: a@example.org\nport: 0":                           `f:4:1: port: "0" is not allowed.`,
		"kind: MailSettings\nhost: a.example.org\nfrom: a@example.org\nsecurity: ssl":                     `f:4:1: security: "ssl" is not allowed.`,
		"kind: MailSettings\nhost: a.example.org\nfrom: a@example.org\nca: none":                          `f:4:5: ca: CA of the mail settings holds no certificate.`,
		"kind: MailSettings\nhost: a.example.org\nfrom: a@example.org\nsecurity: none\nusername: vedette": `f:4:11: security: The mail settings have a password and Security none for the host a.example.org.`,
		"kind: MailSettings\nhost: a.example.org\nfrom: a@example.org\nplaybookDomains: [a b]":            `f:4:18: playbookDomains: PlaybookDomains of the mail settings is "a b"; allowed: `,
		"kind: MailSettings\nhost: a.example.org\npassword: " + plantedInFile:                             `f:3:1: password: it is secret, and no file has secrets.`,
		"{kind: MailSettings, host: a.example.org, from: a@example.org}\n---\n{kind: MailSettings}":       `f:3: another MailSettings is described in f:1 already.`,
		"kind: Webhook\nca: ''": `f:1: url: the key is missing, and the platform has no webhook.`,
		"kind: Webhook\nurl: http://soc.example.org/" + plantedInFile:           `f:2:6: url: URL of the webhook: it is http, and would carry messages in clear to another machine.`,
		"kind: Webhook\nurl: [" + plantedInFile + "]":                           `f:2:1: url: this is no plain text.`,
		"kind: Webhook\nurl: https://soc.example.org/\nca: none":                `f:3:5: ca: CA of the webhook settings holds no certificate.`,
		"kind: Webhook\nurl: https://soc.example.org\nsecret: " + plantedInFile: `f:3:1: secret: it is secret, and no file has secrets.`,
	} {
		_, err := newOffice().plan(t, give, false)
		f, ok := asFault(err)
		if !ok || f.Code != fault.Invalid || !strings.HasPrefix(f.Message, want) || strings.Contains(f.Message+f.Resolution, plantedInFile) {
			t.Errorf("error\n %v, want\n %s, of\n%s", err, want, give)
		}
	}
}
