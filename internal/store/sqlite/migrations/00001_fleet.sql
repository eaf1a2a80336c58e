-- Times are Unix microseconds, UTC. Texts that are not known are '', other
-- values NULL. Ids that leave the database are never used twice (AUTOINCREMENT).

-- +goose Up
CREATE TABLE subscription (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    customer_id TEXT NOT NULL CHECK (customer_id <> ''),
    instruction_root BLOB, -- public key that agents pin; set at the first start
    created     INTEGER NOT NULL
);

CREATE TABLE users (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    username      TEXT NOT NULL UNIQUE CHECK (username <> ''),
    first_name    TEXT NOT NULL,
    last_name     TEXT NOT NULL,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created       INTEGER NOT NULL
);

CREATE TABLE tags (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT NOT NULL CHECK (name <> ''),
    system  INTEGER NOT NULL CHECK (system IN (0, 1)),
    created INTEGER NOT NULL
);
CREATE INDEX tags_name ON tags (name);
CREATE UNIQUE INDEX tags_system ON tags (name) WHERE system;

CREATE TABLE profiles (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    name                 TEXT NOT NULL UNIQUE CHECK (name <> ''),
    description          TEXT NOT NULL,
    system               INTEGER NOT NULL CHECK (system IN (0, 1)),
    is_default           INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    priority             INTEGER NOT NULL,
    suspend_scanning     INTEGER NOT NULL CHECK (suspend_scanning IN (0, 1)),
    prevent_agent_update INTEGER NOT NULL CHECK (prevent_agent_update IN (0, 1)),
    performance          TEXT NOT NULL CHECK (json_valid(performance)),
    blackout             TEXT NOT NULL CHECK (json_valid(blackout)),
    inventory_interval   INTEGER NOT NULL CHECK (inventory_interval > 0), -- seconds
    created              INTEGER NOT NULL
);
CREATE UNIQUE INDEX profiles_default ON profiles (is_default) WHERE is_default;

CREATE TABLE activation_keys (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    activation_key  TEXT NOT NULL UNIQUE CHECK (activation_key <> ''),
    title           TEXT NOT NULL,
    type            TEXT NOT NULL CHECK (type IN ('UNLIMITED', 'COUNT_LIMITED', 'TIME_LIMITED', 'COUNT_TIME_LIMITED')),
    count_purchased INTEGER CHECK (count_purchased >= 1),
    count_used      INTEGER NOT NULL DEFAULT 0 CHECK (count_used >= 0),
    expire_date     INTEGER,
    disabled        INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created         INTEGER NOT NULL,
    CHECK ((type IN ('COUNT_LIMITED', 'COUNT_TIME_LIMITED')) = (count_purchased IS NOT NULL)),
    CHECK ((type IN ('TIME_LIMITED', 'COUNT_TIME_LIMITED')) = (expire_date IS NOT NULL))
);

CREATE TABLE activation_key_modules (
    key_id INTEGER NOT NULL REFERENCES activation_keys (id) ON DELETE CASCADE,
    module TEXT NOT NULL,
    PRIMARY KEY (key_id, module)
) WITHOUT ROWID;

CREATE TABLE activation_key_tags (
    key_id INTEGER NOT NULL REFERENCES activation_keys (id) ON DELETE CASCADE,
    tag_id INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    PRIMARY KEY (key_id, tag_id)
) WITHOUT ROWID;
CREATE INDEX activation_key_tags_tag ON activation_key_tags (tag_id);

-- A few hundred distinct rows in a fleet of any size: searches by operating
-- system look here first.
CREATE TABLE operating_systems (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,
    distribution TEXT NOT NULL,
    version      TEXT NOT NULL,
    UNIQUE (name, distribution, version)
);

