-- Who vouches for what a run of a playbook does: who published its version, and those of
-- the playbooks that called it. Runs and pins that were there before have nobody.

-- +goose Up
ALTER TABLE playbook_runs ADD COLUMN publishers TEXT;
ALTER TABLE playbook_pins ADD COLUMN publisher TEXT;
ALTER TABLE playbook_pins ADD COLUMN publisher_id BIGINT;
