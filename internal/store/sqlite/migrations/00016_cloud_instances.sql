-- EC2 instances. Each is one host asset, which has an agent or has none.

-- +goose Up
CREATE TABLE cloud_instances (
    host_id           INTEGER PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    provider          TEXT NOT NULL CHECK (provider = 'AWS'),
    account_id        TEXT NOT NULL CHECK (account_id <> ''),
    instance_id       TEXT NOT NULL CHECK (instance_id <> ''),
    region            TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    state             TEXT NOT NULL,
    instance_type     TEXT NOT NULL,
    image_id          TEXT NOT NULL,
    vpc_id            TEXT NOT NULL,
    subnet_id         TEXT NOT NULL,
    digest            TEXT NOT NULL, -- of what AWS said of it last; '' when only its agent speaks of it
    facts             TEXT NOT NULL CHECK (json_valid(facts)), -- all others
    history           TEXT NOT NULL CHECK (json_valid(history)), -- states and since when, oldest first
    first_discovered  INTEGER NOT NULL,
    last_updated      INTEGER NOT NULL,
    UNIQUE (account_id, instance_id)
);
CREATE INDEX cloud_instances_instance_id ON cloud_instances (instance_id);
CREATE INDEX cloud_instances_account_id ON cloud_instances (account_id);
CREATE INDEX cloud_instances_region ON cloud_instances (region);
CREATE INDEX cloud_instances_availability_zone ON cloud_instances (availability_zone);
CREATE INDEX cloud_instances_state ON cloud_instances (state);
CREATE INDEX cloud_instances_instance_type ON cloud_instances (instance_type);
CREATE INDEX cloud_instances_image_id ON cloud_instances (image_id);
CREATE INDEX cloud_instances_vpc_id ON cloud_instances (vpc_id);
CREATE INDEX cloud_instances_subnet_id ON cloud_instances (subnet_id);

-- Which connectors found an instance. The link goes with its connector; the
-- asset stays.
CREATE TABLE cloud_instance_connectors (
    connector_id INTEGER NOT NULL REFERENCES connectors (id) ON DELETE CASCADE,
    host_id      INTEGER NOT NULL REFERENCES cloud_instances (host_id) ON DELETE CASCADE ON UPDATE CASCADE,
    PRIMARY KEY (connector_id, host_id)
) WITHOUT ROWID;
CREATE INDEX cloud_instance_connectors_host ON cloud_instance_connectors (host_id);

-- Which instance an agent says it runs on. Nothing proves it: the instance is that
-- of the agent's host only where no other agent came first.
CREATE TABLE cloud_claims (
    host_id     INTEGER PRIMARY KEY REFERENCES agents (host_id) ON DELETE CASCADE,
    account_id  TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    claimed     INTEGER NOT NULL
);
CREATE INDEX cloud_claims_instance ON cloud_claims (account_id, instance_id);

-- Modules are activated on hosts, with or without an agent.
CREATE TABLE host_modules (
    host_id INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    module  TEXT NOT NULL,
    PRIMARY KEY (host_id, module)
) WITHOUT ROWID;
INSERT INTO host_modules (host_id, module) SELECT host_id, module FROM agent_modules;
DROP TABLE agent_modules;
