package store

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	// blockBits makes blocks of 8,192 ids: hosts whose ids differ in the lower bits
	// only. A million hosts are 123 blocks, each of which costs a look-up in an
	// index. The number is part of the indexes.
	blockBits = 13
	// maxBlockedValues is for how many values the blocks are looked up.
	maxBlockedValues = 16
	// promisedCandidates is up to how many hosts an index seems to name, by one of its
	// blocks, for it to be asked for all: blocks differ.
	promisedCandidates = 4 * maxCandidates
	// maxDriven is up to how many entries in a block of 8,192 hosts an index may
	// have for a search to look at its hosts only, which costs more for each.
	maxDriven = 1024
)

// index names, faster than a look at every host, hosts that may match: all that
// do, and perhaps others.
type index struct {
	table string
	id    string // the column of host ids
	parts []part // an entry that one of them holds for names its host
	// repeats says that a host may have many entries, one for each of its packages.
	repeats bool
	single  bool   // it is asked for one value, and names the hosts of it in order of id
	tally   *tally // of the hosts it names, where they have been counted
	loose   bool   // hosts it names may not match although it is asked in order
	order   order
}

// part is a condition on an index's table.
type part struct {
	condition string
	args      []any
}

// order is how an index finds the entries of one block of ids.
type order int

const (
	unordered order = iota // not at all
	byBlock                // it begins with the block: finds ranges of values in it
	byID                   // ids follow a value: finds the ids of one value in it
	byAbsence              // as byID, and the hosts that match are those it does not name
)

// ask returns the distinct hosts an index names from an id on, and whether they
// are few: not more than maxCandidates, in not more than maxEntries entries where
// they repeat.
func (t *Tx) ask(ctx context.Context, i *index, from int64, blocks []int64) (ids []int64, few bool, err error) {
	limit := maxCandidates
	if i.repeats {
		limit = maxEntries
	}
	seen := make(map[int64]struct{})
	entries := 0
	for _, p := range i.parts {
		query, args := "SELECT "+i.id+" FROM "+i.table+" WHERE "+p.condition, slices.Clone(p.args)
		if i.order == byBlock {
			query, args = query+" AND "+t.dialect.InIDs(block(i.id)), append(args, t.dialect.IDsParam(blocks))
		}
		if from > 0 {
			id := i.id
			if i.order == byBlock {
				id = offIndex(id)
			}
			query, args = query+" AND "+id+" >= ?", append(args, from)
		}
		err := t.each(ctx, query+" LIMIT ?", append(args, limit+1-entries), func(rows *sql.Rows) error {
			var id int64
			entries++
			err := rows.Scan(&id)
			seen[id] = struct{}{}
			return err
		})
		if err != nil {
			return nil, false, err
		}
		if len(seen) > maxCandidates || entries > limit {
			return nil, false, nil
		}
	}
	return slices.Collect(maps.Keys(seen)), true, nil
}

// blocks returns those of the given blocks in which an index names a host; of one
// that names those that do not match, those in which it does not name all.
func (t *Tx) blocks(ctx context.Context, p *plan, i *index, among []int64) ([]int64, error) {
	switch {
	case i.order == unordered || len(among) == 0:
		return among, nil
	case i.order == byAbsence || i.tally != nil:
		named, err := t.named(ctx, i, among, 0)
		if err != nil {
			return nil, err
		}
		var left []int64
		for n, b := range among {
			if i.order == byAbsence && named[n] < p.population[b] || i.order != byAbsence && named[n] > 0 {
				left = append(left, b)
			}
		}
		return left, nil
	}
	rows, err := blockRows(among)
	if err != nil {
		return nil, err
	}
	args := []any{rows}
	var held []string
	for _, p := range i.parts {
		// A subquery for one value: nothing the engine could turn into a join.
		held = append(held, "(SELECT 1 FROM "+i.table+" AS x WHERE "+i.within(p)+" LIMIT 1) IS NOT NULL")
		args = append(args, p.args...)
	}
	return t.ids(ctx, "SELECT k.block FROM "+t.dialect.Rows(columns("block:int"))+" AS k WHERE "+strings.Join(held, " OR ")+" ORDER BY k.block", args...)
}

// named returns how many hosts of each block an index names, those before an id
// left out.
func (t *Tx) named(ctx context.Context, i *index, blocks []int64, from int64) ([]int64, error) {
	if i.tally == nil {
		return t.counted(ctx, i, blocks, from)
	}
	known, err := t.tallied(ctx, *i.tally)
	if err != nil {
		return nil, fmt.Errorf("read tallies: %w", err)
	}
	counts := make([]int64, len(blocks))
	for n, b := range blocks {
		counts[n] = known[b]
	}
	if len(blocks) > 0 && from > blocks[0]<<blockBits { // only part of the first is asked for
		first, err := t.counted(ctx, i, blocks[:1], from)
		if err != nil {
			return nil, err
		}
		counts[0] = first[0]
	}
	return counts, nil
}

