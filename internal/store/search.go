package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

const (
	// probedHosts is how many ids a search looks at before it asks an index, a few
	// milliseconds' work.
	probedHosts = 4096
	// maxProbed is how many it looks at when what it finds there promises that the
	// page is full by then.
	maxProbed = 2 * probedHosts
	// maxDrivenFirst is the same for hosts that an index names, before one is asked
	// that can only be asked for all it names.
	maxDrivenFirst = 4 * probedHosts
	// maxProbedPage is up to which size of a page so few can fill it.
	maxProbedPage = 1000
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
	var ids []int64
	if q.Offset <= 0 && q.Limit <= maxProbedPage && !p.narrow {
		if ids, err = t.probe(ctx, p, q.Limit+1); err != nil || len(ids) > q.Limit || p.empty {
			return ids, err
		}
	}
	if err := t.consult(ctx, p); err != nil || p.empty {
		return ids, err
	}
	if p.driver != nil && q.Offset <= 0 {
		more, err := t.drive(ctx, p, q.Limit+1-len(ids))
		return append(ids, more...), err
	}
	if err := t.askRest(ctx, p); err != nil || p.empty {
		return ids, err
	}
	more, err := t.pages(ctx, p, q.Limit+1-len(ids), max(q.Offset, 0))
	return append(ids, more...), err
}

// pages looks at the hosts of a plan, in order of id, until it has enough.
func (t *Tx) pages(ctx context.Context, p *plan, limit int, offset int64) ([]int64, error) {
	if p.narrow {
		return t.walk(ctx, p, stretch{}, limit, offset)
	}
	for _, pred := range p.predicates {
		if pred.index == nil || !pred.index.single || pred.index.order != byID {
			continue
		}
		var err error
		if p.from, err = t.first(ctx, pred.index, p.from); err != nil {
			return nil, fmt.Errorf("find the first host: %w", err)
		}
	}
	blocks := p.blocks
	if offset > 0 {
		inOneGo := func() ([]int64, error) {
			return t.walk(ctx, p, stretch{max(blocks[0]<<blockBits, p.from), math.MaxInt64}, limit, offset)
		}
		if !p.valued() {
			return inOneGo()
		}
		counts, known, err := t.counts(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("count hosts to pass over: %w", err)
		}
		if !known {
			return inOneGo()
		}
		blocks, offset = pass(blocks, counts, offset)
	}
	var ids []int64
	for size := 2; len(blocks) > 0; size *= 2 {
		some := blocks
		if len(p.absences) > 0 {
			some = blocks[:min(size, len(blocks))]
		}
		blocks = blocks[len(some):]
		runs, err := t.runs(ctx, p, some)
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			more, err := t.walk(ctx, p, r, limit-len(ids), offset)
			offset = 0 // the first block had more
			ids = append(ids, more...)
			if err != nil || len(ids) == limit {
				return ids, err
			}
		}
	}
	return ids, nil
}

// runs returns the runs of those blocks in which not all hosts lack what they
// must have not.
func (t *Tx) runs(ctx context.Context, p *plan, blocks []int64) ([]stretch, error) {
	for _, i := range p.absences {
		var err error
		if blocks, err = t.blocks(ctx, p, i, blocks); err != nil {
			return nil, fmt.Errorf("find blocks: %w", err)
		}
	}
	return runsOf(blocks, p.from), nil
}

// probe looks at the first hosts before any index is asked: what many hosts match
// fills a page with them. The plan goes on after them, and is empty where no ids
// are left.
func (t *Tx) probe(ctx context.Context, p *plan, limit int) ([]int64, error) {
	var ids []int64
	for looked, next := 0, probedHosts; next > 0; {
		first := stretch{p.from, p.from + int64(next) - 1}
		if p.from > math.MaxInt64-int64(next) {
			first.last = math.MaxInt64
		}
		more, err := t.walk(ctx, p, first, limit-len(ids), 0)
		ids = append(ids, more...)
		p.empty = first.last == math.MaxInt64
		p.from = first.last + 1
		if err != nil || p.empty || len(ids) == limit {
			return ids, err
		}
		looked += next
		next = promising(looked, len(ids), limit, maxProbed)
	}
	return ids, nil
}

// promising returns how many more hosts to look at after some of which a number
// matched, 0 when that does not promise a full page before most are looked at.
func promising(looked, found, limit, most int) int {
	if found == 0 {
		return 0
	}
	rest := looked * (limit - found) / found
	rest += rest / 4
	if looked+rest > most {
		return 0
	}
	return max(rest, 1)
}

// drive looks at the hosts that the driver names, in some blocks after the other,
// until it has enough of them. Indexes not asked yet are when that takes long.
func (t *Tx) drive(ctx context.Context, p *plan, limit int) ([]int64, error) {
	var ids []int64
	size, looked := 1, 0
	for len(p.blocks) > 0 && len(ids) < limit {
		if looked > probedHosts && promising(looked, len(ids), limit, maxDrivenFirst) == 0 {
			p.from = max(p.from, p.blocks[0]<<blockBits)
			if err := t.askRest(ctx, p); err != nil || p.empty {
				return ids, err
			}
			if p.narrow {
				more, err := t.walk(ctx, p, stretch{}, limit-len(ids), 0)
				return append(ids, more...), err
			}
		}
		some := p.blocks[:min(size, len(p.blocks))]
		p.blocks = p.blocks[len(some):]
		named, err := t.entries(ctx, p.driver, some, 0)
		if err != nil {
			return nil, fmt.Errorf("find candidates: %w", err)
		}
		named = slices.DeleteFunc(named, func(id int64) bool { return id < p.from })
		part := &plan{narrow: true, candidates: named, predicates: p.predicates}
		more, err := t.walk(ctx, part, stretch{}, limit-len(ids), 0)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
		looked += len(named)
		size *= 2
	}
	return ids, nil
}

// walk looks at the hosts of a run in order of id until it has enough of them.
func (t *Tx) walk(ctx context.Context, p *plan, r stretch, limit int, offset int64) ([]int64, error) {
	hint := ""
	if !p.narrow {
		hint = t.dialect.InOrder()
	}
	query, args := p.sql("h.id", hint, t.dialect, r)
	return t.ids(ctx, query+" ORDER BY h.id LIMIT ? OFFSET ?", append(args, limit, offset)...)
}

func (t *Tx) countHosts(ctx context.Context, scope fleet.Scope, conditions []fleet.Condition) (int64, error) {
	p, err := t.plan(ctx, scope, conditions, 0)
	if err != nil || p.empty {
		return 0, err
	}
	if err := t.consult(ctx, p); err != nil || p.empty {
		return 0, err
	}
	if err := t.askRest(ctx, p); err != nil || p.empty {
		return 0, err
	}
	counts, known, err := t.counts(ctx, p)
	if known || err != nil {
		return sum(counts), err
	}
	runs := []stretch{{}}
	if !p.narrow {
		if runs, err = t.runs(ctx, p, p.blocks); err != nil {
			return 0, err
		}
	}
	var n int64
	for _, r := range runs {
		var some int64
		query, args := p.sql("count(*)", "", t.dialect, r)
		if err := t.QueryRow(ctx, query, args...).Scan(&some); err != nil {
			return 0, err
		}
		n += some
	}
	return n, nil
}

func sum(counts []int64) int64 {
	var n int64
	for _, count := range counts {
		n += count
	}
	return n
}
