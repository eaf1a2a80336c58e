package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
)

// Synthetic is a host as Fill stores it: also with what no part of the platform
// writes yet.
type Synthetic struct {
	ID                                          int64
	Name, OS, FQDN, DNS, NetBIOS, Network, GUID string
	Address, Tracking                           string
	QWebHostID                                  int64 // 0 for none
	Created, Modified                           time.Time
	Dates                                       [4]time.Time // lastVulnScan, lastComplianceScan, vulnsUpdated, informationGatheredUpdated
	TagIDs                                      []int64
	Ports                                       []int
	Software                                    []agentwire.Software
	Agent                                       bool
	AgentVersion                                string
	ProfileID                                   int64
	CheckedIn                                   time.Time
	Instance                                    *connector.Instance // what is searched of it; nil for none
}

// fillBatch is how many hosts Fill stores per statement.
const fillBatch = 2000

// Fill stores hosts by the shortest way. Tags and profiles must exist.
func Fill(tb testing.TB, s *store.Store, hosts []Synthetic) {
	tb.Helper()
	for batch := range slices.Chunk(hosts, fillBatch) {
		err := s.InTx(tb.Context(), func(tx *store.Tx) error { return fill(tb.Context(), tx, batch) })
		if err != nil {
			tb.Fatal(err)
		}
	}
}

