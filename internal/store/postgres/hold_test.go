package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"vedette.dev/vedette/internal/automation/connection"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/secret"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
	"vedette.dev/vedette/internal/store/storetest"
)

// nowhere is a queue whose jobs nobody does.
type nowhere struct{}

func (nowhere) Enqueue(context.Context, *sql.Tx, string, int64) error { return nil }
func (nowhere) Cancel(context.Context, *sql.Tx, string, int64) error  { return nil }

// Two runs that need the same two connections, each in its own order, would otherwise
// hold one each and wait for the other.
func TestATurnThatWaitsForAConnectionHoldsNoLaterOne(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Database(t)
	s := open(t, dsn, time.Now)
	s.UseQueue(nowhere{})
	ctx := t.Context()
	envelope, err := secret.ParseEnvelope([]byte(secret.NewEnvelopeKey()))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.OpenSecrets(ctx, envelope); err != nil {
		t.Fatal(err)
	}
	sites, err := s.Sites(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, name := range []string{"first", "second"} {
		c, err := s.CreateConnection(ctx, connection.Connection{Integration: "qualys-cloud-agent", Name: name, SiteID: sites[0].ID, Active: true, Limits: connection.Limits{Concurrency: 2}, Check: connection.Check{Every: 5 * time.Minute, MailAfter: 3}, Created: storetest.Start, Modified: storetest.Start}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, c.ID)
	}
	p, err := s.CreatePlaybook(ctx, library.Playbook{SiteID: sites[0].ID, Name: "both"}, library.Version{Source: "x", Author: "ana", Created: storetest.Start})
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := s.StartRun(ctx, conductor.Run{PlaybookID: p.ID, Playbook: "both", Version: 1, SiteID: sites[0].ID, State: conductor.Queued, Queued: storetest.Start, Due: storetest.Start})
	if err != nil {
		t.Fatal(err)
	}
	release := holdRow(t, dsn, fmt.Sprintf("SELECT id FROM connections WHERE id = %d FOR UPDATE", ids[0]), 1)
	held := make(chan error, 1)
	go func() {
		held <- s.Turn(ctx, r.ID, func(ctx context.Context, turn conductor.Turn) error {
			return turn.Hold(ctx, []string{"second", "first"})
		})
	}()
	awaitWaiting(t, s.Writer(), 1)
	if _, err := s.Writer().ExecContext(ctx, "SELECT id FROM connections WHERE id = $1 FOR UPDATE NOWAIT", ids[1]); err != nil {
		t.Errorf("the later connection is held: %v", err)
	}
	release()
	if err := <-held; err != nil {
		t.Error(err)
	}
}
