package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

const (
	// maxCandidates is up to how many hosts an index may name for a search to
	// start from them. Where every index names more, a page is soon full when the
	// hosts are walked in order of id.
	maxCandidates = 5000
	// fewCandidates is how many candidates are so few that asking another index
	// costs more than it saves.
	fewCandidates = 256
	// maxEntries is how many entries are read for them of an index that has one for
	// each package of a host.
	maxEntries = 10 * maxCandidates
)

// SearchHosts returns a page of hosts; see fleet.Hosts. A search that takes
// longer than searchTimeout is given up with fault.Busy.
func (s *Store) SearchHosts(ctx context.Context, q fleet.Query) (fleet.Page, error) {
	if q.Limit < 1 || q.Limit == math.MaxInt {
		return fleet.Page{}, fault.Newf(fault.Invalid, "page size is %d, it must be at least 1", q.Limit)
	}
	var page fleet.Page
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.view(ctx, func(tx *Tx) error {
			ids, err := tx.searchIDs(ctx, q)
			if err != nil {
				return err
			}
			if len(ids) > q.Limit {
				ids, page.More = ids[:q.Limit], true
			}
			page.Hosts, err = tx.readHosts(ctx, ids, q.Include, s.now())
			return err
		})
	})
	if err != nil {
		return fleet.Page{}, fmt.Errorf("search hosts: %w", err)
	}
	return page, nil
}

// CountHosts returns how many hosts match. It has the time limit of
// SearchHosts.
func (s *Store) CountHosts(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition) (int64, error) {
	var n int64
	err := s.bounded(ctx, func(ctx context.Context) error {
		return s.view(ctx, func(tx *Tx) (err error) {
			n, err = tx.countHosts(ctx, scope, conditions)
			return err
		})
	})
	if err != nil {
		return 0, fmt.Errorf("count hosts: %w", err)
	}
	return n, nil
}

// Host returns one host asset in scope, or fault.NotFound.
func (s *Store) Host(ctx context.Context, scope fleet.Scope, id int64) (qps.HostAsset, error) {
	var hosts []qps.HostAsset
	err := s.view(ctx, func(tx *Tx) error {
		ids, err := tx.searchIDs(ctx, fleet.Query{Scope: scope, Conditions: []fleet.Condition{{Field: fleet.FieldID, Operator: qps.OpEquals, Ints: []int64{id}}}, Limit: 1})
		if err == nil {
			hosts, err = tx.readHosts(ctx, ids, nil, s.now())
		}
		return err
	})
	switch {
	case err != nil:
		return qps.HostAsset{}, fmt.Errorf("read host %d: %w", id, err)
	case len(hosts) == 0:
		return qps.HostAsset{}, fault.Newf(fault.NotFound, "There is no host asset %d.", id)
	}
	return hosts[0], nil
}

// bounded runs a search when one of the connections for searches is free, and
// gives it up, or the wait, after searchTimeout.
func (s *Store) bounded(ctx context.Context, fn func(ctx context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	case <-limited.Done():
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("wait for other searches: %w", err)
		}
		return &fault.Error{
			Code: fault.Busy, Message: fmt.Sprintf("Other searches took longer than %s.", searchTimeout),
			Resolution: "Repeat the search later, and run fewer at a time.", Err: limited.Err(),
		}
	}
	err := fn(limited)
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return &fault.Error{
			Code: fault.Busy, Message: fmt.Sprintf("The search took longer than %s.", searchTimeout),
			Resolution: "Add a criterion that selects fewer hosts, or a longer text.", Err: err,
		}
	}
	return err
}

// searchIDs returns the ids of the page and, if there is one, of the next host.
func (t *Tx) searchIDs(ctx context.Context, q fleet.Query) ([]int64, error) {
	p, err := t.plan(ctx, q.Scope, q.Conditions, q.FromID)
	if err != nil || p.empty {
		return nil, err
	}
	hint := ""
	if !p.narrow {
		hint = t.dialect.InOrder()
	}
	query, args := p.sql("h.id", hint, t.dialect)
	return t.ids(ctx, query+" ORDER BY h.id LIMIT ? OFFSET ?", append(args, q.Limit+1, max(q.Offset, 0))...)
}

