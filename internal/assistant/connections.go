package assistant

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps/qpsclient"
)

// findConnection returns the connection that a text names: by its ID, its name, or its
// site and its name with a slash in between.
func (s *Server) findConnection(ctx context.Context, text string) (qpsclient.Connection, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		return s.options.Platform.Connection(ctx, id)
	}
	list, err := s.options.Platform.Connections(ctx, qpsclient.ConnectionQuery{Name: text[strings.LastIndex(text, "/")+1:]})
	if err != nil {
		return qpsclient.Connection{}, err
	}
	list = slices.DeleteFunc(list, func(c qpsclient.Connection) bool { return c.Name != text && c.Home().Name+"/"+c.Name != text })
	switch len(list) {
	case 0:
		return qpsclient.Connection{}, fault.New(fault.NotFound, fmt.Sprintf("There is no connection '%s'.", automation.Echo(text)), "automation_connections lists the connections there are.")
	case 1:
		return list[0], nil
	}
	return qpsclient.Connection{}, fault.New(fault.Conflict, fmt.Sprintf("There are %d connections '%s'.", len(list), automation.Echo(text)), "Use the ID, or SITE/NAME: automation_connections lists them.")
}

// connectionSummary is a connection in a list. Parameters are left out: an assistant
// has no use for them.
type connectionSummary struct {
	ID          int64     `json:"id"`
	Name        string    `json:"name"`
	Site        string    `json:"site"`
	Integration string    `json:"integration"`
	Description string    `json:"description,omitempty"`
	Active      bool      `json:"active"`
	Health      string    `json:"health"`
	Checked     time.Time `json:"checked,omitzero"`
	Level       string    `json:"level"` // what the user may do: use, edit or own
}

// connectionsTool lists connections.
func (s *Server) connectionsTool() tool {
	schema := object(
		text("name", "Only connections with this text in their name, in any case."),
		text("site", "Only connections of this site, by ID or name."),
		text("integration", "Only connections of this integration, by name."),
		number("offset", "How many to leave out at the beginning.", 0, 0),
		number("limit", fmt.Sprintf("How many to list. %d where it is left out.", defaultRows), 1, maxRows),
	)
	return reader("automation_connections", "List Connections",
		"Lists the connections that commands can be run with: platforms and the accounts that are used there, with what their last health check said.", schema, s.listConnections)
}

func (s *Server) listConnections(ctx context.Context, given call) (builder, error) {
	q := qpsclient.ConnectionQuery{Name: given.text("name"), Site: given.text("site"), Integration: given.text("integration")}
	offset := int(given.whole("offset", 0, 0, maxOffset))
	if given.mistake != nil {
		return nil, given.mistake
	}
	list, err := s.options.Platform.Connections(ctx, q)
	if err != nil {
		return nil, err
	}
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("%d connections.", len(list)), Untrusted: &Untrusted{}}
		for _, c := range shownOf(a, "connections", list, offset, limit) {
			a.Untrusted.Connections = append(a.Untrusted.Connections, connectionSummary{
				ID: c.ID, Name: c.Name, Site: c.Home().Name, Integration: c.Integration, Description: c.Description, Active: c.Active,
				Health: c.Health.Status, Checked: c.Health.Checked, Level: c.Level,
			})
		}
		a.sayMore("automation_connections", "connections", offset+limit)
		return a
	}, nil
}

// maxOffset is beyond what a list has.
const maxOffset = 1 << 30

// sayMore says how a list goes on.
func (a *Answer) sayMore(tool, member string, offset int) {
	if a.LeftOut[member] > 0 {
		a.Next = fmt.Sprintf("%s with offset %d goes on.", tool, offset)
	}
}

