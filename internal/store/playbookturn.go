package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/run"
)

// playbookTurn is a transaction about one run; see conductor.Turn.
type playbookTurn struct {
	tx  *Tx
	run conductor.Run
	// left is what was read last of outcomes: one may have megabytes.
	place string
	left  map[string]json.RawMessage
	// held are the connections that Hold has found, by name.
	held map[string]int64
}

// Turn changes a run; see conductor.Turns.
func (s *Store) Turn(ctx context.Context, id int64, do func(ctx context.Context, t conductor.Turn) error) error {
	return s.InTx(ctx, func(tx *Tx) error {
		found, err := tx.playbookRuns(ctx, " WHERE id = ?"+s.dialect.ForNoKeyUpdate(), id)
		if err != nil {
			return fmt.Errorf("read playbook run %d: %w", id, err)
		}
		if len(found) == 0 {
			return fmt.Errorf("%w: %w", conductor.ErrGone, conductor.NoRun(id))
		}
		return do(ctx, &playbookTurn{tx: tx, run: found[0]})
	})
}

// Run implements conductor.Turn.
func (t *playbookTurn) Run() conductor.Run { return t.run }

// Former implements conductor.Turn.
func (t *playbookTurn) Former(ctx context.Context) (conductor.Run, error) {
	found, err := t.tx.playbookRuns(ctx, " WHERE id = ?", t.run.RerunOf)
	if err == nil && len(found) == 0 {
		err = conductor.NoRun(t.run.RerunOf)
	}
	if err != nil {
		return conductor.Run{}, fmt.Errorf("read the run before: %w", err)
	}
	return found[0], nil
}

// Write implements conductor.Turn.
func (t *playbookTurn) Write(ctx context.Context, r conductor.Run, awake bool) error {
	failure, err := failureText(r.Error)
	if err != nil {
		return err
	}
	if awake {
		r.Revision++
	}
	_, err = t.tx.Exec(ctx, "UPDATE playbook_runs SET cancel = ?, state = ?, progress = ?, revision = ?, outputs = ?, failure = ?, started = ?, ended = ?, due = ? WHERE id = ?",
		r.Cancel, string(r.State), optionalText(r.Progress), r.Revision, optionalText(r.Outputs), failure, micros(r.Started), micros(r.Ended), micros(r.Due), r.ID)
	if err != nil {
		return fmt.Errorf("write playbook run %d: %w", r.ID, err)
	}
	t.run = r
	if !r.Ended.IsZero() {
		return t.end(ctx, &r)
	}
	if awake {
		return t.tx.Enqueue(ctx, conductor.Job, r.ID)
	}
	return nil
}

// end sees to what follows the end of a run.
func (t *playbookTurn) end(ctx context.Context, r *conductor.Run) error {
	_, err := t.tx.Exec(ctx, "UPDATE playbook_questions SET closed = ? WHERE run_id = ? AND closed IS NULL", micros(r.Ended), r.ID)
	if err != nil {
		return fmt.Errorf("close questions of playbook run %d: %w", r.ID, err)
	}
	// What waited to be continued is over, and nobody will say what became of the rest.
	_, err = t.tx.Exec(ctx, "UPDATE automation_runs SET state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE 'unknown' END, ended = ?, resume = NULL WHERE playbook_run_id = ? AND ended IS NULL",
		micros(r.Ended), r.ID)
	if err != nil {
		return fmt.Errorf("end the steps of playbook run %d: %w", r.ID, err)
	}
	_, err = t.tx.Exec(ctx, "UPDATE playbook_runs SET cancel = ?, revision = revision + 1, due = ? WHERE parent_id = ? AND ended IS NULL", true, micros(r.Ended), r.ID)
	if err != nil {
		return fmt.Errorf("cancel what playbook run %d began: %w", r.ID, err)
	}
	if r.Parent.RunID != 0 {
		return t.tx.Enqueue(ctx, conductor.Job, r.Parent.RunID)
	}
	if err := t.tx.tellPlaybookFailed(ctx, r); err != nil {
		return err
	}
	if r.Schedule != 0 {
		return t.tx.finishPlaybookFiring(ctx, r)
	}
	return nil
}

