-- Schedules of the automation layer, and what came of each of their firings.

-- +goose Up
-- due is when the next firing is to be carried out; owing says that a firing is to
-- start and has no run yet.
CREATE TABLE automation_schedules (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL CHECK (name <> ''),
    site_id       INTEGER NOT NULL REFERENCES sites (id),
    owner         TEXT NOT NULL,
    command       TEXT NOT NULL,
    playbook_id   INTEGER,
    connection_id INTEGER REFERENCES connections (id),
    inputs        TEXT NOT NULL CHECK (json_valid(inputs)),
    spec          TEXT NOT NULL CHECK (json_valid(spec)),
    active        INTEGER NOT NULL CHECK (active IN (0, 1)),
    paused_reason TEXT NOT NULL,
    failures      INTEGER NOT NULL,
    next_firing   INTEGER,
    last_firing   INTEGER,
    waiting       INTEGER,
    due           INTEGER,
    owing         INTEGER NOT NULL CHECK (owing IN (0, 1)),
    UNIQUE (site_id, name)
);
CREATE INDEX automation_schedules_connection ON automation_schedules (connection_id) WHERE connection_id IS NOT NULL;
CREATE INDEX automation_schedules_due ON automation_schedules (due) WHERE due IS NOT NULL;
CREATE INDEX automation_schedules_owing ON automation_schedules (id) WHERE owing;

CREATE TABLE schedule_firings (
    schedule_id INTEGER NOT NULL REFERENCES automation_schedules (id) ON DELETE CASCADE,
    firing      INTEGER NOT NULL,
    by_hand     INTEGER NOT NULL CHECK (by_hand IN (0, 1)),
    fired       INTEGER NOT NULL,
    action      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    missed      INTEGER NOT NULL,
    run_id      INTEGER REFERENCES automation_runs (id) ON DELETE SET NULL,
    started     INTEGER NOT NULL CHECK (started IN (0, 1)),
    PRIMARY KEY (schedule_id, firing, by_hand)
) WITHOUT ROWID;
CREATE INDEX schedule_firings_run ON schedule_firings (run_id) WHERE run_id IS NOT NULL;
