-- Orders to agents to remove themselves. They outlive the asset, so there is no
-- foreign key.

-- +goose Up
CREATE TABLE uninstalls (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    host_id      INTEGER NOT NULL,
    host_name    TEXT NOT NULL,
    agent_id     TEXT NOT NULL UNIQUE CHECK (agent_id <> ''),
    public_key   BLOB NOT NULL CHECK (length(public_key) = 32),
    requested_by TEXT NOT NULL,
    created      INTEGER NOT NULL,
    confirmed    INTEGER -- NULL while the order is open
);
CREATE INDEX uninstalls_open ON uninstalls (id) WHERE confirmed IS NULL;
