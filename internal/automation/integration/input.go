package integration

// Input is what a command is told.
type Input struct {
	Name        string `yaml:"name" json:"name"`               // "cloudAgentIds"
	DisplayName string `yaml:"displayName" json:"displayName"` // "Cloud Agent IDs"
	Description string `yaml:"description" json:"description"`
	Type        Type   `yaml:"type" json:"type"`
	Required    bool   `yaml:"required" json:"required"`
	// Default is the value of an input that is not given, of the Go type of its
	// type; nil for none.
	Default any      `yaml:"default" json:"default,omitempty"`
	Choices []string `yaml:"choices" json:"choices,omitempty"`
	// Min and Max bound an integer, the number of items of a list, the bytes of a
	// text and the seconds of a duration; nil means no bound of its own.
	Min *int64 `yaml:"min" json:"min,omitempty"`
	Max *int64 `yaml:"max" json:"max,omitempty"`
	// UTC says that times are meant in UTC whatever the zone of the user is.
	UTC bool `yaml:"utc" json:"utc,omitempty"`
	// Emptiable says that an empty text or list is a value, which empties what
	// the input describes. Otherwise it is as if the input were not given.
	Emptiable bool   `yaml:"emptiable" json:"emptiable,omitempty"`
	Example   string `yaml:"example" json:"example,omitempty"`
}
