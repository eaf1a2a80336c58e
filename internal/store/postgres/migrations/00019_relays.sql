-- Relays: services in closed networks that dial out to the platform.

-- +goose Up
-- digest is the SHA-256 of the token, NULL when it was revoked. generation counts
-- tokens: a channel ends with the one it was opened in. The last four are the
-- relay's own word. Connections of its site alone may use it, of every site when
-- site_id is NULL.
CREATE TABLE relays (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE CHECK (name <> ''),
    description   TEXT NOT NULL,
    site_id       BIGINT REFERENCES sites (id),
    digest        BYTEA UNIQUE CHECK (length(digest) = 32),
    generation    BIGINT NOT NULL CHECK (generation > 0),
    created       BIGINT NOT NULL,
    token_changed BIGINT NOT NULL,
    last_seen     BIGINT,
    version       TEXT NOT NULL DEFAULT '',
    host          TEXT NOT NULL DEFAULT '',
    addresses     TEXT NOT NULL DEFAULT '[]'
);

-- Channels that replicas have now. A replica that was killed leaves its own, which
-- counts no more when nobody has spoken of it for a while.
CREATE TABLE relay_channels (
    relay_id BIGINT NOT NULL REFERENCES relays (id) ON DELETE CASCADE,
    replica  TEXT NOT NULL,
    instance TEXT NOT NULL,
    remote   TEXT NOT NULL,
    opened   BIGINT NOT NULL,
    seen     BIGINT NOT NULL,
    PRIMARY KEY (relay_id, replica)
);
