-- How the last upgrade of each agent ended, as the agent said.

-- +goose Up
CREATE TABLE upgrades (
    host_id      BIGINT PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    outcome      TEXT NOT NULL CHECK (outcome IN ('upgraded', 'rolled_back', 'failed')),
    from_version TEXT NOT NULL,
    to_version   TEXT NOT NULL,
    reason       TEXT NOT NULL,
    at           BIGINT NOT NULL, -- by the clock of the host
    reported     BIGINT NOT NULL
);
CREATE INDEX upgrades_failed ON upgrades (host_id) WHERE outcome <> 'upgraded';
