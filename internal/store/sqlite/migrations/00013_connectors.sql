-- Cloud connectors: what they list, how they get in, what their runs did.

-- +goose Up
-- Partitions of AWS beside the commercial one need an option of the subscription.
ALTER TABLE subscription ADD COLUMN govcloud INTEGER NOT NULL DEFAULT 0 CHECK (govcloud IN (0, 1));
ALTER TABLE subscription ADD COLUMN china INTEGER NOT NULL DEFAULT 0 CHECK (china IN (0, 1));

-- The keys that values in secrets are sealed with, sealed by a key that is not in
-- the database.
CREATE TABLE secret_keyset (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    wrapped BLOB NOT NULL
);

-- Values that only ciphertext of is stored. sealed is bound to kind, owner and
-- field; key_id is the key of the keyset it was sealed with.
CREATE TABLE secrets (
    kind     TEXT NOT NULL,
    owner_id INTEGER NOT NULL,
    field    TEXT NOT NULL,
    sealed   BLOB NOT NULL,
    key_id   INTEGER NOT NULL,
    PRIMARY KEY (kind, owner_id, field)
) WITHOUT ROWID;

CREATE TABLE aws_auth_records (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL CHECK (name <> ''),
    description TEXT NOT NULL,
    created     INTEGER NOT NULL,
    modified    INTEGER NOT NULL
);

-- The account that assumes roles, by partition; without one the platform's own.
CREATE TABLE aws_base_accounts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    partition  TEXT NOT NULL UNIQUE CHECK (partition IN ('aws', 'aws-us-gov', 'aws-cn')),
    account_id TEXT NOT NULL CHECK (length(account_id) = 12),
    modified   INTEGER NOT NULL
);

-- active_run is the run that is queued or at work, and the only one that may store
-- anything. run_frequency is in minutes.
CREATE TABLE connectors (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    name           TEXT NOT NULL CHECK (name <> ''),
    description    TEXT NOT NULL,
    partition      TEXT NOT NULL CHECK (partition IN ('aws', 'aws-us-gov', 'aws-cn')),
    role_arn       TEXT NOT NULL,
    external_id    TEXT NOT NULL,
    auth_record_id INTEGER REFERENCES aws_auth_records (id),
    all_regions    INTEGER NOT NULL CHECK (all_regions IN (0, 1)),
    regions        TEXT NOT NULL CHECK (json_valid(regions)),
    disabled       INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    run_frequency  INTEGER NOT NULL CHECK (run_frequency > 0),
    modules        TEXT NOT NULL CHECK (json_valid(modules)),
    kept           TEXT NOT NULL CHECK (json_valid(kept)),
    state          TEXT NOT NULL,
    account_id     TEXT NOT NULL,
    last_sync      INTEGER,
    next_sync      INTEGER,
    last_error     TEXT NOT NULL,
    created        INTEGER NOT NULL,
    modified       INTEGER NOT NULL,
    active_run     INTEGER
);
CREATE INDEX connectors_auth_record ON connectors (auth_record_id) WHERE auth_record_id IS NOT NULL;
CREATE INDEX connectors_due ON connectors (next_sync) WHERE active_run IS NULL AND next_sync IS NOT NULL;

CREATE TABLE connector_tags (
    connector_id INTEGER NOT NULL REFERENCES connectors (id) ON DELETE CASCADE,
    tag_id       INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    PRIMARY KEY (connector_id, tag_id)
) WITHOUT ROWID;
CREATE INDEX connector_tags_tag ON connector_tags (tag_id);

-- Ids are never used again: they fence.
CREATE TABLE connector_runs (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    connector_id INTEGER NOT NULL REFERENCES connectors (id) ON DELETE CASCADE,
    started_by   TEXT NOT NULL,
    state        TEXT NOT NULL,
    queued       INTEGER NOT NULL,
    started      INTEGER,
    ended        INTEGER,
    error        TEXT NOT NULL,
    regions      TEXT NOT NULL CHECK (json_valid(regions))
);
CREATE INDEX connector_runs_connector ON connector_runs (connector_id, id);
CREATE INDEX connector_runs_active ON connector_runs (id) WHERE ended IS NULL;
