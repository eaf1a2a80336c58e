package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ledger is a Runs that holds one connector and remembers what it was told.
type ledger struct {
	connector Connector
	begin     error
	store     func(page []Instance) error
	mark      func(ctx context.Context, region string) error

	mu       sync.Mutex
	stored   []string
	vanished []string
	states   []State
	finished *Run
}

func (l *ledger) BeginRun(context.Context, int64, time.Time) (Run, Connector, Credentials, error) {
	return Run{ID: 7, ConnectorID: l.connector.ID}, l.connector, Credentials{RoleARN: l.connector.RoleARN}, l.begin
}

func (l *ledger) AccountOpened(context.Context, Run, string, []string) error { return nil }

func (l *ledger) StoreInstances(_ context.Context, _ Run, _ Connector, page []Instance, result *RegionResult, _ time.Time) error {
	if l.store != nil {
		if err := l.store(page); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range page {
		l.stored = append(l.stored, i.InstanceID)
	}
	result.Listed, result.Created = result.Listed+len(page), result.Created+len(page)
	return nil
}

func (l *ledger) MarkVanished(ctx context.Context, _ Run, account, region string, seen map[string]bool, _ *RegionResult, _ time.Time) error {
	if l.mark != nil {
		if err := l.mark(ctx, region); err != nil {
			return err
		}
	}
	l.vanished = append(l.vanished, fmt.Sprintf("%s %s keeps %d", account, region, len(seen)))
	return nil
}

func (l *ledger) Progress(_ context.Context, r Run) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.states = append(l.states, r.State)
	return nil
}

func (l *ledger) FinishRun(_ context.Context, r Run) error {
	l.finished = &r
	return nil
}

// world is a Cloud of one account; pages are what each region tells.
type world struct {
	open    error
	regions []string
	pages   map[string][]any // []Instance or an error
	opened  Credentials      // with which
}

func (w *world) Open(_ context.Context, _ Partition, c Credentials) (Account, error) {
	w.opened = c
	return w, w.open
}

func (w *world) ID() string { return "000000000001" }

func (w *world) Regions(context.Context) ([]string, error) { return w.regions, nil }

