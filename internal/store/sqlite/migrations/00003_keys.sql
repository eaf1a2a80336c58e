-- +goose Up
-- Updates of keys that their agents have yet to get. Agents up to after_host
-- have them.
CREATE TABLE activation_key_pushes (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id     INTEGER NOT NULL REFERENCES activation_keys (id) ON DELETE CASCADE,
    change     TEXT NOT NULL CHECK (json_valid(change)),
    after_host INTEGER NOT NULL
);
CREATE INDEX activation_key_pushes_key ON activation_key_pushes (key_id, id);
