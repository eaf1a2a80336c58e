-- Users are known by their ids: a name may come back with somebody else.

-- +goose Up
-- NULL is nobody: the platform itself, or a user who is gone.
ALTER TABLE automation_schedules ADD COLUMN owner_id BIGINT;
UPDATE automation_schedules SET owner_id = (SELECT u.id FROM users AS u WHERE u.username = owner);

ALTER TABLE automation_runs ADD COLUMN user_id BIGINT;
UPDATE automation_runs SET user_id = (SELECT u.id FROM users AS u WHERE u.username = started_by) WHERE started_by <> '';
DROP INDEX automation_runs_key;
CREATE UNIQUE INDEX automation_runs_key ON automation_runs (user_id, key) WHERE key IS NOT NULL;

-- The first site is as old as the subscription, which a new database does not have
-- yet: it writes the time when it does.
UPDATE sites SET created = (SELECT s.created FROM subscription AS s) WHERE created = 0 AND EXISTS (SELECT 1 FROM subscription);
