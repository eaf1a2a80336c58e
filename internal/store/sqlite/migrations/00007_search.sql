-- Indexes for searches over a large fleet. Those on (id >> 13, value) find a
-- range of values within a block of 8,192 host ids: a search passes over the
-- blocks that hold none.

-- +goose Up
DROP INDEX hosts_created;
CREATE INDEX hosts_created ON hosts ((id >> 13), created);
DROP INDEX hosts_modified;
CREATE INDEX hosts_modified ON hosts ((id >> 13), modified);
CREATE INDEX hosts_qweb_host_id_blocks ON hosts ((id >> 13), qweb_host_id) WHERE qweb_host_id IS NOT NULL;
CREATE INDEX hosts_last_vuln_scan ON hosts ((id >> 13), last_vuln_scan) WHERE last_vuln_scan IS NOT NULL;
CREATE INDEX hosts_last_compliance_scan ON hosts ((id >> 13), last_compliance_scan) WHERE last_compliance_scan IS NOT NULL;
CREATE INDEX hosts_vulns_updated ON hosts ((id >> 13), vulns_updated) WHERE vulns_updated IS NOT NULL;
CREATE INDEX hosts_information_gathered_updated ON hosts ((id >> 13), information_gathered_updated)
    WHERE information_gathered_updated IS NOT NULL;
CREATE INDEX hosts_tracking_method ON hosts (tracking_method);
CREATE INDEX hosts_netbios_name ON hosts (netbios_name) WHERE netbios_name <> '';
CREATE INDEX hosts_netbios_network_id ON hosts (netbios_network_id) WHERE netbios_network_id <> '';
CREATE INDEX hosts_network_guid ON hosts (network_guid) WHERE network_guid <> '';

DROP INDEX heartbeats_last_checked_in;
CREATE INDEX heartbeats_last_checked_in ON heartbeats ((host_id >> 13), last_checked_in);
DROP INDEX agents_version;
CREATE INDEX agents_version ON agents ((host_id >> 13), version_key);

-- Substring indexes; triggers follow hosts. Each text is followed by two fillers,
-- so that every character begins a trigram, and a text of one or two characters
-- is the beginning of one.
DROP TRIGGER hosts_name_insert;
DROP TRIGGER hosts_name_delete;
DROP TRIGGER hosts_name_update;
DROP TABLE host_names;
CREATE VIRTUAL TABLE host_names USING fts5 (text, content = '', columnsize = 0, tokenize = 'trigram case_sensitive 1');
CREATE VIRTUAL TABLE host_dns_names USING fts5 (text, content = '', columnsize = 0, tokenize = 'trigram case_sensitive 1');
CREATE VIRTUAL TABLE host_addresses USING fts5 (text, content = '', columnsize = 0, tokenize = 'trigram case_sensitive 1');
CREATE VIRTUAL TABLE host_names_terms USING fts5vocab (host_names, instance);
CREATE VIRTUAL TABLE host_dns_names_terms USING fts5vocab (host_dns_names, instance);
CREATE VIRTUAL TABLE host_addresses_terms USING fts5vocab (host_addresses, instance);
INSERT INTO host_names (rowid, text) SELECT id, name || char(31, 31) FROM hosts;
INSERT INTO host_dns_names (rowid, text) SELECT id, dns_host_name || char(31, 31) FROM hosts WHERE dns_host_name <> '';
INSERT INTO host_addresses (rowid, text) SELECT id, address || char(31, 31) FROM hosts WHERE address <> '';

-- +goose StatementBegin
CREATE TRIGGER hosts_texts_insert AFTER INSERT ON hosts BEGIN
    INSERT INTO host_names (rowid, text) VALUES (new.id, new.name || char(31, 31));
    INSERT INTO host_dns_names (rowid, text) SELECT new.id, new.dns_host_name || char(31, 31) WHERE new.dns_host_name <> '';
    INSERT INTO host_addresses (rowid, text) SELECT new.id, new.address || char(31, 31) WHERE new.address <> '';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_texts_delete AFTER DELETE ON hosts BEGIN
    INSERT INTO host_names (host_names, rowid, text) VALUES ('delete', old.id, old.name || char(31, 31));
    INSERT INTO host_dns_names (host_dns_names, rowid, text) SELECT 'delete', old.id, old.dns_host_name || char(31, 31) WHERE old.dns_host_name <> '';
    INSERT INTO host_addresses (host_addresses, rowid, text) SELECT 'delete', old.id, old.address || char(31, 31) WHERE old.address <> '';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_name_update AFTER UPDATE OF name ON hosts WHEN old.name <> new.name BEGIN
    INSERT INTO host_names (host_names, rowid, text) VALUES ('delete', old.id, old.name || char(31, 31));
    INSERT INTO host_names (rowid, text) VALUES (new.id, new.name || char(31, 31));
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_dns_host_name_update AFTER UPDATE OF dns_host_name ON hosts WHEN old.dns_host_name <> new.dns_host_name BEGIN
    INSERT INTO host_dns_names (host_dns_names, rowid, text) SELECT 'delete', old.id, old.dns_host_name || char(31, 31) WHERE old.dns_host_name <> '';
    INSERT INTO host_dns_names (rowid, text) SELECT new.id, new.dns_host_name || char(31, 31) WHERE new.dns_host_name <> '';
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hosts_address_update AFTER UPDATE OF address ON hosts WHEN old.address <> new.address BEGIN
    INSERT INTO host_addresses (host_addresses, rowid, text) SELECT 'delete', old.id, old.address || char(31, 31) WHERE old.address <> '';
    INSERT INTO host_addresses (rowid, text) SELECT new.id, new.address || char(31, 31) WHERE new.address <> '';
END;
-- +goose StatementEnd
