package trigger

import (
	"context"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/fault"
)

// EventJob is the kind of the job that starts a playbook for what has happened; it has
// the id of an Event.
const EventJob = "playbook-event"

const (
	// startsAtOnce is how many occurrences are read at once, and startsPerJob how many
	// one job starts before it lets others have its worker.
	startsAtOnce, startsPerJob = 100, 1000
	// patience is how long an occurrence waits for a playbook with too many open runs.
	patience = 24 * time.Hour
)

// Events starts playbooks for what has happened. It is safe for concurrent use, and so
// are several of one database: each occurrence starts its playbook once.
type Events struct {
	Live
	Publishers
	Occurrences Occurrences
	Hosts       Hosts
	Keys        Keys
	Now         func() time.Time
}

// Start starts the playbook of an event for what has happened, and looks for that
// first where nobody else says so. It may be called at any time, and again after it was
// cut off. What it leaves over, it is to be called for again.
func (e *Events) Start(ctx context.Context, id int64) error {
	if err := e.Occurrences.LookForEvent(ctx, id, e.Now().UTC()); err != nil {
		return err
	}
	for done := 0; done < startsPerJob; done += startsAtOnce {
		event, all, err := e.Occurrences.WaitingOccurrences(ctx, id, startsAtOnce)
		if err != nil || len(all) == 0 && event.LeftOut == 0 {
			return err
		}
		err = e.startAll(ctx, event, all)
		if fault.Is(err, fault.Busy) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("start playbook %d for event %d: %w", event.PlaybookID, event.Number, err)
		}
	}
	return nil
}

// startAll starts the playbook of an event for occurrences. Where it cannot start at
// all there is one run an hour that says why, and what happened starts nothing.
func (e *Events) startAll(ctx context.Context, event Event, all []Occurrence) error {
	pb, err := e.Shelf.Playbook(ctx, event.PlaybookID)
	if fault.Is(err, fault.NotFound) || err == nil && pb.Live == 0 {
		return nil // and what waited is gone with it
	}
	if err != nil {
		return err
	}
	r := conductor.Run{
		PlaybookID: pb.ID, Playbook: pb.Name, SiteID: pb.SiteID, Trigger: conductor.Trigger{Kind: string(event.Kind)},
		StartedBy: pb.Publisher, UserID: pb.PublisherID, State: conductor.Queued,
	}
	s := starter{Events: e}
	s.version, err = e.of(ctx, &pb)
	if err == nil {
		s.is(&r)
		s.publisher, err = e.publisher(ctx, &pb)
	}
	if err == nil {
		err = library.AllowEvent(s.publisher, event.Kind)
	}
	if err == nil {
		s.text, err = s.event(event)
	}
	if err != nil {
		if !said(err) {
			return err
		}
		return e.tell(ctx, r, event, all, err)
	}
	if event.LeftOut > 0 {
		err = fault.New(fault.Busy, fmt.Sprintf("The playbook was not started for the event %s, %d times: %d others were waiting.", event.Kind, event.LeftOut, MaxWaiting), "Narrow the event, or have the playbook do less for each.")
		if err := e.tell(ctx, r, event, nil, err); err != nil {
			return err
		}
	}
	return s.startAll(ctx, r, all)
}

// tell leaves a run that has failed for people to find, one an hour.
func (e *Events) tell(ctx context.Context, r conductor.Run, event Event, all []Occurrence, reason error) error {
	r.Queued = e.Now().UTC()
	r.Key = fmt.Sprintf("refused:event:%d:%s", event.Number, r.Queued.Format("2006-01-02T15"))
	refuse(&r, reason)
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return e.Occurrences.TellOccurrences(ctx, event.ID, ids, r)
}

// starter starts one version for occurrences of one of its events.
type starter struct {
	*Events
	version
	publisher access.Principal
	text      playbook.Event
}

// event returns the text of an event.
func (v *version) event(e Event) (playbook.Event, error) {
	texts := v.program.Definition.Triggers.Events
	if e.Number > len(texts) || texts[e.Number-1].Kind != e.Kind {
		return playbook.Event{}, fault.New(fault.Conflict, fmt.Sprintf("Version %d of playbook '%s' has no event %d of the kind %s.", v.Number, v.Playbook, e.Number, e.Kind), "Publish the playbook again.")
	}
	return texts[e.Number-1], nil
}

// startAll starts runs for the occurrences of which the publisher sees something, and
// drops the others.
func (s *starter) startAll(ctx context.Context, r conductor.Run, all []Occurrence) error {
	shown, hidden, err := s.seen(ctx, all)
	if err != nil {
		return fmt.Errorf("look at %d occurrences: %w", len(all), err)
	}
	if len(hidden) > 0 {
		err = s.Occurrences.DropOccurrences(ctx, hidden)
	}
	for i := range shown {
		if err == nil {
			err = s.start(ctx, r, &shown[i])
		}
	}
	return err
}

// start starts a run for an occurrence. One whose inputs cannot be made has failed
// already.
func (s *starter) start(ctx context.Context, r conductor.Run, o *Occurrence) error {
	now := s.Now().UTC()
	r.Trigger.Data, r.Queued, r.Due = o.Data, now, now
	if err := s.takeStart(ctx, s.text.Place, &r); err != nil {
		if !said(err) {
			return err
		}
		refuse(&r, err)
	}
	err := s.Occurrences.StartOccurrence(ctx, o.ID, r)
	if fault.Is(err, fault.Busy) && now.Sub(o.Happened) > patience {
		refuse(&r, err)
		err = s.Occurrences.StartOccurrence(ctx, o.ID, r)
	}
	return err
}
