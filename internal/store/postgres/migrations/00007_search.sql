-- Indexes for searches over a large fleet. Those on (id >> 13, value) find a
-- range of values within a block of 8,192 host ids: a search passes over the
-- blocks that hold none. The others have the id after the value for the same.

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
CREATE INDEX hosts_tracking_method ON hosts (tracking_method, id);
CREATE INDEX hosts_netbios_name ON hosts (netbios_name, id) WHERE netbios_name <> '';
CREATE INDEX hosts_netbios_network_id ON hosts (netbios_network_id, id) WHERE netbios_network_id <> '';
CREATE INDEX hosts_network_guid ON hosts (network_guid, id) WHERE network_guid <> '';
DROP INDEX hosts_os;
CREATE INDEX hosts_os ON hosts (os_id, id);

DROP INDEX heartbeats_last_checked_in;
CREATE INDEX heartbeats_last_checked_in ON heartbeats ((host_id >> 13), last_checked_in);
DROP INDEX agents_version;
CREATE INDEX agents_version ON agents ((host_id >> 13), version_key);
DROP INDEX host_ports_port;
CREATE INDEX host_ports_port ON host_ports (port, host_id);
-- The two indexes of host_software change places: the one that begins with the
-- host is small without the package.
ALTER TABLE host_software DROP CONSTRAINT host_software_pkey;
ALTER TABLE host_software ADD PRIMARY KEY (software_id, host_id);
DROP INDEX host_software_software;
CREATE INDEX host_software_host ON host_software (host_id);

-- The texts of hosts that are searched for parts of them, in a table of their
-- own: every change of a host would write its substring indexes again.
CREATE TABLE host_texts (
    host_id       BIGINT PRIMARY KEY REFERENCES hosts (id) ON DELETE CASCADE,
    name          TEXT NOT NULL,
    dns_host_name TEXT NOT NULL,
    address       TEXT NOT NULL
);

-- The parts of one and of two characters.
-- +goose StatementBegin
CREATE FUNCTION text_fragments(value TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT string_to_array(value, NULL) || ARRAY(SELECT substr(value, at, 2) FROM generate_series(1, length(value) - 1) AS at)
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION follow_host_texts() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO host_texts (host_id, name, dns_host_name, address) VALUES (NEW.id, NEW.name, NEW.dns_host_name, NEW.address)
    ON CONFLICT (host_id) DO UPDATE SET name = excluded.name, dns_host_name = excluded.dns_host_name, address = excluded.address;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER hosts_texts_insert AFTER INSERT ON hosts FOR EACH ROW EXECUTE FUNCTION follow_host_texts();
CREATE TRIGGER hosts_texts_update AFTER UPDATE OF name, dns_host_name, address ON hosts FOR EACH ROW
    WHEN (OLD.name <> NEW.name OR OLD.dns_host_name <> NEW.dns_host_name OR OLD.address <> NEW.address)
    EXECUTE FUNCTION follow_host_texts();

INSERT INTO host_texts (host_id, name, dns_host_name, address) SELECT id, name, dns_host_name, address FROM hosts;
DROP INDEX hosts_name_trigrams;
CREATE INDEX host_texts_name_trigrams ON host_texts USING gin (name gin_trgm_ops);
CREATE INDEX host_texts_dns_host_name_trigrams ON host_texts USING gin (dns_host_name gin_trgm_ops);
CREATE INDEX host_texts_address_trigrams ON host_texts USING gin (address gin_trgm_ops);
CREATE INDEX host_texts_name_fragments ON host_texts USING gin (text_fragments(name));
CREATE INDEX host_texts_dns_host_name_fragments ON host_texts USING gin (text_fragments(dns_host_name));
CREATE INDEX host_texts_address_fragments ON host_texts USING gin (text_fragments(address));
