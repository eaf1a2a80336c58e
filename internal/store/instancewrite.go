package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// storeInstances stores instances of which something is not as it should be, and
// returns how many hosts it made and how many it changed. The transaction must
// have begun with lockChanges.
func (t *Tx) storeInstances(ctx context.Context, c *connector.Connector, listed []connector.Instance, at time.Time) (created, updated int, err error) {
	s, err := t.sight(ctx, c, listed)
	if err == nil {
		err = t.holdModules(ctx, s)
	}
	if err != nil {
		return 0, 0, err
	}
	news, err := t.settleIdentities(ctx, s, listed, at)
	if err != nil {
		return 0, 0, err
	}
	written, err := t.changedInstances(ctx, s, listed, at)
	if err != nil {
		return 0, 0, err
	}
	if err := t.writeInstances(ctx, written); err != nil {
		return 0, 0, err
	}
	dressed, err := t.dressInstances(ctx, s, listed)
	if err != nil {
		return 0, 0, err
	}
	changed := slices.Clone(dressed)
	for _, i := range written {
		changed = append(changed, i.hostID)
	}
	slices.Sort(changed)
	changed = slices.Compact(changed)
	if err := t.touchHosts(ctx, written, at); err != nil {
		return 0, 0, err
	}
	if err := t.modify(ctx, dressed, at); err != nil {
		return 0, 0, err
	}
	return len(news), len(changed) - len(news), t.retagInstances(ctx, written, dressed)
}

// holdModules keeps the modules of the agents among the hosts as they are, so that
// nobody activates one meanwhile that excludes what is activated here.
func (t *Tx) holdModules(ctx context.Context, s *sight) error {
	var agents []int64
	for _, one := range s.known {
		if one.agent {
			agents = append(agents, one.hostID)
		}
	}
	modules, err := t.heldModules(ctx, agents)
	for id, active := range modules {
		s.modules[id] = active
	}
	return err
}

// heldModules locks the agents of hosts, as every change of an agent's modules
// does, and returns the modules that are active on each.
func (t *Tx) heldModules(ctx context.Context, hostIDs []int64) (map[int64][]fleet.Module, error) {
	if len(hostIDs) == 0 {
		return nil, nil
	}
	locked, err := t.ids(ctx, "SELECT host_id FROM agents WHERE "+t.dialect.InIDs("host_id")+" ORDER BY host_id"+t.dialect.ForUpdate(), t.dialect.IDsParam(hostIDs))
	if err != nil {
		return nil, fmt.Errorf("lock %d agents: %w", len(hostIDs), err)
	}
	modules, err := t.modules(ctx, locked)
	if err != nil {
		return nil, fmt.Errorf("read modules of %d agents: %w", len(locked), err)
	}
	for _, id := range locked {
		if _, found := modules[id]; !found {
			modules[id] = nil
		}
	}
	return modules, nil
}

// settleIdentities gives each instance that is not known a host: that of the
// agent that has said longest that it runs there, or a new one. It returns the
// new hosts.
func (t *Tx) settleIdentities(ctx context.Context, s *sight, listed []connector.Instance, at time.Time) ([]int64, error) {
	var unknown []*connector.Instance
	for i := range listed {
		if _, known := s.known[identity(&listed[i])]; !known {
			unknown = append(unknown, &listed[i])
		}
	}
	claimants, err := t.claimants(ctx, unknown)
	if err != nil {
		return nil, fmt.Errorf("read what agents say of their instances: %w", err)
	}
	var homeless []*connector.Instance
	for _, i := range unknown {
		if hostID, claimed := claimants[identity(i)]; claimed {
			s.known[identity(i)] = seen{hostID: hostID, agent: true}
			continue
		}
		homeless = append(homeless, i)
	}
	hosts, err := t.insertHosts(ctx, homeless, at)
	if err != nil {
		return nil, fmt.Errorf("insert %d hosts: %w", len(homeless), err)
	}
	for n, i := range homeless {
		s.known[identity(i)] = seen{hostID: hosts[n]}
	}
	if len(claimants) > 0 { // they had modules and tags before
		ids := make([]int64, 0, len(claimants))
		for _, hostID := range claimants {
			ids = append(ids, hostID)
		}
		if err := t.sightTags(ctx, s, ids); err != nil {
			return nil, err
		}
		modules, err := t.heldModules(ctx, ids)
		if err != nil {
			return nil, err
		}
		for id, active := range modules {
			s.modules[id] = active
		}
	}
	return hosts, nil
}

