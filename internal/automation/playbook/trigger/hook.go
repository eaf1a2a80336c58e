package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/signature"
	"vedette.dev/vedette/internal/fault"
)

// Runs is where runs are started.
type Runs interface {
	// StartRun stores a queued run with its job and returns it. Where the playbook has a
	// run with this key, that one is returned, and false. More than conductor.MaxOpen of
	// the playbook are fault.Busy.
	StartRun(ctx context.Context, r conductor.Run) (conductor.Run, bool, error)
}

// Secrets is where secrets of playbooks are found.
type Secrets interface {
	// PlaybookSecret returns a secret of a playbook by its name, or fault.NotFound.
	PlaybookSecret(ctx context.Context, playbookID int64, name string) (signature.Secret, error)
}

// Hooks starts playbooks for signed requests. It is safe for concurrent use.
type Hooks struct {
	Live
	Publishers
	Secrets Secrets
	Runs    Runs
	Now     func() time.Time
}

// Message is a request that wants to start a playbook.
type Message struct {
	PlaybookID int64
	// Trigger is which of the webhooks in the text of the live version is meant, from 1.
	Trigger int
	signature.Signed
	Body    []byte
	Address string // where it came from
}

// errHook is the one answer to every message that is not signed as it must be, for a
// playbook that is not there, is not live or has no such webhook as well: who has no
// secret does not learn which playbooks there are.
func errHook() error {
	return fault.New(fault.Unauthenticated, "The webhook is refused.", "Check the address, the secret that it is signed with, and the clock of the sender.")
}

// Start starts a playbook for a message and returns the run, and true. A message that
// was taken before returns the same run, and false. What is not signed as it must be is
// fault.Unauthenticated. What cannot start now, and may later, is fault.Busy, so that the
// sender sends it again.
func (h *Hooks) Start(ctx context.Context, m Message) (conductor.Run, bool, error) {
	pb, v, hook, err := h.find(ctx, m)
	if err != nil && !said(err) {
		return conductor.Run{}, false, err
	}
	// Verified against a secret that nobody has, where there is none.
	secret := signature.NewSecret()
	if err == nil {
		known, missing := h.Secrets.PlaybookSecret(ctx, m.PlaybookID, hook.Secret)
		if missing == nil {
			secret = known
		} else if !said(missing) {
			return conductor.Run{}, false, missing
		}
	}
	if refused := signature.Verify(m.Signed, m.Body, h.Now(), secret); refused != nil || err != nil {
		return conductor.Run{}, false, errHook()
	}
	return h.start(ctx, m, &pb, &v, hook)
}

// find returns the webhook that a message is for.
func (h *Hooks) find(ctx context.Context, m Message) (library.Playbook, version, playbook.Webhook, error) {
	pb, err := h.Shelf.Playbook(ctx, m.PlaybookID)
	if err != nil {
		return pb, version{}, playbook.Webhook{}, err
	}
	v, err := h.of(ctx, &pb)
	if err != nil {
		return pb, version{}, playbook.Webhook{}, err
	}
	hooks := v.program.Definition.Triggers.Webhooks
	if m.Trigger < 1 || m.Trigger > len(hooks) {
		return pb, version{}, playbook.Webhook{}, errHook()
	}
	return pb, v, hooks[m.Trigger-1], nil
}

func (h *Hooks) start(ctx context.Context, m Message, pb *library.Playbook, v *version, hook playbook.Webhook) (conductor.Run, bool, error) {
	if _, err := expression.Decode(m.Body); err != nil {
		return conductor.Run{}, false, fault.New(fault.Invalid, "The body of the webhook is not JSON.", "Send one JSON value.")
	}
	now := h.Now().UTC()
	r := conductor.Run{
		Trigger: conductor.Trigger{Kind: playbook.TriggerWebhook, Data: json.RawMessage(m.Body)}, Key: fmt.Sprintf("webhook:%d:%s", m.Trigger, m.ID),
		StartedBy: pb.Publisher, UserID: pb.PublisherID, Address: m.Address, State: conductor.Queued, Queued: now, Due: now,
	}
	v.is(&r)
	_, err := h.publisher(ctx, pb)
	if refusal, ok := errors.AsType[*fault.Error](err); ok {
		return conductor.Run{}, false, h.tell(ctx, r, m.Trigger, refusal)
	}
	if err != nil {
		return conductor.Run{}, false, err
	}
	if err := v.takeStart(ctx, hook.Place, &r); err != nil {
		if !said(err) {
			return conductor.Run{}, false, err
		}
		refuse(&r, err)
	}
	return h.Runs.StartRun(ctx, r)
}

// tell leaves a run that has failed for people to find, one an hour, and tells the
// sender to come back.
func (h *Hooks) tell(ctx context.Context, r conductor.Run, number int, refusal error) error {
	r.Key = fmt.Sprintf("refused:webhook:%d:%s", number, r.Queued.Format("2006-01-02T15"))
	r.Inputs, r.Trigger.Data = nil, nil
	refuse(&r, refusal)
	if _, _, err := h.Runs.StartRun(ctx, r); err != nil {
		return err
	}
	return fault.New(fault.Busy, "The playbook does not start at the moment.", "Send the webhook again later. The runs of the playbook say why.")
}
