package fleet

import (
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// gadget is an object with one property of each kind.
type gadget struct {
	id      int64
	name    string
	kind    string
	enabled bool
	made    time.Time
}

func gadgets() Schema[gadget] {
	return NewSchema(map[Field]Property[gadget]{
		"id":      Integer(func(g *gadget) []int64 { return []int64{g.id} }),
		"name":    Text(func(g *gadget) string { return g.name }),
		"type":    Keyword(func(g *gadget) string { return g.kind }),
		"enabled": Boolean(func(g *gadget) bool { return g.enabled }),
		"created": Date(func(g *gadget) time.Time { return g.made }),
	})
}

func TestASchemaFiltersByEachKindOfProperty(t *testing.T) {
	t.Parallel()
	object := &gadget{id: 7, name: "Edge key", kind: "UNLIMITED", enabled: true, made: time.Date(2031, 4, 1, 6, 0, 0, 0, time.UTC)}
	for _, test := range []struct {
		field    string
		operator qps.Operator
		value    string
		want     bool
	}{
		{"id", qps.OpEquals, "7", true},
		{"id", qps.OpGreater, "7", false},
		{"id", qps.OpIn, "3, 7", true},
		{"name", qps.OpContains, "ge k", true},
		{"name", qps.OpContains, "edge", false},
		{"type", qps.OpNotEquals, "UNLIMITED", false},
		{"enabled", qps.OpEquals, "true", true},
		{"enabled", qps.OpEquals, "1", true},
		{"enabled", qps.OpNotEquals, "TRUE", false},
		{"created", qps.OpEquals, "2031-04-01", true},
		{"created", qps.OpLesser, "2031-04-01T06:00:00Z", false},
	} {
		t.Run(test.field+" "+string(test.operator)+" "+test.value, func(t *testing.T) {
			t.Parallel()
			schema := gadgets()
			conditions, err := schema.Parse([]qps.Criterion{{Field: test.field, Operator: test.operator, Value: test.value}})
			if err != nil {
				t.Fatal(err)
			}
			if got := schema.Match(object, conditions); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestASchemaRefusesWhatItDoesNotHaveByName(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		criterion qps.Criterion
		want      string
	}{
		{qps.Criterion{Field: "colour", Operator: qps.OpEquals, Value: "red"}, "colour"},
		{qps.Criterion{Field: "enabled", Operator: qps.OpContains, Value: "true"}, "CONTAINS"},
		{qps.Criterion{Field: "enabled", Operator: qps.OpEquals, Value: "maybe"}, "maybe"},
		{qps.Criterion{Field: "id", Operator: qps.OpEquals, Value: "seven"}, "seven"},
	} {
		_, err := gadgets().Parse([]qps.Criterion{test.criterion})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want one that says %q", test.criterion, err, test.want)
		}
	}
}