// insertHosts makes a host for each instance and returns their ids in the same
// order: rows are numbered in the order in which they are selected.
func (t *Tx) insertHosts(ctx context.Context, instances []*connector.Instance, at time.Time) ([]int64, error) {
	if len(instances) == 0 {
		return nil, nil
	}
	rows := make([][]any, len(instances))
	for n, i := range instances {
		rows[n] = []any{n, hostName(i), i.PrivateDNSName, i.PrivateIPAddress}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return nil, err
	}
	ids, err := t.ids(ctx, `INSERT INTO hosts (name, created, modified, tracking_method, dns_host_name, address)
		SELECT r.name, CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT), r.dns, r.address
		FROM `+t.dialect.Rows(columns("position:int, name, dns, address"))+" AS r ORDER BY r.position RETURNING id",
		seconds(at), seconds(at), qps.TrackingInstance, param)
	if err != nil {
		return nil, err
	}
	if len(ids) != len(instances) {
		return nil, fmt.Errorf("%d ids were given", len(ids))
	}
	slices.Sort(ids)
	_, err = t.Exec(ctx, "INSERT INTO host_details (host_id) SELECT id FROM hosts WHERE "+t.dialect.InIDs("id"), t.dialect.IDsParam(ids))
	return ids, err
}

// changedInstances returns the rows to write: those of which AWS says something
// else than before.
func (t *Tx) changedInstances(ctx context.Context, s *sight, listed []connector.Instance, at time.Time) ([]storedInstance, error) {
	var hosts []int64
	for i := range listed {
		if one := s.known[identity(&listed[i])]; one.digest != instanceDigest(&listed[i]) {
			hosts = append(hosts, one.hostID)
		}
	}
	stored, err := t.instances(ctx, hosts)
	if err != nil {
		return nil, err
	}
	before := make(map[int64]storedInstance, len(stored))
	for _, i := range stored {
		before[i.hostID] = i
	}
	var written []storedInstance
	for n := range listed {
		one, digest := s.known[identity(&listed[n])], instanceDigest(&listed[n])
		if one.digest == digest {
			continue
		}
		i := storedInstance{hostID: one.hostID, agent: one.agent, digest: digest, facts: listed[n], first: at, last: at}
		if old, known := before[one.hostID]; known {
			i.first, i.history = old.first, old.history
			keepTerminated(&i.facts, &old.facts)
		}
		i.history = extended(i.history, i.facts.State, at)
		written = append(written, i)
	}
	slices.SortFunc(written, byHost)
	return written, nil
}

const instanceColumns = "host_id, provider, account_id, instance_id, region, availability_zone, state, instance_type, image_id, vpc_id, subnet_id, " +
	"digest, facts, history, first_discovered, last_updated"

