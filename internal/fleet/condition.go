package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// Limits on the values of one criterion.
const (
	// MaxListValues bounds an IN list: bulk clients send pages of a few hundred
	// ids, and every value costs an index look-up.
	MaxListValues = 10_000
	// MaxTextBytes bounds a text value; names of hosts and packages are far
	// shorter.
	MaxTextBytes = 1024
	// maxEchoRunes bounds how much of a client's value an error repeats.
	maxEchoRunes = 100
)

// Condition is one criterion, checked and typed. Make them with
// ParseConditions; Match says what they mean.
//
// Texts compare byte by byte, case-sensitively and without any normalisation. A
// host without a value never equals, contains, exceeds or undercuts anything, so
// only NOT EQUALS matches it. A field with several values (tags, ports,
// software) matches when one of them does, and NOT EQUALS when none equals.
type Condition struct {
	Field    Field
	Operator qps.Operator // one the field allows
	Ints     []int64      // values of an integer field: one, for IN one or more
	Texts    []string     // values of a text or keyword field, none empty: one, for IN one or more
	Time     time.Time    // value of a date field, UTC, cut to the microsecond
	Day      bool         // EQUALS and NOT EQUALS mean the whole UTC day that begins at Time
}

// ParseConditions checks criteria and types their values. A date without a time
// of day stands for the whole UTC day with EQUALS and NOT EQUALS and for its
// first instant with GREATER and LESSER. Errors are fault.Invalid and name the
// criterion, its value and what is allowed, in the words of the Qualys platform
// where those are known.
func ParseConditions(criteria []qps.Criterion) ([]Condition, error) {
	return hostVocabulary.parse(criteria)
}

// vocabulary is what criteria on one kind of object may say.
type vocabulary struct {
	specs   map[Field]spec
	aliases map[string]Field // other names clients send
}

func (v vocabulary) parse(criteria []qps.Criterion) ([]Condition, error) {
	conditions := make([]Condition, 0, len(criteria))
	for _, c := range criteria {
		condition, err := v.parseOne(c)
		if err != nil {
			return nil, err
		}
		conditions = append(conditions, condition)
	}
	return conditions, nil
}

func (v vocabulary) parseOne(c qps.Criterion) (Condition, error) {
	field, ok := v.named(c.Field)
	if !ok {
		return Condition{}, fault.New(fault.Invalid,
			fmt.Sprintf("Criteria: Unknown criteria '%s'.", echo(c.Field)), "Criteria expected: "+v.list()+".")
	}
	allowed := v.specs[field]
	if !slices.Contains(allowed.operators, c.Operator) {
		return Condition{}, fault.New(fault.Invalid,
			fmt.Sprintf("Criteria: Operator '%s' is not supported for criteria '%s'.", echo(string(c.Operator)), c.Field),
			"Operators expected: "+operatorList(allowed.operators)+".")
	}
	condition := Condition{Field: field, Operator: c.Operator}
	if allowed.kind == kindDate {
		return condition.withDate(c)
	}
	values := []string{strings.TrimSpace(c.Value)}
	if c.Operator == qps.OpIn {
		values = splitList(c.Value)
		if len(values) > MaxListValues {
			return Condition{}, fault.New(fault.Invalid,
				fmt.Sprintf("Criteria: The list of criteria '%s' has %d values.", c.Field, len(values)),
				fmt.Sprintf("Specify at most %d values.", MaxListValues))
		}
	}
	if len(values) == 0 || values[0] == "" {
		return Condition{}, invalidValue(c, "Specify at least one value.")
	}
	switch {
	case allowed.kind == kindInteger:
		return condition.withInts(c, values)
	case allowed.kind == kindBoolean:
		return condition.withBoolean(c, values[0])
	case field == FieldAgentVersion && c.Operator != qps.OpEquals && !dottedNumbers(values[0]):
		return Condition{}, invalidValue(c, "Specify criteria value(s) as numbers separated by dots, such as 5.6.0.12.")
	default:
		return condition.withTexts(c, values)
	}
}

func (c Condition) withInts(from qps.Criterion, values []string) (Condition, error) {
	for _, value := range values {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return Condition{}, invalidValue(from, "Specify criteria value(s) as Long.")
		}
		c.Ints = append(c.Ints, n)
	}
	return c, nil
}

// withBoolean takes true and false, and the 1 and 0 that some objects of the API
// use for them.
func (c Condition) withBoolean(from qps.Criterion, value string) (Condition, error) {
	truth, err := strconv.ParseBool(value)
	if err != nil {
		return Condition{}, invalidValue(from, "Values expected: true, false.")
	}
	c.Texts = []string{strconv.FormatBool(truth)}
	return c, nil
}

func (c Condition) withTexts(from qps.Criterion, values []string) (Condition, error) {
	for _, value := range values {
		if len(value) > MaxTextBytes {
			return Condition{}, invalidValue(from, fmt.Sprintf("Specify criteria value(s) of at most %d bytes.", MaxTextBytes))
		}
		if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return Condition{}, invalidValue(from, "Specify criteria value(s) as String, in UTF-8 and without NUL characters.")
		}
	}
	c.Texts = values
	return c, nil
}

func (c Condition) withDate(from qps.Criterion) (Condition, error) {
	value := strings.TrimSpace(from.Value)
	t, err := qps.ParseTime(value)
	if err != nil {
		return Condition{}, invalidValue(from, "Specify criteria value(s) as Date: YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ.")
	}
	c.Time = t.UTC().Truncate(time.Microsecond)
	c.Day = len(value) == len(time.DateOnly) && (c.Operator == qps.OpEquals || c.Operator == qps.OpNotEquals)
	return c, nil
}

// Span returns the half-open range of instants that equal a date condition's
// value.
func (c Condition) Span() (from, until time.Time) {
	if c.Day {
		return c.Time, c.Time.AddDate(0, 0, 1)
	}
	return c.Time, c.Time.Add(time.Microsecond)
}

// splitList passes over empty entries: clients leave trailing commas.
func splitList(list string) []string {
	var values []string
	for value := range strings.SplitSeq(list, ",") {
		if value = strings.TrimSpace(value); value != "" {
			values = append(values, value)
		}
	}
	return values
}

func invalidValue(c qps.Criterion, resolution string) error {
	return fault.New(fault.Invalid,
		fmt.Sprintf("Criteria: Invalid value format for criteria '%s' (%s).", c.Field, echo(c.Value)), resolution)
}

func operatorList(operators []qps.Operator) string {
	names := make([]string, len(operators))
	for i, op := range operators {
		names[i] = string(op)
	}
	return strings.Join(names, ", ")
}

// echo makes a client's text fit to be repeated in an answer.
func echo(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if utf8.RuneCountInString(s) <= maxEchoRunes {
		return s
	}
	return string([]rune(s)[:maxEchoRunes]) + "…"
}
