package plan

import (
	"context"
	"errors"
	"net/http"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// ChannelReader reads how a platform tells people. A channel that nobody has set up is
// a *qpsclient.StatusError of 404.
type ChannelReader interface {
	MailSettings(ctx context.Context) (qpsclient.MailSettings, error)
	Webhook(ctx context.Context) (qpsclient.Webhook, error)
}

// ChannelWriter sets how a platform tells people. Nothing here takes a channel away.
type ChannelWriter interface {
	SetMailSettings(ctx context.Context, s qpsclient.MailSettings) (qpsclient.MailSettings, error)
	SetWebhook(ctx context.Context, w qpsclient.Webhook) (qpsclient.WebhookSecret, error)
}

// channel reports whether the kind is a channel of notices. A platform has each of them
// once: they have no names, and belong to no site.
func (k Kind) channel() bool { return k == KindMail || k == KindWebhook }

func (l *layer) readMail(ctx context.Context, r LayerReader) (err error) {
	l.mail, err = readChannel(ctx, r.MailSettings)
	return err
}

func (l *layer) readWebhook(ctx context.Context, r LayerReader) (err error) {
	l.webhook, err = readChannel(ctx, r.Webhook)
	return err
}

// readChannel returns the settings of a channel, nil for none.
func readChannel[T any](ctx context.Context, read func(context.Context) (T, error)) (*T, error) {
	found, err := read(ctx)
	if status, ok := errors.AsType[*qpsclient.StatusError](err); ok && status.StatusCode == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// only returns the one document of a channel, nil for none.
func (m *maker) only(kind Kind) (*Document, error) {
	switch all := m.documents[kind]; len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	default:
		return nil, all[1].refuse("Describe it once: a platform has one.", "another %s is described in %s already", kind, all[0].Source)
	}
}

// planChannel adds what is to change of a channel.
func (m *maker) planChannel(kind Kind, d *Document, isNew bool, differ differences, write func(ctx context.Context, a *applier) error) {
	if !isNew && len(differ) == 0 {
		return
	}
	c := Change{Action: ActionChange, Kind: kind, Source: d.Source, Properties: differ}
	if isNew {
		c.Action = ActionCreate
	}
	c.make = func(ctx context.Context, a *applier, _ *Change) error { return a.wrote(write(ctx, a)) }
	m.changes[kind] = append(m.changes[kind], c)
}

// secretKeys are what no file says of a channel, with how it is given.
var secretKeys = map[Kind]map[string]string{
	KindMail:    {"password": givingMailPassword},
	KindWebhook: {"secret": "vedette automation webhook rotate"},
}

// refuseSecret refuses a key that is secret. Its value is not repeated.
func (d *Document) refuseSecret(v value) error {
	giving, secret := secretKeys[d.Kind][v.key]
	if !secret {
		return nil
	}
	return fault.New(fault.Invalid, v.place()+": it is secret, and no file has secrets.", "Leave it out. The platform is told, or makes, it once: "+giving)
}
