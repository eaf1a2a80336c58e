-- What starts playbooks because something happened on the platform.

-- +goose Up
-- The events in the texts of live versions: number is which of the text, from 1.
-- Events that are looked for have due, when to look next. Agents that checked in last
-- before mark, or at it with an id up to mark_host, were looked at. left_out is how
-- much happened while too much was waiting, since people were told.
CREATE TABLE playbook_events (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    playbook_id INTEGER NOT NULL REFERENCES playbooks (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number > 0),
    kind        TEXT NOT NULL,
    criteria    TEXT NOT NULL CHECK (json_valid(criteria)),
    mark        INTEGER NOT NULL,
    mark_host   INTEGER NOT NULL,
    due         INTEGER,
    left_out    INTEGER NOT NULL DEFAULT 0,
    UNIQUE (playbook_id, number)
);

-- What happened and has not started its playbook yet.
CREATE TABLE playbook_occurrences (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id INTEGER NOT NULL REFERENCES playbook_events (id) ON DELETE CASCADE,
    data     TEXT NOT NULL CHECK (json_valid(data)),
    happened INTEGER NOT NULL
);
CREATE INDEX playbook_occurrences_event ON playbook_occurrences (event_id, id);

-- The keys that are nearly used up, and are told again only after they were not.
CREATE TABLE playbook_event_keys (
    event_id INTEGER NOT NULL REFERENCES playbook_events (id) ON DELETE CASCADE,
    key_id   INTEGER NOT NULL REFERENCES activation_keys (id) ON DELETE CASCADE,
    PRIMARY KEY (event_id, key_id)
) WITHOUT ROWID;
CREATE INDEX playbook_event_keys_key ON playbook_event_keys (key_id);
