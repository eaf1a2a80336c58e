package conductor

import (
	"slices"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/engine"
)

const (
	// MaxTold is how many people get mail of one question.
	MaxTold = 100
	// MaxToldQuestions is how many questions of one run people are told of.
	MaxToldQuestions = 100
)

// Person is a user with the sites that they are a member of.
type Person struct {
	access.Principal
	Sites []connection.Site
}

// Seeing returns the permissions with any of which runs of playbooks are seen.
func Seeing() []access.Permission {
	return []access.Permission{access.ViewPlaybook, access.EditPlaybook, access.RunPlaybook}
}

// Email returns where a person is told of something of a site, which those see who have
// any of some permissions: nowhere if they do not, or are shut out.
func (p *Person) Email(siteID int64, anyOf ...access.Permission) string {
	visible := connection.VisibleTo(p.Principal, p.Sites)
	if p.User.Disabled || !visible.Has(siteID) || !p.May(anyOf...) {
		return ""
	}
	return p.User.Settings.Email
}

// Told returns where people are told of a question: those of them who may answer it.
// They are MaxTold at most, and first of all those whom it names as users. A question
// that names nobody is told to who started the run, and one for a group not to managers
// who are no members of it.
func (q *Question) Told(starterID int64, people []Person) []string {
	var named, others []string
	for i := range people {
		p := &people[i]
		to := p.Email(q.SiteID, Seeing()...)
		switch {
		case to == "", len(q.Assignees) == 0 && p.User.ID != starterID, !asksOf(p.Principal, siteNames(p.Sites), q):
		case slices.Contains(q.Assignees, "user:"+p.User.Username):
			named = append(named, to)
		default:
			others = append(others, to)
		}
	}
	var told []string
	for _, to := range slices.Concat(named, others) {
		if len(told) < MaxTold && !slices.Contains(told, to) {
			told = append(told, to)
		}
	}
	return told
}

// siteNames are the names of sites: those of groups.
func siteNames(sites []connection.Site) []string {
	names := make([]string, len(sites))
	for i, s := range sites {
		names[i] = s.Name
	}
	return names
}

// Answers are those that a question can be given.
func (q *Question) Answers() []string {
	if q.Kind == Unknown {
		return []string{string(engine.CarriedOut), string(engine.NotCarriedOut), string(engine.SendAgain)}
	}
	return []string{Approved, Rejected}
}

// OnTimeout says what happens when nobody answers a question that is asked now: the
// run goes on as if it were approved or rejected, or the step fails.
func (q *Question) OnTimeout() string {
	switch {
	case q.Kind == Unknown:
		return "fail"
	case q.Approve:
		return "approve"
	}
	return "reject"
}

// Unattended reports whether nobody sat and started a run: a trigger did, at a time
// or for an event of its own.
func (r *Run) Unattended() bool {
	byHand := r.Schedule != 0 && r.Fired.IsZero()
	return r.Trigger.Kind != playbook.TriggerManual && r.Parent.RunID == 0 && r.RerunOf == 0 && !byHand
}
