package conductor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/fault"
)

// Questions returns what runs ask that the principal sees, newest first, at most
// limit: of one run if it is given, open ones only if asked so. mine keeps those that
// the principal is asked.
func (d *Desk) Questions(ctx context.Context, p access.Principal, runID int64, open, mine bool, limit int) ([]Question, error) {
	if runID != 0 {
		if _, err := d.Get(ctx, p, runID); err != nil {
			return nil, err
		}
	}
	visible, err := d.Sites.VisibleSites(ctx, p)
	if err != nil || visible.None() {
		return nil, err
	}
	fetch := limit
	if mine {
		fetch = maxSifted
	}
	all, err := d.Records.Questions(ctx, visible.IDs(), runID, open, fetch)
	if err != nil || !mine {
		return all, err
	}
	groups, err := d.groups(ctx, p)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(q Question) bool { return !asksOf(p, groups, &q) })
	return all[:min(len(all), limit)], nil
}

// maxSifted bounds the questions among which those for one principal are looked for.
const maxSifted = 10_000

// groups are the names of the sites of a principal.
func (d *Desk) groups(ctx context.Context, p access.Principal) ([]string, error) {
	sites, err := d.Sites.MySites(ctx, p)
	return siteNames(sites), err
}

// asksOf reports whether a principal is asked by a question.
func asksOf(p access.Principal, groups []string, q *Question) bool {
	if len(q.Assignees) == 0 {
		return p.May(access.RunPlaybook)
	}
	return slices.ContainsFunc(q.Assignees, func(to string) bool {
		kind, name, _ := strings.Cut(to, ":")
		switch kind {
		case "user":
			return name == p.User.Username
		case "role":
			return slices.ContainsFunc(p.User.Roles, func(r access.Role) bool { return r.Name == name })
		case "group":
			return slices.Contains(groups, name)
		}
		return false
	})
}

// Answer answers a question of a run. answer is Approved or Rejected, or for what
// became of a command a verdict of the engine. Only those who are asked may.
func (d *Desk) Answer(ctx context.Context, p access.Principal, id int64, answer, comment string) (Question, error) {
	q, err := d.Records.Question(ctx, id)
	if err != nil {
		return Question{}, err
	}
	if err := d.seen(ctx, p, q.SiteID, NoQuestion(id)); err != nil {
		return Question{}, err
	}
	groups, err := d.groups(ctx, p)
	if err != nil {
		return Question{}, err
	}
	if !asksOf(p, groups, &q) {
		return Question{}, fault.New(fault.Forbidden, fmt.Sprintf("Question %d is for %s.", id, askedText(&q)), "Ask one of them to answer it.")
	}
	event, err := eventOf(&q, answer, "user:"+p.User.Username, comment)
	if err != nil {
		return Question{}, err
	}
	_, err = d.change(ctx, q.RunID, func(ctx context.Context, t Turn) (engine.Event, error) {
		open, err := t.Open(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(open, func(o Question) bool { return o.ID == id }) {
			return nil, stale(t.Run(), event)
		}
		q.Closed, q.Answer, q.By, q.Comment = d.Now().UTC(), answer, p.User.Username, comment
		return event, t.Close(ctx, q)
	})
	return q, err
}

// askedText says for people who is asked.
func askedText(q *Question) string {
	if len(q.Assignees) == 0 {
		return "those who may run playbooks"
	}
	return strings.Join(q.Assignees, ", ")
}

// MaxCommentBytes bounds what a person says to a question.
const MaxCommentBytes = 1000

// eventOf is what an answer is for the engine.
func eventOf(q *Question, answer, by, comment string) (engine.Event, error) {
	if len(comment) > MaxCommentBytes {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("comment: it has %d bytes, and %d are allowed.", len(comment), MaxCommentBytes), "")
	}
	allowed := q.Answers()
	switch {
	case !slices.Contains(allowed, answer):
		return nil, fault.New(fault.Invalid, fmt.Sprintf("answer: invalid value '%s'.", answer), "Use one of "+strings.Join(allowed, ", ")+".")
	case q.Kind == Unknown:
		return engine.Settled{Ref: q.Ref, Verdict: engine.Verdict(answer), By: by}, nil
	}
	return engine.Decided{Step: q.Step, Approve: answer == Approved, By: by, Comment: comment}, nil
}
