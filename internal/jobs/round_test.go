package jobs_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"vedette.dev/vedette/internal/jobs"
)

// table is rows that are all due, by their ids.
type table []int64

func (t table) page(_ context.Context, after int64, limit int) ([]int64, error) {
	var ids []int64
	for _, id := range t {
		if id > after && len(ids) < limit {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func rowsUpTo(n int) table {
	rows := make(table, n)
	for i := range rows {
		rows[i] = int64(i + 1)
	}
	return rows
}

func TestARoundComesPastEveryRowHoweverManyStayDue(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, jobs.SweepAtMost - 1, jobs.SweepAtMost, jobs.SweepAtMost + 1, 2 * jobs.SweepAtMost, 3*jobs.SweepAtMost + 7} {
		due, seen := jobs.Round(rowsUpTo(n).page), map[int64]int{}
		looks := 2 * (n/jobs.SweepAtMost + 1)
		for range looks {
			ids, err := due(t.Context())
			if err != nil || len(ids) > jobs.SweepAtMost {
				t.Fatalf("of %d rows a look takes %d: %v", n, len(ids), err)
			}
			for _, id := range ids {
				seen[id]++
			}
		}
		if len(seen) != n {
			t.Errorf("of %d rows %d looks came past %d", n, looks, len(seen))
		}
		for id, times := range seen {
			if times > looks {
				t.Errorf("of %d rows, %d was there twice at one look", n, id)
			}
		}
	}
}

func TestARoundOfFewRowsSeesAllOfThemAtEachLook(t *testing.T) {
	t.Parallel()
	due := jobs.Round(rowsUpTo(5).page)
	for look := range 3 {
		ids, err := due(t.Context())
		slices.Sort(ids)
		if err != nil || !slices.Equal(ids, []int64{1, 2, 3, 4, 5}) {
			t.Errorf("look %d: %v, %v", look+1, ids, err)
		}
	}
}

func TestARoundGoesOnWhereItWasAfterAnError(t *testing.T) {
	t.Parallel()
	rows, broken := rowsUpTo(jobs.SweepAtMost+1), false
	failure := errors.New("the database is away")
	due := jobs.Round(func(ctx context.Context, after int64, limit int) ([]int64, error) {
		if broken {
			return nil, failure
		}
		return rows.page(ctx, after, limit)
	})
	if _, err := due(t.Context()); err != nil {
		t.Fatal(err)
	}
	broken = true
	if ids, err := due(t.Context()); !errors.Is(err, failure) || ids != nil {
		t.Errorf("got %d rows, %v", len(ids), err)
	}
	broken = false
	if ids, err := due(t.Context()); err != nil || len(ids) == 0 || ids[0] != int64(jobs.SweepAtMost+1) {
		t.Errorf("it goes on with %v, %v", ids[:min(len(ids), 3)], err)
	}
}
