-- How many hosts there are in each block of 8,192 ids, how many of them have a
-- tag, and how many listen on a port: a search passes over the blocks in which
-- all hosts, or none, have it, and counts without looking at hosts. Triggers
-- follow the tables. A block without hosts has no row.

-- +goose Up
CREATE TABLE tallies (
    subject TEXT NOT NULL CHECK (subject IN ('host', 'tag', 'port')),
    value   INTEGER NOT NULL, -- tag or port; 0 for hosts
    block   INTEGER NOT NULL,
    hosts   INTEGER NOT NULL CHECK (hosts > 0),
    PRIMARY KEY (subject, value, block)
) WITHOUT ROWID;

INSERT INTO tallies (subject, value, block, hosts) SELECT 'host', 0, id >> 13, count(*) FROM hosts GROUP BY id >> 13;
INSERT INTO tallies (subject, value, block, hosts) SELECT 'tag', tag_id, host_id >> 13, count(*) FROM host_tags GROUP BY tag_id, host_id >> 13;
INSERT INTO tallies (subject, value, block, hosts) SELECT 'port', port, host_id >> 13, count(DISTINCT host_id) FROM host_ports GROUP BY port, host_id >> 13;

-- +goose StatementBegin
CREATE TRIGGER hosts_tally_insert AFTER INSERT ON hosts BEGIN
    INSERT INTO tallies (subject, value, block, hosts) VALUES ('host', 0, new.id >> 13, 1)
    ON CONFLICT (subject, value, block) DO UPDATE SET hosts = hosts + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_tally_delete AFTER DELETE ON hosts BEGIN
    DELETE FROM tallies WHERE subject = 'host' AND value = 0 AND block = old.id >> 13 AND hosts = 1;
    UPDATE tallies SET hosts = hosts - 1 WHERE changes() = 0 AND subject = 'host' AND value = 0 AND block = old.id >> 13;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER host_tags_tally_insert AFTER INSERT ON host_tags BEGIN
    INSERT INTO tallies (subject, value, block, hosts) VALUES ('tag', new.tag_id, new.host_id >> 13, 1)
    ON CONFLICT (subject, value, block) DO UPDATE SET hosts = hosts + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER host_tags_tally_delete AFTER DELETE ON host_tags BEGIN
    DELETE FROM tallies WHERE subject = 'tag' AND value = old.tag_id AND block = old.host_id >> 13 AND hosts = 1;
    UPDATE tallies SET hosts = hosts - 1 WHERE changes() = 0 AND subject = 'tag' AND value = old.tag_id AND block = old.host_id >> 13;
END;
-- +goose StatementEnd
-- A host may listen on a port at several addresses; it counts once.
-- +goose StatementBegin
CREATE TRIGGER host_ports_tally_insert AFTER INSERT ON host_ports
WHEN (SELECT count(*) FROM host_ports WHERE port = new.port AND host_id = new.host_id) = 1 BEGIN
    INSERT INTO tallies (subject, value, block, hosts) VALUES ('port', new.port, new.host_id >> 13, 1)
    ON CONFLICT (subject, value, block) DO UPDATE SET hosts = hosts + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER host_ports_tally_delete AFTER DELETE ON host_ports
WHEN NOT EXISTS (SELECT 1 FROM host_ports WHERE port = old.port AND host_id = old.host_id) BEGIN
    DELETE FROM tallies WHERE subject = 'port' AND value = old.port AND block = old.host_id >> 13 AND hosts = 1;
    UPDATE tallies SET hosts = hosts - 1 WHERE changes() = 0 AND subject = 'port' AND value = old.port AND block = old.host_id >> 13;
END;
-- +goose StatementEnd
