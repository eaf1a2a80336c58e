package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	"vedette.dev/vedette/internal/automation/playbook/engine"
	"vedette.dev/vedette/internal/automation/playbook/expression"
	"vedette.dev/vedette/internal/automation/playbook/library"
	"vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/fault"
)

// Live is where live versions are found.
type Live struct {
	Shelf    library.Shelf
	Programs conductor.Programs
}

// version is a version that is live, ready to be started.
type version struct {
	library.Version
	program    *playbook.Program
	publishers []run.Publisher
}

// of returns the live version of a playbook.
func (l *Live) of(ctx context.Context, pb *library.Playbook) (version, error) {
	if pb.Live == 0 {
		return version{}, library.NotLive(pb.Name)
	}
	v, err := l.Shelf.Version(ctx, pb.ID, pb.Live)
	if err != nil {
		return version{}, err
	}
	program, err := l.Programs.Program(ctx, v)
	return version{v, program, conductor.PublishersOf(*pb)}, err
}

// visible refuses a principal who does not see a playbook.
func visible(ctx context.Context, sites library.Sites, p access.Principal, pb *library.Playbook) error {
	seen, err := sites.VisibleSites(ctx, p)
	if err == nil && !seen.Has(pb.SiteID) {
		err = access.Hidden(library.NoPlaybook(pb.ID))
	}
	return err
}

// takeInputs checks inputs that somebody gave.
func (v *version) takeInputs(given map[string]any) error {
	doc, err := json.Marshal(given)
	if err != nil {
		return fmt.Errorf("encode inputs: %w", err)
	}
	values, err := expression.Decode(doc)
	if err != nil {
		return fmt.Errorf("decode inputs: %w", err)
	}
	inputs, _ := values.(map[string]any) // none for null
	_, err = v.program.Definition.TakeInputs(inputs)
	return err
}

// takeStart fills in the inputs that the trigger at a place of the text gives a run.
func (v *version) takeStart(ctx context.Context, at playbook.Place, r *conductor.Run) error {
	values, err := conductor.TriggerValues(r.Trigger, r.Queued)
	if err != nil {
		return err
	}
	r.Inputs, err = v.program.TakeStart(ctx, at, values, r.Queued)
	return err
}

// is makes a run one of this version.
func (v *version) is(r *conductor.Run) {
	r.Publishers = v.publishers
	r.PlaybookID, r.VersionID, r.Playbook, r.Version, r.SiteID = v.PlaybookID, v.ID, v.Playbook, v.Number, v.SiteID
}

// said reports whether an error is one that people can do something about. Nobody
// knows about others, and the next try may.
func said(err error) bool {
	_, isFault := errors.AsType[*fault.Error](err)
	_, isFailure := errors.AsType[*playbook.Failure](err)
	return isFault || isFailure
}

// refuse makes a run one that has failed before it began.
func refuse(r *conductor.Run, reason error) {
	failure := &engine.Error{Indicator: "Playbook " + r.Playbook + " failed.", StatusCode: automation.StatusOf(reason), Message: reason.Error()}
	if f, ok := errors.AsType[*fault.Error](reason); ok {
		failure.Message, failure.Resolution = f.Message, f.Resolution
	}
	if f, ok := errors.AsType[*playbook.Failure](reason); ok {
		failure.StatusCode, failure.Message, failure.Resolution = automation.StatusOf(fault.New(fault.Invalid, "", "")), f.Error(), "Change the text and publish it."
	}
	r.State, r.Error, r.Ended, r.Due = conductor.Failed, failure, r.Queued, time.Time{}
	if r.Inputs == nil {
		r.Inputs = map[string]any{}
	}
}
