package plan

import (
	"context"
	"net/url"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/automation/notice"
)

// Webhook is what somebody says about where notices are posted. nil is not said and
// stays as it is. The secret for signatures is said nowhere.
type Webhook struct {
	// URL without anything behind its server, such as https://hooks.example.org, leaves
	// what is behind it: that can be a secret by itself, and files are not to have it.
	URL *string
	CA  *string
}

func (w *Webhook) fields() []field {
	return []field{
		{"url", urlInto(&w.URL)},
		{"ca", certificatesInto(&w.CA)},
	}
}

// urlInto reads a URL. Errors do not repeat it.
func urlInto(target **string) func(value) error {
	return func(v value) error {
		text, err := v.secretive()
		if err != nil {
			return err
		}
		if _, err := (notice.Target{URL: text}).Check(); err != nil {
			return asInvalidAt(v.document, v.key, err)
		}
		*target = &text
		return nil
	}
}

// serverOf is what of the URL of a webhook is no secret, and whether that is all of it.
func serverOf(text string) (server string, all bool) {
	parsed, err := url.Parse(text)
	if err != nil {
		return "", false
	}
	server = parsed.Scheme + "://" + parsed.Host
	return server, text == server
}

// shownURL is the URL of a webhook in a plan.
func shownURL(text string) string {
	server, all := serverOf(text)
	switch {
	case text == "" || all:
		return text
	case text == server+"/":
		return text
	}
	return server + "/…"
}

func (m *maker) planWebhook() error {
	d, err := m.only(KindWebhook)
	if d == nil {
		return err
	}
	said, now := d.Webhook, valueOf(m.layer.webhook)
	isNew := m.layer.webhook == nil
	if isNew && said.URL == nil {
		return d.refuse("Write it.", "url: the key is missing, and the platform has no webhook")
	}
	wanted := now
	var differ differences
	if said.URL != nil && !names(*said.URL, now.URL) {
		wanted.URL = *said.URL
		before, after := shownURL(now.URL), shownURL(wanted.URL)
		if before == after {
			after += " (another)"
		}
		differ = append(differ, Property{"url", before, after})
	}
	compare(&differ, "ca", shownValue(now.CA), shownPointer(said.CA))
	wanted.CA = valueOrNow(said.CA, now.CA)
	if _, err := (notice.Target{URL: wanted.URL, CA: wanted.CA}).Check(); err != nil {
		return asInvalidAt(d, "ca", err)
	}
	m.noteWebhook(wanted.URL, isNew)
	m.planChannel(KindWebhook, d, isNew, differ, func(ctx context.Context, a *applier) error {
		_, err := a.to.SetWebhook(ctx, wanted) // its secret is shown nowhere: whoever needs it rotates it
		return err
	})
	return nil
}

// names reports whether a URL of a file means the one that there is.
func names(said, now string) bool {
	server, all := serverOf(said)
	there, _ := serverOf(now)
	return said == now || all && server == there
}

// noteWebhook says what the webhook will miss that no file has.
func (m *maker) noteWebhook(wanted string, isNew bool) {
	if isNew {
		m.note("The webhook is new, and nobody has its secret. This shows one for its receiver: vedette automation webhook rotate")
	}
	if server, all := serverOf(wanted); all {
		m.note("The webhook has nothing behind its server %s, which no file has. This takes the whole URL from standard input: vedette automation webhook set -", quote(server))
	}
}

// describeWebhook describes where notices are posted, without what can be a secret.
func (d *describer) describeWebhook() []*yaml.Node {
	w := d.layer.webhook
	if d.hides(KindWebhook) || w == nil || d.selection.Site != "" {
		return nil
	}
	m := newMapping(KindWebhook)
	server, _ := serverOf(w.URL)
	if w.URL == server+"/" {
		server = w.URL
	}
	m.add("url", server)
	m.add("ca", w.CA)
	return []*yaml.Node{m.node}
}
