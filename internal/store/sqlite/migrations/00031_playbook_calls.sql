-- The names of the playbooks that a version calls itself, as a JSON list, so that nobody
-- parses its text to start a run; NULL until they were found in one of an older release.

-- +goose Up
ALTER TABLE playbook_versions ADD COLUMN calls TEXT;
