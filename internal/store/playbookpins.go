package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/fault"
)

// pinCalls notes which versions of playbooks a run calls that was just stored: those
// that its parent is pinned to, or for the topmost one those that are live.
func (t *Tx) pinCalls(ctx context.Context, r *conductor.Run) error {
	var source string
	err := t.QueryRow(ctx, "SELECT source FROM playbook_versions WHERE id = ? AND source LIKE ?", r.VersionID, "%"+playbook.PlaybookPrefix+"%").Scan(&source)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // it calls nothing
	}
	if err != nil {
		return err
	}
	if r.Parent.RunID != 0 {
		_, err := t.Exec(ctx, "INSERT INTO playbook_pins (run_id, version_id, name) SELECT ?, version_id, name FROM playbook_pins WHERE run_id = ?", r.ID, r.Parent.RunID)
		return err
	}
	live, err := t.versions(ctx, " WHERE p.site_id = ? AND v.number = p.live", r.SiteID)
	if err != nil {
		return err
	}
	for _, v := range library.Called(source, live) {
		if _, err := t.Exec(ctx, "INSERT INTO playbook_pins (run_id, version_id, name) VALUES (?, ?, ?)", r.ID, v.ID, v.Playbook); err != nil {
			return err
		}
	}
	return nil
}

// pinned returns the versions that a run calls, with the names by which it calls them.
func (t *Tx) pinned(ctx context.Context, runID int64) ([]library.Version, error) {
	return t.versionsNamed(ctx, "pin.name", " JOIN playbook_pins AS pin ON pin.version_id = v.id WHERE pin.run_id = ? ORDER BY pin.name", runID)
}

// callee returns the version of a playbook that a step of the run calls.
func (t *playbookTurn) callee(ctx context.Context, name string) (library.Version, error) {
	found, err := t.tx.versionsNamed(ctx, "pin.name", " JOIN playbook_pins AS pin ON pin.version_id = v.id WHERE pin.run_id = ? AND pin.name = ?", t.run.ID, name)
	if err != nil {
		return library.Version{}, fmt.Errorf("find playbook %s: %w", name, err)
	}
	if len(found) == 0 {
		return library.Version{}, fault.New(fault.NotFound, fmt.Sprintf("There is no playbook '%s' that was live when the run was queued.", name), "")
	}
	return found[0], nil
}

// uncalled refuses to remove a playbook that a run calls which has not ended.
func (t *Tx) uncalled(ctx context.Context, p *library.Playbook) error {
	var id int64
	var caller string
	err := t.QueryRow(ctx, `SELECT r.id, r.playbook FROM playbook_versions AS v JOIN playbook_pins AS pin ON pin.version_id = v.id
		JOIN playbook_runs AS r ON r.id = pin.run_id WHERE v.playbook_id = ? AND r.ended IS NULL LIMIT 1`, p.ID).Scan(&id, &caller)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fault.New(fault.Conflict, fmt.Sprintf("Run %d of playbook '%s', which calls '%s', has not ended.", id, caller, p.Name), "Wait for it, or cancel it.")
}
