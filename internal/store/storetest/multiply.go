package storetest

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
)

// Bulk is a way to a store's database for loads that go past the store.
type Bulk struct {
	// DB is a connection that checks no references: those of a large fleet hold, and
	// checking tens of millions takes longer than storing them.
	DB *sql.DB
	// Indexes is a query for the name and the statement of each index of a table,
	// its one parameter, other than those of constraints.
	Indexes string
	// Bytes is the format of an expression that turns a column of hexadecimal digits
	// into bytes.
	Bytes string
	// Begin are statements to run first, Loaded those to run before the indexes are
	// made anew, and Finish those to run at the end.
	Begin, Loaded, Finish []string
	// Size is a query for the bytes the database takes.
	Size string
}

// multiplyBatch is how many hosts one transaction stores.
const multiplyBatch = 5000

// fill fills a database made by Bootstrap. The models come in as agents do; the
// others are made from those, row by row what agents would have left (but for
// snapshots.digest, which is that of the model, and for the rows of finished
// uploads and of changes).
func (p *fleetPlan) fill(tb testing.TB, s *store.Store, bulk Bulk) {
	tb.Helper()
	p.prepare(tb, s)
	for host := 1; host <= p.models; host++ {
		p.admit(tb, s, host)
	}
	if err := p.multiply(tb.Context(), s, bulk); err != nil {
		tb.Fatal(err)
	}
}

