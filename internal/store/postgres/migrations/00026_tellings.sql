-- People are told what playbooks want of them.

-- +goose Up
-- Where mail for a user goes; '' is nowhere.
ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';

CREATE OR REPLACE VIEW user_details AS
SELECT u.id, u.username, u.first_name, u.last_name, u.password_hash, u.password_changed, u.disabled, u.created, u.scope_all,
    (SELECT coalesce(json_agg(json_build_object(
            'id', r.id, 'name', r.name, 'description', r.description, 'created', r.created, 'manager', r.manager,
            'permissions', (SELECT coalesce(json_agg(p.permission), '[]') FROM role_permissions AS p WHERE p.role_id = r.id))), '[]')
        FROM user_roles AS x JOIN roles AS r ON r.id = x.role_id WHERE x.user_id = u.id) AS roles,
    (SELECT coalesce(json_agg(s.tag_id), '[]') FROM user_scope AS s WHERE s.user_id = u.id) AS scope,
    (WITH RECURSIVE below (id) AS (
            SELECT s.tag_id FROM user_scope AS s WHERE s.user_id = u.id
            UNION SELECT t.id FROM below AS b JOIN tags AS t ON t.parent_id = b.id)
        SELECT coalesce(json_agg(b.id), '[]') FROM below AS b) AS reach,
    u.time_format, u.time_zone, u.email
FROM users AS u;

-- When a failure of a run was told last, of a playbook and of a schedule of a command.
CREATE TABLE playbook_failures (
    playbook_id BIGINT PRIMARY KEY REFERENCES playbooks (id) ON DELETE CASCADE,
    told        BIGINT NOT NULL
);
CREATE TABLE schedule_failures (
    schedule_id BIGINT PRIMARY KEY REFERENCES automation_schedules (id) ON DELETE CASCADE,
    told        BIGINT NOT NULL
);

-- When the meter of the mails that playbooks send is empty, if they send no more.
CREATE TABLE mail_meter (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    empty_at BIGINT NOT NULL
);
INSERT INTO mail_meter (id, empty_at) VALUES (1, 0);
