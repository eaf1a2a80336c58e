package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

// Values are the inputs of a command by name, each of the Go type of its Type.
// Inputs that are not given and have no default are not in it.
type Values map[string]any

// Has reports whether an input was given or has a default.
func (v Values) Has(name string) bool { _, ok := v[name]; return ok }

// Text returns a text, secret, URL or choice; empty when it was not given.
func (v Values) Text(name string) string { text, _ := v[name].(string); return text }

// Integer returns an integer, zero when it was not given.
func (v Values) Integer(name string) int64 { n, _ := v[name].(int64); return n }

// Boolean returns a boolean, false when it was not given.
func (v Values) Boolean(name string) bool { yes, _ := v[name].(bool); return yes }

// Time returns a time in UTC, the zero time when it was not given.
func (v Values) Time(name string) time.Time { t, _ := v[name].(time.Time); return t }

// IDs returns ids, nil when they were not given.
func (v Values) IDs(name string) []int64 { ids, _ := v[name].([]int64); return ids }

// Texts returns texts, nil when they were not given.
func (v Values) Texts(name string) []string { texts, _ := v[name].([]string); return texts }

// Duration returns a duration, zero when it was not given.
func (v Values) Duration(name string) time.Duration { d, _ := v[name].(time.Duration); return d }

// Object returns an object, nil when it was not given.
func (v Values) Object(name string) map[string]any { o, _ := v[name].(map[string]any); return o }

// MarshalJSON writes the values so that Command.Check reads them again: times in
// RFC 3339, durations as texts.
func (v Values) MarshalJSON() ([]byte, error) {
	plain := make(map[string]any, len(v))
	for name, value := range v {
		if d, ok := value.(time.Duration); ok {
			value = d.String()
		}
		plain[name] = value
	}
	return json.Marshal(plain)
}

// UnmarshalJSON reads values as Command.Check takes them, with numbers as they were
// written: an id may have more digits than a float64 keeps.
func (v *Values) UnmarshalJSON(doc []byte) error {
	type plain Values
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	return decoder.Decode((*plain)(v))
}

// TimeReader reads a time as a user writes it: in the format and, unless utc is
// set, in the zone that the user has chosen. The error names the value and what
// is allowed.
type TimeReader interface {
	ReadTime(text string, utc bool) (time.Time, error)
}

// Check reads inputs, named by name or by display name, and returns them typed
// and with defaults filled in. Null and empty texts count as not given. Times are
// read by reader, or when it is nil in RFC 3339 and in the default format of
// automation.ParseTime.
//
// The error is a *fault.Error about the first input that is wrong, in the order
// of the command's inputs; it names the input, the value and what is allowed. An
// input that the command does not have is refused: half of what was meant would
// be done without it.
func (c Command) Check(raw map[string]any, reader TimeReader) (Values, error) {
	given, err := c.named(raw)
	if err != nil {
		return nil, err
	}
	values := make(Values, len(c.Inputs))
	for _, in := range c.Inputs {
		value, err := in.Read(given[in.Name], reader)
		if err != nil {
			return nil, err
		}
		switch {
		case value != nil:
			values[in.Name] = value
		case in.Required:
			return nil, in.refuse("is required", c.obtain(in))
		case in.Default != nil:
			values[in.Name] = in.Default
		}
	}
	return values, nil
}

// named returns the raw inputs by name.
func (c Command) named(raw map[string]any) (map[string]any, error) {
	given := make(map[string]any, len(raw))
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		in, ok := c.Input(name)
		if !ok {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s has no input %q.", c.DisplayName, automation.Echo(name)), c.inputNames())
		}
		if _, twice := given[in.Name]; twice {
			return nil, in.refuse("is given twice, as "+in.Name+" and as "+in.DisplayName, "Give it once.")
		}
		given[in.Name] = raw[name]
	}
	return given, nil
}

func (c Command) inputNames() string {
	if len(c.Inputs) == 0 {
		return "It takes no inputs."
	}
	names := make([]string, len(c.Inputs))
	for i, in := range c.Inputs {
		names[i] = fmt.Sprintf("%s (%s)", in.DisplayName, in.Name)
	}
	return "Its inputs are: " + strings.Join(names, ", ") + "."
}

// obtain is where a required input comes from.
func (c Command) obtain(in Input) string {
	if in.DisplayName == cloudAgentIDs {
		return "Run Search Cloud Agents to obtain the Cloud Agent IDs."
	}
	return ""
}

// cloudAgentIDs is the display name of the input that most commands on agents
// have.
const cloudAgentIDs = "Cloud Agent IDs"
