package assistant

import (
	"context"
	"fmt"
	"math"
	"time"

	"vedette.dev/vedette/qps/qpsclient"
)

// scheduleSummary is a schedule in a list.
type scheduleSummary struct {
	ID           int64               `json:"id,omitempty"` // none of the health check of a connection
	Kind         string              `json:"kind"`
	Name         string              `json:"name"`
	Site         string              `json:"site"`
	Owner        string              `json:"owner,omitempty"`
	Command      string              `json:"command,omitempty"`
	Connection   qpsclient.Reference `json:"connection,omitzero"`
	Playbook     qpsclient.Reference `json:"playbook,omitzero"` // in place of both
	When         string              `json:"when"`
	TimeZone     string              `json:"timeZone,omitempty"`
	State        string              `json:"state"`
	PausedReason string              `json:"pausedReason,omitempty"`
	Failures     int                 `json:"failuresInARow,omitempty"`
	Next         time.Time           `json:"next,omitzero"`
	Last         time.Time           `json:"last,omitzero"`
	Inputs       any                 `json:"inputs,omitempty"` // of one that is shown alone
}

// schedulesTool lists schedules, or shows one.
func (s *Server) schedulesTool() tool {
	kinds := []string{"user", qpsclient.KindSystem}
	schema := object(
		number("schedule", "Show the schedule with this ID, with its inputs and what came of its last firings.", 1, 0),
		text("site", "Only schedules of this site, by ID or name."),
		word("kind", "Only schedules that users made, or only the health checks of connections.", kinds...),
		number("offset", "How many to leave out at the beginning.", 0, 0),
		number("limit", fmt.Sprintf("How many schedules, or firings, to show. %d where it is left out.", defaultRows), 1, maxRows),
	)
	return reader("automation_schedules", "List Schedules", "Lists when commands and playbooks run by themselves, and when they did and will; or shows one schedule with its firings.", schema, func(ctx context.Context, given call) (builder, error) {
		id, offset := given.whole("schedule", 0, 1, math.MaxInt64), int(given.whole("offset", 0, 0, maxOffset))
		q := qpsclient.AutomationScheduleQuery{Site: given.text("site"), Kind: given.word("kind", kinds...)}
		switch {
		case given.mistake != nil:
			return nil, given.mistake
		case id != 0:
			return s.showSchedule(ctx, id, int(given.whole("limit", defaultRows, 1, maxRows)))
		}
		return s.listSchedules(ctx, q, offset)
	})
}

func (s *Server) listSchedules(ctx context.Context, q qpsclient.AutomationScheduleQuery, offset int) (builder, error) {
	list, err := s.options.Platform.AutomationSchedules(ctx, q)
	if err != nil {
		return nil, err
	}
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("%d schedules.", len(list)), Untrusted: &Untrusted{}}
		for _, schedule := range shownOf(a, "schedules", list, offset, limit) {
			a.Untrusted.Schedules = append(a.Untrusted.Schedules, summaryOf(schedule))
		}
		a.sayMore("automation_schedules", "schedules", offset+limit)
		return a
	}, nil
}

func (s *Server) showSchedule(ctx context.Context, id int64, firings int) (builder, error) {
	schedule, err := s.options.Platform.AutomationSchedule(ctx, id)
	if err != nil {
		return nil, err
	}
	fired, err := s.options.Platform.Firings(ctx, id, firings)
	if err != nil {
		return nil, err
	}
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("Schedule %d with its last %d firings.", id, len(fired))}
		summary := summaryOf(schedule)
		summary.Inputs = pruned(schedule.Inputs, min(limit, rawItems))
		a.Untrusted = &Untrusted{Schedules: []scheduleSummary{summary}, Firings: shownOf(a, "firings", fired, 0, limit)}
		return a
	}, nil
}

func summaryOf(s qpsclient.AutomationSchedule) scheduleSummary {
	return scheduleSummary{
		ID: s.ID, Kind: s.Kind, Name: s.Name, Site: s.Site.Name, Owner: s.Owner, Command: s.Command, Connection: s.Connection, Playbook: s.Playbook, When: s.InWords, TimeZone: s.TimeZone,
		State: s.State, PausedReason: s.PausedReason, Failures: s.Failures, Next: s.Next, Last: s.Last,
	}
}
