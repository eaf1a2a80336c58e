package performance

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Unbounded is the Max of a parameter for which no upper bound is published. It
// is the largest number a setting can hold, chosen so that every interval and
// size fits the types the agent uses.
const Unbounded = math.MaxInt32

// Unit says what the number of a parameter counts. It is empty for a parameter
// that is not a number.
type Unit string

// The units, as they are written behind a number.
const (
	Seconds      Unit = "s"
	Milliseconds Unit = "ms"
	Kilobytes    Unit = "KB" // 1024 bytes
	Percent      Unit = "%"  // of one processor core
)

// System is an operating system family that agents run on.
type System string

// The systems that the release note tells apart.
const (
	Windows System = "Windows"
	Linux   System = "Linux"
	Mac     System = "Mac"
)

// AgentRange names agents of one system by version. Both ends are included; an
// empty end is open.
type AgentRange struct {
	System   System
	From, To string
}

// String returns the range as a person reads it, such as "Windows 1.5 and
// above".
func (r AgentRange) String() string {
	switch {
	case r.From != "" && r.To != "":
		return fmt.Sprintf("%s %s to %s", r.System, r.From, r.To)
	case r.From != "":
		return fmt.Sprintf("%s %s and above", r.System, r.From)
	case r.To != "":
		return fmt.Sprintf("%s %s and below", r.System, r.To)
	}
	return string(r.System)
}

// Change says how a parameter differs from the release before.
type Change string

// The kinds of change that the release note marks.
const (
	Unchanged     Change = "unchanged"
	New           Change = "new"
	ValuesChanged Change = "values changed"
)

// Parameter is one entry of the catalogue. A parameter is either a number (Unit,
// Min and Max) or, in the case of the logging level, one of a few words (Values)
// for which clients send numbers too.
type Parameter struct {
	Key         string
	Label       string // in the console
	FormerLabel string // in the release before; empty when the label did not change
	Description string

	Unit     Unit
	Min, Max int      // both included; Max is Unbounded where no upper bound is published
	Values   []string // the words, most output first; nil for a number

	Low, Normal, High string // recommended value of each level

	Agents []AgentRange // who uses it; nil: agents of every system and version
	Legacy bool         // used by agents up to Windows 1.4 and Linux/Mac 1.5 only
	Change Change
}

// At returns the recommended value of a level.
func (p Parameter) At(level Level) string {
	switch level {
	case Normal:
		return p.Normal
	case High:
		return p.High
	default:
		return p.Low
	}
}

// Allowed describes the values that may be written, such as "300 to 86400 s".
func (p Parameter) Allowed() string {
	switch {
	case p.Values != nil:
		return "one of " + strings.Join(p.Values, ", ") + ", or a number"
	case p.Max == Unbounded:
		return fmt.Sprintf("%d %s or more, up to %d", p.Min, p.Unit, p.Max)
	default:
		return fmt.Sprintf("%d to %d %s", p.Min, p.Max, p.Unit)
	}
}

// allows reports whether value may be written for the parameter.
func (p Parameter) allows(value string) bool {
	n, numeric := parseNumber(value)
	if p.Values != nil {
		_, word := ParseLoggingLevel(value)
		return word || numeric
	}
	return numeric && p.Min <= n && n <= p.Max
}

// parseNumber reads a whole number from 0 to Unbounded. Signs, blanks and
// fractions are no part of it.
func parseNumber(value string) (int, bool) {
	const bits = 31 // 0 to Unbounded
	n, err := strconv.ParseUint(value, 10, bits)
	return int(n), err == nil
}

// Level is one of the three recommended compromises between speed and load.
type Level int

// The levels, from the least load on host and network to the most. Low is also
// what stands in for a setting that a profile leaves out.
const (
	Low Level = iota
	Normal
	High
)

// Levels returns the levels, Low first.
func Levels() []Level { return []Level{Low, Normal, High} }

// String returns the name of the level: Low, Normal or High.
func (l Level) String() string {
	switch l {
	case Low:
		return "Low"
	case Normal:
		return "Normal"
	case High:
		return "High"
	}
	return "Level(" + strconv.Itoa(int(l)) + ")"
}
