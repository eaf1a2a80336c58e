package automationapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/server"
)

// GetMailSettings implements GET /automation/v1/notifications/mail.
func (a api) GetMailSettings(ctx context.Context, _ GetMailSettingsRequestObject) (GetMailSettingsResponseObject, error) {
	found, err := a.notices.Mail(ctx)
	if err != nil {
		return nil, err
	}
	return GetMailSettings200JSONResponse(mailSettingsOf(&found)), nil
}

// SetMailSettings implements PUT /automation/v1/notifications/mail.
func (a api) SetMailSettings(ctx context.Context, request SetMailSettingsRequestObject) (SetMailSettingsResponseObject, error) {
	server.Describe(ctx, server.Echo(request.Body.Host), "")
	given, err := request.Body.settings()
	if err != nil {
		return nil, err
	}
	made, err := a.notices.SetMail(ctx, given)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, net.JoinHostPort(made.Host, strconv.Itoa(made.Port)), fmt.Sprintf("security: %s; from: %s; account: %t; playbook domains: %s", made.Security, made.From.Mailbox, made.Username != "", cmp.Or(strings.Join(made.PlaybookDomains, ", "), "that of from")))
	return SetMailSettings200JSONResponse(mailSettingsOf(&made)), nil
}

// RemoveMailSettings implements DELETE /automation/v1/notifications/mail.
func (a api) RemoveMailSettings(ctx context.Context, _ RemoveMailSettingsRequestObject) (RemoveMailSettingsResponseObject, error) {
	if err := a.notices.RemoveMail(ctx); err != nil {
		return nil, err
	}
	return RemoveMailSettings204Response{}, nil
}

// TestMail implements POST /automation/v1/notifications/mail/test.
func (a api) TestMail(ctx context.Context, request TestMailRequestObject) (TestMailResponseObject, error) {
	server.Describe(ctx, server.Echo(strings.Join(request.Body.To, ", ")), "")
	shown, err := noticeTestOf(ctx, a.notices.TestMail(ctx, server.UserOf(ctx).Username, request.Body.To))
	return TestMail200JSONResponse(shown), err
}

// noticeTestOf says what became of a test. An error that is not about its sending is
// returned.
func noticeTestOf(ctx context.Context, err error) (NoticeTest, error) {
	failed, ok := errors.AsType[*notice.SendError](err)
	switch {
	case err == nil:
		server.Describe(ctx, "", "delivered")
		return NoticeTest{Delivered: true}, nil
	case !ok:
		return NoticeTest{}, err
	}
	server.Describe(ctx, "", "not delivered")
	return NoticeTest{Temporary: &failed.Temporary, Message: known(failed.Message), Resolution: known(failed.Resolution)}, nil
}

// GetWebhook implements GET /automation/v1/notifications/webhook.
func (a api) GetWebhook(ctx context.Context, _ GetWebhookRequestObject) (GetWebhookResponseObject, error) {
	found, err := a.notices.Webhook(ctx)
	if err != nil {
		return nil, err
	}
	return GetWebhook200JSONResponse(webhookOf(&found)), nil
}

// SetWebhook implements PUT /automation/v1/notifications/webhook.
func (a api) SetWebhook(ctx context.Context, request SetWebhookRequestObject) (SetWebhookResponseObject, error) {
	made, secret, err := a.notices.SetWebhook(ctx, notice.Target{URL: request.Body.URL, CA: request.Body.CA})
	if err != nil {
		return nil, err
	}
	describeWebhook(ctx, &made)
	return SetWebhook200JSONResponse{Webhook: webhookOf(&made), Secret: known(secret)}, nil
}

// describeWebhook names the host of a webhook in the audit log; the rest of its URL
// may be a secret.
func describeWebhook(ctx context.Context, w *notice.WebhookSettings) {
	if to, err := url.Parse(w.URL); err == nil {
		server.Describe(ctx, to.Host, "")
	}
}

// RemoveWebhook implements DELETE /automation/v1/notifications/webhook.
func (a api) RemoveWebhook(ctx context.Context, _ RemoveWebhookRequestObject) (RemoveWebhookResponseObject, error) {
	if err := a.notices.RemoveWebhook(ctx); err != nil {
		return nil, err
	}
	return RemoveWebhook204Response{}, nil
}

// RotateWebhookSecret implements POST /automation/v1/notifications/webhook/secret.
func (a api) RotateWebhookSecret(ctx context.Context, _ RotateWebhookSecretRequestObject) (RotateWebhookSecretResponseObject, error) {
	found, secret, err := a.notices.RotateWebhook(ctx)
	if err != nil {
		return nil, err
	}
	describeWebhook(ctx, &found)
	return RotateWebhookSecret200JSONResponse{Webhook: webhookOf(&found), Secret: &secret}, nil
}

// TestWebhook implements POST /automation/v1/notifications/webhook/test.
func (a api) TestWebhook(ctx context.Context, _ TestWebhookRequestObject) (TestWebhookResponseObject, error) {
	shown, err := noticeTestOf(ctx, a.notices.TestWebhook(ctx, server.UserOf(ctx).Username))
	return TestWebhook200JSONResponse(shown), err
}

// ListNotices implements GET /automation/v1/notifications/notices.
func (a api) ListNotices(ctx context.Context, request ListNoticesRequestObject) (ListNoticesResponseObject, error) {
	f := notice.Filter{Limit: defaultPage}
	if p := request.Params.Limit; p != nil {
		if f.Limit = int(*p); f.Limit < 1 || f.Limit > maxPage {
			return nil, invalid("limit", fmt.Sprint(f.Limit), fmt.Sprintf("an integer from 1 to %d", maxPage))
		}
	}
	if p := request.Params.Before; p != nil {
		if f.Before = *p; f.Before < 1 {
			return nil, invalid("before", fmt.Sprint(f.Before), "an integer of at least 1")
		}
	}
	if p := request.Params.State; p != nil {
		if !p.Valid() {
			return nil, invalid("state", string(*p), "one of "+list(NoticePending, NoticeDelivered, NoticeFailed))
		}
		f.State = notice.State(*p)
	}
	found, err := a.notices.List(ctx, f)
	if err != nil {
		return nil, err
	}
	answer := ListNotices200JSONResponse{Notices: make([]Notice, len(found))}
	for i := range found {
		answer.Notices[i] = noticeOf(&found[i])
	}
	return answer, nil
}

// GetNotice implements GET /automation/v1/notifications/notices/{id}.
func (a api) GetNotice(ctx context.Context, request GetNoticeRequestObject) (GetNoticeResponseObject, error) {
	found, err := a.notices.Get(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	return GetNotice200JSONResponse(noticeOf(&found)), nil
}

// RetryNotice implements POST /automation/v1/notifications/notices/{id}/retry.
func (a api) RetryNotice(ctx context.Context, request RetryNoticeRequestObject) (RetryNoticeResponseObject, error) {
	retried, err := a.notices.Retry(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	server.Describe(ctx, "", string(retried.Kind))
	return RetryNotice200JSONResponse(noticeOf(&retried)), nil
}
