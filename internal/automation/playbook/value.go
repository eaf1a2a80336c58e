package playbook

import (
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// Value is a value of the notation: a constant, a text that may have expressions,
// a list or a mapping of values. The zero Value is none.
type Value struct {
	Place
	node *yaml.Node
	// constant is a scalar without an expression; text is one with.
	constant any
	text     string
	items    []Value
	members  []Argument
}

// Given reports whether there is a value.
func (v Value) Given() bool { return v.node != nil }

// Constant returns the value if no expression is in it. Times are texts.
func (v Value) Constant() (any, bool) {
	switch {
	case v.text != "":
		return nil, false
	case v.items != nil:
		list := make([]any, len(v.items))
		for i := range v.items {
			item, ok := v.items[i].Constant()
			if !ok {
				return nil, false
			}
			list[i] = item
		}
		return list, true
	case v.members != nil:
		m := make(map[string]any, len(v.members))
		for _, member := range v.members {
			item, ok := member.Value.Constant()
			if !ok {
				return nil, false
			}
			m[member.Name] = item
		}
		return m, true
	}
	return v.constant, true
}

// free reads any value.
func (v value) free() Value {
	result := Value{Place: v.place(), node: v.node}
	switch v.node.Kind {
	case yaml.SequenceNode:
		result.items = []Value{}
		for _, item := range v.list(MaxItems, false) {
			result.items = append(result.items, item.free())
		}
	case yaml.MappingNode:
		result.members = v.arguments()
	default:
		if v.node.ShortTag() == "!!str" && strings.Contains(v.node.Value, expression.Open) {
			result.text = v.node.Value
		} else {
			result.constant = v.scalar()
		}
	}
	return result
}

// arguments reads a mapping from names to any values.
func (v value) arguments() []Argument {
	list := []Argument{}
	for _, m := range v.members() {
		list = append(list, Argument{m.at, m.key, m.value.free()})
	}
	return list
}

// scalar returns a constant: YAML 1.2 has no booleans but true and false, and
// what looks like a time is a text.
func (v value) scalar() any {
	switch v.node.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return v.boolean()
	case "!!int":
		var n int64
		if err := v.node.Decode(&n); err != nil {
			v.report("Put a number with more than 64 bits in quotes.", "%s is too large a number", v.shown())
			return nil
		}
		return n
	case "!!float":
		var f float64
		if err := v.node.Decode(&f); err != nil || f-f != 0 {
			v.report("Put it in quotes if it is a text.", "%s is no finite number", v.shown())
			return nil
		}
		return f
	case "!!str", "!!timestamp", "!!merge":
		return v.node.Value
	}
	v.report("", "a value of the YAML type %s is not supported", quoted(v.node.ShortTag()))
	return nil
}

// template reads a text that may have expressions.
func (v value) template(most int) Value {
	if v.text(most) == "" {
		return Value{}
	}
	result := Value{Place: v.place(), node: v.node}
	if strings.Contains(v.node.Value, expression.Open) {
		result.text = v.node.Value
	} else {
		result.constant = v.node.Value
	}
	return result
}

// condition reads an expression, or true or false.
func (v value) condition() *Value {
	result := v.free()
	if _, fixed := result.constant.(bool); !fixed && result.text == "" {
		v.report("Write an expression such as ${{ size(steps.find.keyFields.agentIds) > 0 }}.", "%s is given, and an expression is expected", v.shown())
		return nil
	}
	return &result
}

// span reads a duration, a time, or an expression that gives either.
func (v value) span() Value {
	result := v.free()
	if result.text != "" {
		return result
	}
	text, _ := result.constant.(string)
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		result.constant = at.UTC()
		return result
	}
	d := v.duration(0, MaxWait)
	result.constant = d
	return result
}
