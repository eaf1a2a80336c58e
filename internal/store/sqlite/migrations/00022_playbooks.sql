-- Playbooks with their versions, their runs, and what runs ask people.

-- +goose Up
-- live is the number of the version that runs; publisher is with whose rights
-- triggers start it.
CREATE TABLE playbooks (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    site_id      INTEGER NOT NULL REFERENCES sites (id),
    name         TEXT NOT NULL CHECK (name <> ''),
    description  TEXT NOT NULL,
    live         INTEGER,
    publisher    TEXT NOT NULL,
    publisher_id INTEGER,
    created      INTEGER NOT NULL,
    modified     INTEGER NOT NULL,
    UNIQUE (site_id, name)
);

-- Versions never change.
CREATE TABLE playbook_versions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    playbook_id INTEGER NOT NULL REFERENCES playbooks (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number > 0),
    source      TEXT NOT NULL,
    author      TEXT NOT NULL,
    created     INTEGER NOT NULL,
    UNIQUE (playbook_id, number)
);

-- progress is the state of the engine. due is when a run goes on by itself; revision
-- grows when somebody else than who conducts the run changes it. Runs that steps of
-- others began have a parent, which has noted their end.
CREATE TABLE playbook_runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    playbook_id   INTEGER REFERENCES playbooks (id) ON DELETE SET NULL,
    version_id    INTEGER REFERENCES playbook_versions (id) ON DELETE SET NULL,
    playbook      TEXT NOT NULL,
    version       INTEGER NOT NULL,
    site_id       INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    data          TEXT CHECK (json_valid(data)),
    key           TEXT,
    inputs        TEXT NOT NULL CHECK (json_valid(inputs)),
    started_by    TEXT NOT NULL,
    user_id       INTEGER NOT NULL,
    address       TEXT NOT NULL,
    schedule_id   INTEGER,
    fired         INTEGER,
    rerun_of      INTEGER,
    parent_id     INTEGER REFERENCES playbook_runs (id) ON DELETE CASCADE,
    parent_step   TEXT NOT NULL,
    parent_item   INTEGER NOT NULL,
    parent_round  INTEGER NOT NULL,
    parent_send   INTEGER NOT NULL,
    chain         TEXT NOT NULL CHECK (json_valid(chain)),
    cancel        INTEGER NOT NULL CHECK (cancel IN (0, 1)),
    noted         INTEGER NOT NULL CHECK (noted IN (0, 1)),
    state         TEXT NOT NULL,
    progress      TEXT CHECK (json_valid(progress)),
    revision      INTEGER NOT NULL,
    outputs       TEXT CHECK (json_valid(outputs)),
    failure       TEXT CHECK (json_valid(failure)),
    queued        INTEGER NOT NULL,
    started       INTEGER,
    ended         INTEGER,
    due           INTEGER
);
CREATE UNIQUE INDEX playbook_runs_key ON playbook_runs (playbook_id, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX playbook_runs_firing ON playbook_runs (schedule_id, fired) WHERE schedule_id IS NOT NULL;
CREATE UNIQUE INDEX playbook_runs_parent ON playbook_runs (parent_id, parent_step, parent_item, parent_round, parent_send) WHERE parent_id IS NOT NULL;
CREATE INDEX playbook_runs_playbook ON playbook_runs (playbook_id, id);
CREATE INDEX playbook_runs_open ON playbook_runs (playbook_id) WHERE ended IS NULL;
CREATE INDEX playbook_runs_rerun ON playbook_runs (rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX playbook_runs_version ON playbook_runs (version_id) WHERE version_id IS NOT NULL;
CREATE INDEX playbook_runs_due ON playbook_runs (due) WHERE ended IS NULL;
CREATE INDEX playbook_runs_ended ON playbook_runs (ended) WHERE ended IS NOT NULL;
CREATE INDEX playbook_runs_unnoted ON playbook_runs (parent_id) WHERE parent_id IS NOT NULL AND ended IS NOT NULL AND NOT noted;

-- What runs ask people: whether to go on, or what became of a command.
CREATE TABLE playbook_questions (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id    INTEGER NOT NULL REFERENCES playbook_runs (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL CHECK (kind IN ('approval', 'unknown')),
    step      TEXT NOT NULL,
    item      INTEGER NOT NULL,
    round     INTEGER NOT NULL,
    send      INTEGER NOT NULL,
    assignees TEXT NOT NULL CHECK (json_valid(assignees)),
    message   TEXT NOT NULL,
    asked     INTEGER NOT NULL,
    due       INTEGER NOT NULL,
    closed    INTEGER,
    answer    TEXT NOT NULL,
    answered_by TEXT NOT NULL,
    comment   TEXT NOT NULL
);
CREATE INDEX playbook_questions_run ON playbook_questions (run_id);
CREATE INDEX playbook_questions_open ON playbook_questions (id) WHERE closed IS NULL;

-- Each execution of a command by a step is a run of its own, however often it is
-- sent. It has no job: who conducts the playbook's run carries it out.
ALTER TABLE automation_runs ADD COLUMN playbook_run_id INTEGER REFERENCES playbook_runs (id) ON DELETE CASCADE;
ALTER TABLE automation_runs ADD COLUMN step TEXT;
ALTER TABLE automation_runs ADD COLUMN item INTEGER;
ALTER TABLE automation_runs ADD COLUMN round INTEGER;
CREATE UNIQUE INDEX automation_runs_step ON automation_runs (playbook_run_id, step, item, round) WHERE playbook_run_id IS NOT NULL;
CREATE INDEX automation_runs_pending ON automation_runs (id) WHERE ended IS NULL AND playbook_run_id IS NULL;

-- The run of a firing is one of a command or of a playbook.
ALTER TABLE schedule_firings ADD COLUMN playbook_run_id INTEGER REFERENCES playbook_runs (id) ON DELETE SET NULL;
CREATE INDEX schedule_firings_playbook_run ON schedule_firings (playbook_run_id) WHERE playbook_run_id IS NOT NULL;
