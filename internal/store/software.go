package store

import (
	"context"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

const (
	// maxPackages is up to how many dictionary entries a search resolves a
	// software criterion to; above it names are compared host by host.
	maxPackages = 5000
	// manyPackages is from how many entries on it is cheaper to look at a host's
	// packages (some 500) than to look for each entry among them.
	manyPackages = 64
)

// compileSoftware compiles installedSoftware: a package is found by its name
// and by its name and version with a space between.
func (t *Tx) compileSoftware(ctx context.Context, c fleet.Condition) (predicate, error) {
	equal := c
	if c.Operator == qps.OpNotEquals {
		equal.Operator = qps.OpEquals
	}
	on := t.packagePredicate(equal)
	ids, err := t.ids(ctx, "SELECT s.id FROM software AS s WHERE "+on.query+" LIMIT ?", append(on.args, maxPackages+1)...)
	if err != nil {
		return predicate{}, err
	}
	if len(ids) > maxPackages {
		return negated(predicate{
			query: "EXISTS (SELECT 1 FROM host_software AS x JOIN software AS s ON s.id = x.software_id WHERE x.host_id = h.id AND " + on.query + ")",
			args:  on.args,
		}, c), nil
	}
	expression := "x.software_id"
	if len(ids) > manyPackages {
		expression = "+" + expression // not by index
	}
	return negated(predicate{
		never: len(ids) == 0,
		query: "EXISTS (SELECT 1 FROM host_software AS x WHERE x.host_id = h.id AND " + t.dialect.InIDs(expression) + ")",
		args:  []any{t.dialect.IDsParam(ids)},
		index: t.listIndex("host_software", "software_id", "host_id", ids),
	}, c), nil
}

// packagePredicate is the condition on a dictionary entry s.
func (t *Tx) packagePredicate(c fleet.Condition) predicate {
	title := comparison{expression: "s.title"}.text(t.dialect, c)
	if c.Operator == qps.OpContains {
		return title // the name is part of the title
	}
	name := comparison{expression: "s.name"}.text(t.dialect, c)
	return predicate{query: "(" + name.query + " OR " + title.query + ")", args: []any{name.args[0], title.args[0]}}
}
