// Package core carries out the commands that every playbook can use and that need no
// connection: core/email and core/webhook. Commands is its main type.
//
// A message has an id that is made of the key of its execution. It is the same
// however often the message is sent, so that receivers can tell a repetition.
package core

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

const (
	// maxRecipients bounds the mailboxes of one mail.
	maxRecipients = 100
	// MaxMails is how many mails, each to one recipient, playbooks of a platform may send
	// at once, and from then on in an hour.
	MaxMails = 1000
	// maxBody bounds the document of a webhook in bytes.
	maxBody = 256 << 10
)

// Mail sends mail; *notice.Sender is one.
type Mail interface {
	// Mail sends a letter. An error is a *notice.SendError.
	Mail(ctx context.Context, l notice.Letter) error
}

// Meter counts mails, those of all replicas together. It never holds more than a
// number of them, and loses as many in an hour.
type Meter interface {
	// CountMails counts some mails, and returns zero. Where they are too many it counts
	// none, and returns after how long they are not any more.
	CountMails(ctx context.Context, number, most int, now time.Time) (time.Duration, error)
}

// Secrets are those of playbooks.
type Secrets interface {
	// PlaybookSecret returns a secret of a playbook by its name, or fault.NotFound.
	PlaybookSecret(ctx context.Context, playbookID int64, name string) (signature.Secret, error)
}

// Commands carries out core commands. It is safe for concurrent use.
type Commands struct {
	Mail     Mail
	Meter    Meter
	Webhooks notice.Webhooks
	Secrets  Secrets
	Rights   run.Rights
	Now      func() time.Time
}

// Execute implements conductor.Core.
func (c *Commands) Execute(ctx context.Context, r conductor.Run, uses, key string, inputs map[string]any) automation.Outcome {
	execute := map[string]func(context.Context, conductor.Run, string, map[string]any) (automation.Table, error){
		playbook.CoreEmail: c.email, playbook.CoreWebhook: c.webhook,
	}[uses]
	if execute == nil {
		return automation.Failure(uses+" failed.", fault.New(fault.Invalid, "There is no command "+uses+".", "Use one of "+strings.Join(playbook.CoreCommandNames(), ", ")+"."))
	}
	if err := c.Rights.MayRun(ctx, r.UserID, 0, access.RunPlaybook); err != nil {
		return automation.Failure(uses+" failed.", err)
	}
	for _, p := range r.Publishers {
		if p.ID == r.UserID {
			continue
		}
		if err := c.Rights.MayVouch(ctx, p, 0, access.RunPlaybook); err != nil {
			return automation.Failure(uses+" failed.", err)
		}
	}
	table, err := execute(ctx, r, strings.ReplaceAll(key, "/", "-"), inputs)
	if failed, ok := errors.AsType[*notice.SendError](err); ok {
		return unsent(uses, failed)
	}
	if full, ok := errors.AsType[*fullError](err); ok {
		return full.outcome(uses)
	}
	if err != nil {
		return automation.Failure(uses+" failed.", err)
	}
	return automation.Outcome{State: automation.Successful, Result: table}
}

// fullError says that playbooks have sent as many mails as they may.
type fullError struct{ wait time.Duration }

// Error implements error.
func (e *fullError) Error() string {
	return fmt.Sprintf("The playbooks of this platform have sent as many mails as they may: %d in an hour.", MaxMails)
}

// outcome has a status that steps repeat by default, after as long as it takes.
func (e *fullError) outcome(uses string) automation.Outcome {
	return automation.Outcome{
		State: automation.Failed, Again: &automation.Again{After: e.wait},
		Errors: []automation.Error{{
			Indicator: uses + " failed.", StatusCode: http.StatusTooManyRequests, Message: e.Error(),
			Resolution: fmt.Sprintf("Wait %s, and look for a playbook that sends too many.", e.wait.Round(time.Second)),
		}},
	}
}

// unsent is the outcome of a message that did not arrive. What may pass by itself has
// a status that steps repeat by default.
func unsent(uses string, failed *notice.SendError) automation.Outcome {
	status := http.StatusBadRequest
	if failed.Temporary {
		status = http.StatusServiceUnavailable
	}
	o := automation.Outcome{State: automation.Failed, Errors: []automation.Error{{Indicator: uses + " failed.", StatusCode: status, Message: failed.Message, Resolution: failed.Resolution}}}
	if failed.Temporary {
		o.Again = &automation.Again{After: failed.Wait}
	}
	return o
}

// email sends a mail to several people.
func (c *Commands) email(ctx context.Context, _ conductor.Run, id string, inputs map[string]any) (automation.Table, error) {
	texts, _ := inputs["to"].([]any)
	if len(texts) == 0 || len(texts) > maxRecipients {
		return automation.Table{}, fault.New(fault.Invalid, fmt.Sprintf("to: it has %d addresses.", len(texts)), fmt.Sprintf("Give 1 to %d mail addresses.", maxRecipients))
	}
	l := notice.Letter{ID: id, Time: c.Now()}
	table := automation.Table{Columns: []string{"To"}}
	for _, text := range texts {
		to, err := notice.ParseAddress(fmt.Sprint(text))
		if err != nil {
			return automation.Table{}, err
		}
		l.To = append(l.To, to)
		table.Rows = append(table.Rows, []string{to.Mailbox})
	}
	wait, err := c.Meter.CountMails(ctx, len(l.To), MaxMails, c.Now())
	if err != nil {
		return automation.Table{}, err
	}
	if wait > 0 {
		return automation.Table{}, &fullError{wait}
	}
	l.Subject, _ = inputs["subject"].(string)
	l.Text, _ = inputs["text"].(string)
	return table, c.Mail.Mail(ctx, l)
}

// webhook posts a document.
func (c *Commands) webhook(ctx context.Context, r conductor.Run, id string, inputs map[string]any) (automation.Table, error) {
	url, _ := inputs["url"].(string)
	var secret signature.Secret
	if name, _ := inputs["secret"].(string); name != "" {
		var err error
		if secret, err = c.Secrets.PlaybookSecret(ctx, r.PlaybookID, name); err != nil {
			return automation.Table{}, err
		}
	}
	body, err := json.Marshal(inputs["body"])
	if err != nil {
		return automation.Table{}, fmt.Errorf("encode body: %w", err)
	}
	if len(body) > maxBody {
		return automation.Table{}, fault.New(fault.TooLarge, fmt.Sprintf("body: it has %d bytes as JSON.", len(body)), fmt.Sprintf("Send at most %d.", maxBody))
	}
	status, err := c.Webhooks.Send(ctx, notice.Target{URL: url}, secret, id, body)
	return automation.Table{Columns: []string{"Status"}, Rows: [][]string{{fmt.Sprint(status)}}}, err
}
