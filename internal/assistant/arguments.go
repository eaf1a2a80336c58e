package assistant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

// arguments are those of one call, all of them in the schema of the tool. The first
// one that is read and is no value of its kind is kept as the mistake.
type arguments struct {
	values  map[string]any // numbers are json.Number: an id may have more digits than a float64 keeps
	mistake error          // a *fault.Error, nil while there is none
}

// readArguments reads the arguments of a call. Those that the tool does not have are
// refused: half of what was meant would be done without them.
func readArguments(doc json.RawMessage, schema *jsonschema.Schema) (*arguments, error) {
	a := &arguments{values: map[string]any{}}
	if len(doc) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(doc))
		decoder.UseNumber()
		if err := decoder.Decode(&a.values); err != nil {
			return nil, fault.New(fault.Invalid, "The arguments are not a JSON object.", argumentNames(schema))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.values)) {
		if schema.Properties[name] == nil {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s: there is no such argument.", automation.Echo(name)), argumentNames(schema))
		}
	}
	for _, name := range schema.Required {
		if value := a.values[name]; value == nil || value == "" {
			return nil, fault.New(fault.Invalid, name+": a value is needed.", schema.Properties[name].Description)
		}
	}
	return a, nil
}

func argumentNames(schema *jsonschema.Schema) string {
	if len(schema.PropertyOrder) == 0 {
		return "The tool takes no arguments."
	}
	return "The arguments of the tool are " + strings.Join(schema.PropertyOrder, ", ") + "."
}

// wrong keeps the first mistake.
func (a *arguments) wrong(name, want string) {
	if a.mistake != nil {
		return
	}
	doc, _ := json.Marshal(a.values[name]) // it came as JSON
	a.mistake = fault.New(fault.Invalid, fmt.Sprintf("%s: invalid value %s.", name, automation.Echo(string(doc))), "Specify "+name+" as "+want+".")
}

// text returns a text, the empty one where it is not given. A number is a text, too: of
// what has a name and an ID either is meant.
func (a *arguments) text(name string) string {
	switch value := a.values[name].(type) {
	case nil:
	case string:
		return strings.TrimSpace(value)
	case json.Number:
		return value.String()
	default:
		a.wrong(name, "a text")
	}
	return ""
}

// word returns one of the choices, or the empty text where it is not given.
func (a *arguments) word(name string, choices ...string) string {
	given := a.text(name)
	if given != "" && !slices.Contains(choices, given) {
		a.wrong(name, "one of "+strings.Join(choices, ", "))
	}
	return given
}

// yes returns a boolean, false where it is not given.
func (a *arguments) yes(name string) bool {
	switch value := a.values[name].(type) {
	case nil:
		return false
	case bool:
		return value
	case string: // as some assistants write it
		if given, err := strconv.ParseBool(strings.ToLower(value)); err == nil {
			return given
		}
	}
	a.wrong(name, "true or false") // and not as either: one of them would write
	return false
}

// whole returns a whole number from low to high, and other where it is not given.
func (a *arguments) whole(name string, other, low, high int64) int64 {
	value := a.values[name]
	if value == nil {
		return other
	}
	n, err := strconv.ParseInt(strings.TrimSpace(fmt.Sprint(value)), 10, 64)
	if err != nil || n < low || n > high {
		a.wrong(name, fmt.Sprintf("an integer from %d to %d", low, high))
		return other
	}
	return n
}
