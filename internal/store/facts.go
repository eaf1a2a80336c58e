package store

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/qps"
)

func (c *checker) host(h *agentwire.Host) {
	c.indexed("host.name", h.Name)
	c.indexed("host.fqdn", h.FQDN)
	c.indexed("host.address", h.Address)
	c.check("host.os, osId and osVersion", h.OS+h.OSID+h.OSVersion, maxIndexedBytes)
	for _, t := range [...]struct{ field, value string }{
		{"platform", h.Platform}, {"kernel", h.Kernel}, {"architecture", h.Architecture}, {"manufacturer", h.Manufacturer},
		{"model", h.Model}, {"bios", h.BIOS}, {"timezone", h.Timezone}, {"lastUser", h.LastUser}, {"fingerprint", h.Fingerprint},
	} {
		c.text("host."+t.field, t.value)
	}
	if h.Docker != nil {
		c.text("host.docker.version", h.Docker.Version)
	}
	if h.Cloud != nil {
		for _, t := range [...]struct{ field, value string }{
			{"accountId", h.Cloud.AccountID}, {"region", h.Cloud.Region}, {"availabilityZone", h.Cloud.AvailabilityZone},
			{"instanceId", h.Cloud.InstanceID}, {"instanceType", h.Cloud.InstanceType}, {"imageId", h.Cloud.ImageID},
		} {
			c.indexed("host.cloud."+t.field, t.value)
		}
	}
}

// settleHost returns the host of a new agent: the one that a connector made of
// its instance, unless that has an agent already, or a new one.
func (t *Tx) settleHost(ctx context.Context, h *agentwire.Host, at time.Time) (int64, error) {
	id, err := t.vacant(ctx, h.Cloud)
	if err != nil {
		return 0, fmt.Errorf("look for its instance: %w", err)
	}
	if id == 0 {
		return t.insertHost(ctx, h, at)
	}
	_, err = t.Exec(ctx, "UPDATE hosts SET tracking_method = ?, modified = ? WHERE id = ?", qps.TrackingAgent, seconds(at), id)
	if err != nil {
		return 0, err
	}
	return id, t.updateHost(ctx, id, h)
}

// insertHost stores a new agent host and returns its id.
func (t *Tx) insertHost(ctx context.Context, h *agentwire.Host, at time.Time) (int64, error) {
	var id int64
	err := t.QueryRow(ctx, "INSERT INTO hosts (name, created, modified, tracking_method) VALUES (?, ?, ?, ?) RETURNING id",
		h.Name, seconds(at), seconds(at), qps.TrackingAgent).Scan(&id)
	if err != nil {
		return 0, err
	}
	if _, err := t.Exec(ctx, "INSERT INTO host_details (host_id) VALUES (?)", id); err != nil {
		return 0, err
	}
	return id, t.updateHost(ctx, id, h)
}

// updateHost stores the facts a host has exactly one of.
func (t *Tx) updateHost(ctx context.Context, hostID int64, h *agentwire.Host) error {
	osID, err := t.operatingSystem(ctx, h)
	if err != nil {
		return fmt.Errorf("store operating system %q: %w", h.OS, err)
	}
	dnsName := h.FQDN
	if dnsName == "" {
		dnsName = h.Name
	}
	_, err = t.Exec(ctx, "UPDATE hosts SET name = ?, os_id = ?, fqdn = ?, dns_host_name = ?, address = ? WHERE id = ?",
		h.Name, osID, h.FQDN, dnsName, h.Address, hostID)
	if err != nil {
		return fmt.Errorf("store facts of host %d: %w", hostID, err)
	}
	var docker any
	if h.Docker != nil {
		if docker, err = encode(h.Docker); err != nil {
			return err
		}
	}
	_, err = t.Exec(ctx, `UPDATE host_details SET platform = ?, kernel = ?, architecture = ?, manufacturer = ?, model = ?, bios = ?,
			memory_mb = ?, timezone = ?, last_boot = ?, last_user = ?, docker_host = ?, docker = ?, fingerprint = ? WHERE host_id = ?`,
		h.Platform, h.Kernel, h.Architecture, h.Manufacturer, h.Model, h.BIOS,
		h.MemoryMB, h.Timezone, seconds(h.LastBoot), h.LastUser, h.DockerHost, docker, h.Fingerprint, hostID)
	if err != nil {
		return fmt.Errorf("store details of host %d: %w", hostID, err)
	}
	return nil
}

// operatingSystem returns the dictionary's id of the host's system, nil when
// the host does not know it.
func (t *Tx) operatingSystem(ctx context.Context, h *agentwire.Host) (any, error) {
	if h.OS == "" {
		return nil, nil
	}
	const where = " WHERE name = ? AND distribution = ? AND version = ?"
	ids, err := t.ids(ctx, "SELECT id FROM operating_systems"+where, h.OS, h.OSID, h.OSVersion)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		_, err := t.Exec(ctx, "INSERT INTO operating_systems (name, distribution, version) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			h.OS, h.OSID, h.OSVersion)
		if err != nil {
			return nil, err
		}
		// Read again: another transaction may have won.
		if ids, err = t.ids(ctx, "SELECT id FROM operating_systems"+where, h.OS, h.OSID, h.OSVersion); err != nil {
			return nil, err
		}
	}
	return ids[0], nil
}