// Left implements conductor.Turn.
func (t *playbookTurn) Left(ctx context.Context, place string) (map[string]json.RawMessage, error) {
	if place == t.place {
		return t.left, nil
	}
	id, ofPlaybook, err := conductor.ParsePlace(place)
	if err != nil {
		return nil, err
	}
	read := t.leftByCommand
	if ofPlaybook {
		read = t.leftByPlaybook
	}
	left, err := read(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read what %s left: %w", place, err)
	}
	t.place, t.left = place, left
	return left, nil
}

func (t *playbookTurn) leftByCommand(ctx context.Context, id int64) (map[string]json.RawMessage, error) {
	var packed []byte
	err := t.tx.QueryRow(ctx, "SELECT outcome FROM automation_outcomes WHERE run_id = ?", id).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	doc, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	var left map[string]json.RawMessage
	return left, decode(doc, &left)
}

func (t *playbookTurn) leftByPlaybook(ctx context.Context, id int64) (map[string]json.RawMessage, error) {
	var outputs sql.NullString
	err := t.tx.QueryRow(ctx, "SELECT outputs FROM playbook_runs WHERE id = ?", id).Scan(&outputs)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return map[string]json.RawMessage{"outputs": json.RawMessage(outputs.String)}, err
}

// Hold implements conductor.Turn.
func (t *playbookTurn) Hold(ctx context.Context, names []string) error {
	t.held = make(map[string]int64, len(names))
	var ids []int64
	for _, name := range names {
		id, err := t.connection(ctx, name)
		if err != nil {
			return fmt.Errorf("find connection %s: %w", name, err)
		}
		t.held[name] = id
		ids = append(ids, id)
	}
	locked, err := t.tx.ids(ctx, "SELECT id FROM connections WHERE "+t.tx.dialect.InIDs("id")+" ORDER BY id"+t.tx.dialect.ForNoKeyUpdate(), t.tx.dialect.IDsParam(ids))
	if err != nil {
		return fmt.Errorf("lock connections: %w", err)
	}
	for name, id := range t.held {
		if !slices.Contains(locked, id) {
			t.held[name] = 0 // it was deleted at this moment
		}
	}
	return nil
}

