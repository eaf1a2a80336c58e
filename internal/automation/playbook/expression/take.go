package expression

import (
	"fmt"
	"time"
)

// Take returns a value as one of the type: a whole number as a number, and times
// and durations also from their texts, which is how JSON and YAML have them. The
// error says what is expected, without a full stop.
func (t Type) Take(value any) (any, error) {
	if taken, ok := t.take(value); ok {
		return taken, nil
	}
	switch t.kind {
	case listKind:
		return t.takeList(value)
	case mapKind, objectKind:
		m, ok := value.(map[string]any)
		if !ok {
			break
		}
		return t.takeMap(m)
	}
	if value == nil {
		return nil, fmt.Errorf("a value is missing; %s is expected", t.described())
	}
	text, err := InText(value)
	if err != nil {
		return nil, fmt.Errorf("%s is expected", t.described())
	}
	return nil, fmt.Errorf("%q is given, and %s is expected", shortened(text), t.described())
}

// take converts simple values.
func (t Type) take(value any) (any, bool) {
	switch v := value.(type) {
	case string:
		switch t.kind {
		case textKind, anyKind:
			return v, true
		case dateTimeKind:
			at, err := time.Parse(time.RFC3339, v)
			return at.UTC(), err == nil
		case durationKind:
			d, err := time.ParseDuration(v)
			return d, err == nil
		}
	case int64:
		if t.kind == numberKind {
			return float64(v), true
		}
		return v, t.kind == integerKind || t.kind == anyKind
	case float64:
		return v, t.kind == numberKind || t.kind == anyKind
	case bool:
		return v, t.kind == booleanKind || t.kind == anyKind
	case time.Time:
		return v.UTC(), t.kind == dateTimeKind || t.kind == anyKind
	case time.Duration:
		return v, t.kind == durationKind || t.kind == anyKind
	case nil, []any, map[string]any:
		return v, t.kind == anyKind
	}
	return nil, false
}

func (t Type) takeList(value any) (any, error) {
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is expected", t.described())
	}
	taken := make([]any, len(list))
	for i := range list {
		item, err := t.elem.Take(list[i])
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
		taken[i] = item
	}
	return taken, nil
}

func (t Type) takeMap(m map[string]any) (any, error) {
	taken := make(map[string]any, len(m))
	for name, value := range m {
		item := Any
		if t.elem != nil {
			item = *t.elem
		}
		v, err := item.Take(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", shortened(name), err)
		}
		taken[name] = v
	}
	return taken, nil
}

// described says what a value of the type looks like.
func (t Type) described() string {
	switch t.kind {
	case dateTimeKind:
		return "a datetime in RFC 3339 such as 2026-03-02T09:00:00Z"
	case durationKind:
		return "a duration such as 90s, 10m or 24h"
	case textKind:
		return "a text"
	case integerKind:
		return "an integer"
	case numberKind:
		return "a number"
	case booleanKind:
		return "true or false"
	case listKind:
		return "a " + t.String()
	}
	return "an object"
}
