-- Relays: services in closed networks that dial out to the platform.

-- +goose Up
-- digest is the SHA-256 of the token, NULL when it was revoked. generation counts
-- tokens: a channel ends with the one it was opened in. The last four are the
-- relay's own word. Connections of its site alone may use it, of every site when
-- site_id is NULL.
CREATE TABLE relays (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE CHECK (name <> ''),
    description   TEXT NOT NULL,
    site_id       INTEGER REFERENCES sites (id),
    digest        BLOB UNIQUE CHECK (length(digest) = 32),
    generation    INTEGER NOT NULL CHECK (generation > 0),
    created       INTEGER NOT NULL,
    token_changed INTEGER NOT NULL,
    last_seen     INTEGER,
    version       TEXT NOT NULL DEFAULT '',
    host          TEXT NOT NULL DEFAULT '',
    addresses     TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(addresses))
);

-- Channels that replicas have now. A replica that was killed leaves its own, which
-- counts no more when nobody has spoken of it for a while.
CREATE TABLE relay_channels (
    relay_id INTEGER NOT NULL REFERENCES relays (id) ON DELETE CASCADE,
    replica  TEXT NOT NULL,
    instance TEXT NOT NULL,
    remote   TEXT NOT NULL,
    opened   INTEGER NOT NULL,
    seen     INTEGER NOT NULL,
    PRIMARY KEY (relay_id, replica)
) WITHOUT ROWID;
