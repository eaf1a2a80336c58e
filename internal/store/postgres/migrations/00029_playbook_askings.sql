-- Playbooks that ask again and again do not flood those whom they ask.

-- +goose Up
-- How many questions of a playbook people were told of within the hour from since.
CREATE TABLE playbook_askings (
    playbook_id BIGINT PRIMARY KEY REFERENCES playbooks (id) ON DELETE CASCADE,
    since       BIGINT NOT NULL,
    told        BIGINT NOT NULL
);
