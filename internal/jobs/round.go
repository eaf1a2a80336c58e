package jobs

import (
	"context"
	"slices"
)

// Round returns a Kind.Due for rows of which more may stay due than one look takes: it
// goes round them in the order of their ids, SweepAtMost at a look, and each look goes
// on where the last one ended. So no row is hidden behind others, however many of them
// are stuck. page returns the ids of rows that are due and greater than after, in
// ascending order, at most limit.
func Round(page func(ctx context.Context, after int64, limit int) ([]int64, error)) func(ctx context.Context) ([]int64, error) {
	var last int64 // the sweeper is one goroutine
	return func(ctx context.Context) ([]int64, error) {
		due, err := page(ctx, last, SweepAtMost)
		if err != nil {
			return nil, err
		}
		if left := SweepAtMost - len(due); left > 0 && last > 0 {
			first, err := page(ctx, 0, left)
			if err != nil {
				return nil, err
			}
			due = append(due, slices.DeleteFunc(first, func(id int64) bool { return id > last })...)
		}
		last = 0
		if len(due) > 0 {
			last = due[len(due)-1]
		}
		return due, nil
	}
}