// counted is named by counting entries.
func (t *Tx) counted(ctx context.Context, i *index, blocks []int64, from int64) ([]int64, error) {
	rows, err := blockRows(blocks)
	if err != nil {
		return nil, err
	}
	count, later := "0", ""
	var args []any
	if from > 0 {
		later = " AND " + offIndex("x."+i.id) + " >= ?"
	}
	for _, one := range i.parts {
		entries := " FROM " + i.table + " AS x WHERE " + i.within(one) + later
		if i.order == byBlock { // of tables with one row for each host
			count += " + (SELECT count(*)" + entries + ")"
		} else {
			count += " + (SELECT count(*) FROM (SELECT DISTINCT x." + i.id + entries + ") AS d)"
		}
		args = append(args, one.args...)
		if from > 0 {
			args = append(args, from)
		}
	}
	return t.ids(ctx, "SELECT "+count+" FROM "+t.dialect.Rows(columns("block:int"))+" AS k ORDER BY k.block", append(args, rows)...)
}

// within is the condition that an entry x is of block k and that a part holds for
// it.
func (i *index) within(p part) string {
	id := "x." + i.id
	if i.order == byBlock {
		return block(id) + " = k.block AND " + p.condition
	}
	return fmt.Sprintf("%s AND %s >= (k.block << %d) AND %s < ((k.block + 1) << %d)", p.condition, id, blockBits, id, blockBits)
}

func blockRows(blocks []int64) (string, error) {
	rows := make([][]any, len(blocks))
	for n, b := range blocks {
		rows[n] = []any{b}
	}
	return RowsParam(rows)
}

// counts returns how many hosts of each block match, where the only predicate
// holds for those that its index names and for no others, or for all others.
// Otherwise their number is not known.
func (t *Tx) counts(ctx context.Context, p *plan) (counts []int64, known bool, err error) {
	predicates := slices.DeleteFunc(slices.Clone(p.predicates), func(p predicate) bool { return p.query == "" })
	if p.narrow || len(predicates) > 1 || len(predicates) == 1 && !predicates[0].index.exact() {
		return nil, false, nil
	}
	if len(predicates) == 1 {
		counts, err = t.named(ctx, predicates[0].index, p.blocks, p.from)
		if err != nil || predicates[0].index.order != byAbsence {
			return counts, true, err
		}
	}
	all, err := t.named(ctx, everyHost(), p.blocks, p.from)
	for n := range counts {
		all[n] -= counts[n]
	}
	return all, true, err
}

// pass returns the blocks that are left when matching hosts are passed over, and
// how many of the hosts of the first of these are still to be passed over.
func pass(blocks, counts []int64, offset int64) ([]int64, int64) {
	for len(blocks) > 0 && counts[0] <= offset {
		offset -= counts[0]
		blocks, counts = blocks[1:], counts[1:]
	}
	return blocks, offset
}

// exact reports whether a predicate holds for the hosts its index names in a
// block and for no others, or for all others.
func (i *index) exact() bool {
	return i != nil && !i.loose && i.order != unordered
}

// block is the expression for the block of a column of host ids.
func block(column string) string { return fmt.Sprintf("(%s >> %d)", column, blockBits) }

// entries returns the hosts an index names in some blocks that follow each other,
// ascending, and at most so many entries of each part when there is a limit.
func (t *Tx) entries(ctx context.Context, i *index, blocks []int64, limit int) ([]int64, error) {
	var ids []int64
	for _, p := range i.parts {
		query, args := "SELECT "+i.id+" FROM "+i.table+" WHERE "+p.condition, slices.Clone(p.args)
		if i.order == byBlock {
			query, args = query+" AND "+t.dialect.InIDs(block(i.id)), append(args, t.dialect.IDsParam(blocks))
		} else {
			query += " AND " + i.id + " >= ? AND " + i.id + " < ?"
			args = append(args, blocks[0]<<blockBits, (blocks[len(blocks)-1]+1)<<blockBits)
		}
		if limit > 0 {
			query, args = query+" LIMIT ?", append(args, limit)
		}
		more, err := t.ids(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// first returns the first host from an id on that an index of a single value
// names, or the id when it names none.
func (t *Tx) first(ctx context.Context, i *index, from int64) (int64, error) {
	ids, err := t.ids(ctx, "SELECT "+i.id+" FROM "+i.table+" WHERE "+i.parts[0].condition+" AND "+i.id+" >= ? ORDER BY "+i.id+" LIMIT 1",
		append(slices.Clone(i.parts[0].args), from)...)
	if err != nil || len(ids) == 0 {
		return from, err
	}
	return ids[0], nil
}

// perBlock returns how many hosts an index names in one of the blocks: as many as
// there are in the middle of three that are asked, at most maxDriven, or on
// average where they are tallied.
func (t *Tx) perBlock(ctx context.Context, i *index, blocks []int64) (int, error) {
	if i.tally != nil {
		named, err := t.named(ctx, i, blocks, 0)
		return int(min(sum(named)/int64(len(blocks)), maxDriven)), err
	}
	var named []int
	for _, at := range []int{0, len(blocks) / 2, len(blocks) - 1} {
		ids, err := t.entries(ctx, i, blocks[at:at+1], maxDriven)
		if err != nil {
			return 0, err
		}
		named = append(named, len(ids))
	}
	slices.Sort(named)
	return named[1], nil
}
