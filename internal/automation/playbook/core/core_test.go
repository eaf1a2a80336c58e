package core_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/core"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

// world stands for the mail server, the receivers of webhooks and the users there are.
type world struct {
	letters          []notice.Letter
	posted           []string // url, id, body, and whether it was signed
	failure          error
	refused          bool
	refusedPublisher int64
	secret           signature.Secret
	wait             time.Duration // until more mails may be sent
	counted          int
}

func (w *world) CountMails(_ context.Context, number, most int, _ time.Time) (time.Duration, error) {
	w.counted += number * most
	return w.wait, nil
}

func (w *world) Mail(_ context.Context, l notice.Letter) error {
	w.letters = append(w.letters, l)
	return w.failure
}

func (w *world) Send(_ context.Context, to notice.Target, secret signature.Secret, id string, body []byte) (int, error) {
	signed := "unsigned"
	if !secret.IsEmpty() {
		signed = "signed"
	}
	w.posted = append(w.posted, strings.Join([]string{to.URL, id, string(body), signed}, " "))
	return http.StatusAccepted, w.failure
}

func (w *world) PlaybookSecret(_ context.Context, playbookID int64, name string) (signature.Secret, error) {
	if playbookID != 4 || name != "ci" {
		return signature.Secret{}, fault.New(fault.NotFound, "There is no secret.", "")
	}
	return w.secret, nil
}

func (w *world) MayRun(_ context.Context, userID, _ int64, anyOf ...access.Permission) error {
	if w.refused || userID != 7 || anyOf[0] != access.RunPlaybook {
		return fault.New(fault.Forbidden, "The user may not.", "")
	}
	return nil
}

func (w *world) MayVouch(_ context.Context, p run.Publisher, _ int64, anyOf ...access.Permission) error {
	if p.ID == 7 || anyOf[0] != access.RunPlaybook {
		w.failure = fmt.Errorf("asked for %v of publisher %d", anyOf, p.ID)
	}
	if p.ID == w.refusedPublisher {
		return fault.New(fault.Forbidden, p.Name+" may not.", "")
	}
	return nil
}