// writeInstances inserts or replaces rows.
func (t *Tx) writeInstances(ctx context.Context, instances []storedInstance) error {
	if len(instances) == 0 {
		return nil
	}
	rows := make([][]any, len(instances))
	for n := range instances {
		i := &instances[n]
		facts, err1 := encode(factsOf(&i.facts))
		history, err2 := encode(i.history)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		f := &i.facts
		rows[n] = []any{
			i.hostID, awsProvider, f.AccountID, f.InstanceID, f.Region, f.AvailabilityZone, f.State, f.InstanceType, f.ImageID, f.VPCID, f.SubnetID,
			i.digest, facts, history, seconds(i.first).Int64, seconds(i.last).Int64,
		}
	}
	param, err := RowsParam(rows)
	if err != nil {
		return err
	}
	_, err = t.Exec(ctx, "INSERT INTO cloud_instances ("+instanceColumns+") SELECT "+instanceColumns+" FROM "+
		t.dialect.Rows(columns("host_id:int, provider, account_id, instance_id, region, availability_zone, state, instance_type, image_id, vpc_id, subnet_id, "+
			"digest, facts, history, first_discovered:int, last_updated:int"))+` AS r WHERE true
		ON CONFLICT (host_id) DO UPDATE SET region = excluded.region, availability_zone = excluded.availability_zone, state = excluded.state,
			instance_type = excluded.instance_type, image_id = excluded.image_id, vpc_id = excluded.vpc_id, subnet_id = excluded.subnet_id,
			digest = excluded.digest, facts = excluded.facts, history = excluded.history, last_updated = excluded.last_updated`, param)
	if err != nil {
		return fmt.Errorf("write %d instances: %w", len(instances), err)
	}
	return nil
}

// instances reads rows by host, in ascending order.
func (t *Tx) instances(ctx context.Context, hostIDs []int64) ([]storedInstance, error) {
	if len(hostIDs) == 0 {
		return nil, nil
	}
	return t.instancesIn(ctx, t.dialect.IDsParam(hostIDs))
}

