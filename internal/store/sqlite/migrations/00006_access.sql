-- +goose Up
CREATE TABLE roles (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE CHECK (name <> ''),
    description TEXT NOT NULL,
    manager     INTEGER NOT NULL CHECK (manager IN (0, 1)),
    created     INTEGER NOT NULL
);
CREATE UNIQUE INDEX roles_manager ON roles (manager) WHERE manager;
INSERT INTO roles (id, name, description, manager, created)
VALUES (1, 'Manager', 'May do everything, on every asset.', 1, CAST(strftime('%s', 'now') AS INTEGER) * 1000000);

CREATE TABLE role_permissions (
    role_id    INTEGER NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    permission TEXT NOT NULL CHECK (permission <> ''),
    PRIMARY KEY (role_id, permission)
) WITHOUT ROWID;

-- A role that somebody has stays.
CREATE TABLE user_roles (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role_id INTEGER NOT NULL REFERENCES roles (id),
    PRIMARY KEY (user_id, role_id)
) WITHOUT ROWID;
CREATE INDEX user_roles_role ON user_roles (role_id);
INSERT INTO user_roles (user_id, role_id) SELECT id, 1 FROM users WHERE role = 'MANAGER';
ALTER TABLE users DROP COLUMN role;

ALTER TABLE users ADD COLUMN scope_all INTEGER NOT NULL DEFAULT 0 CHECK (scope_all IN (0, 1));
ALTER TABLE users ADD COLUMN password_changed INTEGER; -- tokens issued before have ended; NULL for never

-- A tag that is somebody's scope stays.
CREATE TABLE user_scope (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tag_id  INTEGER NOT NULL REFERENCES tags (id),
    PRIMARY KEY (user_id, tag_id)
) WITHOUT ROWID;
CREATE INDEX user_scope_tag ON user_scope (tag_id);

-- digest is the SHA-256 of the secret, which is 256 random bits.
CREATE TABLE api_tokens (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name    TEXT NOT NULL CHECK (name <> ''),
    digest  BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL CHECK (expires > created)
);
CREATE INDEX api_tokens_user ON api_tokens (user_id);

-- origin is a digest of the name that was tried and the address it came from:
-- people type passwords where names belong.
CREATE TABLE sign_in_failures (
    origin       BLOB PRIMARY KEY CHECK (length(origin) = 32),
    failures     INTEGER NOT NULL CHECK (failures > 0),
    last_failed  INTEGER NOT NULL,
    locked_until INTEGER
) WITHOUT ROWID;
CREATE INDEX sign_in_failures_last_failed ON sign_in_failures (last_failed);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    time    INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    object  TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    detail  TEXT NOT NULL
);
CREATE INDEX audit_time ON audit (time);
CREATE INDEX audit_actor ON audit (actor, id);

-- Only rows from before this time may be deleted.
CREATE TABLE audit_horizon (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    time INTEGER NOT NULL
);
INSERT INTO audit_horizon (id, time) VALUES (1, 0);

-- +goose StatementBegin
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit BEGIN
    SELECT raise(ABORT, 'rows of the audit log are never changed');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_is_only_pruned BEFORE DELETE ON audit
WHEN old.time >= (SELECT time FROM audit_horizon) BEGIN
    SELECT raise(ABORT, 'rows of the audit log stay until their time is over');
END;
-- +goose StatementEnd

-- A user with everything that decides what they may do, in one row: it is read at
-- every request. reach is the tags of the scope and all below them.
CREATE VIEW user_details AS
SELECT u.id, u.username, u.first_name, u.last_name, u.password_hash, u.password_changed, u.disabled, u.created, u.scope_all,
    (SELECT json_group_array(json_object(
            'id', r.id, 'name', r.name, 'description', r.description, 'created', r.created,
            'manager', json(iif(r.manager, 'true', 'false')),
            'permissions', json((SELECT json_group_array(p.permission) FROM role_permissions AS p WHERE p.role_id = r.id))))
        FROM user_roles AS x JOIN roles AS r ON r.id = x.role_id WHERE x.user_id = u.id) AS roles,
    (SELECT json_group_array(s.tag_id) FROM user_scope AS s WHERE s.user_id = u.id) AS scope,
    (WITH RECURSIVE below (id) AS (
            SELECT s.tag_id FROM user_scope AS s WHERE s.user_id = u.id
            UNION SELECT t.id FROM below AS b JOIN tags AS t ON t.parent_id = b.id)
        SELECT json_group_array(b.id) FROM below AS b) AS reach
FROM users AS u;
