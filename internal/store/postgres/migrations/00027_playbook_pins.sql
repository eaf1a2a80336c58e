-- Which versions of playbooks a run calls, directly and through others: those that
-- were live when the topmost run was queued, by the names that they had then. A run
-- that calls nothing has none.

-- +goose Up
CREATE TABLE playbook_pins (
    run_id     BIGINT NOT NULL REFERENCES playbook_runs (id) ON DELETE CASCADE,
    version_id BIGINT NOT NULL REFERENCES playbook_versions (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    PRIMARY KEY (run_id, name)
);
CREATE INDEX playbook_pins_version ON playbook_pins (version_id);
