package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/notice"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
)

const (
	// failurePause is how long after a failure that was told of no other one of the same
	// playbook or schedule is.
	failurePause = time.Hour
	// maxToldHourly is how many questions of one playbook are told within an hour. Each
	// goes to many people, and alarms wait in the same queue.
	maxToldHourly = 60
)

// tellAsked tells those whom a question is for, and the webhook. Of a run, and of a
// playbook, that asks again and again the first questions alone are told.
func (t *Tx) tellAsked(ctx context.Context, r *conductor.Run, q *conductor.Question) error {
	var asked int
	if err := t.QueryRow(ctx, "SELECT count(*) FROM playbook_questions WHERE run_id = ?", r.ID).Scan(&asked); err != nil {
		return fmt.Errorf("count questions of playbook run %d: %w", r.ID, err)
	}
	if asked > conductor.MaxToldQuestions {
		return nil
	}
	told, quiet, err := t.countAsked(ctx, r.PlaybookID, q.Asked)
	if err != nil || !told {
		return err
	}
	ids := []int64{r.UserID}
	if len(q.Assignees) > 0 {
		if ids, err = t.assigned(ctx, q.Assignees); err != nil {
			return err
		}
	}
	people, err := t.people(ctx, ids)
	if err != nil {
		return err
	}
	event := notice.ApprovalAsked{
		QuestionID: q.ID, Asks: string(q.Kind), Playbook: r.Playbook, Run: r.ID, Step: q.Step, Question: q.Message, Answers: q.Answers(), Due: q.Due, OnTimeout: q.OnTimeout(), QuietUntil: quiet,
	}
	if event.Site, err = t.nameOf(ctx, "sites", r.SiteID); err != nil {
		return err
	}
	if event.Starter, err = t.starter(ctx, r); err != nil {
		return err
	}
	return t.tell(ctx, event, q.Told(r.UserID, people), q.Asked)
}

// countAsked counts a question of a playbook. It reports whether it is told, and of the
// last one that is within an hour when the next ones are.
func (t *Tx) countAsked(ctx context.Context, playbookID int64, at time.Time) (told bool, quiet time.Time, err error) {
	var since sql.NullInt64
	var number int
	begun := micros(at.Add(-time.Hour))
	err = t.QueryRow(ctx, `INSERT INTO playbook_askings (playbook_id, since, told) SELECT id, CAST(? AS BIGINT), 1 FROM playbooks WHERE id = ?
		ON CONFLICT (playbook_id) DO UPDATE SET
			since = CASE WHEN playbook_askings.since <= ? THEN excluded.since ELSE playbook_askings.since END,
			told = CASE WHEN playbook_askings.since <= ? THEN 1 ELSE playbook_askings.told + 1 END
		WHERE playbook_askings.told < ? OR playbook_askings.since <= ? RETURNING since, told`,
		micros(at), playbookID, begun, begun, maxToldHourly, begun).Scan(&since, &number)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, time.Time{}, nil
	case err != nil:
		return false, time.Time{}, fmt.Errorf("count questions of playbook %d: %w", playbookID, err)
	case number == maxToldHourly:
		quiet = when(since).Add(time.Hour)
	}
	return true, quiet, nil
}

