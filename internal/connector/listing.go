package connector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

const (
	// regionsAtOnce is how many regions of a connector are listed at a time. More
	// gain little: they are stored one after the other.
	regionsAtOnce = 4
	// maxErrorRunes bounds the text of lastError.
	maxErrorRunes = 2000
)

// listing is what one run does: its regions, a few at a time.
type listing struct {
	*Syncer
	connector Connector
	account   Account
	begun     Run // as it began, for the fence

	mu     sync.Mutex
	run    Run
	marked int // regions, from the first, of which is marked what has vanished
}

func newListing(s *Syncer, run Run, c Connector, account Account, regions []string) *listing {
	run.State, run.Regions = Running, make([]RegionResult, len(regions))
	for i, region := range slices.Sorted(slices.Values(regions)) {
		run.Regions[i].Region = region
	}
	return &listing{Syncer: s, connector: c, account: account, begun: run, run: run}
}

// list lists every region and stores what it hears, then marks what has
// vanished. Its error is one of storage; what AWS refuses is in the region's
// result.
func (l *listing) list(ctx context.Context) error {
	regions := l.snapshot().Regions
	seen := make([]map[string]bool, len(regions))
	group, listing := errgroup.WithContext(ctx)
	group.SetLimit(regionsAtOnce)
	for i := range regions {
		group.Go(func() (err error) {
			seen[i], err = l.region(listing, &regions[i])
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := l.enter(ctx, Processing); err != nil {
		return err
	}
	for i := range regions {
		if l.marked = i; !regions[i].Complete {
			continue
		}
		if err := l.Runs.MarkVanished(ctx, l.begun, l.account.ID(), regions[i].Region, seen[i], &regions[i], l.Now()); err != nil {
			return err
		}
		if err := l.note(ctx, regions[i]); err != nil {
			return err
		}
	}
	l.marked = len(regions)
	return nil
}

// region lists one region and stores what it hears page by page, so that no more
// than a page is in memory. It returns the ids of the instances there are.
func (l *listing) region(ctx context.Context, result *RegionResult) (map[string]bool, error) {
	seen := make(map[string]bool)
	var unstored error
	err := l.account.Instances(ctx, result.Region, func(page []Instance) error {
		for i := range page {
			seen[page[i].InstanceID] = true
		}
		if unstored = l.Runs.StoreInstances(ctx, l.begun, l.connector, page, result, l.Now()); unstored == nil {
			unstored = l.note(ctx, *result)
		}
		return unstored
	})
	switch {
	case unstored != nil:
		return nil, unstored
	case err == nil:
		result.Complete = true
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	default:
		result.Error = err.Error()
	}
	return seen, l.note(ctx, *result)
}

// enter shows that the run is in another state.
func (l *listing) enter(ctx context.Context, s State) error {
	l.mu.Lock()
	l.run.State = s
	l.mu.Unlock()
	return l.Runs.Progress(ctx, l.snapshot())
}

// note takes in how far a region is and shows it. What a cloud and its instances
// say ends up in errors; they are shortened.
func (l *listing) note(ctx context.Context, result RegionResult) error {
	result.Error = shorten(result.Error)
	l.mu.Lock()
	at := slices.IndexFunc(l.run.Regions, func(r RegionResult) bool { return r.Region == result.Region })
	l.run.Regions[at] = result
	l.mu.Unlock()
	return l.Runs.Progress(ctx, l.snapshot())
}

// overdue makes errors of the regions that the limit of a run cut off.
func (l *listing) overdue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.run.Regions {
		if r := &l.run.Regions[i]; (!r.Complete || i >= l.marked) && r.Error == "" {
			r.Error = fmt.Sprintf("not listed and stored within %s, the limit of a run", RunLimit)
		}
	}
}

// snapshot returns the run as it is now.
func (l *listing) snapshot() Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	run := l.run
	run.Regions = slices.Clone(l.run.Regions)
	return run
}

// outcome is the state a run ends in, and the text of lastError.
func outcome(regions []RegionResult) (State, string) {
	var failures []string
	listed := false
	for _, r := range regions {
		listed = listed || r.Complete || r.Listed > 0
		if r.Error != "" {
			failures = append(failures, located(r))
		}
	}
	text := shorten(strings.Join(failures, "\n"))
	switch {
	case len(regions) == 0:
		return Failed, "The account has no region that is enabled."
	case !listed:
		return Failed, text
	case len(failures) > 0:
		return FinishedErrors, text
	}
	return FinishedSuccess, ""
}

// located is the error of a region, which errors of AWS name already.
func located(r RegionResult) string {
	if strings.Contains(r.Error, " in "+r.Region+": ") {
		return r.Error
	}
	return r.Region + ": " + r.Error
}

func shorten(text string) string {
	if runes := []rune(text); len(runes) > maxErrorRunes {
		return string(runes[:maxErrorRunes-1]) + "…"
	}
	return text
}
