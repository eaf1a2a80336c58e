package integration

// Type says what values an input or a parameter takes.
type Type string

// The types, each with the Go type of its values in Values.
const (
	Text     Type = "text"     // string
	Secret   Type = "secret"   // string that no message, log or record repeats
	URL      Type = "url"      // string
	Integer  Type = "integer"  // int64
	Boolean  Type = "boolean"  // bool
	DateTime Type = "datetime" // time.Time in UTC
	Choice   Type = "choice"   // string, one of Input.Choices
	IDs      Type = "ids"      // []int64, each once, all positive
	Texts    Type = "texts"    // []string
	Duration Type = "duration" // time.Duration
	Object   Type = "object"   // map[string]any
)

func (t Type) known() bool {
	switch t {
	case Text, Secret, URL, Integer, Boolean, DateTime, Choice, IDs, Texts, Duration, Object:
		return true
	}
	return false
}
