package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/qps"
)

// missedContacts is how many status intervals an agent may stay away before it
// counts as inactive.
const missedContacts = 3

// pageOf is a page of hosts that is being read: each list is one query for all
// of them.
type pageOf struct {
	tx    *Tx
	ids   any // parameter of InIDs
	hosts []qps.HostAsset
	at    map[int64]int // position by host id
	want  func(element string) bool
	now   time.Time
}

// readHosts reads hosts by id, in ascending order; ids without a host are passed
// over.
func (t *Tx) readHosts(ctx context.Context, ids []int64, want func(string) bool, now time.Time) ([]qps.HostAsset, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if want == nil {
		want = func(string) bool { return true }
	}
	p := &pageOf{tx: t, ids: t.dialect.IDsParam(ids), at: make(map[int64]int, len(ids)), want: want, now: now}
	if err := p.readAssets(ctx); err != nil {
		return nil, err
	}
	parts := []struct {
		elements []string
		read     func(context.Context) error
	}{
		{[]string{"tags"}, p.readTags},
		{[]string{"agentInfo"}, p.readAgents},
		{detailElements, p.readDetails},
		{[]string{"openPort"}, p.readPorts},
		{[]string{"software"}, p.readSoftware},
		{[]string{"sourceInfo", "cloudProvider", "networkInterface"}, p.readInstances},
	}
	for _, part := range parts {
		if slices.ContainsFunc(part.elements, want) {
			if err := part.read(ctx); err != nil {
				return nil, err
			}
		}
	}
	return p.hosts, nil
}

// each runs a query with the one parameter of ids and scans each row, whose
// first column is the host's id.
func (p *pageOf) each(ctx context.Context, query string, dest []any, take func(h *qps.HostAsset)) error {
	var id int64
	dest = append([]any{&id}, dest...)
	return p.tx.each(ctx, query, []any{p.ids}, func(rows *sql.Rows) error {
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		if i, ok := p.at[id]; ok {
			take(&p.hosts[i])
		}
		return nil
	})
}

func (p *pageOf) readAssets(ctx context.Context) error {
	return p.tx.each(ctx, `SELECT h.id, h.name, h.created, h.modified, h.tracking_method, o.name, h.fqdn, h.dns_host_name, h.netbios_name,
			h.netbios_network_id, h.network_guid, h.address, h.qweb_host_id, h.last_vuln_scan, h.last_compliance_scan,
			h.vulns_updated, h.information_gathered_updated
		FROM hosts AS h LEFT JOIN operating_systems AS o ON o.id = h.os_id WHERE `+p.tx.dialect.InIDs("h.id")+" ORDER BY h.id", []any{p.ids},
		func(rows *sql.Rows) error {
			h := qps.HostAsset{Type: qps.TypeHost}
			var os sql.NullString
			var created, modified, qweb, vulnScan, complianceScan, vulns, information sql.NullInt64
			if err := rows.Scan(&h.ID, &h.Name, &created, &modified, &h.TrackingMethod, &os, &h.FQDN, &h.DNSHostName, &h.NetBIOSName,
				&h.NetBIOSNetworkID, &h.NetworkGUID, &h.Address, &qweb, &vulnScan, &complianceScan, &vulns, &information); err != nil {
				return err
			}
			h.OS, h.QWebHostID = os.String, qweb.Int64
			h.Created, h.Modified = when(created), when(modified)
			h.LastVulnScan, h.LastComplianceScan = when(vulnScan), when(complianceScan)
			h.VulnsUpdated, h.InformationGatheredUpdated = when(vulns), when(information)
			p.at[h.ID] = len(p.hosts)
			p.hosts = append(p.hosts, h)
			return nil
		})
}

func (p *pageOf) readTags(ctx context.Context) error {
	var tag qps.TagSimple
	return p.each(ctx, "SELECT x.host_id, t.id, t.name FROM host_tags AS x JOIN tags AS t ON t.id = x.tag_id WHERE "+
		p.tx.dialect.InIDs("x.host_id")+" ORDER BY x.host_id, t.id", []any{&tag.ID, &tag.Name},
		func(h *qps.HostAsset) { h.Tags = append(h.Tags, tag) })
}

// detailElements are the elements that host_details knows.
var detailElements = []string{
	"manufacturer", "model", "biosDescription", "totalMemory", "timezone", "lastSystemBoot", "lastLoggedOnUser", "isDockerHost",
	"dockerInfo", "agentInfo", "networkInterface", "account", "processor", "volume",
}

