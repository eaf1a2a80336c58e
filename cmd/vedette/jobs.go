package main

import (
	"log/slog"

	"vedette.dev/vedette/internal/jobs"
)

// jobEngine returns the engine that does the kinds of work of this platform, and
// has the store enqueue to it.
func (p *platform) jobEngine(kinds []jobs.Kind, log *slog.Logger) (*jobs.Engine, error) {
	database := jobs.SQLite(p.store.Writer())
	if p.shared {
		database = jobs.Postgres(p.store.Writer())
	}
	// The lock of the data folder keeps a second platform from a SQLite database.
	engine, err := jobs.New(database, kinds, jobs.Options{Log: log, Sole: !p.shared})
	if err != nil {
		return nil, err
	}
	p.store.UseQueue(engine)
	return engine, nil
}