// MakeTags stores tags and returns their ids.
func MakeTags(tb testing.TB, s *store.Store, names ...string) []int64 {
	tb.Helper()
	ids := make([]int64, len(names))
	err := s.InTx(tb.Context(), func(tx *store.Tx) error {
		for i, name := range names {
			err := tx.QueryRow(tb.Context(), "INSERT INTO tags (name, system, created) VALUES (?, ?, 0) RETURNING id", name, false).Scan(&ids[i])
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return ids
}

// Clear removes every host.
func Clear(ctx context.Context, s *store.Store) error {
	return s.InTx(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM hosts")
		return err
	})
}

func fill(ctx context.Context, tx *store.Tx, hosts []Synthetic) error {
	var systems, rows, details, agents, beats, tags, ports, packages, installed, instances [][]any
	for _, h := range hosts {
		systems = append(systems, []any{h.OS})
		rows = append(rows, []any{
			h.ID, h.Name, h.Created.UnixMicro(), h.Modified.UnixMicro(), h.Tracking, h.OS, h.FQDN, h.DNS, h.NetBIOS, h.Network, h.GUID, h.Address,
			orNil(h.QWebHostID), date(h.Dates[0]), date(h.Dates[1]), date(h.Dates[2]), date(h.Dates[3]),
		})
		details = append(details, []any{h.ID})
		for _, id := range h.TagIDs {
			tags = append(tags, []any{id, h.ID})
		}
		for _, port := range h.Ports {
			ports = append(ports, []any{h.ID, port})
		}
		for _, p := range h.Software {
			packages = append(packages, []any{digest(p), p.Key(), p.Kind, p.Name, p.Version, p.Architecture, p.SourceName, p.SourceVersion, fleet.SoftwareTitle(p.Name, p.Version)})
			installed = append(installed, []any{h.ID, digest(p)})
		}
		if i := h.Instance; i != nil {
			instances = append(instances, []any{
				h.ID, i.AccountID, i.InstanceID, i.Region, i.AvailabilityZone, i.State, i.InstanceType, i.ImageID, i.VPCID, i.SubnetID,
			})
		}
		if h.Agent {
			agents = append(agents, []any{h.ID, AgentID(int(h.ID)), fmt.Sprintf("%032d", h.ID), h.ProfileID, h.AgentVersion, fleet.VersionKey(h.AgentVersion)})
			beats = append(beats, []any{h.ID, h.CheckedIn.UnixMicro()})
		}
	}
	slices.SortFunc(packages, func(a, b []any) int { return strings.Compare(a[0].(string), b[0].(string)) })
	packages = slices.CompactFunc(packages, func(a, b []any) bool { return a[0] == b[0] })
	blob := "CAST(r.public_key AS BLOB)"
	if strings.Contains(tx.Dialect().Rebind("?"), "$") {
		blob = "convert_to(r.public_key, 'UTF8')"
	}
	for _, step := range []struct {
		into, columns, from string
		rows                [][]any
	}{
		{"operating_systems (name, distribution, version)", "DISTINCT r.name, '', ''", "name", systems},
		{`hosts (id, name, created, modified, tracking_method, os_id, fqdn, dns_host_name, netbios_name, netbios_network_id, network_guid, address,
			qweb_host_id, last_vuln_scan, last_compliance_scan, vulns_updated, information_gathered_updated)`,
			`r.id, r.name, r.created, r.modified, r.tracking, (SELECT o.id FROM operating_systems o WHERE o.name = r.os AND o.name <> ''), r.fqdn, r.dns,
			r.netbios, r.network, r.guid, r.address, r.qweb, r.d1, r.d2, r.d3, r.d4`,
			"id:int, name, created:int, modified:int, tracking, os, fqdn, dns, netbios, network, guid, address, qweb:int, d1:int, d2:int, d3:int, d4:int", rows},
		{"host_details (host_id)", "r.id", "id:int", details},
		{"host_tags (tag_id, host_id)", "r.tag_id, r.host_id", "tag_id:int, host_id:int", tags},
		{"host_ports (host_id, protocol, address, port, process)", "r.host_id, 'TCP', '::', r.port, ''", "host_id:int, port:int", ports},
		{"software (digest, package_key, kind, name, version, architecture, source_name, source_version, title)", "r.*",
			"digest, package_key, kind, name, version, architecture, source_name, source_version, title", packages},
		{"host_software (host_id, software_id)", "r.host_id, (SELECT s.id FROM software s WHERE s.digest = r.digest)", "host_id:int, digest", installed},
		{"agents (host_id, agent_id, public_key, profile_id, profile_version, manifest_version, activation_key_id, agent_version, version_key)",
			"r.host_id, r.agent_id, " + blob + ", r.profile_id, 1, 1, (SELECT min(id) FROM activation_keys), r.version, r.version_key",
			"host_id:int, agent_id, public_key, profile_id:int, version, version_key", agents},
		{"heartbeats (host_id, last_checked_in, connected_from, sequence, event)", "r.host_id, r.at, '', 0, ''", "host_id:int, at:int", beats},
		{`cloud_instances (host_id, provider, account_id, instance_id, region, availability_zone, state, instance_type, image_id, vpc_id, subnet_id,
			digest, facts, history, first_discovered, last_updated)`,
			"r.host_id, 'AWS', r.account, r.instance, r.region, r.zone, r.state, r.type, r.image, r.vpc, r.subnet, 'filled', '{}', '[]', 0, 0",
			"host_id:int, account, instance, region, zone, state, type, image, vpc, subnet", instances},
	} {
		param, err := store.RowsParam(step.rows)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO "+step.into+" SELECT "+step.columns+" FROM "+tx.Dialect().Rows(columns(step.from))+" AS r WHERE true ON CONFLICT DO NOTHING", param)
		if err != nil {
			return fmt.Errorf("fill %s: %w", step.into, err)
		}
	}
	return nil
}

func digest(p agentwire.Software) string {
	return fmt.Sprintf("%q", []string{p.Kind, p.Name, p.Version, p.Architecture, p.SourceName, p.SourceVersion})
}

func orNil(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

func columns(list string) []store.Column {
	var cols []store.Column
	for item := range strings.SplitSeq(list, ", ") {
		name, isInt := strings.CutSuffix(item, ":int")
		col := store.Column{Name: name, Type: store.Text}
		if isInt {
			col.Type = store.Integer
		}
		cols = append(cols, col)
	}
	return cols
}
