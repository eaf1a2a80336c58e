package integration

import (
	"vedette.dev/vedette/internal/automation"
)

// Repeat says what a repetition of a command does when it is not known whether
// the first time was carried out, as after a crash.
type Repeat string

// The answers.
const (
	// Safe: it only reads, or a second time changes nothing more.
	Safe Repeat = "safe"
	// Keyed: it does not repeat what is on record as done under the same key.
	Keyed Repeat = "keyed"
	// Never: it would do a second time what it did before, such as making
	// another object. A run whose command was sent and not confirmed ends
	// Unknown, for a person to decide.
	Never Repeat = "never"
)

// Command is something that can be done with a platform. It is read from a
// manifest and shared: nobody may change it.
type Command struct {
	// Integration is the name of the integration it belongs to.
	Integration string `yaml:"-" json:"integration"`
	Name        string `yaml:"name" json:"name"`               // "launch-on-demand-scans"
	DisplayName string `yaml:"displayName" json:"displayName"` // "Launch On Demand Scans"
	Description string `yaml:"description" json:"description"`
	// Permission is the least that the account of the connection needs on the
	// platform.
	Permission string `yaml:"permission" json:"permission"`
	// Indicator is the failure indicator of its errors; by default the display
	// name with "failed."
	Indicator string `yaml:"indicator" json:"failureIndicator"`
	ReadOnly  bool   `yaml:"readOnly" json:"readOnly"`
	// Additive says of a command that writes that it only adds or begins something:
	// nothing that was there is changed or taken away.
	Additive bool   `yaml:"additive" json:"additive,omitempty"`
	Repeat   Repeat `yaml:"repeat" json:"repeat"`
	// Impatient commands say how things are now: when the platform asks to wait,
	// they fail instead of handing back a Continuation.
	Impatient bool `yaml:"impatient" json:"impatient,omitempty"`
	// Waits says that Call.Wait has a meaning: the command can wait until what it
	// began has ended.
	Waits     bool       `yaml:"waits" json:"waits,omitempty"`
	Inputs    []Input    `yaml:"inputs" json:"inputs"`
	KeyFields []KeyField `yaml:"keyFields" json:"keyFields,omitempty"`
	// Outputs are those of the seven that the command has.
	Outputs []Output `yaml:"-" json:"outputs"`
	// Without takes outputs away in the manifest.
	Without []string `yaml:"without" json:"-"`

	run operation
}

// KeyField is a list of identifiers that a command leaves for later steps.
type KeyField struct {
	Name        string `yaml:"name" json:"name"`
	Description string `yaml:"description" json:"description"`
}

// Output is one of the outputs of a command, by its name in the JSON form of an
// Outcome.
type Output struct {
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Description string `json:"description"`
}

// outputs are all outputs, in the order in which they are shown.
func outputs() []Output {
	return []Output{
		{"returnData", "Return Data", "The state: Successful, Partially Successful or Failed. Only commands that take a list can be partially successful."},
		{"result", "Result", "A table for people, one row per item."},
		{"rawData", "Raw Data", "The platform's answer as JSON; pages of one search are merged into one."},
		{"contextData", "Context Data", "The raw data as a flat list of records for later steps."},
		{"keyFields", "Key Fields", "Lists of identifiers by name."},
		{"errors", "Error", "Failure indicator, status code and message of everything that failed; empty when the state is Successful."},
		{"passdown", "Passdown", "What the next firing of the same schedule is given."},
	}
}

// Input returns the input with this name or display name.
func (c Command) Input(name string) (Input, bool) {
	for _, in := range c.Inputs {
		if in.Name == name || in.DisplayName == name {
			return in, true
		}
	}
	return Input{}, false
}

// Fail returns the failed outcome of the command for an error that kept it from
// being called, such as wrong inputs or an inactive connection. A *fault.Error
// is told by its message and resolution.
func (c Command) Fail(err error) automation.Outcome { return automation.Failure(c.Indicator, err) }