func (p *pageOf) readDetails(ctx context.Context) error {
	var platform string
	var boot sql.NullInt64
	var docker, interfaces, accounts, processors, volumes []byte
	var d qps.HostAsset
	var failed error
	err := p.each(ctx, `SELECT host_id, platform, manufacturer, model, bios, memory_mb, timezone, last_boot, last_user, docker_host, docker,
			interfaces, accounts, processors, volumes
		FROM host_details WHERE `+p.tx.dialect.InIDs("host_id"),
		[]any{&platform, &d.Manufacturer, &d.Model, &d.BIOSDescription, &d.TotalMemory, &d.Timezone, &boot, &d.LastLoggedOnUser,
			&d.IsDockerHost, &docker, &interfaces, &accounts, &processors, &volumes},
		func(h *qps.HostAsset) {
			h.Manufacturer, h.Model, h.BIOSDescription, h.TotalMemory = d.Manufacturer, d.Model, d.BIOSDescription, d.TotalMemory
			h.Timezone, h.LastSystemBoot, h.LastLoggedOnUser, h.IsDockerHost = d.Timezone, when(boot), d.LastLoggedOnUser, d.IsDockerHost
			if h.AgentInfo != nil {
				h.AgentInfo.Platform = platform
			}
			if docker != nil && failed == nil {
				var facts agentwire.Docker
				failed = decode(docker, &facts)
				h.DockerInfo = &qps.DockerInfo{DockerVersion: facts.Version, NoOfContainers: int64(facts.Containers), NoOfImages: int64(facts.Images)}
			}
			if failed == nil {
				failed = p.decodeLists(h, interfaces, accounts, processors, volumes)
			}
		})
	return cmp.Or(err, failed)
}

func (p *pageOf) decodeLists(h *qps.HostAsset, interfaces, accounts, processors, volumes []byte) (err error) {
	hostname := cmp.Or(h.FQDN, h.Name)
	h.NetworkInterfaces, err = convert(p.want("networkInterface"), interfaces, func(i agentwire.Interface) qps.NetworkInterface {
		return qps.NetworkInterface{Hostname: hostname, InterfaceName: i.Name, MACAddress: i.MAC, Address: i.Address, GatewayAddress: i.Gateway}
	})
	if err != nil {
		return err
	}
	h.Accounts, err = convert(p.want("account"), accounts, func(a agentwire.Account) qps.Account {
		return qps.Account{Username: a.Username}
	})
	if err != nil {
		return err
	}
	h.Processors, err = convert(p.want("processor"), processors, func(c agentwire.Processor) qps.Processor {
		return qps.Processor{Name: c.Name, Speed: int64(c.MHz)}
	})
	if err != nil {
		return err
	}
	h.Volumes, err = convert(p.want("volume"), volumes, func(v agentwire.Volume) qps.Volume {
		return qps.Volume{Name: v.Name, Size: v.Size, Free: v.Free}
	})
	return err
}

// convert reads a stored list into the words of the API.
func convert[From, To any](wanted bool, stored []byte, one func(From) To) ([]To, error) {
	if !wanted {
		return nil, nil
	}
	var list []From
	if err := decode(stored, &list); err != nil || len(list) == 0 {
		return nil, err
	}
	converted := make([]To, len(list))
	for i, entry := range list {
		converted[i] = one(entry)
	}
	return converted, nil
}

func (p *pageOf) readPorts(ctx context.Context) error {
	var port qps.OpenPort
	err := p.each(ctx, "SELECT host_id, port, protocol, process FROM host_ports WHERE "+p.tx.dialect.InIDs("host_id"),
		[]any{&port.Port, &port.Protocol, &port.ServiceName}, func(h *qps.HostAsset) { h.OpenPorts = append(h.OpenPorts, port) })
	if err != nil {
		return err
	}
	for i := range p.hosts {
		h := &p.hosts[i]
		// The name of a process comes before none, so Compact keeps it.
		slices.SortFunc(h.OpenPorts, func(a, b qps.OpenPort) int {
			return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol),
				-cmp.Compare(min(len(a.ServiceName), 1), min(len(b.ServiceName), 1)), cmp.Compare(a.ServiceName, b.ServiceName))
		})
		h.OpenPorts = slices.CompactFunc(h.OpenPorts, func(a, b qps.OpenPort) bool { return a.Port == b.Port && a.Protocol == b.Protocol })
	}
	return nil
}

// readSoftware reads each dictionary entry once, however many hosts have it.
func (p *pageOf) readSoftware(ctx context.Context) error {
	type installed struct {
		host *qps.HostAsset
		id   int64
	}
	var id int64
	var all []installed
	packages := make(map[int64]qps.Software)
	err := p.each(ctx, "SELECT host_id, software_id FROM host_software WHERE "+p.tx.dialect.InIDs("host_id"), []any{&id},
		func(h *qps.HostAsset) {
			all = append(all, installed{h, id})
			packages[id] = qps.Software{}
		})
	if err != nil || len(all) == 0 {
		return err
	}
	ids := make([]int64, 0, len(packages))
	for id := range packages {
		ids = append(ids, id)
	}
	err = p.tx.each(ctx, "SELECT id, name, version FROM software WHERE "+p.tx.dialect.InIDs("id"), []any{p.tx.dialect.IDsParam(ids)},
		func(rows *sql.Rows) error {
			var s qps.Software
			if err := rows.Scan(&id, &s.Name, &s.Version); err != nil {
				return err
			}
			packages[id] = s
			return nil
		})
	if err != nil {
		return err
	}
	for _, one := range all {
		one.host.Software = append(one.host.Software, packages[one.id])
	}
	for i := range p.hosts {
		slices.SortFunc(p.hosts[i].Software, func(a, b qps.Software) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
		})
	}
	return nil
}
