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
	many    bool // there is no use in asking for all the hosts it names
	loose   bool // hosts it names may not match although it is asked in order
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
func (t *Tx) blocks(ctx context.Context, i *index, among []int64) ([]int64, error) {
	if i.order == unordered || len(among) == 0 {
		return among, nil
	}
	rows, err := blockRows(among)
	if err != nil {
		return nil, err
	}
	args := []any{rows}
	var held []string
	for _, p := range i.parts {
		// A subquery for one value: nothing the engine could turn into a join.
		one := "(SELECT 1 FROM " + i.table + " AS x WHERE " + i.within(p) + " LIMIT 1) IS NOT NULL"
		if i.order == byAbsence {
			one = "(" + t.hostsInBlock() + ") <> (SELECT count(DISTINCT x." + i.id + ") FROM " + i.table + " AS x WHERE " + i.within(p) + ")"
		}
		held, args = append(held, one), append(args, p.args...)
	}
	return t.ids(ctx, "SELECT k.block FROM "+t.dialect.Rows(columns("block:int"))+" AS k WHERE "+strings.Join(held, " OR ")+" ORDER BY k.block", args...)
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

// hostsInBlock is a query for the number of hosts of block k.
func (t *Tx) hostsInBlock() string {
	return "SELECT count(*) FROM hosts AS x WHERE " + t.dialect.InBlock("x.id", blockBits)
}

// counts returns how many hosts of each block match, counted by the index of the
// only predicate, where that names the hosts that match and no others. Otherwise
// their number is not known.
func (t *Tx) counts(ctx context.Context, p *plan) (counts []int64, known bool, err error) {
	predicates := slices.DeleteFunc(slices.Clone(p.predicates), func(p predicate) bool { return p.query == "" })
	count, args := "("+t.hostsInBlock()+" AND "+offIndex("x.id")+" >= ?)", []any{p.from}
	switch {
	case p.narrow || len(predicates) > 1 || len(predicates) == 1 && !predicates[0].index.exact():
		return nil, false, nil
	case len(predicates) == 1:
		i := predicates[0].index
		count, args = "0", nil
		for _, one := range i.parts {
			count += " + (SELECT count(DISTINCT x." + i.id + ") FROM " + i.table + " AS x WHERE " + i.within(one) + " AND " + offIndex("x."+i.id) + " >= ?)"
			args = append(append(args, one.args...), p.from)
		}
	}
	rows, err := blockRows(p.blocks)
	if err != nil {
		return nil, false, err
	}
	counts, err = t.ids(ctx, "SELECT "+count+" FROM "+t.dialect.Rows(columns("block:int"))+" AS k ORDER BY k.block", append(args, rows)...)
	return counts, true, err
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
// block, and for no others.
func (i *index) exact() bool {
	return i != nil && !i.loose && (i.order == byBlock || i.order == byID)
}

// block is the expression for the block of a column of host ids.
func block(column string) string { return fmt.Sprintf("(%s >> %d)", column, blockBits) }

// allBlocks returns the blocks that hold hosts, from that of an id on. Between
// them may be many that hold none: ids leap when a backup is restored.
func (t *Tx) allBlocks(ctx context.Context, from int64) ([]int64, error) {
	next := func(id string) string { return "(SELECT " + block("min(id)") + " FROM hosts WHERE id >= " + id + ")" }
	return t.ids(ctx, "WITH RECURSIVE b (block) AS (SELECT "+next("?")+" UNION ALL SELECT "+next(fmt.Sprintf("((b.block + 1) << %d)", blockBits))+
		" FROM b WHERE b.block IS NOT NULL) SELECT block FROM b WHERE block IS NOT NULL", from)
}

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

// driver returns the index that names the fewest hosts of a block, nil when
// all name many. One block stands for the others.
func (t *Tx) driver(ctx context.Context, predicates []predicate, blocks []int64) (*index, error) {
	var best *index
	fewest := maxDriven
	for _, p := range predicates {
		if p.index == nil || p.index.order == unordered || p.index.order == byAbsence || len(blocks) == 0 {
			continue
		}
		middle := len(blocks) / 2
		ids, err := t.entries(ctx, p.index, blocks[middle:middle+1], maxDriven)
		if err != nil {
			return nil, err
		}
		if len(ids) < fewest {
			best, fewest = p.index, len(ids)
		}
	}
	return best, nil
}
