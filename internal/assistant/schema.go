package assistant

import (
	"encoding/json"

	"github.com/google/jsonschema-go/jsonschema"

	"vedette.dev/vedette/qps/qpsclient"
)

// typeSecret is the type of inputs that assistants are not asked for: what they are
// told is kept in places that nobody here knows.
const typeSecret = "secret"

// property is one argument of a tool.
type property struct {
	name     string
	schema   *jsonschema.Schema
	required bool
}

// object is the schema of the arguments of a tool, in this order and no others.
func object(properties ...property) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}}
	for _, p := range properties {
		s.Properties[p.name] = p.schema
		s.PropertyOrder = append(s.PropertyOrder, p.name)
		if p.required {
			s.Required = append(s.Required, p.name)
		}
	}
	return s
}

func text(name, description string) property {
	return property{name: name, schema: &jsonschema.Schema{Type: "string", Description: description}}
}

func word(name, description string, choices ...string) property {
	p := text(name, description)
	for _, choice := range choices {
		p.schema.Enum = append(p.schema.Enum, choice)
	}
	return p
}

func yes(name, description string) property {
	return property{name: name, schema: &jsonschema.Schema{Type: "boolean", Description: description, Default: json.RawMessage("false")}}
}

// number is a whole number from low; of an unlimited one high is 0.
func number(name, description string, low, high int64) property {
	s := &jsonschema.Schema{Type: "integer", Description: description, Minimum: new(float64(low))}
	if high != 0 {
		s.Maximum = new(float64(high))
	}
	return property{name: name, schema: s}
}

// needed makes an argument one that must be given.
func needed(p property) property {
	p.required = true
	return p
}

// inputProperty is an input of a command as an argument.
func inputProperty(in qpsclient.CommandInput) property {
	s := &jsonschema.Schema{Type: "string", Title: in.DisplayName, Description: in.Description, Default: in.Default}
	switch in.Type {
	case "integer":
		s.Type, s.Minimum, s.Maximum = "integer", bound(in.Min), bound(in.Max)
	case "boolean":
		s.Type = "boolean"
	case "ids":
		s.Type, s.Items = "array", &jsonschema.Schema{Type: "integer", Minimum: new(1.0)}
		s.MinItems, s.MaxItems = count(in.Min), count(in.Max)
	case "texts":
		s.Type, s.Items = "array", &jsonschema.Schema{Type: "string"}
		s.MinItems, s.MaxItems = count(in.Min), count(in.Max)
	case "object":
		s.Type = "object"
	case "choice":
		for _, choice := range in.Choices {
			s.Enum = append(s.Enum, choice)
		}
	case "datetime":
		s.Format = "date-time"
		s.Description += " In RFC 3339, such as 2024-12-29T09:00:00Z."
	case "duration":
		s.Description += " A duration such as 90s, 30m or 4h."
	case "url":
		s.Format = "uri"
	default:
		s.MaxLength = count(in.Max) // no text has more characters than bytes
	}
	if in.Example != "" && s.Type == "string" && s.Format == "" {
		s.Examples = []any{in.Example}
	}
	return property{name: in.Name, schema: s, required: in.Required}
}

func bound(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return new(float64(*n))
}

func count(n *int64) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}
