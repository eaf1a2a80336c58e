package store

import (
	"context"
	"math"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

// manyTags is from how many tags on it is cheaper to look at a host's tags than to
// look for each tag among them.
const manyTags = 4

// predicate is one condition as SQL over hosts h, agents a, heartbeats b and
// cloud_instances c. An
// empty query holds for every host. Values are always parameters.
type predicate struct {
	query      string
	args       []any
	agents     bool    // query needs a
	heartbeats bool    // query needs b
	instances  bool    // query needs c
	never      bool    // holds for no host
	from       int64   // no host below this id matches
	ids        []int64 // no other host than these matches; nil when not known
	index      *index
	column     string  // of one of the values below, in every host that matches
	values     []int64 // ids of a dictionary
}

// compile turns a condition into a predicate. Dictionaries are looked up here:
// what is not in them matches nothing.
func (t *Tx) compile(ctx context.Context, c fleet.Condition) (predicate, error) {
	switch c.Field {
	case fleet.FieldID:
		return t.compileID(c), nil
	case fleet.FieldType:
		return compileType(c), nil
	case fleet.FieldOS:
		return t.compileOS(ctx, c)
	case fleet.FieldPort:
		return t.compilePort(c), nil
	case fleet.FieldTagName, fleet.FieldTagID:
		return t.compileTag(ctx, c)
	case fleet.FieldInstalledSoftware:
		return t.compileSoftware(ctx, c)
	case fleet.FieldAgentConfigurationID, fleet.FieldAgentConfigurationName, fleet.FieldActivationKey:
		return t.compileAgentReference(ctx, c)
	case fleet.FieldAgentUUID, fleet.FieldAgentVersion:
		return t.compileAgent(c), nil
	case fleet.FieldLastCheckedIn:
		p := comparison{expression: "b.last_checked_in", column: "last_checked_in", table: "heartbeats", id: "host_id", ranges: byBlock}.date(c)
		p.heartbeats = true
		return p, nil
	default:
		if column, ok := instanceColumn[c.Field]; ok {
			return t.compileInstance(column, c), nil
		}
		return t.compileColumn(c), nil
	}
}

// instanceColumn is where cloud_instances holds a field.
var instanceColumn = map[fleet.Field]string{
	fleet.FieldInstanceID:       "instance_id",
	fleet.FieldAccountID:        "account_id",
	fleet.FieldRegion:           "region",
	fleet.FieldAvailabilityZone: "availability_zone",
	fleet.FieldInstanceState:    "state",
	fleet.FieldInstanceType:     "instance_type",
	fleet.FieldImageID:          "image_id",
	fleet.FieldVPCID:            "vpc_id",
	fleet.FieldSubnetID:         "subnet_id",
}

func (t *Tx) compileInstance(column string, c fleet.Condition) predicate {
	on := comparison{expression: "c." + column, table: "cloud_instances", column: column, id: "host_id", nullable: true}
	if c.Operator == qps.OpNotEquals { // also what is no instance
		on.expression = "coalesce(" + on.expression + ", '')"
	}
	p := on.text(t.dialect, c)
	p.instances = true
	return p
}

// compileColumn compiles the conditions on a column of hosts.
func (t *Tx) compileColumn(c fleet.Condition) predicate {
	on := hostColumn(c.Field)
	on.expression, on.table, on.id = "h."+on.column, "hosts", "id"
	switch {
	case len(c.Ints) > 0:
		return on.integer(t.dialect, c)
	case len(c.Texts) > 0:
		p := on.text(t.dialect, c)
		if c.Operator == qps.OpContains {
			p.index = t.textIndex(on, c.Texts[0])
		}
		return p
	default:
		return on.date(c)
	}
}

// hostColumn returns the column of hosts that holds a field, and what its index
// is like.
func hostColumn(f fleet.Field) comparison {
	switch f {
	case fleet.FieldName:
		return comparison{column: "name"}
	case fleet.FieldDNSHostName:
		return comparison{column: "dns_host_name"}
	case fleet.FieldAddress:
		return comparison{column: "address"}
	case fleet.FieldTrackingMethod:
		return comparison{column: "tracking_method"}
	case fleet.FieldNetBIOSName:
		return comparison{column: "netbios_name", present: "netbios_name <> '' AND "}
	case fleet.FieldNetBIOSNetworkID:
		return comparison{column: "netbios_network_id", present: "netbios_network_id <> '' AND "}
	case fleet.FieldNetworkGUID:
		return comparison{column: "network_guid", present: "network_guid <> '' AND "}
	case fleet.FieldQWebHostID:
		return comparison{column: "qweb_host_id", nullable: true, ranges: byBlock}
	case fleet.FieldCreated:
		return comparison{column: "created", ranges: byBlock}
	case fleet.FieldUpdated:
		return comparison{column: "modified", ranges: byBlock}
	case fleet.FieldLastVulnScan:
		return comparison{column: "last_vuln_scan", nullable: true, ranges: byBlock}
	case fleet.FieldLastComplianceScan:
		return comparison{column: "last_compliance_scan", nullable: true, ranges: byBlock}
	case fleet.FieldVulnsUpdated:
		return comparison{column: "vulns_updated", nullable: true, ranges: byBlock}
	case fleet.FieldInformationGatheredUpdated:
		return comparison{column: "information_gathered_updated", nullable: true, ranges: byBlock}
	}
	// Conditions come from ParseConditions; a field it knows and this does not is
	// a mistake the database reports.
	return comparison{column: "field_without_column"}
}

// textIndex is the index of hosts of which a text contains another: one made for
// it where all hosts have that text, otherwise the texts there are.
func (t *Tx) textIndex(on comparison, text string) *index {
	if on.present != "" {
		return &index{table: on.table, id: offIndex(on.id), parts: []part{{on.present + t.dialect.Contains(on.column), []any{text}}}}
	}
	found := t.dialect.TextContaining(on.column, text)
	return &index{table: found.Table, id: found.ID, parts: []part{{found.Condition, found.Args}}, repeats: found.Repeats}
}

func (t *Tx) compileID(c fleet.Condition) predicate {
	switch c.Operator {
	case qps.OpEquals, qps.OpIn:
		return predicate{ids: c.Ints}
	case qps.OpGreater:
		// Part of where the search begins, so that a cursor costs nothing.
		if c.Ints[0] == math.MaxInt64 {
			return predicate{never: true}
		}
		return predicate{from: c.Ints[0] + 1}
	default:
		return comparison{expression: "h.id"}.integer(t.dialect, c)
	}
}

// compileType: every asset is a host.
func compileType(c fleet.Condition) predicate {
	host := false
	for _, text := range c.Texts {
		host = host || text == qps.TypeHost
	}
	return predicate{never: host == (c.Operator == qps.OpNotEquals)}
}

func (t *Tx) compileOS(ctx context.Context, c fleet.Condition) (predicate, error) {
	ids, err := t.lookUp(ctx, "SELECT id FROM operating_systems WHERE ", "name", c)
	if err != nil {
		return predicate{}, err
	}
	if c.Operator == qps.OpNotEquals {
		others, err := t.ids(ctx, "SELECT id FROM operating_systems WHERE NOT "+t.dialect.InIDs("id"), t.dialect.IDsParam(ids))
		p := predicate{query: "(h.os_id IS NULL OR NOT " + t.dialect.InIDs("h.os_id") + ")", args: []any{t.dialect.IDsParam(ids)}}
		p.index = t.listIndex("hosts", "os_id", "id", others)
		p.index.single, p.index.parts = false, append(p.index.parts, part{"os_id IS NULL", nil})
		return p, err
	}
	return predicate{
		never: len(ids) == 0,
		query: t.dialect.InIDs("h.os_id"), args: []any{t.dialect.IDsParam(ids)},
		index:  t.listIndex("hosts", "os_id", "id", ids),
		column: "os_id", values: ids,
	}, nil
}

func (t *Tx) compilePort(c fleet.Condition) predicate {
	equal := c
	if c.Operator == qps.OpNotEquals {
		equal.Operator = qps.OpEquals
	}
	p := comparison{expression: "p.port", table: "host_ports", column: "port", id: "host_id"}.integer(t.dialect, equal)
	p.query = exists("host_ports AS p WHERE p.host_id = h.id AND " + p.query)
	if p.index.order == byID {
		p.index.tally = tallyOf("port", c.Ints)
	}
	return negated(p, c)
}

func (t *Tx) compileTag(ctx context.Context, c fleet.Condition) (predicate, error) {
	ids, err := t.tags(ctx, c)
	if err != nil {
		return predicate{}, err
	}
	p := predicate{
		never: len(ids) == 0,
		query: exists("host_tags AS t WHERE t.host_id = h.id AND " + t.dialect.InIDs(amongTags("t.tag_id", ids))),
		args:  []any{t.dialect.IDsParam(ids)},
	}
	p.index = t.listIndex("host_tags", "tag_id", "host_id", ids)
	p.index.tally = tallyOf("tag", ids)
	return negated(p, c), nil
}

// compileScope holds for the hosts of a scope that does not have all.
func (t *Tx) compileScope(scope fleet.Scope) predicate {
	query, tags := inScope(t.dialect, scope, "h.id")
	i := t.listIndex("host_tags", "tag_id", "host_id", scope.TagIDs)
	i.tally = tallyOf("tag", scope.TagIDs)
	return predicate{query: query, args: []any{tags}, index: i}
}

// inScope returns the condition that a host, of which the column has the id, is
// in a scope that does not have all, and its parameter.
func inScope(d Dialect, scope fleet.Scope, column string) (condition string, tags any) {
	return exists("host_tags AS scope WHERE scope.host_id = " + column + " AND " + d.InIDs(amongTags("scope.tag_id", scope.TagIDs))), d.IDsParam(scope.TagIDs)
}

// amongTags is the column of tags in a condition on a host's: the few a host has
// are compared with many tags, and only few tags are looked for among them.
func amongTags(column string, ids []int64) string {
	if len(ids) > manyTags {
		return offIndex(column)
	}
	return column
}

// tags returns the tags a condition, or the equality it denies, is about.
func (t *Tx) tags(ctx context.Context, c fleet.Condition) ([]int64, error) {
	if c.Operator == qps.OpNotEquals {
		c.Operator = qps.OpEquals
	}
	var on predicate
	if c.Field == fleet.FieldTagID {
		on = comparison{expression: "id"}.integer(t.dialect, c)
	} else {
		on = comparison{expression: "name"}.text(t.dialect, c)
	}
	return t.ids(ctx, "SELECT id FROM tags WHERE "+on.query, on.args...)
}

func (t *Tx) compileAgentReference(ctx context.Context, c fleet.Condition) (predicate, error) {
	ids, column := c.Ints, "profile_id"
	var err error
	switch c.Field {
	case fleet.FieldAgentConfigurationName:
		ids, err = t.lookUp(ctx, "SELECT id FROM profiles WHERE ", "name", c)
	case fleet.FieldActivationKey:
		column = "activation_key_id"
		ids, err = t.lookUp(ctx, "SELECT id FROM activation_keys WHERE ", "activation_key", c)
	}
	if err != nil {
		return predicate{}, err
	}
	return predicate{
		never: len(ids) == 0,
		query: t.dialect.InIDs("a." + column), args: []any{t.dialect.IDsParam(ids)}, agents: true,
		index:  t.listIndex("agents", column, "host_id", ids),
		column: column, values: ids,
	}, nil
}

func (t *Tx) compileAgent(c fleet.Condition) predicate {
	var p predicate
	key := ""
	if c.Field == fleet.FieldAgentVersion {
		key = fleet.VersionKey(c.Texts[0])
	}
	switch {
	case c.Field == fleet.FieldAgentUUID:
		p = comparison{expression: "a.agent_id", table: "agents", column: "agent_id", id: "host_id"}.text(t.dialect, c)
	case c.Operator == qps.OpEquals:
		p.query, p.args = "a.agent_version = ?", []any{c.Texts[0]}
		p.index = &index{table: "agents", id: "host_id", order: byBlock, loose: true, parts: []part{{"version_key = ?", []any{key}}}}
	default:
		sign := ordering(c.Operator)
		p.query, p.args = "(a.agent_version <> '' AND a.version_key "+sign+" ?)", []any{key}
		// Loose: agents without a version have a key too.
		p.index = &index{table: "agents", id: "host_id", order: byBlock, loose: true, parts: []part{{"version_key " + sign + " ?", []any{key}}}}
	}
	p.agents = true
	return p
}

// lookUp returns the ids of dictionary entries that a text condition, or the
// equality it denies, selects.
func (t *Tx) lookUp(ctx context.Context, query, column string, c fleet.Condition) ([]int64, error) {
	if c.Operator == qps.OpNotEquals {
		c.Operator = qps.OpEquals
	}
	on := comparison{expression: column}.text(t.dialect, c)
	return t.ids(ctx, query+on.query, on.args...)
}

// listIndex is the index of a column over a list of ids.
func (t *Tx) listIndex(table, column, id string, ids []int64) *index {
	i := &index{table: table, id: id, parts: []part{{t.dialect.InIDs(column), []any{t.dialect.IDsParam(ids)}}}}
	if len(ids) <= maxBlockedValues {
		i.order = byID
	}
	if len(ids) == 1 {
		i.single, i.parts = true, []part{{column + " = ?", []any{ids[0]}}}
	}
	return i
}

// offIndex is a column that no index is used for: where one on the values is
// meant, that of the ids would be a pass over all hosts.
func offIndex(column string) string { return "+" + column }

// exists is the condition that a query for entries of a host finds one. Its limit
// keeps the engines from joining the entries of all hosts instead of looking at
// those of one host after the other until a page is full.
func exists(query string) string { return "EXISTS (SELECT 1 FROM " + query + " LIMIT 1 OFFSET 0)" }

// negated turns a predicate that some value equals into the one c asks for.
func negated(p predicate, c fleet.Condition) predicate {
	switch {
	case c.Operator != qps.OpNotEquals:
		return p
	case p.never:
		return predicate{}
	case p.index != nil && p.index.order == byID:
		lacking := *p.index
		lacking.order = byAbsence
		return predicate{query: "NOT " + p.query, args: p.args, index: &lacking}
	default:
		return predicate{query: "NOT " + p.query, args: p.args}
	}
}
