package store

import (
	"context"
	"database/sql"
	"fmt"

	"vedette.dev/vedette/internal/automation/playbook/conductor"
)

const questionQuery = `SELECT q.id, q.run_id, r.playbook, r.site_id, q.kind, q.step, q.item, q.round, q.send, q.assignees, q.message, q.asked, q.due, q.closed, q.answer, q.answered_by, q.comment
	FROM playbook_questions AS q JOIN playbook_runs AS r ON r.id = q.run_id`

func (t *Tx) questions(ctx context.Context, rest string, args ...any) ([]conductor.Question, error) {
	var all []conductor.Question
	err := t.each(ctx, questionQuery+rest, args, func(rows *sql.Rows) error {
		var q conductor.Question
		var assignees []byte
		var asked, due, closed sql.NullInt64
		err := rows.Scan(&q.ID, &q.RunID, &q.Playbook, &q.SiteID, &q.Kind, &q.Step, &q.Item, &q.Round, &q.Send, &assignees, &q.Message, &asked, &due, &closed, &q.Answer, &q.By, &q.Comment)
		if err != nil {
			return err
		}
		q.Asked, q.Due, q.Closed = when(asked), when(due), when(closed)
		err = decode(assignees, &q.Assignees)
		all = append(all, q)
		return err
	})
	return all, err
}

// Questions lists questions; see conductor.Records.
func (s *Store) Questions(ctx context.Context, siteIDs []int64, runID int64, open bool, limit int) ([]conductor.Question, error) {
	where, args := " WHERE 1 = 1", []any{}
	if siteIDs != nil {
		where, args = where+" AND "+s.dialect.InIDs("r.site_id"), append(args, s.dialect.IDsParam(siteIDs))
	}
	if runID != 0 {
		where, args = where+" AND q.run_id = ?", append(args, runID)
	}
	if open {
		where += " AND q.closed IS NULL"
	}
	var all []conductor.Question
	err := s.view(ctx, func(tx *Tx) (err error) {
		all, err = tx.questions(ctx, where+" ORDER BY q.id DESC LIMIT ?", append(args, limit)...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list questions: %w", err)
	}
	return all, nil
}

// Question returns one question; see conductor.Records.
func (s *Store) Question(ctx context.Context, id int64) (conductor.Question, error) {
	var found []conductor.Question
	err := s.view(ctx, func(tx *Tx) (err error) {
		found, err = tx.questions(ctx, " WHERE q.id = ?", id)
		return err
	})
	if err == nil && len(found) == 0 {
		err = conductor.NoQuestion(id)
	}
	if err != nil {
		return conductor.Question{}, fmt.Errorf("read question %d: %w", id, err)
	}
	return found[0], nil
}

// Ask implements conductor.Turn.
func (t *playbookTurn) Ask(ctx context.Context, q conductor.Question) error {
	open, err := t.tx.ids(ctx, "SELECT id FROM playbook_questions WHERE run_id = ? AND kind = ? AND step = ? AND item = ? AND round = ? AND send = ? AND closed IS NULL",
		q.RunID, string(q.Kind), q.Step, q.Item, q.Round, q.Send)
	if err != nil || len(open) > 0 {
		return err
	}
	assignees, err := encode(append([]string{}, q.Assignees...))
	if err != nil {
		return err
	}
	err = t.tx.QueryRow(ctx, `INSERT INTO playbook_questions (run_id, kind, step, item, round, send, assignees, message, asked, due, answer, answered_by, comment)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '') RETURNING id`,
		q.RunID, string(q.Kind), q.Step, q.Item, q.Round, q.Send, assignees, q.Message, micros(q.Asked), micros(q.Due)).Scan(&q.ID)
	if err != nil {
		return fmt.Errorf("store question of step %s: %w", q.Step, err)
	}
	return t.tx.tellAsked(ctx, &t.run, &q)
}

// Open implements conductor.Turn.
func (t *playbookTurn) Open(ctx context.Context) ([]conductor.Question, error) {
	return t.tx.questions(ctx, " WHERE q.run_id = ? AND q.closed IS NULL ORDER BY q.id", t.run.ID)
}

// Close implements conductor.Turn.
func (t *playbookTurn) Close(ctx context.Context, q conductor.Question) error {
	_, err := t.tx.Exec(ctx, "UPDATE playbook_questions SET closed = ?, answer = ?, answered_by = ?, comment = ? WHERE id = ?", micros(q.Closed), q.Answer, q.By, q.Comment, q.ID)
	if err != nil {
		return fmt.Errorf("close question %d: %w", q.ID, err)
	}
	return nil
}
