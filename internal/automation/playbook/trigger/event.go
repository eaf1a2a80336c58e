package trigger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
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
	Runs        Runs
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
		if err != nil || len(all) == 0 {
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
	if err != nil && said(err) {
		return e.tell(ctx, r, event, all, err)
	}
	for i := range all {
		if err == nil {
			err = s.start(ctx, r, &all[i])
		}
	}
	return err
}

// tell leaves a run that has failed for people to find, one an hour.
func (e *Events) tell(ctx context.Context, r conductor.Run, event Event, all []Occurrence, reason error) error {
	r.Queued = e.Now().UTC()
	r.Key = fmt.Sprintf("refused:event:%d:%s", event.Number, r.Queued.Format("2006-01-02T15"))
	refuse(&r, reason)
	if _, _, err := e.Runs.StartRun(ctx, r); err != nil {
		return err
	}
	ids := make([]int64, len(all))
	for i := range all {
		ids[i] = all[i].ID
	}
	return e.Occurrences.DropOccurrences(ctx, ids)
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

// start starts a run for an occurrence, unless the publisher does not see what it is
// about. One whose inputs cannot be made has failed already.
func (s *starter) start(ctx context.Context, r conductor.Run, o *Occurrence) error {
	data, seen, err := s.seen(ctx, o.Data)
	if err != nil {
		return fmt.Errorf("look at occurrence %d: %w", o.ID, err)
	}
	if !seen {
		return s.Occurrences.DropOccurrences(ctx, []int64{o.ID})
	}
	now := s.Now().UTC()
	r.Trigger.Data, r.Queued, r.Due = data, now, now
	if err := s.takeStart(ctx, s.text.Place, &r); err != nil {
		if !said(err) {
			return err
		}
		refuse(&r, err)
	}
	err = s.Occurrences.StartOccurrence(ctx, o.ID, r)
	if fault.Is(err, fault.Busy) && now.Sub(o.Happened) > patience {
		refuse(&r, err)
		err = s.Occurrences.StartOccurrence(ctx, o.ID, r)
	}
	return err
}

// seen returns what the publisher sees of the data of an occurrence, and whether that
// is anything.
func (s *starter) seen(ctx context.Context, data json.RawMessage) (json.RawMessage, bool, error) {
	scope := fleet.Scope{All: s.publisher.Everywhere(), TagIDs: s.publisher.Reach()}
	switch s.text.Kind {
	case playbook.AgentInactive:
		var d InactiveAgents
		if err := json.Unmarshal(data, &d); err != nil {
			return nil, false, err
		}
		var err error
		if d.AgentIDs, err = s.Hosts.HostsInScope(ctx, scope, d.AgentIDs); err != nil || len(d.AgentIDs) == 0 {
			return nil, false, err
		}
		data, err = json.Marshal(d)
		return data, true, err
	case playbook.ScanFinished:
		var d FinishedScan
		if err := json.Unmarshal(data, &d); err != nil {
			return nil, false, err
		}
		hosts, err := s.Hosts.HostsInScope(ctx, scope, []int64{d.AgentID})
		return data, len(hosts) > 0, err
	case playbook.KeyNearlyUsedUp:
		var d NearlyUsedUpKey
		if err := json.Unmarshal(data, &d); err != nil {
			return nil, false, err
		}
		_, err := s.Keys.Get(ctx, scope, d.KeyID)
		if fault.Is(err, fault.NotFound) {
			return nil, false, nil
		}
		return data, err == nil, err
	default:
		return data, true, nil // who sees connectors sees all of them
	}
}
