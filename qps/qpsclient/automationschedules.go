package qpsclient

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// automationSchedulesPath is where a Vedette platform keeps the schedules of
// commands.
const automationSchedulesPath = "/automation/v1/schedules"

// KindSystem is the kind of schedules that are the health check of a connection.
const KindSystem = "system"

// AutomationSchedule says when a command or a playbook runs by itself, and where that stands.
// Times are zero until reached.
type AutomationSchedule struct {
	ID         int64     `json:"id,omitempty"` // zero of KindSystem
	Kind       string    `json:"kind"`         // user or KindSystem
	Name       string    `json:"name"`         // unique within the site
	Site       Reference `json:"site"`
	Owner      string    `json:"owner,omitempty"` // with whose rights it runs
	Command    string    `json:"command,omitempty"`
	Connection Reference `json:"connection,omitzero"` // without a name where the caller does not see it
	Playbook   Reference `json:"playbook,omitzero"`   // in place of both
	Trigger    int       `json:"trigger,omitempty"`   // which of the schedules in the text of Playbook it is, from 1
	Inputs     Inputs    `json:"inputs"`
	ScheduleRule
	CatchUp            string    `json:"catchUp"` // none or one
	Overlap            string    `json:"overlap"` // skip, queue or cancel_previous
	JitterPercent      int       `json:"jitterPercent"`
	PauseAfterFailures int       `json:"pauseAfterFailures"`
	Active             bool      `json:"active"`
	State              string    `json:"state"` // active, paused or ended
	PausedReason       string    `json:"pausedReason,omitempty"`
	Failures           int       `json:"failures"` // in a row
	Next               time.Time `json:"next,omitzero"`
	Due                time.Time `json:"due,omitzero"`  // when Next is carried out
	Last               time.Time `json:"last,omitzero"` // whether it ran or not
	Waiting            time.Time `json:"waiting,omitzero"`
	InWords            string    `json:"inWords"` // such as every 30 minutes
}

// Inputs are what a command is told, by name. Numbers that are read are json.Number:
// an id may have more digits than a float64 keeps.
type Inputs map[string]any

// UnmarshalJSON reads inputs.
func (i *Inputs) UnmarshalJSON(doc []byte) error {
	type plain Inputs
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	return decoder.Decode((*plain)(i))
}

// ScheduleRule is when a schedule fires: at an interval or by a cron.
type ScheduleRule struct {
	Every    string    `json:"every,omitempty"`    // such as 30m, 6h or 7d
	Cron     string    `json:"cron,omitempty"`     // five fields
	TimeZone string    `json:"timeZone,omitempty"` // of the cron; empty is UTC
	Start    time.Time `json:"start,omitzero"`
	End      time.Time `json:"end,omitzero"`
}

// NewAutomationSchedule is what a schedule is made of. Empty members are the
// platform's defaults.
type NewAutomationSchedule struct {
	Name       string         `json:"name"`
	Site       *Reference     `json:"site,omitempty"` // nil: that of the connection or playbook
	Command    string         `json:"command,omitempty"`
	Connection Reference      `json:"connection,omitzero"`
	Playbook   Reference      `json:"playbook,omitzero"` // in place of both
	Inputs     map[string]any `json:"inputs,omitempty"`  // by name, of a command also by display name; none secret
	ScheduleRule
	CatchUp            string `json:"catchUp,omitempty"`
	Overlap            string `json:"overlap,omitempty"`
	JitterPercent      int    `json:"jitterPercent,omitempty"`
	PauseAfterFailures int    `json:"pauseAfterFailures,omitempty"`
	Active             *bool  `json:"active,omitempty"` // nil is true
}

// AutomationScheduleChange is what to change of a schedule; nil leaves it as it is.
// Of Every and Cron the one that is given takes the place of the other; an empty text
// takes TimeZone, Start and End away.
type AutomationScheduleChange struct {
	Name               *string        `json:"name,omitempty"`
	Command            *string        `json:"command,omitempty"`
	Connection         *Reference     `json:"connection,omitempty"`
	Inputs             map[string]any `json:"inputs,omitzero"` // all there are to be
	Every              *string        `json:"every,omitempty"`
	Cron               *string        `json:"cron,omitempty"`
	TimeZone           *string        `json:"timeZone,omitempty"`
	Start              *string        `json:"start,omitempty"` // RFC 3339
	End                *string        `json:"end,omitempty"`   // RFC 3339
	CatchUp            *string        `json:"catchUp,omitempty"`
	Overlap            *string        `json:"overlap,omitempty"`
	JitterPercent      *int           `json:"jitterPercent,omitempty"`
	PauseAfterFailures *int           `json:"pauseAfterFailures,omitempty"`
	Active             *bool          `json:"active,omitempty"`
}

