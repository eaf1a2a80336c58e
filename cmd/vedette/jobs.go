package main

import (
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/jobs"
)

// jobKinds are the kinds of work that this process does, and the names of those it
// leaves to other replicas.
func (p *platform) jobKinds(now func() time.Time, log *slog.Logger) (here []jobs.Kind, elsewhere []string) {
	here = []jobs.Kind{
		p.commandRuns(p.automation, now, log), p.playbookRuns(p.automation.playbooks, now), p.playbookEvents(p.automation.playbooks, now, log),
		p.firings(p.automation, now, log), p.noticeDeliveries(p.automation, now, log),
	}
	if p.alone {
		return here, []string{connector.RunJob}
	}
	return append(here, p.fleet.kinds...), nil
}

// jobEngine returns the engine that does the kinds of work of this platform, and
// has the store enqueue to it.
func (p *platform) jobEngine(kinds []jobs.Kind, elsewhere []string, log *slog.Logger) (*jobs.Engine, error) {
	database := jobs.SQLite(p.store.Writer())
	if p.shared {
		database = jobs.Postgres(p.store.Writer())
	}
	// The lock of the data folder keeps a second platform from a SQLite database.
	engine, err := jobs.New(database, kinds, jobs.Options{Log: log, Sole: !p.shared, Elsewhere: elsewhere})
	if err != nil {
		return nil, err
	}
	p.store.UseQueue(engine)
	return engine, nil
}