-- What searches look at; everything else of a host is in host_details, so that
-- a pass over all hosts stays short.
CREATE TABLE hosts (
    id                           INTEGER PRIMARY KEY AUTOINCREMENT,
    name                         TEXT NOT NULL CHECK (name <> ''),
    created                      INTEGER NOT NULL,
    modified                     INTEGER NOT NULL,
    tracking_method              TEXT NOT NULL,
    os_id                        INTEGER REFERENCES operating_systems (id),
    fqdn                         TEXT NOT NULL DEFAULT '',
    dns_host_name                TEXT NOT NULL DEFAULT '',
    netbios_name                 TEXT NOT NULL DEFAULT '',
    netbios_network_id           TEXT NOT NULL DEFAULT '',
    network_guid                 TEXT NOT NULL DEFAULT '',
    address                      TEXT NOT NULL DEFAULT '',
    qweb_host_id                 INTEGER CHECK (qweb_host_id > 0),
    last_vuln_scan               INTEGER,
    last_compliance_scan         INTEGER,
    vulns_updated                INTEGER,
    information_gathered_updated INTEGER
);
CREATE INDEX hosts_name ON hosts (name);
CREATE INDEX hosts_os ON hosts (os_id);
CREATE INDEX hosts_dns_host_name ON hosts (dns_host_name);
CREATE INDEX hosts_address ON hosts (address);
CREATE INDEX hosts_created ON hosts (created);
CREATE INDEX hosts_modified ON hosts (modified);
CREATE UNIQUE INDEX hosts_qweb_host_id ON hosts (qweb_host_id) WHERE qweb_host_id IS NOT NULL;

-- Substring index of host names; triggers follow hosts.
CREATE VIRTUAL TABLE host_names USING fts5 (
    name, content = 'hosts', content_rowid = 'id', columnsize = 0,
    tokenize = 'trigram case_sensitive 1'
);
-- +goose StatementBegin
CREATE TRIGGER hosts_name_insert AFTER INSERT ON hosts BEGIN
    INSERT INTO host_names (rowid, name) VALUES (new.id, new.name);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_name_delete AFTER DELETE ON hosts BEGIN
    INSERT INTO host_names (host_names, rowid, name) VALUES ('delete', old.id, old.name);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_name_update AFTER UPDATE OF name ON hosts WHEN old.name <> new.name BEGIN
    INSERT INTO host_names (host_names, rowid, name) VALUES ('delete', old.id, old.name);
    INSERT INTO host_names (rowid, name) VALUES (new.id, new.name);
END;
-- +goose StatementEnd

-- Never searched. The lists are JSON in the words of the agent protocol.
CREATE TABLE host_details (
    host_id           INTEGER PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    platform          TEXT NOT NULL DEFAULT '',
    kernel            TEXT NOT NULL DEFAULT '',
    architecture      TEXT NOT NULL DEFAULT '',
    manufacturer      TEXT NOT NULL DEFAULT '',
    model             TEXT NOT NULL DEFAULT '',
    bios              TEXT NOT NULL DEFAULT '',
    memory_mb         INTEGER NOT NULL DEFAULT 0,
    timezone          TEXT NOT NULL DEFAULT '',
    last_boot         INTEGER,
    last_user         TEXT NOT NULL DEFAULT '',
    docker_host       INTEGER NOT NULL DEFAULT 0 CHECK (docker_host IN (0, 1)),
    docker            TEXT CHECK (json_valid(docker)),
    fingerprint       TEXT NOT NULL DEFAULT '',
    interfaces        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(interfaces)),
    accounts          TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(accounts)),
    processors        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(processors)),
    volumes           TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(volumes))
);

CREATE TABLE host_tags (
    tag_id  INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
    host_id INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    PRIMARY KEY (tag_id, host_id)
) WITHOUT ROWID;
CREATE INDEX host_tags_host ON host_tags (host_id);

CREATE TABLE host_ports (
    host_id  INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    protocol TEXT NOT NULL,
    address  TEXT NOT NULL,
    port     INTEGER NOT NULL,
    process  TEXT NOT NULL,
    PRIMARY KEY (host_id, protocol, address, port)
) WITHOUT ROWID;
CREATE INDEX host_ports_port ON host_ports (port);

-- Every distinct package once. digest is of all columns but title, package_key
-- is what an upgrade keeps, title is name and version.
CREATE TABLE software (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    digest         TEXT NOT NULL UNIQUE,
    package_key    TEXT NOT NULL,
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL,
    version        TEXT NOT NULL,
    architecture   TEXT NOT NULL,
    source_name    TEXT NOT NULL,
    source_version TEXT NOT NULL,
    title          TEXT NOT NULL
);
CREATE INDEX software_package_key ON software (package_key);
CREATE INDEX software_name ON software (name);
CREATE INDEX software_title ON software (title);

CREATE TABLE host_software (
    host_id     INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    software_id INTEGER NOT NULL REFERENCES software (id),
    PRIMARY KEY (host_id, software_id)
) WITHOUT ROWID;
CREATE INDEX host_software_software ON host_software (software_id);

