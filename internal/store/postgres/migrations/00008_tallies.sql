-- How many hosts there are in each block of 8,192 ids, how many of them have a
-- tag, and how many listen on a port: a search passes over the blocks in which
-- all hosts, or none, have it, and counts without looking at hosts. Triggers
-- follow the tables.
--
-- Each change adds rows, and a number is their sum: nobody waits for another's
-- transaction to change the same number. What is not settled yet is summed up
-- from time to time (Store.SettleTallies).

-- +goose Up
-- What a replica of the last release stores meanwhile would be neither counted
-- here nor by triggers.
LOCK TABLE hosts, host_tags, host_ports IN SHARE ROW EXCLUSIVE MODE;

CREATE TABLE tallies (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject TEXT NOT NULL CHECK (subject IN ('host', 'tag', 'port')),
    value   BIGINT NOT NULL, -- tag or port; 0 for hosts
    block   BIGINT NOT NULL,
    hosts   BIGINT NOT NULL CHECK (hosts <> 0), -- that have come or, negative, gone
    settled BOOLEAN NOT NULL DEFAULT false
);
INSERT INTO tallies (subject, value, block, hosts, settled) SELECT 'host', 0, id >> 13, count(*), true FROM hosts GROUP BY id >> 13;
INSERT INTO tallies (subject, value, block, hosts, settled)
SELECT 'tag', tag_id, host_id >> 13, count(*), true FROM host_tags GROUP BY tag_id, host_id >> 13;
INSERT INTO tallies (subject, value, block, hosts, settled)
SELECT 'port', port, host_id >> 13, count(DISTINCT host_id), true FROM host_ports GROUP BY port, host_id >> 13;
CREATE INDEX tallies_place ON tallies (subject, value, block) INCLUDE (hosts);
CREATE INDEX tallies_unsettled ON tallies (id) WHERE NOT settled;

-- +goose StatementBegin
CREATE FUNCTION tally_hosts() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tallies (subject, value, block, hosts) SELECT 'host', 0, id >> 13, count(*) FROM moved GROUP BY id >> 13;
    ELSE
        INSERT INTO tallies (subject, value, block, hosts) SELECT 'host', 0, id >> 13, -count(*) FROM moved GROUP BY id >> 13;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER hosts_tally_insert AFTER INSERT ON hosts REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION tally_hosts();
CREATE TRIGGER hosts_tally_delete AFTER DELETE ON hosts REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION tally_hosts();

-- +goose StatementBegin
CREATE FUNCTION tally_tags() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tallies (subject, value, block, hosts)
        SELECT 'tag', tag_id, host_id >> 13, count(*) FROM moved GROUP BY tag_id, host_id >> 13;
    ELSE
        INSERT INTO tallies (subject, value, block, hosts)
        SELECT 'tag', tag_id, host_id >> 13, -count(*) FROM moved GROUP BY tag_id, host_id >> 13;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER host_tags_tally_insert AFTER INSERT ON host_tags REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION tally_tags();
CREATE TRIGGER host_tags_tally_delete AFTER DELETE ON host_tags REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION tally_tags();

-- A host may listen on a port at several addresses; it counts once: when all it
-- has there have come, or all have gone.
-- +goose StatementBegin
CREATE FUNCTION tally_ports() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tallies (subject, value, block, hosts)
        SELECT 'port', m.port, m.host_id >> 13, count(*) FROM (SELECT port, host_id, count(*) AS addresses FROM moved GROUP BY port, host_id) AS m
        WHERE m.addresses = (SELECT count(*) FROM host_ports AS p WHERE p.port = m.port AND p.host_id = m.host_id)
        GROUP BY m.port, m.host_id >> 13;
    ELSE
        INSERT INTO tallies (subject, value, block, hosts)
        SELECT 'port', m.port, m.host_id >> 13, -count(*) FROM (SELECT DISTINCT port, host_id FROM moved) AS m
        WHERE NOT EXISTS (SELECT 1 FROM host_ports AS p WHERE p.port = m.port AND p.host_id = m.host_id)
        GROUP BY m.port, m.host_id >> 13;
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER host_ports_tally_insert AFTER INSERT ON host_ports REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION tally_ports();
CREATE TRIGGER host_ports_tally_delete AFTER DELETE ON host_ports REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION tally_ports();