// instancesIn is instances for a parameter of InIDs.
func (t *Tx) instancesIn(ctx context.Context, hostIDs any) ([]storedInstance, error) {
	var list []storedInstance
	err := t.each(ctx, `SELECT i.host_id, i.account_id, i.instance_id, i.region, i.availability_zone, i.state, i.instance_type, i.image_id, i.vpc_id, i.subnet_id,
			i.digest, i.facts, i.history, i.first_discovered, i.last_updated, a.host_id IS NOT NULL
		FROM cloud_instances AS i LEFT JOIN agents AS a ON a.host_id = i.host_id WHERE `+t.dialect.InIDs("i.host_id")+" ORDER BY i.host_id",
		[]any{hostIDs}, func(rows *sql.Rows) error {
			var i storedInstance
			var facts, history []byte
			var first, last sql.NullInt64
			f := &i.facts
			if err := rows.Scan(&i.hostID, &f.AccountID, &f.InstanceID, &f.Region, &f.AvailabilityZone, &f.State, &f.InstanceType, &f.ImageID, &f.VPCID,
				&f.SubnetID, &i.digest, &facts, &history, &first, &last, &i.agent); err != nil {
				return err
			}
			var rest instanceFacts
			err := errors.Join(decode(facts, &rest), decode(history, &i.history))
			rest.into(f)
			i.first, i.last = when(first), when(last)
			list = append(list, i)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("read instances: %w", err)
	}
	return list, nil
}

// dressInstances links instances to their connector and gives their hosts the
// tags and modules of it that they lack. It returns the hosts that got any.
func (t *Tx) dressInstances(ctx context.Context, s *sight, listed []connector.Instance) ([]int64, error) {
	var links, modules [][]any
	var tags tagMoves
	var dressed []int64
	for n := range listed {
		i := &listed[n]
		one := s.known[identity(i)]
		if !one.linked {
			links = append(links, []any{s.connector.ID, one.hostID})
		}
		lacking, inactive := s.untagged(one.hostID), s.connector.Activates(i, s.modules[one.hostID])
		for _, tag := range lacking {
			tags.put = append(tags.put, [2]int64{tag, one.hostID})
		}
		for _, m := range inactive {
			modules = append(modules, []any{one.hostID, string(m)})
		}
		if len(lacking)+len(inactive) > 0 {
			dressed = append(dressed, one.hostID)
		}
	}
	if len(links) > 0 {
		param, err := RowsParam(links)
		if err != nil {
			return nil, err
		}
		_, err = t.Exec(ctx, "INSERT INTO cloud_instance_connectors (connector_id, host_id) SELECT connector_id, host_id FROM "+
			t.dialect.Rows(columns("connector_id:int, host_id:int"))+" AS r WHERE true ON CONFLICT DO NOTHING", param)
		if err != nil {
			return nil, fmt.Errorf("link %d instances: %w", len(links), err)
		}
	}
	if err := t.moveTags(ctx, tags); err != nil {
		return nil, err
	}
	return dressed, t.writeModules(ctx, modules, nil)
}

// touchHosts brings the hosts of changed instances in line with them. What an
// agent says of its host is left alone.
func (t *Tx) touchHosts(ctx context.Context, instances []storedInstance, at time.Time) error {
	var bare [][]any
	var all []int64
	for n := range instances {
		i := &instances[n]
		all = append(all, i.hostID)
		if !i.agent {
			bare = append(bare, []any{i.hostID, hostName(&i.facts), i.facts.PrivateDNSName, i.facts.PrivateIPAddress})
		}
	}
	if len(bare) > 0 {
		param, err := RowsParam(bare)
		if err != nil {
			return err
		}
		// Rows that stay as they are, as those of new hosts do, are not written.
		_, err = t.Exec(ctx, "UPDATE hosts SET name = r.name, dns_host_name = r.dns, address = r.address FROM "+
			t.dialect.Rows(columns("host_id:int, name, dns, address"))+` AS r
			WHERE hosts.id = r.host_id AND (hosts.name <> r.name OR hosts.dns_host_name <> r.dns OR hosts.address <> r.address)`, param)
		if err != nil {
			return fmt.Errorf("update %d hosts: %w", len(bare), err)
		}
	}
	return t.modify(ctx, all, at)
}

// modify notes when hosts changed.
func (t *Tx) modify(ctx context.Context, hostIDs []int64, at time.Time) error {
	if len(hostIDs) == 0 {
		return nil
	}
	_, err := t.Exec(ctx, "UPDATE hosts SET modified = ? WHERE modified <> ? AND "+t.dialect.InIDs("id"), seconds(at), seconds(at), t.dialect.IDsParam(hostIDs))
	if err != nil {
		return fmt.Errorf("note the change of %d hosts: %w", len(hostIDs), err)
	}
	return nil
}

// retagInstances evaluates the rules of tags for hosts whose instances changed,
// and decides their profiles, and those of others whose tags did, again. Of a
// host with an agent only rules about its instance are evaluated: nothing else
// of it changed.
func (t *Tx) retagInstances(ctx context.Context, instances []storedInstance, others []int64) error {
	var bare, withAgent []int64
	for _, i := range instances {
		if i.agent {
			withAgent = append(withAgent, i.hostID)
		} else {
			bare = append(bare, i.hostID)
		}
	}
	rules, err := t.rules(ctx, "SELECT id, rule_type, rule_text FROM tags WHERE rule_type <> 'STATIC' ORDER BY id")
	if err != nil {
		return err
	}
	about := slices.DeleteFunc(slices.Clone(rules), func(r tagRule) bool { return r.kind != fleet.RuleCloudAsset })
	for _, part := range []struct {
		rules []tagRule
		hosts []int64
	}{{rules, bare}, {about, withAgent}} {
		if len(part.rules) == 0 || len(part.hosts) == 0 {
			continue
		}
		moves, err := t.ruleMoves(ctx, part.rules, part.hosts)
		if err != nil {
			return fmt.Errorf("evaluate rules of tags for %d hosts: %w", len(part.hosts), err)
		}
		if err := t.moveTags(ctx, moves); err != nil {
			return err
		}
	}
	return t.reassignProfiles(ctx, slices.Concat(withAgent, others))
}
