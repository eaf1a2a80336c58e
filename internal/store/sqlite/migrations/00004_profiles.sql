-- +goose Up
ALTER TABLE profiles ADD COLUMN include_all INTEGER NOT NULL DEFAULT 0 CHECK (include_all IN (0, 1));
ALTER TABLE profiles ADD COLUMN exclude_all INTEGER NOT NULL DEFAULT 0 CHECK (exclude_all IN (0, 1));
ALTER TABLE profiles ADD COLUMN in_memory_db INTEGER NOT NULL DEFAULT 0 CHECK (in_memory_db IN (0, 1));
ALTER TABLE profiles ADD COLUMN tag_set_uuid TEXT NOT NULL DEFAULT '';
ALTER TABLE profiles ADD COLUMN created_by TEXT NOT NULL DEFAULT ''; -- first and last name; '' for system profiles
-- Deleted for the API; the row goes when its last agent has another profile.
ALTER TABLE profiles ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0 CHECK (deleted IN (0, 1));

CREATE TABLE profile_tags (
    profile_id INTEGER NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    tag_id     INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    excluded   INTEGER NOT NULL CHECK (excluded IN (0, 1)),
    PRIMARY KEY (profile_id, tag_id)
) WITHOUT ROWID;
CREATE INDEX profile_tags_tag ON profile_tags (tag_id);

-- Changes of profiles that agents have yet to be told of. profile_id NULL: which
-- profile each agent has is decided again; otherwise the agents of that profile
-- get a new version of it. Agents up to after_host are done.
CREATE TABLE profile_rollouts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    profile_id INTEGER REFERENCES profiles (id) ON DELETE CASCADE,
    after_host INTEGER NOT NULL
);