// multiply stores the hosts that come after the models, without the indexes of
// the long tables, which are made anew faster than they grow.
func (p *fleetPlan) multiply(ctx context.Context, s *store.Store, bulk Bulk) error {
	var d store.Dialect
	if err := s.InTx(ctx, func(tx *store.Tx) error { d = tx.Dialect(); return nil }); err != nil {
		return err
	}
	for _, statement := range bulk.Begin {
		if _, err := bulk.DB.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	definitions, err := dropIndexes(ctx, bulk)
	if err != nil {
		return err
	}
	for first := p.models + 1; first <= p.hosts; first += multiplyBatch {
		if err := p.store(ctx, d, bulk, first, min(first+multiplyBatch-1, p.hosts)); err != nil {
			return fmt.Errorf("store hosts from %d on: %w", first, err)
		}
	}
	for _, statement := range slices.Concat(bulk.Loaded, definitions, bulk.Finish) {
		if _, err := bulk.DB.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// dropIndexes drops the indexes of the tables that grow longest, and returns the
// statements that make them again.
func dropIndexes(ctx context.Context, bulk Bulk) ([]string, error) {
	var definitions []string
	for _, table := range []string{"host_software", "host_ports", "agents", "heartbeats", "hosts", "host_texts"} {
		rows, err := bulk.DB.QueryContext(ctx, bulk.Indexes, table)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		var names []string
		for rows.Next() {
			var name, definition string
			if err := rows.Scan(&name, &definition); err != nil {
				return nil, err
			}
			names, definitions = append(names, name), append(definitions, definition)
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		for _, name := range names {
			if _, err := bulk.DB.ExecContext(ctx, "DROP INDEX "+name); err != nil {
				return nil, err
			}
		}
	}
	return definitions, nil
}

// store stores the hosts from first to last in one transaction.
func (p *fleetPlan) store(ctx context.Context, d store.Dialect, bulk Bulk, first, last int) error {
	var hosts, agents, beats, copies [][]any
	for host := first; host <= last; host++ {
		c, own := p.contact(host), p.snapshot(host).Host
		copies = append(copies, []any{host, p.model(host)})
		row := []any{host, p.model(host), own.Name, own.FQDN, own.Address, c.created.UnixMicro(), c.modified.UnixMicro(), nil, nil, nil}
		if p.assessed && host%3 != 0 {
			row = append(row[:7], 5_000_000_000+host, c.checkedIn.UnixMicro(), c.modified.UnixMicro())
		}
		hosts = append(hosts, row)
		agents = append(agents, []any{host, p.model(host), AgentID(host), hex.EncodeToString(p.publicKey(host)), c.version, fleet.VersionKey(c.version)})
		beats = append(beats, []any{host, p.model(host), c.checkedIn.UnixMicro(), c.from})
	}
	tx, err := bulk.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // there is nothing to undo or to report
	for _, step := range []struct {
		into, columns, model string // model is the table of the row that is copied
		of                   string
		rows                 [][]any
	}{
		{
			"hosts (id, name, created, modified, tracking_method, os_id, fqdn, dns_host_name, address, qweb_host_id, last_vuln_scan, vulns_updated)",
			"r.id, r.name, r.created, r.modified, m.tracking_method, m.os_id, r.fqdn, r.fqdn, r.address, r.qweb, r.scanned, r.assessed",
			"hosts AS m ON m.id = r.model",
			"id:int, model:int, name, fqdn, address, created:int, modified:int, qweb:int, scanned:int, assessed:int", hosts,
		},
		{
			"host_details (host_id, platform, kernel, architecture, manufacturer, model, bios, memory_mb, timezone, last_boot, last_user, docker_host, docker, fingerprint, interfaces, accounts, processors, volumes)",
			"r.id, m.platform, m.kernel, m.architecture, m.manufacturer, m.model, m.bios, m.memory_mb, m.timezone, m.last_boot, m.last_user, m.docker_host, m.docker, m.fingerprint, m.interfaces, m.accounts, m.processors, m.volumes",
			"host_details AS m ON m.host_id = r.model", "id:int, model:int", copies,
		},
		{"host_tags (tag_id, host_id)", "m.tag_id, r.id", "host_tags AS m ON m.host_id = r.model", "id:int, model:int", copies},
		{
			"host_ports (host_id, protocol, address, port, process)", "r.id, m.protocol, m.address, m.port, m.process",
			"host_ports AS m ON m.host_id = r.model", "id:int, model:int", copies,
		},
		{"host_software (host_id, software_id)", "r.id, m.software_id", "host_software AS m ON m.host_id = r.model", "id:int, model:int", copies},
		{
			"agents (host_id, agent_id, public_key, profile_id, profile_version, manifest_version, activation_key_id, agent_version, version_key)",
			"r.id, r.agent, " + fmt.Sprintf(bulk.Bytes, "r.public_key") + ", m.profile_id, m.profile_version, m.manifest_version, m.activation_key_id, r.version, r.version_key",
			"agents AS m ON m.host_id = r.model", "id:int, model:int, agent, public_key, version, version_key", agents,
		},
		{"host_modules (host_id, module)", "r.id, m.module", "host_modules AS m ON m.host_id = r.model", "id:int, model:int", copies},
		{
			"heartbeats (host_id, last_checked_in, connected_from, sequence, event)", "r.id, r.at, r.from_address, m.sequence, m.event",
			"heartbeats AS m ON m.host_id = r.model", "id:int, model:int, at:int, from_address", beats,
		},
		{
			"snapshots (host_id, module, digest, confirmed)", "r.id, m.module, m.digest, m.confirmed",
			"snapshots AS m ON m.host_id = r.model", "id:int, model:int", copies,
		},
	} {
		param, err := store.RowsParam(step.rows)
		if err != nil {
			return err
		}
		// SQLite takes the tables of a CROSS JOIN in the order they are named: the
		// parameter is read once, and rows come in order of id.
		table, on, _ := strings.Cut(step.model, " ON ")
		query := "INSERT INTO " + step.into + " SELECT " + step.columns + " FROM " + d.Rows(columns(step.of)) + " AS r CROSS JOIN " + table + " WHERE " + on
		if _, err := tx.ExecContext(ctx, d.Rebind(query), param); err != nil {
			return fmt.Errorf("%s: %w", step.into, err)
		}
	}
	return tx.Commit()
}
