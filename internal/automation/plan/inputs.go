package plan

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxInputDepth bounds lists and mappings within each other; inputs of commands have
// one level.
const maxInputDepth = 8

// inputsInto reads the inputs of a command, numbers as they are written: an id has
// more digits than a float64 keeps.
func inputsInto(target **map[string]any) func(value) error {
	return func(v value) error {
		read, err := v.mapping(maxInputDepth)
		if err == nil {
			*target = &read
		}
		return err
	}
}

func (v value) mapping(depth int) (map[string]any, error) {
	pairs, err := v.pairs()
	if err != nil {
		return nil, err
	}
	read := make(map[string]any, len(pairs))
	for _, pair := range pairs {
		if _, twice := read[pair.name()]; twice {
			return nil, pair.refuse("Give it once.", "the key is given twice")
		}
		if read[pair.name()], err = pair.plain(depth - 1); err != nil {
			return nil, err
		}
	}
	return read, nil
}

// plain returns a value as JSON has it.
func (v value) plain(depth int) (any, error) {
	if depth == 0 {
		return nil, v.refuse("Write it flatter.", "lists and mappings are too deep within each other")
	}
	switch v.node.Kind {
	case yaml.MappingNode:
		return v.mapping(depth)
	case yaml.SequenceNode:
		items, err := v.items()
		if err != nil {
			return nil, err
		}
		list := make([]any, len(items))
		for i, item := range items {
			if list[i], err = item.plain(depth - 1); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	text, err := v.scalar()
	if err != nil {
		return nil, err
	}
	switch v.node.ShortTag() {
	case "!!bool":
		return text == "true" || text == "True" || text == "TRUE", nil
	case "!!int", "!!float":
		if json.Valid([]byte(text)) {
			return json.Number(text), nil
		}
	}
	return text, nil
}

// plainNode writes a value of JSON so that plain reads it again.
func plainNode(v any) *yaml.Node {
	n := &yaml.Node{}
	switch v := v.(type) {
	case map[string]any:
		n.Kind, n.Style = yaml.MappingNode, yaml.FlowStyle
		for _, name := range slices.Sorted(maps.Keys(v)) {
			key := &yaml.Node{}
			key.SetString(name)
			n.Content = append(n.Content, key, plainNode(v[name]))
		}
	case []any:
		n.Kind, n.Style = yaml.SequenceNode, yaml.FlowStyle
		for _, item := range v {
			n.Content = append(n.Content, plainNode(item))
		}
	case json.Number:
		n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!float", v.String()
		if _, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			n.Tag = "!!int"
		}
	case float64:
		return plainNode(json.Number(strconv.FormatFloat(v, 'g', -1, 64)))
	default:
		_ = n.Encode(v) // texts, booleans and nothing else
	}
	return n
}
