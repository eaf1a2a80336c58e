-- Which machine an agent's identity belongs to. run is the last one of history,
-- for those who only need that.

-- +goose Up
CREATE TABLE agent_holders (
    host_id     BIGINT PRIMARY KEY REFERENCES agents (host_id) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL,
    run         TEXT NOT NULL CHECK (run <> ''),
    history     JSONB NOT NULL
);
