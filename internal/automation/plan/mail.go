package plan

import (
	"context"
	"strings"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/hidden"
	"vedette.dev/vedette/qps/qpsclient"
)

// MailSettings are what somebody says about how mail is sent. nil is not said and stays
// as it is. The password is said nowhere, and a platform takes no account without one:
// an account is only kept where the platform has its password.
type MailSettings struct {
	Host     *string
	Port     *int
	Security *string // starttls, tls or none
	Auth     *string // auto, plain, login or cram-md5
	Username *string // empty for no account
	From     *string
	CA       *string
	// PlaybookDomains are those to which playbooks may send mail; none for that of From.
	PlaybookDomains *[]string
}

const givingMailPassword = "vedette automation mail set --account NAME --account-password-file FILE"

func (s *MailSettings) fields() []field {
	return []field{
		{"host", nameInto(&s.Host)},
		{"port", integerInto(&s.Port, 1, 65535)},
		{"security", wordInto(&s.Security, string(notice.StartTLS), string(notice.TLS), string(notice.NoTLS))},
		{"auth", wordInto(&s.Auth, string(notice.AuthAuto), string(notice.AuthPlain), string(notice.AuthLogin), string(notice.AuthCRAMMD5))},
		{"username", textInto(&s.Username)},
		{"from", fromInto(&s.From)},
		{"ca", certificatesInto(&s.CA)},
		{"playbookDomains", listInto(&s.PlaybookDomains)},
	}
}

// fromInto reads the address of the sender in the form in which platforms keep it.
func fromInto(target **string) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err != nil {
			return err
		}
		address, err := notice.ParseAddress(text)
		if err != nil {
			return v.refuse("Use the form soc@example.org, or Security <soc@example.org>.", "%s is no mail address", quote(text))
		}
		*target = new(address.String())
		return nil
	}
}

// certificatesInto reads certificates as they are.
func certificatesInto(target **string) func(value) error {
	return func(v value) error {
		text, err := v.scalar()
		if err == nil {
			*target = &text
		}
		return err
	}
}

func (m *maker) planMail() error {
	d, err := m.only(KindMail)
	if d == nil {
		return err
	}
	said, now := d.MailSettings, valueOf(m.layer.mail)
	isNew := m.layer.mail == nil
	if isNew {
		for _, key := range []identity{{"host", said.Host}, {"from", said.From}} {
			if key.text == nil {
				return d.refuse("Write it.", "%s: the key is missing, and the platform has no settings for mail", key.name)
			}
		}
		now = qpsclient.MailSettings{Security: string(notice.StartTLS), Auth: string(notice.AuthAuto)}
	}
	var differ differences
	wanted := now
	settle(&differ, "host", &wanted.Host, said.Host)
	settle(&differ, "port", &wanted.Port, said.Port)
	settle(&differ, "security", &wanted.Security, said.Security)
	settle(&differ, "auth", &wanted.Auth, said.Auth)
	settle(&differ, "from", &wanted.From, said.From)
	compare(&differ, "ca", shownValue(now.CA), shownPointer(said.CA))
	wanted.CA = valueOrNow(said.CA, now.CA)
	if compareList(&differ, "playbookDomains", now.PlaybookDomains, said.PlaybookDomains) {
		wanted.PlaybookDomains = *said.PlaybookDomains
	}
	m.settleAccount(&differ, &wanted, now, said.Username)
	if err := checkMail(d, wanted, valueOrNow(said.Username, now.Username)); err != nil {
		return err
	}
	m.planChannel(KindMail, d, isNew, differ, func(ctx context.Context, a *applier) error {
		_, err := a.to.SetMailSettings(ctx, wanted)
		return err
	})
	return nil
}

// settle makes a value what is said of it, and adds what differs.
func settle[T comparable](d *differences, name string, to *T, said *T) {
	if compare(d, name, *to, said) {
		*to = *said
	}
}

func shownPointer(said *string) *string {
	if said == nil {
		return nil
	}
	return new(shownValue(*said))
}

// settleAccount settles the account. The platform keeps a password only while it goes
// the same way, and takes no account without one.
func (m *maker) settleAccount(d *differences, wanted *qpsclient.MailSettings, now qpsclient.MailSettings, said *string) {
	account := valueOrNow(said, now.Username)
	sameWay := now.Host == wanted.Host && now.Port == wanted.Port && now.Security == wanted.Security && now.Auth == wanted.Auth && now.CA == wanted.CA
	wanted.Password = "" // stays
	switch {
	case account == "":
		compare(d, "username", now.Username, new(""))
	case now.Password != "" && sameWay:
		compare(d, "username", now.Username, &account)
		wanted.Username = account
		return
	default:
		m.note("Mail is sent without the account %s until the platform has its password: vedette automation mail set --account %s --account-password-file FILE", quote(account), shellWord(account))
	}
	wanted.Username = ""
	if now.Username != "" && account != "" {
		*d = append(*d, Property{"username", now.Username, missingSecret}, Property{"password", qpsclient.KeptSecret, missingSecret})
	}
}

// checkMail refuses settings that the platform would refuse, with an account as it will
// be once it has its password.
func checkMail(d *Document, s qpsclient.MailSettings, account string) error {
	from, err := notice.ParseAddress(s.From)
	if err != nil {
		return asInvalidAt(d, "from", err)
	}
	settings := notice.MailSettings{
		Host: s.Host, Port: s.Port, Security: notice.Security(s.Security), Auth: notice.Auth(s.Auth), Username: account, From: from, CA: s.CA,
		PlaybookDomains: s.PlaybookDomains,
	}
	if account != "" {
		settings.Password = hidden.New(qpsclient.KeptSecret)
	}
	err = settings.Check()
	f, ok := asFault(err)
	if !ok {
		return err
	}
	key := "host"
	for prefix, of := range map[string]string{"CA ": "ca", "PlaybookDomains ": "playbookDomains", "Username ": "username", "The mail settings have a password": "security"} {
		if strings.HasPrefix(f.Message, prefix) {
			key = of
		}
	}
	return asInvalidAt(d, key, err)
}

// describeMail describes how mail is sent, without the password.
func (d *describer) describeMail() []*yaml.Node {
	s := d.layer.mail
	if d.hides(KindMail) || s == nil || d.selection.Site != "" {
		return nil
	}
	m := newMapping(KindMail)
	m.add("host", s.Host)
	m.add("port", s.Port)
	m.add("security", s.Security)
	m.add("auth", s.Auth)
	m.add("username", s.Username)
	m.add("from", s.From)
	m.add("ca", s.CA)
	m.add("playbookDomains", sorted(s.PlaybookDomains))
	return []*yaml.Node{m.node}
}
