package main

import (
	"context"
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/outbound/egress"
	"vedette.dev/vedette/internal/outbound/mail"
	"vedette.dev/vedette/internal/outbound/webhook"
)

const (
	// noticeWorkers is how many notices are sent at once on a replica, and
	// noticeTimeout how long one may take: a mail server and a receiver that hang are
	// each given up before.
	noticeWorkers, noticeTimeout = 4, time.Minute
)

// newSender makes what sends by mail and by webhook.
func (p *platform) newSender(now func() time.Time) *notice.Sender {
	version := buildVersion()
	return &notice.Sender{
		Settings: p.store,
		Mailer:   func(s notice.MailSettings) (notice.Carrier, error) { return mail.New(s, egress.Policy{}, version) },
		Webhooks: &webhook.Client{UserAgent: "vedette/" + version, Now: now},
	}
}

// noticeDeliveries is the work of telling people.
func (p *platform) noticeDeliveries(layer *automationLayer, now func() time.Time, log *slog.Logger) jobs.Kind {
	deliverer := &notice.Deliverer{Queue: p.store, Sender: layer.sender, Templates: notice.Embedded(), Now: now, Log: log}
	return jobs.Kind{
		Name: notice.Job, Workers: noticeWorkers, Look: unhurried, Timeout: noticeTimeout, Run: deliverer.Deliver,
		Due: jobs.Round(func(ctx context.Context, after int64, limit int) ([]int64, error) {
			return p.store.DueNotices(ctx, now(), after, limit)
		}),
		GaveUp: func(ctx context.Context, id int64, failure error) error {
			// It is still due, so it is tried again.
			log.ErrorContext(ctx, "a notice could not be delivered", "notice", id, "error", failure)
			return nil
		},
	}
}
