package conductor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation/playbook"
	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// Places are what the engine calls what commands leave by: the run of a command, or
// that of a playbook.
const (
	commandPlace  = "run/"
	playbookPlace = "playbook-run/"
)

// PlaceOf is the place of what the run of a command left.
func PlaceOf(id int64) string { return commandPlace + strconv.FormatInt(id, 10) }

// PlaceOfRun is the place of what the run of a playbook left.
func PlaceOfRun(id int64) string { return playbookPlace + strconv.FormatInt(id, 10) }

// ParsePlace returns the id that a place has, and whether it is that of the run of a
// playbook.
func ParsePlace(place string) (id int64, ofPlaybook bool, err error) {
	digits, ofPlaybook := strings.CutPrefix(place, playbookPlace)
	if !ofPlaybook {
		digits = strings.TrimPrefix(place, commandPlace)
	}
	if id, err = strconv.ParseInt(digits, 10, 64); err != nil {
		return 0, false, fmt.Errorf("%q is no place of an outcome", place)
	}
	return id, ofPlaybook, nil
}

// keptFields is how many fields of outcomes are kept in memory while a run is
// conducted. Expressions of later steps mostly look at what the last few left.
const keptFields = 32

const (
	// keptBytes is the largest field that is kept.
	keptBytes = 64 << 10
	// maxLeft is how much of what commands left one turn may read, in bytes of JSON: an
	// expression that needs more fails its step.
	maxLeft = 64 << 20
)

// memory is what a run began with and what its commands left, for the engine. It
// reads in the transaction of the turn it is used in, and keeps what it has read:
// it never changes.
type memory struct {
	turn    Turn
	program *playbook.Program
	fields  map[string]any
	read    int // bytes
}

// Inputs implements engine.Memory.
func (m *memory) Inputs(context.Context) (map[string]any, error) {
	return inputsOf(m.program.Definition, m.turn.Run().Inputs)
}

// inputsOf returns the inputs of a run as expressions have them.
func inputsOf(d *playbook.Definition, given map[string]any) (map[string]any, error) {
	values, err := plain(given)
	if err != nil {
		return nil, err
	}
	return d.TakeInputs(values)
}

// Trigger implements engine.Memory.
func (m *memory) Trigger(context.Context) (map[string]any, error) {
	r := m.turn.Run()
	return TriggerValues(r.Trigger, r.Queued)
}

// TriggerValues is what expressions see as trigger.
func TriggerValues(t Trigger, at time.Time) (map[string]any, error) {
	values := map[string]any{"kind": t.Kind, "at": at.UTC(), "data": nil}
	if len(t.Data) > 0 {
		data, err := expression.Decode(t.Data)
		if err != nil {
			return nil, fmt.Errorf("decode data of trigger: %w", err)
		}
		values["data"] = data
	}
	return values, nil
}

// Outcome implements engine.Memory.
func (m *memory) Outcome(ctx context.Context, place, field string) (any, error) {
	at := place + " " + field
	if value, ok := m.fields[at]; ok {
		return value, nil
	}
	left, err := m.turn.Left(ctx, place)
	if err != nil {
		return nil, err
	}
	var value any
	raw := left[field]
	if m.read += len(raw); m.read > maxLeft {
		return nil, &playbook.Failure{Message: fmt.Sprintf("what the steps have left is more than the %d MB that a playbook may read at once", maxLeft>>20)}
	}
	if len(raw) > 0 {
		if value, err = expression.Decode(raw); err != nil {
			return nil, fmt.Errorf("decode %s of %s: %w", field, place, err)
		}
	}
	if len(m.fields) >= keptFields {
		clear(m.fields)
	}
	if len(raw) <= keptBytes {
		m.fields[at] = value
	}
	return value, nil
}

// plain returns the inputs of a command as JSON has them.
func plain(with map[string]any) (map[string]any, error) {
	doc, err := expression.Encode(with)
	if err != nil {
		return nil, err
	}
	values, err := expression.Decode(doc)
	if err != nil {
		return nil, err
	}
	return values.(map[string]any), nil
}

// sameInputs reports whether two runs were given the same.
func sameInputs(a, b map[string]any) bool {
	x, err := expression.Encode(a)
	if err != nil {
		return false
	}
	y, err := expression.Encode(b)
	return err == nil && string(x) == string(y)
}
