package fleet

import (
	"slices"
	"time"

	"vedette.dev/vedette/qps"
)

// Schema says what criteria on one kind of object may ask for, and where its
// values are. It serves the objects of which there are hundreds, not millions:
// tags, activation keys, configuration profiles and connectors are filtered in
// memory. Host
// assets are searched by storage; see ParseConditions.
type Schema[T any] struct {
	properties map[Field]Property[T]
	vocabulary vocabulary
}

// Property is one field of a Schema.
type Property[T any] struct {
	spec  spec
	ints  func(*T) []int64
	texts func(*T) []string
	date  func(*T) time.Time
}

// Integer is a property with whole numbers; several or none are possible.
func Integer[T any](values func(*T) []int64) Property[T] {
	return Property[T]{spec: spec{kindInteger, integerOperators}, ints: values}
}

// Text is a property with text; the empty text is no value.
func Text[T any](value func(*T) string) Property[T] {
	return Property[T]{spec: spec{kindText, textOperators}, texts: func(t *T) []string { return present(value(t)) }}
}

// Keyword is a property with a word out of a few; the empty word is no value.
func Keyword[T any](value func(*T) string) Property[T] {
	return Property[T]{spec: spec{kindKeyword, keywordOperators}, texts: func(t *T) []string { return present(value(t)) }}
}

// Texts is a property with several texts, or none.
func Texts[T any](values func(*T) []string) Property[T] {
	return Property[T]{spec: spec{kindText, textOperators}, texts: values}
}

// Keywords is a property with several words out of a few, or none.
func Keywords[T any](values func(*T) []string) Property[T] {
	return Property[T]{spec: spec{kindKeyword, keywordOperators}, texts: values}
}

// Boolean is a property that is true or false.
func Boolean[T any](value func(*T) bool) Property[T] {
	return Property[T]{spec: spec{kindBoolean, booleanOperators}, texts: func(t *T) []string {
		if value(t) {
			return []string{"true"}
		}
		return []string{"false"}
	}}
}

// Date is a property with an instant; the zero time is no value.
func Date[T any](value func(*T) time.Time) Property[T] {
	return Property[T]{spec: spec{kindDate, dateOperators}, date: value}
}

// NewSchema returns a Schema with the given properties.
func NewSchema[T any](properties map[Field]Property[T]) Schema[T] {
	specs := make(map[Field]spec, len(properties))
	for field, property := range properties {
		specs[field] = property.spec
	}
	return Schema[T]{properties: properties, vocabulary: vocabulary{specs: specs}}
}

// Parse checks criteria and types their values, as ParseConditions does for host
// assets.
func (s Schema[T]) Parse(criteria []qps.Criterion) ([]Condition, error) {
	return s.vocabulary.parse(criteria)
}

// Match reports whether all conditions, which Parse has made, hold for an object.
func (s Schema[T]) Match(object *T, conditions []Condition) bool {
	return !slices.ContainsFunc(conditions, func(c Condition) bool {
		property := s.properties[c.Field]
		switch property.spec.kind {
		case kindInteger:
			return !matchInts(property.ints(object), c)
		case kindDate:
			return !matchDate(property.date(object), c)
		default:
			return !matchTexts(property.texts(object), c)
		}
	})
}
