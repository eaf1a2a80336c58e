package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// pinsOfRun selects the pins of a run by its id: those of the topmost run above it, which
// stays until the last run below it has gone. Called runs, of which there may be thousands,
// have none of their own.
const pinsOfRun = ` pin.run_id = (WITH RECURSIVE above (id, parent_id) AS (SELECT id, parent_id FROM playbook_runs WHERE id = ?
	UNION ALL SELECT r.id, r.parent_id FROM above JOIN playbook_runs AS r ON r.id = above.parent_id) SELECT id FROM above WHERE parent_id IS NULL)`

// pinCalls notes which versions of playbooks a run calls that was just stored: those
// that are live. What was called itself calls what its topmost run is pinned to.
func (t *Tx) pinCalls(ctx context.Context, r *conductor.Run) error {
	if r.Parent.RunID != 0 {
		return nil
	}
	calls, err := t.callsOf(ctx, r.VersionID)
	if err != nil || len(calls) == 0 {
		return err
	}
	live := map[string]int64{}
	err = t.each(ctx, "SELECT p.name, v.id"+versionJoin+" WHERE p.site_id = ? AND v.number = p.live", []any{r.SiteID}, func(rows *sql.Rows) error {
		var name string
		var id int64
		err := rows.Scan(&name, &id)
		live[name] = id
		return err
	})
	if err != nil {
		return err
	}
	var pins []int64
	for ; len(calls) > 0; calls = calls[1:] {
		id, found := live[calls[0]]
		if !found {
			continue
		}
		delete(live, calls[0]) // each once
		pins = append(pins, id)
		more, err := t.callsOf(ctx, id)
		if err != nil {
			return err
		}
		calls = append(calls, more...)
	}
	_, err = t.Exec(ctx, "INSERT INTO playbook_pins (run_id, version_id, name, publisher, publisher_id) SELECT ?, v.id, p.name, p.publisher, "+publisherOfLive+versionJoin+" WHERE "+t.dialect.InIDs("v.id"), r.ID, t.dialect.IDsParam(pins))
	return err
}

// callsOf returns the names of the playbooks that a version calls itself. They are stored
// with it, because no transaction that starts a run has the time to parse texts: there may
// be a thousand of them. Of one that a release before that stored they are found once.
func (t *Tx) callsOf(ctx context.Context, versionID int64) ([]string, error) {
	var calls, source sql.NullString
	err := t.QueryRow(ctx, "SELECT calls, CASE WHEN calls IS NULL THEN source END FROM playbook_versions WHERE id = ?", versionID).Scan(&calls, &source)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what version %d calls: %w", versionID, err)
	}
	var names []string
	if calls.Valid {
		return names, decode([]byte(calls.String), &names)
	}
	names = library.Calls(source.String)
	text, err := encode(names)
	if err != nil {
		return nil, err
	}
	_, err = t.Exec(ctx, "UPDATE playbook_versions SET calls = ? WHERE id = ?", text, versionID)
	return names, err
}

// publisherOfLive is who published a version that was live a moment ago. Where another one
// is by now it is nobody, who may nothing.
const publisherOfLive = "CASE WHEN v.number = p.live THEN coalesce(p.publisher_id, 0) ELSE 0 END"

// vouch adds to publishers who published the version that a run calls; nobody if a release
// pinned it that did not note who that was.
func (t *playbookTurn) vouch(ctx context.Context, publishers []run.Publisher, v library.Version) ([]run.Publisher, error) {
	p := run.Publisher{Playbook: v.Playbook}
	var id sql.NullInt64
	err := t.tx.QueryRow(ctx, "SELECT coalesce(pin.publisher, ''), pin.publisher_id FROM playbook_pins AS pin WHERE pin.name = ? AND"+pinsOfRun, v.Playbook, t.run.ID).Scan(&p.Name, &id)
	if errors.Is(err, sql.ErrNoRows) { // see unpinned
		err = t.tx.QueryRow(ctx, "SELECT p.publisher, "+publisherOfLive+versionJoin+" WHERE v.id = ?", v.ID).Scan(&p.Name, &id)
	}
	if err != nil || !id.Valid {
		return publishers, err
	}
	p.ID = id.Int64
	if slices.ContainsFunc(publishers, func(other run.Publisher) bool { return other.ID == p.ID }) {
		return publishers, nil
	}
	return append(slices.Clone(publishers), p), nil
}

// pinned returns the versions that a run calls, without their texts and with the names by
// which it calls them.
func (t *Tx) pinned(ctx context.Context, runID int64) ([]library.Version, error) {
	return t.versionHeads(ctx, "pin.name", " JOIN playbook_pins AS pin ON pin.version_id = v.id WHERE"+pinsOfRun+" ORDER BY pin.name", runID)
}

// callee returns the version of a playbook that a step of the run calls, without its text.
func (t *playbookTurn) callee(ctx context.Context, name string) (library.Version, error) {
	found, err := t.tx.versionHeads(ctx, "pin.name", " JOIN playbook_pins AS pin ON pin.version_id = v.id WHERE pin.name = ? AND"+pinsOfRun, name, t.run.ID)
	if err == nil && len(found) == 0 {
		found, err = t.unpinned(ctx, name)
	}
	if err != nil {
		return library.Version{}, fmt.Errorf("find playbook %s: %w", name, err)
	}
	if len(found) == 0 {
		return library.Version{}, fault.New(fault.NotFound, fmt.Sprintf("There is no playbook '%s' that was live when the run was queued.", name), "")
	}
	return found[0], nil
}

// unpinned returns the live version of a playbook for a run that is pinned to nothing: a
// release that pinned nothing queued it.
func (t *playbookTurn) unpinned(ctx context.Context, name string) ([]library.Version, error) {
	pins, err := t.tx.ids(ctx, "SELECT pin.version_id FROM playbook_pins AS pin WHERE"+pinsOfRun+" LIMIT 1", t.run.ID)
	if err != nil || len(pins) > 0 {
		return nil, err
	}
	return t.tx.versionHeads(ctx, "p.name", " WHERE p.site_id = ? AND p.name = ? AND v.number = p.live", t.run.SiteID, name)
}

// uncalled refuses to remove a playbook that a run calls which has not ended, or which
// began one that has not.
func (t *Tx) uncalled(ctx context.Context, p *library.Playbook) error {
	var id int64
	var caller string
	err := t.QueryRow(ctx, `WITH RECURSIVE open (id, parent_id) AS (SELECT id, parent_id FROM playbook_runs WHERE ended IS NULL
			UNION SELECT r.id, r.parent_id FROM open JOIN playbook_runs AS r ON r.id = open.parent_id)
		SELECT r.id, r.playbook FROM open JOIN playbook_runs AS r ON r.id = open.id JOIN playbook_pins AS pin ON pin.run_id = r.id
		JOIN playbook_versions AS v ON v.id = pin.version_id WHERE v.playbook_id = ? LIMIT 1`, p.ID).Scan(&id, &caller)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, fmt.Sprintf("Run %d of playbook '%s', which calls '%s', or one that it began has not ended.", id, caller, p.Name), "Wait for it, or cancel it.")
}