CREATE TABLE agents (
    host_id           INTEGER PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    agent_id          TEXT NOT NULL UNIQUE CHECK (agent_id <> ''),
    public_key        BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
    profile_id        INTEGER NOT NULL REFERENCES profiles (id),
    profile_version   INTEGER NOT NULL,
    manifest_version  INTEGER NOT NULL,
    activation_key_id INTEGER REFERENCES activation_keys (id) ON DELETE SET NULL,
    agent_version     TEXT NOT NULL,
    version_key       TEXT NOT NULL -- agent_version in a form that sorts
);
CREATE INDEX agents_profile ON agents (profile_id);
CREATE INDEX agents_activation_key ON agents (activation_key_id);
CREATE INDEX agents_version ON agents (version_key);

CREATE TABLE agent_modules (
    host_id INTEGER NOT NULL REFERENCES agents (host_id) ON DELETE CASCADE,
    module  TEXT NOT NULL,
    PRIMARY KEY (host_id, module)
) WITHOUT ROWID;

-- Written at every check-in, so narrow and with one index.
CREATE TABLE heartbeats (
    host_id         INTEGER PRIMARY KEY REFERENCES agents (host_id) ON DELETE CASCADE,
    last_checked_in INTEGER NOT NULL,
    connected_from  TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    event           TEXT NOT NULL
);
CREATE INDEX heartbeats_last_checked_in ON heartbeats (last_checked_in);

-- What the platform holds of each module of a host, by digest of the agent's
-- snapshot.
CREATE TABLE snapshots (
    host_id   INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    module    TEXT NOT NULL,
    digest    TEXT NOT NULL,
    confirmed INTEGER NOT NULL,
    PRIMARY KEY (host_id, module)
) WITHOUT ROWID;

CREATE TABLE uploads (
    host_id  INTEGER NOT NULL REFERENCES hosts (id) ON DELETE CASCADE,
    digest   TEXT NOT NULL,
    module   TEXT NOT NULL,
    base     TEXT NOT NULL,
    result   TEXT NOT NULL,
    size     INTEGER NOT NULL CHECK (size >= 0),
    scans    TEXT NOT NULL CHECK (json_valid(scans)),
    state    TEXT NOT NULL CHECK (state IN ('open', 'committed')),
    received INTEGER NOT NULL DEFAULT 0 CHECK (received BETWEEN 0 AND size),
    started  INTEGER NOT NULL,
    PRIMARY KEY (host_id, digest)
);
CREATE UNIQUE INDEX uploads_open ON uploads (host_id, module) WHERE state = 'open';

CREATE TABLE upload_fragments (
    host_id  INTEGER NOT NULL,
    digest   TEXT NOT NULL,
    position INTEGER NOT NULL CHECK (position >= 0),
    data     BLOB NOT NULL,
    PRIMARY KEY (host_id, digest, position),
    FOREIGN KEY (host_id, digest) REFERENCES uploads (host_id, digest) ON DELETE CASCADE
);

CREATE TABLE scan_requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    host_id      INTEGER NOT NULL REFERENCES agents (host_id) ON DELETE CASCADE,
    type         TEXT NOT NULL,
    override_cpu INTEGER NOT NULL CHECK (override_cpu IN (0, 1)),
    state        TEXT NOT NULL CHECK (state IN ('queued', 'delivered', 'running', 'uploaded', 'complete', 'rejected', 'expired', 'failed')),
    reason       TEXT NOT NULL DEFAULT '',
    requested_by TEXT NOT NULL,
    created      INTEGER NOT NULL,
    delivered    INTEGER,
    started      INTEGER,
    ended        INTEGER,
    CHECK ((state IN ('complete', 'rejected', 'expired', 'failed')) = (ended IS NOT NULL))
);
CREATE INDEX scan_requests_host ON scan_requests (host_id, id);
-- A request repeated while one of its type is pending joins it.
CREATE UNIQUE INDEX scan_requests_pending ON scan_requests (host_id, type)
    WHERE state IN ('queued', 'delivered', 'running', 'uploaded');
CREATE INDEX scan_requests_pending_created ON scan_requests (created)
    WHERE state IN ('queued', 'delivered', 'running', 'uploaded');

-- What replicas must look up again, in commit order. No foreign key: a removed
-- host is a change as well.
CREATE TABLE changes (
    seq      INTEGER PRIMARY KEY AUTOINCREMENT,
    host_id  INTEGER NOT NULL,
    agent_id TEXT NOT NULL
);
