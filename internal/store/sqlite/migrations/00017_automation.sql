-- The automation layer: sites, connections, who may use them, runs of commands.

-- +goose Up
CREATE TABLE sites (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE CHECK (name <> ''),
    kind        TEXT NOT NULL CHECK (kind IN ('internal', 'client')),
    description TEXT NOT NULL,
    created     INTEGER NOT NULL
);
INSERT INTO sites (name, kind, description, created) VALUES ('Main', 'internal', 'The site that is there from the beginning.', 0);

CREATE TABLE site_members (
    site_id INTEGER NOT NULL REFERENCES sites (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (site_id, user_id)
) WITHOUT ROWID;
CREATE INDEX site_members_user ON site_members (user_id);

-- Secrets of a connection are in secrets, under the kind "connection". health_next
-- is when the next health check is due. relay_id is checked by the program.
CREATE TABLE connections (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    integration         TEXT NOT NULL,
    name                TEXT NOT NULL CHECK (name <> ''),
    site_id             INTEGER NOT NULL REFERENCES sites (id),
    shared              INTEGER NOT NULL CHECK (shared IN (0, 1)),
    description         TEXT NOT NULL,
    active              INTEGER NOT NULL CHECK (active IN (0, 1)),
    relay_id            INTEGER,
    parameters          TEXT NOT NULL CHECK (json_valid(parameters)),
    vault_id            INTEGER REFERENCES connections (id),
    vault_items         TEXT NOT NULL CHECK (json_valid(vault_items)),
    requests_per_minute INTEGER NOT NULL,
    concurrency         INTEGER NOT NULL CHECK (concurrency > 0),
    check_enabled       INTEGER NOT NULL CHECK (check_enabled IN (0, 1)),
    check_minutes       INTEGER NOT NULL CHECK (check_minutes > 0),
    mail_after          INTEGER NOT NULL,
    mail_to             TEXT NOT NULL CHECK (json_valid(mail_to)),
    health              TEXT NOT NULL,
    health_checked      INTEGER,
    health_next         INTEGER,
    health_failures     INTEGER NOT NULL,
    health_since        INTEGER,
    health_told         INTEGER NOT NULL CHECK (health_told IN (0, 1)),
    created             INTEGER NOT NULL,
    modified            INTEGER NOT NULL,
    UNIQUE (site_id, name)
);
CREATE INDEX connections_vault ON connections (vault_id) WHERE vault_id IS NOT NULL;
CREATE INDEX connections_relay ON connections (relay_id) WHERE relay_id IS NOT NULL;
CREATE INDEX connections_due ON connections (health_next) WHERE health_next IS NOT NULL;

-- A grant is for a user or for a role.
CREATE TABLE connection_grants (
    connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    user_id       INTEGER REFERENCES users (id) ON DELETE CASCADE,
    role_id       INTEGER REFERENCES roles (id) ON DELETE CASCADE,
    level         TEXT NOT NULL CHECK (level IN ('use', 'edit', 'own')),
    CHECK ((user_id IS NULL) <> (role_id IS NULL))
);
CREATE UNIQUE INDEX connection_grants_user ON connection_grants (connection_id, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX connection_grants_role ON connection_grants (connection_id, role_id) WHERE role_id IS NOT NULL;
CREATE INDEX connection_grants_of_user ON connection_grants (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX connection_grants_of_role ON connection_grants (role_id) WHERE role_id IS NOT NULL;

-- When the next request of a connection with a limit may be made: written at every
-- request, so it is narrow and alone.
CREATE TABLE connection_pace (
    connection_id INTEGER PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    next_request  INTEGER NOT NULL
);

-- outcome holds an automation.Outcome, compressed; failures is what lists show of
-- it. Secret inputs are in secrets, under the kind "run", until the run ends.
CREATE TABLE automation_runs (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    connection_id   INTEGER REFERENCES connections (id) ON DELETE SET NULL,
    connection_name TEXT NOT NULL,
    site_id         INTEGER NOT NULL,
    integration     TEXT NOT NULL,
    command         TEXT NOT NULL,
    inputs          TEXT NOT NULL CHECK (json_valid(inputs)),
    origin          TEXT NOT NULL,
    started_by      TEXT NOT NULL,
    address         TEXT NOT NULL,
    schedule_id     INTEGER,
    fired           INTEGER,
    rerun_of        INTEGER,
    dry_run         INTEGER NOT NULL CHECK (dry_run IN (0, 1)),
    force           INTEGER NOT NULL CHECK (force IN (0, 1)),
    wait            TEXT CHECK (json_valid(wait)),
    key             TEXT,
    state           TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    cursor          TEXT CHECK (json_valid(cursor)),
    passdown        TEXT CHECK (json_valid(passdown)),
    return_data     TEXT NOT NULL,
    failures        TEXT NOT NULL CHECK (json_valid(failures)),
    queued          INTEGER NOT NULL,
    started         INTEGER,
    ended           INTEGER,
    resume          INTEGER
);
CREATE UNIQUE INDEX automation_runs_key ON automation_runs (started_by, key) WHERE key IS NOT NULL;
CREATE UNIQUE INDEX automation_runs_firing ON automation_runs (schedule_id, fired) WHERE schedule_id IS NOT NULL;
CREATE INDEX automation_runs_connection ON automation_runs (connection_id, id);
CREATE INDEX automation_runs_open ON automation_runs (connection_id, state) WHERE ended IS NULL;
CREATE INDEX automation_runs_ended ON automation_runs (ended) WHERE ended IS NOT NULL;

CREATE TABLE automation_outcomes (
    run_id  INTEGER PRIMARY KEY REFERENCES automation_runs (id) ON DELETE CASCADE,
    outcome BLOB NOT NULL
);

-- On-demand scans that were launched through a connection, so that the same one is
-- not launched twice within moments. key is that of the run that did; settled is not set while its
-- request is on its way.
CREATE TABLE connection_launches (
    connection_id INTEGER NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    asset_id      INTEGER NOT NULL,
    scan_type     TEXT NOT NULL,
    key           TEXT NOT NULL,
    settled       INTEGER NOT NULL CHECK (settled IN (0, 1)),
    launched      INTEGER NOT NULL,
    PRIMARY KEY (connection_id, asset_id, scan_type)
) WITHOUT ROWID;
CREATE INDEX connection_launches_age ON connection_launches (launched);

-- What people are to be told, until they have been. next_attempt is empty when it was
-- sent, or given up.
CREATE TABLE notices (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT NOT NULL,
    data         TEXT NOT NULL CHECK (json_valid(data)),
    mail_to      TEXT NOT NULL CHECK (json_valid(mail_to)),
    happened     INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    next_attempt INTEGER,
    failure      TEXT NOT NULL
);
CREATE INDEX notices_due ON notices (next_attempt) WHERE next_attempt IS NOT NULL;
