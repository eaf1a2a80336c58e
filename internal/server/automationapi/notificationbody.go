package automationapi

import (
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/hidden"
)

// The bodies about notices and their channels.
type (
	newMailSettings struct {
		Host     string `json:"host"`
		Port     int    `json:"port"`
		Security string `json:"security"`
		Auth     string `json:"auth"`
		Username string `json:"username"`
		Password string `json:"password"`
		From     string `json:"from"`
		CA       string `json:"ca"`
		// PlaybookDomains is none or empty for that of the sender.
		PlaybookDomains []string `json:"playbookDomains"`
	}
	mailTest struct {
		To []string `json:"to"`
	}
	newWebhook struct {
		URL string `json:"url"`
		CA  string `json:"ca"`
	}
)

// UnmarshalJSON refuses members it does not know.
func (b *newMailSettings) UnmarshalJSON(doc []byte) error {
	type plain newMailSettings
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *mailTest) UnmarshalJSON(doc []byte) error {
	type plain mailTest
	return decodeStrictly(doc, (*plain)(b))
}

// UnmarshalJSON refuses members it does not know.
func (b *newWebhook) UnmarshalJSON(doc []byte) error {
	type plain newWebhook
	return decodeStrictly(doc, (*plain)(b))
}

// settings returns the settings that a body means.
func (b *newMailSettings) settings() (notice.MailSettings, error) {
	from, err := notice.ParseAddress(b.From)
	if err != nil {
		return notice.MailSettings{}, err
	}
	return notice.MailSettings{
		Host: b.Host, Port: b.Port, Security: notice.Security(b.Security), Auth: notice.Auth(b.Auth),
		Username: b.Username, Password: hidden.New(b.Password), From: from, CA: b.CA, PlaybookDomains: b.PlaybookDomains,
	}, nil
}

func mailSettingsOf(s *notice.MailSettings) MailSettings {
	return MailSettings{
		Host: s.Host, Port: s.Port, Security: MailSecurity(s.Security), Auth: MailAuth(s.Auth),
		Username: known(s.Username), Password: known(s.Password.String()), From: s.From.String(), Ca: known(s.CA), PlaybookDomains: some(s.PlaybookDomains),
	}
}

func webhookOf(w *notice.WebhookSettings) Webhook { return Webhook{Url: w.URL, Ca: known(w.CA)} }

func noticeOf(n *notice.Notice) Notice {
	shown := Notice{
		Id: n.ID, Key: n.Key, Kind: string(n.Kind), State: NoticeState(n.State()), Happened: wireTime(n.Happened), MailTo: append([]string{}, n.MailTo...),
		Event: n.Data, Deliveries: make([]NoticeDelivery, len(n.Deliveries)),
	}
	for i, d := range n.Deliveries {
		delivery := NoticeDelivery{
			Channel: NoticeChannel(d.Channel), State: NoticeState(d.State), Attempts: d.Attempts, Next: reached(d.Next), Ended: reached(d.Ended),
			To: some(d.To), Refused: some(d.Refused), Failure: known(d.Failure), Resolution: known(d.Resolution),
		}
		if d.State == notice.Pending {
			delivery.Until = reached(d.Until)
		}
		shown.Deliveries[i] = delivery
	}
	return shown
}

// some returns nil for a list without elements.
func some(list []string) *[]string {
	if len(list) == 0 {
		return nil
	}
	return &list
}