func (w *world) execute(t *testing.T, uses, inputs string) automation.Outcome {
	t.Helper()
	given := map[string]any{}
	if err := json.Unmarshal([]byte(inputs), &given); err != nil {
		t.Fatal(err)
	}
	commands := core.Commands{Mail: w, Meter: w, Webhooks: w, Secrets: w, Rights: w, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	return commands.Execute(t.Context(), conductor.Run{ID: 12, PlaybookID: 4, UserID: 7, Publishers: []run.Publisher{{ID: 7, Name: "ana"}, {ID: 8, Name: "bob"}}}, uses, "playbook-12/told/0/0", given)
}

func TestAStepSendsMailWithTheSameIDEachTime(t *testing.T) {
	t.Parallel()
	w := &world{}
	const inputs = `{"to": ["soc@example.net", "Ana <ana@example.net>"], "subject": "done", "text": "three hosts"}`
	for range 2 {
		if o := w.execute(t, playbook.CoreEmail, inputs); o.State != automation.Successful || len(o.Result.Rows) != 2 {
			t.Fatalf("outcome %+v", o)
		}
	}
	if w.counted != 4*core.MaxMails {
		t.Errorf("%d are counted, of two mails to two each", w.counted)
	}
	if len(w.letters) != 2 || w.letters[0].ID != "playbook-12-told-0-0" || w.letters[1].ID != w.letters[0].ID || w.letters[0].Subject != "done" || w.letters[0].To[1].Name != "Ana" {
		t.Errorf("letters %+v", w.letters)
	}
}

func TestAStepPostsSignedAndUnsigned(t *testing.T) {
	t.Parallel()
	w := &world{secret: signature.NewSecret()}
	for _, inputs := range []string{`{"url": "https://soc.example.net/", "body": {"hosts": [3]}}`, `{"url": "https://soc.example.net/", "secret": "ci", "body": null}`} {
		if o := w.execute(t, playbook.CoreWebhook, inputs); o.State != automation.Successful || o.Result.Rows[0][0] != "202" {
			t.Fatalf("outcome %+v", o)
		}
	}
	want := []string{`https://soc.example.net/ playbook-12-told-0-0 {"hosts":[3]} unsigned`, `https://soc.example.net/ playbook-12-told-0-0 null signed`}
	if strings.Join(w.posted, "\n") != strings.Join(want, "\n") {
		t.Errorf("posted %q, want %q", w.posted, want)
	}
}

func TestWhatCannotBeSentSaysWhyAndWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, uses, inputs string
		w                  world
		status             int
		says               string
	}{
		{"no address", playbook.CoreEmail, `{"to": []}`, world{}, 400, "to: it has 0 addresses."},
		{"a wrong address", playbook.CoreEmail, `{"to": ["soc"]}`, world{}, 400, "not a mail address"},
		{"a secret of another name", playbook.CoreWebhook, `{"url": "https://x.example/", "secret": "cd"}`, world{}, 404, "no secret"},
		{"a large body", playbook.CoreWebhook, `{"url": "https://x.example/", "body": "` + strings.Repeat("x", 256<<10) + `"}`, world{}, 413, "body: it has"},
		{"a server that is away", playbook.CoreEmail, `{"to": ["soc@example.net"]}`, world{failure: &notice.SendError{Temporary: true, Wait: time.Minute, Message: "Nobody answers."}}, 503, "Nobody answers."},
		{"a server that refuses", playbook.CoreEmail, `{"to": ["soc@example.net"]}`, world{failure: &notice.SendError{Message: "No such mailbox."}}, 400, "No such mailbox."},
		{"a user without the right", playbook.CoreEmail, `{"to": ["soc@example.net"]}`, world{refused: true}, 403, "may not"},
		{"another command", "core/shell", `{}`, world{}, 400, "There is no command core/shell."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := tc.w.execute(t, tc.uses, tc.inputs)
			if o.State != automation.Failed || len(o.Errors) != 1 || o.Errors[0].StatusCode != tc.status || !strings.Contains(o.Errors[0].Message, tc.says) {
				t.Errorf("outcome %+v, want status %d that says %q", o, tc.status, tc.says)
			}
			if again := o.Again != nil; again != (tc.status == http.StatusServiceUnavailable) {
				t.Errorf("try again: %t", again)
			}
			if tc.w.refused && len(tc.w.letters) > 0 {
				t.Error("it was sent all the same")
			}
		})
	}
}

func TestTooManyMailsAreRepeatedWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	w := &world{wait: 40 * time.Second}
	o := w.execute(t, playbook.CoreEmail, `{"to": ["soc@example.net"], "subject": "done", "text": "three hosts"}`)
	if o.State != automation.Failed || len(o.Errors) != 1 || o.Errors[0].StatusCode != http.StatusTooManyRequests || !strings.Contains(o.Errors[0].Message, "1000 in an hour") || !strings.Contains(o.Errors[0].Resolution, "40s") {
		t.Errorf("outcome %+v", o)
	}
	if o.Again == nil || o.Again.After != w.wait || len(w.letters) > 0 {
		t.Errorf("again %+v after %d letters", o.Again, len(w.letters))
	}
}

func TestWhoPublishedAStepMustBeAllowedToSend(t *testing.T) {
	t.Parallel()
	w := &world{refusedPublisher: 8}
	o := w.execute(t, playbook.CoreWebhook, `{"url": "https://soc.example.net/"}`)
	if o.State != automation.Failed || o.Errors[0].StatusCode != http.StatusForbidden || o.Errors[0].Message != "bob may not." || len(w.posted) > 0 {
		t.Errorf("posted %q, outcome %+v", w.posted, o)
	}
}
