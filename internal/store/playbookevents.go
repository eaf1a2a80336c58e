package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/playbook/trigger"
	"vedette.dev/vedette/internal/fault"
)

// storedEvent is an event of a live version with how far it was looked at.
type storedEvent struct {
	trigger.Event
	text playbook.Event
	// Agents that checked in last before mark, or at it with an id up to markHost, were
	// looked at.
	mark     int64
	markHost int64
	due      time.Time // zero for events that are not looked for
}

// eventCriteria is what an event says beside its kind, as it is stored.
type eventCriteria struct {
	Days    int      `json:"days,omitempty"`
	Types   []string `json:"types,omitempty"`
	States  []string `json:"states,omitempty"`
	Left    int      `json:"left,omitempty"`
	Percent int      `json:"percent,omitempty"`
}

func criteriaOf(e *playbook.Event) eventCriteria {
	return eventCriteria{e.Days, e.ScanTypes, e.ScanStates, e.Left, e.Percent}
}

// events returns events of live versions.
func (t *Tx) events(ctx context.Context, rest string, args ...any) ([]storedEvent, error) {
	var all []storedEvent
	err := t.each(ctx, "SELECT id, playbook_id, number, kind, criteria, mark, mark_host, due, left_out FROM playbook_events"+rest, args, func(rows *sql.Rows) error {
		var e storedEvent
		var criteria []byte
		var due sql.NullInt64
		if err := rows.Scan(&e.ID, &e.PlaybookID, &e.Number, &e.Kind, &criteria, &e.mark, &e.markHost, &due, &e.LeftOut); err != nil {
			return err
		}
		var c eventCriteria
		if err := decode(criteria, &c); err != nil {
			return err
		}
		e.due = when(due)
		e.text = playbook.Event{Kind: e.Kind, Days: c.Days, ScanTypes: c.Types, ScanStates: c.States, Left: c.Left, Percent: c.Percent}
		all = append(all, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read events of playbooks: %w", err)
	}
	return all, nil
}

// settleEvents has the events of a playbook be those of its text. One stays as it is,
// with what has happened, that stands at the same place and is the same; what another
// waits for counts from now on.
func (t *Tx) settleEvents(ctx context.Context, p *library.Playbook, texts []playbook.Event, now time.Time) error {
	there, err := t.events(ctx, " WHERE playbook_id = ? ORDER BY number"+t.dialect.ForUpdate(), p.ID)
	if err != nil {
		return err
	}
	kept := map[int]bool{}
	for i := range there {
		same, err := sameEvent(&there[i], texts)
		if err != nil {
			return err
		}
		if same {
			kept[there[i].Number] = true
			continue
		}
		if _, err := t.Exec(ctx, "DELETE FROM playbook_events WHERE id = ?", there[i].ID); err != nil {
			return fmt.Errorf("remove event: %w", err)
		}
	}
	var others int
	if err := t.QueryRow(ctx, "SELECT count(*) FROM playbook_events WHERE playbook_id <> ?", p.ID).Scan(&others); err != nil {
		return fmt.Errorf("count events: %w", err)
	}
	if len(texts) > 0 && others+len(texts) > trigger.MaxEvents {
		return fault.New(fault.Conflict, fmt.Sprintf("The live playbooks have %d events that start them, and this one has %d more; there may be %d.", others, len(texts), trigger.MaxEvents), "Withdraw a playbook that starts for events, or use fewer.")
	}
	for i := range texts {
		if !kept[i+1] {
			if err := t.addEvent(ctx, trigger.Event{PlaybookID: p.ID, Number: i + 1, Kind: texts[i].Kind}, texts[i], now); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameEvent reports whether the texts have an event at its place, unchanged.
func sameEvent(e *storedEvent, texts []playbook.Event) (bool, error) {
	if e.Number > len(texts) || e.Kind != texts[e.Number-1].Kind {
		return false, nil
	}
	before, err := encode(criteriaOf(&e.text))
	if err != nil {
		return false, err
	}
	after, err := encode(criteriaOf(&texts[e.Number-1]))
	return before == after, err
}

func (t *Tx) addEvent(ctx context.Context, e trigger.Event, text playbook.Event, now time.Time) error {
	criteria, err := encode(criteriaOf(&text))
	if err != nil {
		return err
	}
	var mark int64
	var due time.Time
	switch e.Kind {
	case playbook.AgentInactive:
		mark, due = silentSince(&text, now), now.Add(trigger.LookAtAgents)
	case playbook.KeyNearlyUsedUp:
		due = now.Add(trigger.LookAtKeys)
	}
	err = t.QueryRow(ctx, "INSERT INTO playbook_events (playbook_id, number, kind, criteria, mark, mark_host, due) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
		e.PlaybookID, e.Number, string(e.Kind), criteria, mark, int64(math.MaxInt64), micros(due)).Scan(&e.ID)
	if err != nil {
		return fmt.Errorf("store event %d: %w", e.Number, err)
	}
	if e.Kind != playbook.KeyNearlyUsedUp {
		return nil
	}
	_, err = t.settleKeys(ctx, &storedEvent{Event: e, text: text})
	return err
}

// silentSince is when agents checked in last that have been silent for long enough.
func silentSince(e *playbook.Event, now time.Time) int64 {
	return now.AddDate(0, 0, -e.Days).UnixMicro()
}

// raised is something that has just happened, for an event.
type raised struct {
	event int64
	data  any
	at    time.Time
}

// raise adds occurrences, those of one event next to each other. What is beyond that
// which may wait of an event is left out and counted.
func (t *Tx) raise(ctx context.Context, all []raised) error {
	var rows [][]any
	for len(all) > 0 {
		event, n := all[0].event, 0
		for n < len(all) && all[n].event == event {
			n++
		}
		room, err := t.room(ctx, event)
		if err != nil {
			return err
		}
		for _, r := range all[:min(n, room)] {
			doc, err := json.Marshal(r.data)
			if err != nil {
				return fmt.Errorf("encode occurrence: %w", err)
			}
			rows = append(rows, []any{event, string(doc), r.at.UnixMicro()})
		}
		if n > room {
			if _, err := t.Exec(ctx, "UPDATE playbook_events SET left_out = left_out + ? WHERE id = ?", n-room, event); err != nil {
				return fmt.Errorf("count what is left out: %w", err)
			}
		}
		all = all[n:]
	}
	if len(rows) == 0 {
		return nil
	}
	param, err := RowsParam(rows)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "INSERT INTO playbook_occurrences (event_id, data, happened) SELECT r.event, r.data, r.happened FROM "+t.dialect.Rows(columns("event:int, data, happened:int"))+" AS r", param)
	if err != nil {
		return fmt.Errorf("store %d occurrences: %w", len(rows), err)
	}
	return nil
}

// room returns how many more occurrences of an event may wait.
func (t *Tx) room(ctx context.Context, event int64) (int, error) {
	var waiting int
	err := t.QueryRow(ctx, "SELECT count(*) FROM (SELECT 1 FROM playbook_occurrences WHERE event_id = ? LIMIT ?) AS w", event, trigger.MaxWaiting).Scan(&waiting)
	if err != nil {
		return 0, fmt.Errorf("count occurrences of event %d: %w", event, err)
	}
	return trigger.MaxWaiting - waiting, nil
}

// raising returns the events of a kind that playbooks start for. They stay until the
// transaction ends, so that what happens can be added to them.
func (t *Tx) raising(ctx context.Context, kind playbook.EventKind) ([]storedEvent, error) {
	return t.events(ctx, " WHERE kind = ? ORDER BY id"+t.dialect.ForKeyShare(), string(kind))
}

// scansFinished tells playbooks of on-demand scans that have just come to an end.
func (t *Tx) scansFinished(ctx context.Context, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	events, err := t.raising(ctx, playbook.ScanFinished)
	if err != nil || len(events) == 0 {
		return err
	}
	type finished struct {
		trigger.FinishedScan
		at time.Time
	}
	var scans []finished
	err = t.each(ctx, "SELECT id, host_id, type, state, ended FROM scan_requests WHERE "+t.dialect.InIDs("id")+" ORDER BY id", []any{t.dialect.IDsParam(ids)}, func(rows *sql.Rows) error {
		var f finished
		var ended sql.NullInt64
		if err := rows.Scan(&f.ScanID, &f.AgentID, &f.ScanType, &f.State, &ended); err != nil {
			return err
		}
		known, err := automation.ParseScanType(f.ScanType)
		f.ScanType, f.at = known.Token, when(ended)
		scans = append(scans, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("read %d scans that ended: %w", len(ids), err)
	}
	var all []raised
	for i := range events {
		for _, f := range scans {
			if events[i].text.WantsScan(f.ScanType, f.State) {
				all = append(all, raised{events[i].ID, f.FinishedScan, f.at})
			}
		}
	}
	return t.raise(ctx, all)
}

// connectorFailed tells playbooks that a run of a connector has just ended in error.
func (t *Tx) connectorFailed(ctx context.Context, id int64, message string, at time.Time) error {
	events, err := t.raising(ctx, playbook.ConnectorFailed)
	if err != nil || len(events) == 0 {
		return err
	}
	data := trigger.FailedConnector{ConnectorID: id, Message: message}
	if err := t.QueryRow(ctx, "SELECT name FROM connectors WHERE id = ?", id).Scan(&data.Name); err != nil {
		return fmt.Errorf("read name of connector %d: %w", id, err)
	}
	var all []raised
	for i := range events {
		all = append(all, raised{events[i].ID, data, at})
	}
	return t.raise(ctx, all)
}