// Firing is a moment at which a schedule fired, and what came of it.
type Firing struct {
	At     time.Time `json:"at"`    // the moment that the schedule names
	Fired  time.Time `json:"fired"` // when it was carried out
	ByHand bool      `json:"byHand"`
	Action string    `json:"action"` // start, skip, queue or cancel_previous
	Reason string    `json:"reason,omitempty"`
	Missed int       `json:"missed"` // firings before it that nobody carried out in time
	// RunID is its run, see CommandRun; zero for none, none yet, or none any more.
	RunID    int64    `json:"runId,omitempty"`
	RunState RunState `json:"runState,omitempty"`
	// PlaybookRunID and PlaybookRunState are the same where a playbook ran.
	PlaybookRunID    int64  `json:"playbookRunId,omitempty"`
	PlaybookRunState string `json:"playbookRunState,omitempty"`
}

// SchedulePreview says when a schedule would fire.
type SchedulePreview struct {
	InWords string      `json:"inWords"`
	Firings []time.Time `json:"firings"`
}

// AutomationScheduleQuery selects schedules; empty fields select everything.
type AutomationScheduleQuery struct {
	Site string // id or name
	Kind string // user or KindSystem
}

// AutomationSchedules lists the schedules of the caller's sites in ascending order
// of id, and after them the health checks of the connections that the caller sees.
func (c *Client) AutomationSchedules(ctx context.Context, q AutomationScheduleQuery) ([]AutomationSchedule, error) {
	var answer struct {
		Schedules []AutomationSchedule `json:"schedules"`
	}
	err := c.search(ctx, "list schedules", automationSchedulesPath, values{"site": q.Site, "kind": q.Kind}, &answer)
	return answer.Schedules, err
}

// AutomationSchedule returns one schedule.
func (c *Client) AutomationSchedule(ctx context.Context, id int64) (AutomationSchedule, error) {
	var answer AutomationSchedule
	err := c.automation(ctx, fmt.Sprintf("read schedule %d", id), http.MethodGet, automationSchedulePath(id), nil, &answer)
	return answer, err
}

// CreateAutomationSchedule makes a schedule, which runs with the rights of the
// caller.
func (c *Client) CreateAutomationSchedule(ctx context.Context, n NewAutomationSchedule) (AutomationSchedule, error) {
	var answer AutomationSchedule
	err := c.automation(ctx, "create schedule "+n.Name, http.MethodPost, automationSchedulesPath, n, &answer)
	return answer, err
}

// UpdateAutomationSchedule changes a schedule and returns it as it is then. It runs
// with the rights of the caller from now on, unless only Active is given.
func (c *Client) UpdateAutomationSchedule(ctx context.Context, id int64, change AutomationScheduleChange) (AutomationSchedule, error) {
	var answer AutomationSchedule
	err := c.automation(ctx, fmt.Sprintf("update schedule %d", id), http.MethodPatch, automationSchedulePath(id), change, &answer)
	return answer, err
}

// DeleteAutomationSchedule deletes a schedule with its firings; its runs stay.
func (c *Client) DeleteAutomationSchedule(ctx context.Context, id int64) error {
	return c.automation(ctx, fmt.Sprintf("delete schedule %d", id), http.MethodDelete, automationSchedulePath(id), nil, nil)
}

// RunAutomationSchedule has a schedule run beside its firings, and returns the firing
// as it is before it has a run; Firings tells which it gets.
func (c *Client) RunAutomationSchedule(ctx context.Context, id int64) (Firing, error) {
	var answer Firing
	err := c.automation(ctx, fmt.Sprintf("run schedule %d", id), http.MethodPost, automationSchedulePath(id)+"/run", nil, &answer)
	return answer, err
}

// Firings lists what came of the firings of a schedule, newest first, at most limit;
// zero leaves that to the platform.
func (c *Client) Firings(ctx context.Context, id int64, limit int) ([]Firing, error) {
	var answer struct {
		Firings []Firing `json:"firings"`
	}
	query := values{}
	if limit != 0 {
		query["limit"] = strconv.Itoa(limit)
	}
	err := c.search(ctx, fmt.Sprintf("list firings of schedule %d", id), automationSchedulePath(id)+"/firings", query, &answer)
	return answer.Firings, err
}

// PreviewSchedule says when a schedule would fire after a time, the zero time for
// now, at most count firings. Nothing is stored.
func (c *Client) PreviewSchedule(ctx context.Context, rule ScheduleRule, after time.Time, count int) (SchedulePreview, error) {
	body := struct {
		ScheduleRule
		After time.Time `json:"after,omitzero"`
		Count int       `json:"count,omitempty"`
	}{rule, after, count}
	var answer SchedulePreview
	err := c.automation(ctx, "preview schedule", http.MethodPost, automationSchedulesPath+"/preview", body, &answer)
	return answer, err
}

func automationSchedulePath(id int64) string {
	return automationSchedulesPath + "/" + strconv.FormatInt(id, 10)
}
