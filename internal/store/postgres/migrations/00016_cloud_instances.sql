-- EC2 instances. Each is one host asset, which has an agent or has none.

-- +goose Up
CREATE TABLE cloud_instances (
    host_id           BIGINT PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
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
    facts             TEXT NOT NULL, -- all others, as JSON
    history           TEXT NOT NULL, -- states and since when, oldest first, as JSON
    first_discovered  BIGINT NOT NULL,
    last_updated      BIGINT NOT NULL,
    UNIQUE (account_id, instance_id)
);
-- In order of the host's id among those with the same value, which the search
-- relies on.
CREATE INDEX cloud_instances_instance_id ON cloud_instances (instance_id, host_id);
CREATE INDEX cloud_instances_account_id ON cloud_instances (account_id, host_id);
CREATE INDEX cloud_instances_region ON cloud_instances (region, host_id);
CREATE INDEX cloud_instances_availability_zone ON cloud_instances (availability_zone, host_id);
CREATE INDEX cloud_instances_state ON cloud_instances (state, host_id);
CREATE INDEX cloud_instances_instance_type ON cloud_instances (instance_type, host_id);
CREATE INDEX cloud_instances_image_id ON cloud_instances (image_id, host_id);
CREATE INDEX cloud_instances_vpc_id ON cloud_instances (vpc_id, host_id);
CREATE INDEX cloud_instances_subnet_id ON cloud_instances (subnet_id, host_id);

-- Which connectors found an instance. The link goes with its connector; the
-- asset stays.
CREATE TABLE cloud_instance_connectors (
    connector_id BIGINT NOT NULL REFERENCES connectors (id) ON DELETE CASCADE,
    host_id      BIGINT NOT NULL REFERENCES cloud_instances (host_id) ON DELETE CASCADE ON UPDATE CASCADE,
    PRIMARY KEY (connector_id, host_id)
);
CREATE INDEX cloud_instance_connectors_host ON cloud_instance_connectors (host_id);

-- Which instance an agent says it runs on. Nothing proves it: the instance is that
-- of the agent's host only where no other agent came first.
CREATE TABLE cloud_claims (
    host_id     BIGINT PRIMARY KEY REFERENCES agents (host_id) ON DELETE CASCADE,
    account_id  TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    claimed     BIGINT NOT NULL
);
CREATE INDEX cloud_claims_instance ON cloud_claims (account_id, instance_id);

-- Modules are activated on hosts, with or without an agent.
ALTER TABLE agent_modules RENAME TO host_modules;
ALTER TABLE host_modules RENAME CONSTRAINT agent_modules_pkey TO host_modules_pkey;
ALTER TABLE host_modules DROP CONSTRAINT agent_modules_host_id_fkey;
ALTER TABLE host_modules ADD CONSTRAINT host_modules_host_id_fkey FOREIGN KEY (host_id) REFERENCES hosts (id) ON DELETE CASCADE;