// assigned returns the users that an approval names, each once, in ascending order.
func (t *Tx) assigned(ctx context.Context, assignees []string) ([]int64, error) {
	queries := map[string]string{
		"user":  "SELECT id FROM users WHERE username = ?",
		"role":  "SELECT x.user_id FROM user_roles AS x JOIN roles AS r ON r.id = x.role_id WHERE r.name = ?",
		"group": "SELECT m.user_id FROM site_members AS m JOIN sites AS s ON s.id = m.site_id WHERE s.name = ?",
	}
	var all []int64
	for _, to := range assignees {
		kind, name, _ := strings.Cut(to, ":")
		query, ok := queries[kind]
		if !ok {
			continue
		}
		ids, err := t.ids(ctx, query, storable(name))
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", to, err)
		}
		all = append(all, ids...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// people returns those of some users whom mail reaches, in ascending order of id.
func (t *Tx) people(ctx context.Context, ids []int64) ([]conductor.Person, error) {
	var all []conductor.Person
	at := map[int64]int{}
	err := t.each(ctx, "SELECT "+userColumns+" FROM user_details AS u WHERE u.email <> '' AND NOT u.disabled AND "+t.dialect.InIDs("u.id")+" ORDER BY u.id",
		[]any{t.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
			u, err := scanUser(rows.Scan)
			at[u.ID] = len(all)
			all = append(all, conductor.Person{Principal: access.NewPrincipal(u)})
			return err
		})
	if err != nil || len(all) == 0 {
		return nil, err
	}
	err = t.each(ctx, "SELECT m.user_id, s.id, s.name FROM site_members AS m JOIN sites AS s ON s.id = m.site_id WHERE "+t.dialect.InIDs("m.user_id"),
		[]any{t.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
			var user int64
			var site connection.Site
			err := rows.Scan(&user, &site.ID, &site.Name)
			if i, ok := at[user]; ok {
				all[i].Sites = append(all[i].Sites, site)
			}
			return err
		})
	return all, err
}

// nameOf returns the name of a row, empty when it is gone.
func (t *Tx) nameOf(ctx context.Context, table string, id int64) (string, error) {
	var name string
	err := t.each(ctx, "SELECT name FROM "+table+" WHERE id = ?", []any{id}, func(rows *sql.Rows) error { return rows.Scan(&name) })
	if err != nil {
		return "", fmt.Errorf("read name of %d of %s: %w", id, table, err)
	}
	return name, nil
}

// starter says for people who, or what, started a run.
func (t *Tx) starter(ctx context.Context, r *conductor.Run) (string, error) {
	if r.Trigger.Kind == playbook.TriggerManual || r.Parent.RunID != 0 || r.RerunOf != 0 {
		return r.StartedBy, nil
	}
	if r.Schedule == 0 {
		return r.Trigger.Kind, nil
	}
	name, err := t.nameOf(ctx, "automation_schedules", r.Schedule)
	return strings.TrimSpace("schedule " + name), err
}

// tellPlaybookFailed tells whom a run has the rights of, and the webhook, that it
// failed, if nobody sat and started it.
func (t *Tx) tellPlaybookFailed(ctx context.Context, r *conductor.Run) error {
	if r.State != conductor.Failed || !r.Unattended() {
		return nil
	}
	if told, err := t.toldFailure(ctx, "playbook", "playbooks", r.PlaybookID, r.Ended); err != nil || told {
		return err
	}
	event := notice.RunFailed{Runs: r.Playbook, Run: r.ID, Started: r.Started, Ended: r.Ended, Error: errorOf(r)}
	if event.Started.IsZero() {
		event.Started = r.Queued // it was refused before it began
	}
	if r.Error != nil {
		event.Step = r.Error.Step
	}
	var err error
	if event.Starter, err = t.starter(ctx, r); err != nil {
		return err
	}
	return t.tellFailed(ctx, event, r.SiteID, r.UserID, conductor.Seeing()...)
}

// tellCommandFailed does so for a run of a command that a schedule started.
func (t *Tx) tellCommandFailed(ctx context.Context, r *run.Run) error {
	if r.State != run.Failed || r.Fired.IsZero() {
		return nil
	}
	if told, err := t.toldFailure(ctx, "schedule", "automation_schedules", r.ScheduleID, r.Ended); err != nil || told {
		return err
	}
	name, err := t.nameOf(ctx, "automation_schedules", r.ScheduleID)
	if err != nil {
		return err
	}
	event := notice.RunFailed{Runs: r.Command, Run: r.ID, Connection: r.ConnectionName, Starter: "schedule " + name, Started: r.Started, Ended: r.Ended}
	if event.Started.IsZero() {
		event.Started = r.Queued
	}
	if len(r.Outcome.Errors) > 0 {
		event.Error = r.Outcome.Errors[0]
	}
	return t.tellFailed(ctx, event, r.SiteID, r.UserID, access.ViewConnection, access.RunCommand)
}

func (t *Tx) tellFailed(ctx context.Context, event notice.RunFailed, siteID, userID int64, seeing ...access.Permission) error {
	owner, err := t.reach(ctx, siteID, userID, seeing...)
	if err != nil {
		return err
	}
	to, err := t.orManagers(ctx, owner)
	if err != nil {
		return err
	}
	if event.Site, err = t.nameOf(ctx, "sites", siteID); err != nil {
		return err
	}
	return t.tell(ctx, event, to, event.Ended)
}

// reach returns the address of a user if mail about something of a site is for them;
// see conductor.Person.Email.
func (t *Tx) reach(ctx context.Context, siteID, userID int64, seeing ...access.Permission) ([]string, error) {
	people, err := t.people(ctx, []int64{userID})
	var to []string
	for i := range people {
		if email := people[i].Email(siteID, seeing...); email != "" {
			to = append(to, email)
		}
	}
	return to, err
}

// orManagers returns some addresses, or where there are none those of managers, of whom
// conductor.MaxTold at most are told: what nobody is told of is mended by nobody.
func (t *Tx) orManagers(ctx context.Context, to []string) ([]string, error) {
	if len(to) > 0 {
		return to, nil
	}
	ids, err := t.ids(ctx, "SELECT DISTINCT x.user_id FROM user_roles AS x JOIN roles AS r ON r.id = x.role_id WHERE r.manager")
	if err != nil {
		return nil, fmt.Errorf("find managers: %w", err)
	}
	people, err := t.people(ctx, ids)
	for i := range people {
		if email := people[i].User.Settings.Email; len(to) < conductor.MaxTold && !slices.Contains(to, email) {
			to = append(to, email)
		}
	}
	return to, err
}

// tellPaused tells those who are told of the connection, and the webhook, that a
// schedule of a command was paused.
func (t *Tx) tellPaused(ctx context.Context, s *schedule.Schedule, r *run.Run) error {
	if r.ConnectionID == 0 {
		return nil
	}
	found, err := t.connections(ctx, " WHERE c.id = ?", "", r.ConnectionID)
	if err != nil || len(found) == 0 {
		return err
	}
	event := notice.SchedulePaused{Schedule: s.Name, Runs: s.Target.Command, Connection: found[0].Name, Site: found[0].SiteName, Failures: s.Failures}
	if len(r.Outcome.Errors) > 0 {
		event.LastError = r.Outcome.Errors[0]
	}
	owner, err := t.reach(ctx, s.SiteID, s.OwnerID, access.ViewSchedule, access.EditSchedule)
	if err != nil {
		return err
	}
	to, err := t.orManagers(ctx, slices.Concat(found[0].Check.MailTo, owner))
	if err != nil {
		return err
	}
	return t.tell(ctx, event, to, r.Ended)
}

// tellPlaybookPaused tells whose schedule of a playbook it is, and the webhook, that it
// was paused.
func (t *Tx) tellPlaybookPaused(ctx context.Context, s *schedule.Schedule, r *conductor.Run) error {
	event := notice.SchedulePaused{Schedule: s.Name, Runs: r.Playbook, Failures: s.Failures, LastError: errorOf(r)}
	var err error
	if event.Site, err = t.nameOf(ctx, "sites", s.SiteID); err != nil {
		return err
	}
	owner, err := t.reach(ctx, s.SiteID, s.OwnerID, conductor.Seeing()...)
	if err != nil {
		return err
	}
	to, err := t.orManagers(ctx, owner)
	if err != nil {
		return err
	}
	return t.tell(ctx, event, to, r.Ended)
}

// errorOf is why a run failed, as commands say it.
func errorOf(r *conductor.Run) automation.Error {
	if r.Error == nil {
		return automation.Error{}
	}
	return automation.Error{Indicator: r.Error.Indicator, StatusCode: r.Error.StatusCode, Message: r.Error.Message, Resolution: r.Error.Resolution}
}

// toldFailure reports whether a failure of something was told of within the hour before
// another one, or that it is gone, and otherwise notes that this one is told now.
func (t *Tx) toldFailure(ctx context.Context, what, table string, id int64, at time.Time) (bool, error) {
	n, err := t.affected(ctx, "INSERT INTO "+what+"_failures ("+what+"_id, told) SELECT id, CAST(? AS BIGINT) FROM "+table+" WHERE id = ? ON CONFLICT ("+what+"_id) DO UPDATE SET told = excluded.told WHERE "+what+"_failures.told <= ?",
		micros(at), id, micros(at.Add(-failurePause)))
	if err != nil {
		return false, fmt.Errorf("note failure of %s %d: %w", what, id, err)
	}
	return n == 0, nil
}
