-- What starts playbooks by itself.

-- +goose Up
-- playbook_trigger is which of the schedules in the text of the live version a
-- schedule is, from 1; NULL for one that somebody made.
ALTER TABLE automation_schedules ADD COLUMN playbook_trigger BIGINT;
CREATE UNIQUE INDEX automation_schedules_trigger ON automation_schedules (playbook_id, playbook_trigger) WHERE playbook_trigger IS NOT NULL;
CREATE INDEX automation_schedules_playbook ON automation_schedules (playbook_id) WHERE playbook_id IS NOT NULL;

-- Those that a schedule looks at before it fires.
CREATE INDEX playbook_runs_scheduled ON playbook_runs (schedule_id) WHERE schedule_id IS NOT NULL AND ended IS NULL;
