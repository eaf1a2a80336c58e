package qpsclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Where a Vedette platform keeps its notices, and how it delivers them.
const (
	mailPath    = "/automation/v1/notifications/mail"
	webhookPath = "/automation/v1/notifications/webhook"
	noticesPath = "/automation/v1/notifications/notices"
)

// MailSettings are how a platform sends mail. Of answers the password is a mask; in
// requests an empty one, or the mask, keeps the one there is.
type MailSettings struct {
	Host     string `json:"host"`
	Port     int    `json:"port,omitempty"`     // 0 in a request: the usual one
	Security string `json:"security,omitempty"` // starttls, tls or none
	Auth     string `json:"auth,omitempty"`     // auto, plain, login or cram-md5
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	From     string `json:"from"` // an address, with or without a name
	CA       string `json:"ca,omitempty"`
	// PlaybookDomains are those to which playbooks may send mail; none for that of From.
	PlaybookDomains []string `json:"playbookDomains,omitempty"`
}

// Webhook is where a platform posts every notice.
type Webhook struct {
	URL string `json:"url"`
	CA  string `json:"ca,omitempty"`
}

// WebhookSecret is a webhook with its secret, if that was made by the call.
type WebhookSecret struct {
	Webhook Webhook `json:"webhook"`
	Secret  string  `json:"secret,omitempty"`
}

// NoticeTest is what became of a test.
type NoticeTest struct {
	Delivered  bool   `json:"delivered"`
	Temporary  bool   `json:"temporary,omitempty"` // the same may succeed later
	Message    string `json:"message,omitempty"`
	Resolution string `json:"resolution,omitempty"`
}

// NoticeState is how far a notice or one of its deliveries is.
type NoticeState string

// The states.
const (
	NoticePending   NoticeState = "pending"
	NoticeDelivered NoticeState = "delivered"
	NoticeFailed    NoticeState = "failed"
)

// Notice is an event that people are to be told of.
type Notice struct {
	ID         int64            `json:"id"`
	Key        string           `json:"key"`  // the same in every copy
	Kind       string           `json:"kind"` // such as health_check.failed
	State      NoticeState      `json:"state"`
	Happened   time.Time        `json:"happened"`
	MailTo     []string         `json:"mailTo"`
	Event      json.RawMessage  `json:"event"`
	Deliveries []NoticeDelivery `json:"deliveries"`
}

// NoticeDelivery is a notice on one channel. Times are zero where there is none.
type NoticeDelivery struct {
	Channel    string      `json:"channel"` // mail or webhook
	State      NoticeState `json:"state"`
	Attempts   int         `json:"attempts"`
	Next       time.Time   `json:"next,omitzero"`  // when it is tried again
	Until      time.Time   `json:"until,omitzero"` // when it is given up
	Ended      time.Time   `json:"ended,omitzero"`
	To         []string    `json:"to,omitempty"` // who has no mail yet
	Refused    []string    `json:"refused,omitempty"`
	Failure    string      `json:"failure,omitempty"`
	Resolution string      `json:"resolution,omitempty"`
}

// NoticeQuery selects notices; zero values select everything.
type NoticeQuery struct {
	State  NoticeState
	Limit  int   // at most so many; zero leaves it to the platform
	Before int64 // only ids below
}

// MailSettings returns the settings for mail; where there are none, the error is a
// *StatusError of 404. All calls about notices are for managers. Platforms that have none, such
// as Qualys, give ErrNoAutomationAPI, here and below.
func (c *Client) MailSettings(ctx context.Context) (MailSettings, error) {
	var s MailSettings
	err := c.automation(ctx, "read mail settings", http.MethodGet, mailPath, nil, &s)
	return s, err
}

// SetMailSettings makes or replaces the settings for mail.
func (c *Client) SetMailSettings(ctx context.Context, s MailSettings) (MailSettings, error) {
	var made MailSettings
	err := c.automation(ctx, "set mail settings", http.MethodPut, mailPath, s, &made)
	return made, err
}

// RemoveMailSettings removes the settings for mail.
func (c *Client) RemoveMailSettings(ctx context.Context) error {
	return c.automation(ctx, "remove mail settings", http.MethodDelete, mailPath, nil, nil)
}

// TestMail sends a test mail, to at most ten addresses, and waits for it.
func (c *Client) TestMail(ctx context.Context, to ...string) (NoticeTest, error) {
	var became NoticeTest
	err := c.automation(ctx, "test mail", http.MethodPost, mailPath+"/test", map[string][]string{"to": to}, &became)
	return became, err
}

// Webhook returns the webhook, without its secret.
func (c *Client) Webhook(ctx context.Context) (Webhook, error) {
	var w Webhook
	err := c.automation(ctx, "read webhook", http.MethodGet, webhookPath, nil, &w)
	return w, err
}

// SetWebhook sets where the webhook goes, and returns its secret if there was none.
func (c *Client) SetWebhook(ctx context.Context, w Webhook) (WebhookSecret, error) {
	var made WebhookSecret
	err := c.automation(ctx, "set webhook", http.MethodPut, webhookPath, w, &made)
	return made, err
}

// RotateWebhookSecret gives the webhook another secret and returns it.
func (c *Client) RotateWebhookSecret(ctx context.Context) (WebhookSecret, error) {
	var made WebhookSecret
	err := c.automation(ctx, "rotate secret of webhook", http.MethodPost, webhookPath+"/secret", nil, &made)
	return made, err
}

// RemoveWebhook removes the webhook with its secret.
func (c *Client) RemoveWebhook(ctx context.Context) error {
	return c.automation(ctx, "remove webhook", http.MethodDelete, webhookPath, nil, nil)
}

// TestWebhook posts a test to the webhook and waits for the answer.
func (c *Client) TestWebhook(ctx context.Context) (NoticeTest, error) {
	var became NoticeTest
	err := c.automation(ctx, "test webhook", http.MethodPost, webhookPath+"/test", nil, &became)
	return became, err
}

// Notices lists notices, newest first.
func (c *Client) Notices(ctx context.Context, q NoticeQuery) ([]Notice, error) {
	parameters := values{"state": string(q.State)}
	if q.Limit != 0 {
		parameters["limit"] = strconv.Itoa(q.Limit)
	}
	if q.Before != 0 {
		parameters["before"] = strconv.FormatInt(q.Before, 10)
	}
	var answer struct {
		Notices []Notice `json:"notices"`
	}
	err := c.search(ctx, "list notices", noticesPath, parameters, &answer)
	return answer.Notices, err
}

// Notice returns one notice.
func (c *Client) Notice(ctx context.Context, id int64) (Notice, error) {
	var n Notice
	err := c.automation(ctx, fmt.Sprintf("read notice %d", id), http.MethodGet, noticePath(id), nil, &n)
	return n, err
}

// RetryNotice has what is not delivered of a notice tried for another day.
func (c *Client) RetryNotice(ctx context.Context, id int64) (Notice, error) {
	var n Notice
	err := c.automation(ctx, fmt.Sprintf("retry notice %d", id), http.MethodPost, noticePath(id)+"/retry", nil, &n)
	return n, err
}

func noticePath(id int64) string { return noticesPath + "/" + strconv.FormatInt(id, 10) }