func (w *world) Instances(ctx context.Context, region string, take func([]Instance) error) error {
	for _, page := range w.pages[region] {
		switch page := page.(type) {
		case []Instance:
			if err := take(page); err != nil {
				return err
			}
		case error:
			return page
		case time.Duration:
			select {
			case <-time.After(page):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func syncer(l *ledger, w *world) *Syncer {
	return &Syncer{Runs: l, Cloud: w, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func instances(ids ...string) []Instance {
	page := make([]Instance, len(ids))
	for i, id := range ids {
		page[i].InstanceID = id
	}
	return page
}

func TestARunListsEveryRegionAndMarksWhatVanishedAfterACompleteListingOnly(t *testing.T) {
	t.Parallel()
	l := &ledger{connector: Connector{ID: 3, RoleARN: "arn:aws:iam::000000000001:role/listing", Regions: []string{"eu-west-1", "us-east-1", "us-west-2"}}}
	w := &world{pages: map[string][]any{
		"us-east-1": {instances("i-1", "i-2"), instances(), instances("i-3")},
		"eu-west-1": {instances("i-4"), errors.New("ec2:DescribeInstances in eu-west-1: RequestLimitExceeded")},
	}}
	if err := syncer(l, w).Run(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	slices.Sort(l.stored)
	if diff := cmp.Diff([]string{"i-1", "i-2", "i-3", "i-4"}, l.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"000000000001 us-east-1 keeps 3", "000000000001 us-west-2 keeps 0"}, l.vanished); diff != "" {
		t.Errorf("vanished (-want +got):\n%s", diff)
	}
	want := []RegionResult{
		{Region: "eu-west-1", Listed: 1, Created: 1, Error: "ec2:DescribeInstances in eu-west-1: RequestLimitExceeded"},
		{Region: "us-east-1", Listed: 3, Created: 3, Complete: true},
		{Region: "us-west-2", Complete: true},
	}
	if diff := cmp.Diff(want, l.finished.Regions); diff != "" {
		t.Errorf("regions (-want +got):\n%s", diff)
	}
	if l.finished.State != FinishedErrors || l.finished.Error != "ec2:DescribeInstances in eu-west-1: RequestLimitExceeded" {
		t.Errorf("the run ended %s with %q", l.finished.State, l.finished.Error)
	}
	if want := (Credentials{RoleARN: l.connector.RoleARN, SessionName: "vedette-connector-3"}); w.opened != want {
		t.Errorf("opened with %+v, want %+v", w.opened, want)
	}
	if l.states[0] != Running || l.states[len(l.states)-1] != Processing {
		t.Errorf("the run went through %v", l.states)
	}
}

func TestHowARunEnds(t *testing.T) {
	t.Parallel()
	refused := &AccessError{Operation: "sts:AssumeRole", Region: "us-gov-west-1", Code: "AccessDenied", Message: "not allowed"}
	for _, test := range []struct {
		name  string
		world world
		all   bool
		state State
		err   string
	}{
		{"nothing wrong", world{pages: map[string][]any{"a": {instances("i-1")}}}, false, FinishedSuccess, ""},
		{"role refused", world{open: refused}, false, Failed, "sts:AssumeRole in us-gov-west-1: AccessDenied: not allowed"},
		{"every region fails", world{pages: map[string][]any{"a": {refused}, "b": {refused}}}, false, Failed, "a: sts:AssumeRole"},
		{"all regions, none enabled", world{}, true, Failed, "The account has no region that is enabled."},
		{"all regions", world{regions: []string{"c"}, pages: map[string][]any{"c": {instances("i-1")}}}, true, FinishedSuccess, ""},
		{"a long error", world{pages: map[string][]any{"a": {errors.New(strings.Repeat("é", 5000))}}}, false, FinishedErrors, "a: éé"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := &ledger{connector: Connector{Regions: []string{"a", "b"}, AllRegions: test.all}}
			if err := syncer(l, &test.world).Run(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if l.finished.State != test.state || !strings.HasPrefix(l.finished.Error, test.err) || (test.err == "") != (l.finished.Error == "") {
				t.Errorf("the run ended %s with %q, want %s with %q", l.finished.State, l.finished.Error, test.state, test.err)
			}
			if n := len([]rune(l.finished.Error)); n > maxErrorRunes {
				t.Errorf("lastError has %d characters", n)
			}
		})
	}
}

func TestARegionThatNeverEndsIsCutOffAndDoesNotLoseTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{connector: Connector{Regions: []string{"a", "b"}}}
		w := &world{pages: map[string][]any{"a": {instances("i-1"), 24 * time.Hour}, "b": {instances("i-2")}}}
		begun := time.Now()
		if err := syncer(l, w).Run(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != RunLimit {
			t.Errorf("the run took %s", took)
		}
		if l.finished.State != FinishedErrors || !strings.HasPrefix(l.finished.Error, "a: not listed and stored within 30m") {
			t.Errorf("the run ended %s with %q", l.finished.State, l.finished.Error)
		}
		if len(l.stored) != 2 || len(l.vanished) != 0 {
			t.Errorf("stored %v, vanished %v", l.stored, l.vanished)
		}
	})
}

func TestARunThatIsCutOffBeforeItMarkedWhatVanishedSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{connector: Connector{Regions: []string{"a", "b", "c"}}}
		l.mark = func(ctx context.Context, region string) error {
			if region == "a" {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		if err := syncer(l, &world{}).Run(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		const late = ": not listed and stored within 30m0s, the limit of a run"
		if l.finished.State != FinishedErrors || l.finished.Error != "b"+late+"\nc"+late {
			t.Errorf("the run ended %s with %q", l.finished.State, l.finished.Error)
		}
	})
}

func TestARunThatIsStoppedSupersededOrCannotStoreIsNotFinished(t *testing.T) {
	t.Parallel()
	broken := errors.New("disk full")
	pages := map[string][]any{"a": {instances("i-1")}}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("the platform stops"))
	for _, test := range []struct {
		name   string
		ctx    context.Context
		ledger *ledger
		want   string
	}{
		{"nothing to run", t.Context(), &ledger{begin: ErrSuperseded}, ""},
		{"superseded while it stores", t.Context(), &ledger{store: func([]Instance) error { return ErrSuperseded }}, ""},
		{"storage fails", t.Context(), &ledger{store: func([]Instance) error { return broken }}, "run connector 1: disk full"},
		{"stopped", stopped, &ledger{store: func([]Instance) error { return context.Canceled }}, "run connector 1: the platform stops"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.ledger.connector.Regions = []string{"a"}
			err := syncer(test.ledger, &world{pages: pages}).Run(test.ctx, 1)
			if got := fmt.Sprint(err); (err != nil || test.want != "") && got != test.want {
				t.Errorf("Run: %q, want %q", got, test.want)
			}
			if test.ledger.finished != nil || len(test.ledger.vanished) != 0 {
				t.Errorf("it was finished: %+v, vanished %v", test.ledger.finished, test.ledger.vanished)
			}
		})
	}
}