func (t *Tx) countHosts(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition) (int64, error) {
	p, err := t.plan(ctx, scope, conditions, 0)
	if err != nil || p.empty {
		return 0, err
	}
	var n int64
	query, args := p.sql("count(*)", "", t.dialect)
	err = t.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// plan is how a search is run: every condition is a predicate that is checked on
// each host looked at; candidates, where an index named few, are the hosts to
// look at, otherwise all from the first id on.
type plan struct {
	empty      bool // no host can match
	from       int64
	narrow     bool // candidates holds every host that can match
	candidates []int64
	predicates []predicate
}

func (t *Tx) plan(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition, from int64) (*plan, error) {
	p := &plan{from: from}
	compiled := make([]predicate, 0, len(conditions)+1)
	if !scope.All {
		if len(scope.TagIDs) == 0 {
			return &plan{empty: true}, nil
		}
		compiled = append(compiled, t.compileScope(scope))
	}
	for _, c := range conditions {
		pred, err := t.compile(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("compile criterion %s %s: %w", c.Field, c.Operator, err)
		}
		if pred.never {
			return &plan{empty: true}, nil
		}
		p.from = max(p.from, pred.from)
		if pred.ids != nil {
			p.limitTo(pred.ids)
		}
		compiled = append(compiled, pred)
	}
	p.predicates = compiled
	for _, pred := range compiled {
		if pred.index == nil || (p.narrow && len(p.candidates) <= fewCandidates) {
			continue
		}
		ids, few, err := t.ask(ctx, pred.index, p.from)
		if err != nil {
			return nil, err
		}
		if few {
			p.limitTo(ids)
		}
	}
	p.candidates = slices.DeleteFunc(p.candidates, func(id int64) bool { return id < p.from })
	p.empty = p.narrow && len(p.candidates) == 0
	return p, nil
}

// ask returns the distinct hosts an index names, and whether they are few: not
// more than maxCandidates, in not more than maxEntries entries where they repeat.
func (t *Tx) ask(ctx context.Context, i *index, from int64) (ids []int64, few bool, err error) {
	query, args := i.query, slices.Clone(i.args)
	if from > 0 {
		query, args = query+" AND "+i.id+" >= ?", append(args, from)
	}
	limit := maxCandidates
	if i.repeats {
		limit = maxEntries
	}
	rows, err := t.Query(ctx, query+" LIMIT ?", append(args, limit+1)...)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	seen := make(map[int64]struct{})
	for entries := 0; rows.Next(); entries++ {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, false, err
		}
		seen[id] = struct{}{}
		if len(seen) > maxCandidates || entries == limit {
			return nil, false, nil
		}
	}
	return slices.Collect(maps.Keys(seen)), true, rows.Err()
}

// limitTo keeps the candidates that are in ids.
func (p *plan) limitTo(ids []int64) {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if p.narrow {
		ids = slices.DeleteFunc(ids, func(id int64) bool {
			_, found := slices.BinarySearch(p.candidates, id)
			return !found
		})
	}
	p.narrow, p.candidates = true, ids
}

// sql returns the query for the given expression; hint follows each table.
func (p *plan) sql(expression, hint string, d Dialect) (string, []any) {
	var tables, where strings.Builder
	var args []any
	tables.WriteString("SELECT " + expression + " FROM hosts AS h" + hint)
	if p.narrow {
		where.WriteString(" WHERE " + d.InIDs("h.id"))
		args = append(args, d.IDsParam(p.candidates))
	} else {
		where.WriteString(" WHERE h.id >= ?")
		args = append(args, p.from)
	}
	agents, heartbeats := false, false
	for _, pred := range p.predicates {
		agents, heartbeats = agents || pred.agents, heartbeats || pred.heartbeats
		if pred.query != "" {
			where.WriteString(" AND " + pred.query)
			args = append(args, pred.args...)
		}
	}
	if agents {
		tables.WriteString(" LEFT JOIN agents AS a" + hint + " ON a.host_id = h.id")
	}
	if heartbeats {
		tables.WriteString(" LEFT JOIN heartbeats AS b" + hint + " ON b.host_id = h.id")
	}
	return tables.String() + where.String(), args
}