// Begin implements conductor.Turn.
func (t *playbookTurn) Begin(ctx context.Context, r run.Run, ref engine.Ref) (run.Beginning, error) {
	r.Attempts = ref.Send
	b := run.Beginning{Run: r}
	id, err := t.connection(ctx, r.ConnectionName)
	if err != nil {
		return b, err
	}
	b.Run.ConnectionID = id
	if id == 0 {
		b.NoConnection = true
	} else if err := t.tx.beginWith(ctx, &b); err != nil {
		return b, err
	}
	values, err := automationRunValues(&b.Run)
	if err != nil {
		return b, err
	}
	var queued sql.NullInt64
	err = t.tx.QueryRow(ctx, "INSERT INTO automation_runs ("+automationRunColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (playbook_run_id, step, item, round) WHERE playbook_run_id IS NOT NULL DO UPDATE SET connection_id = excluded.connection_id,
		connection_name = excluded.connection_name, inputs = excluded.inputs, state = excluded.state, ended = NULL, resume = NULL, attempts = ?
		RETURNING id, queued`, append(values, ref.Send)...).Scan(&b.Run.ID, &queued)
	if err != nil {
		return b, fmt.Errorf("store run of step %s: %w", ref.Step, err)
	}
	b.Run.Queued = when(queued)
	return b, nil
}

// connection returns the id of the connection that a run means by a name, 0 for none.
func (t *playbookTurn) connection(ctx context.Context, name string) (int64, error) {
	if id, held := t.held[name]; held || name == "" {
		return id, nil
	}
	ids, err := t.tx.ids(ctx, "SELECT id FROM connections WHERE site_id = ? AND name = ?", t.run.SiteID, storable(name))
	if site, rest, ok := strings.Cut(name, "/"); err == nil && len(ids) == 0 && ok {
		// Of other sites, only what they share with the site of the run.
		ids, err = t.tx.ids(ctx, `SELECT c.id FROM connections AS c JOIN sites AS s ON s.id = c.site_id JOIN sites AS own ON own.id = ?
			WHERE s.name = ? AND c.name = ? AND (s.id = own.id OR c.shared AND own.kind = ?)`, t.run.SiteID, storable(site), storable(rest), string(connection.Internal))
	}
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	return ids[0], nil
}

// Leave implements conductor.Turn.
func (t *playbookTurn) Leave(ctx context.Context, r run.Run) error {
	current := fmt.Sprintf("state = '%s' AND attempts = %d", run.Running, r.Attempts)
	if r.State != run.Waiting {
		ended, err := t.tx.storeEnd(ctx, &r, current)
		if err == nil && ended && r.ConnectionID == 0 {
			_, err = t.tx.Exec(ctx, "UPDATE automation_runs SET connection_id = NULL WHERE id = ? AND connection_id IS NOT NULL", r.ID)
		}
		return err
	}
	n, err := t.tx.affected(ctx, "UPDATE automation_runs SET state = ?, resume = ? WHERE id = ? AND "+current, string(r.State), micros(r.Resume), r.ID)
	if err != nil || n == 0 {
		return err
	}
	return t.tx.writeOutcome(ctx, &r)
}

// Lose implements conductor.Turn.
func (t *playbookTurn) Lose(ctx context.Context, ref engine.Ref, state run.State, at time.Time) error {
	_, err := t.tx.Exec(ctx, "UPDATE automation_runs SET state = ?, ended = ? WHERE playbook_run_id = ? AND step = ? AND item = ? AND round = ? AND attempts = ? AND state = ?",
		string(state), micros(at), t.run.ID, ref.Step, ref.Item, ref.Round, ref.Send, string(run.Running))
	if err != nil {
		return fmt.Errorf("end the record of step %s: %w", ref.Step, err)
	}
	return nil
}

// Call implements conductor.Turn.
func (t *playbookTurn) Call(ctx context.Context, playbook string, r conductor.Run) error {
	v, err := t.callee(ctx, playbook)
	if err != nil {
		return err
	}
	r.PlaybookID, r.VersionID, r.Playbook, r.Version = v.PlaybookID, v.ID, v.Playbook, v.Number
	if r.Publishers, err = t.vouch(ctx, r.Publishers, v); err != nil {
		return fmt.Errorf("find who published playbook %s: %w", playbook, err)
	}
	_, _, err = t.tx.startPlaybookRun(ctx, r)
	return err
}

// Called implements conductor.Turn.
func (t *playbookTurn) Called(ctx context.Context) ([]conductor.Run, error) {
	ended, err := t.tx.playbookRunHeads(ctx, " WHERE parent_id = ? AND ended IS NOT NULL AND NOT noted ORDER BY id", t.run.ID)
	if err != nil || len(ended) == 0 {
		return nil, err
	}
	ids := make([]int64, len(ended))
	for i := range ended {
		ids[i] = ended[i].ID
	}
	if _, err := t.tx.Exec(ctx, "UPDATE playbook_runs SET noted = ? WHERE "+t.tx.dialect.InIDs("id"), true, t.tx.dialect.IDsParam(ids)); err != nil {
		return nil, fmt.Errorf("note what run %d began: %w", t.run.ID, err)
	}
	return ended, nil
}

// Calling implements conductor.Turn.
func (t *playbookTurn) Calling(ctx context.Context) ([]conductor.Run, error) {
	return t.tx.playbookRunHeads(ctx, " WHERE parent_id = ? AND ended IS NULL ORDER BY id", t.run.ID)
}

// CancelCalled implements conductor.Turn.
func (t *playbookTurn) CancelCalled(ctx context.Context, id int64, at time.Time) error {
	return t.tx.cancelPlaybookRun(ctx, id, at)
}

// cancelPlaybookRun asks a run to cancel itself.
func (t *Tx) cancelPlaybookRun(ctx context.Context, id int64, at time.Time) error {
	_, err := t.Exec(ctx, "UPDATE playbook_runs SET cancel = ?, revision = revision + 1, due = ? WHERE id = ? AND ended IS NULL", true, micros(at), id)
	if err != nil {
		return fmt.Errorf("cancel playbook run %d: %w", id, err)
	}
	return t.Enqueue(ctx, conductor.Job, id)
}