// connectionHealth is what checks have said of a connection.
type connectionHealth struct {
	ID              int64                    `json:"id"`
	Name            string                   `json:"name"`
	Active          bool                     `json:"active"`
	CheckEvery      string                   `json:"checkEvery,omitempty"` // empty where it is not checked by itself
	Status          string                   `json:"status"`
	Checked         time.Time                `json:"checked,omitzero"`
	Next            time.Time                `json:"next,omitzero"`
	FailuresInARow  int                      `json:"failuresInARow,omitempty"`
	FailedSince     time.Time                `json:"failedSince,omitzero"`
	LastCheckErrors []qpsclient.CommandError `json:"lastCheckErrors,omitempty"`
}

// maxExplained is of how many failed connections an answer says why.
const maxExplained = 10

// healthTool says how connections are.
func (s *Server) healthTool() tool {
	schema := object(
		text(argConnection, "Only this connection: its ID, its name, or SITE/NAME. All where it is left out."),
		word("status", "Only connections whose last check said this.", "unknown", "healthy", "failed"),
		number("offset", "How many to leave out at the beginning.", 0, 0),
		number("limit", fmt.Sprintf("How many to list. %d where it is left out.", defaultRows), 1, maxRows),
	)
	return reader("automation_health", "Show Health",
		"Says what the health checks of connections have said, when, and why the last one failed. The command test-connection checks one now.", schema, s.showHealth)
}

func (s *Server) showHealth(ctx context.Context, given call) (builder, error) {
	name, status, offset := given.text(argConnection), given.word("status", "unknown", "healthy", "failed"), int(given.whole("offset", 0, 0, maxOffset))
	limit := int(given.whole("limit", defaultRows, 1, maxRows))
	if given.mistake != nil {
		return nil, given.mistake
	}
	list, err := s.chosenConnections(ctx, name)
	if err != nil {
		return nil, err
	}
	if status != "" {
		list = slices.DeleteFunc(list, func(c qpsclient.Connection) bool { return c.Health.Status != status })
	}
	first, _ := window(list, offset, limit)
	why, err := s.lastErrors(ctx, first)
	if err != nil {
		return nil, err
	}
	return func(limit int) *Answer {
		a := &Answer{text: fmt.Sprintf("%d connections.", len(list)), Untrusted: &Untrusted{}}
		for _, c := range shownOf(a, "health", list, offset, limit) {
			a.Untrusted.Health = append(a.Untrusted.Health, healthOf(c, why[c.ID]))
		}
		a.sayMore("automation_health", "health", offset+limit)
		return a
	}, nil
}

// chosenConnections returns the connection that a text names; all of an empty one.
func (s *Server) chosenConnections(ctx context.Context, name string) ([]qpsclient.Connection, error) {
	if name == "" {
		return s.options.Platform.Connections(ctx, qpsclient.ConnectionQuery{})
	}
	c, err := s.findConnection(ctx, name)
	return []qpsclient.Connection{c}, err
}

// lastErrors returns why the last check of connections failed, by their IDs.
func (s *Server) lastErrors(ctx context.Context, list []qpsclient.Connection) (map[int64][]qpsclient.CommandError, error) {
	why := map[int64][]qpsclient.CommandError{}
	for _, c := range list {
		if c.Health.Status != "failed" || len(why) == maxExplained {
			continue
		}
		runs, err := s.options.Platform.CommandRuns(ctx, qpsclient.CommandRunQuery{ConnectionID: c.ID, Origin: "health", State: qpsclient.RunFailed, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(runs) > 0 {
			why[c.ID] = briefErrors(runs[0].Outcome.Errors)
		}
	}
	return why, nil
}

func healthOf(c qpsclient.Connection, why []qpsclient.CommandError) connectionHealth {
	h := connectionHealth{
		ID: c.ID, Name: c.Name, Active: c.Active, Status: c.Health.Status, Checked: c.Health.Checked, Next: c.Health.Next,
		FailuresInARow: c.Health.Failures, FailedSince: c.Health.Since, LastCheckErrors: why,
	}
	if check := c.HealthCheck; check.Enabled != nil && *check.Enabled && check.IntervalMinutes != nil {
		h.CheckEvery = (time.Duration(*check.IntervalMinutes) * time.Minute).String()
	}
	return h
}
