package expression

import (
	"maps"
	"slices"

	"github.com/google/cel-go/cel"
)

// Type is the type of a value. The zero Type is Any.
type Type struct {
	kind   kind
	elem   *Type
	name   string
	fields map[string]Type
	words  []string
	// namespace: only its fields are values.
	namespace bool
}

type kind byte

const (
	anyKind kind = iota
	textKind
	integerKind
	numberKind
	booleanKind
	dateTimeKind
	durationKind
	listKind
	mapKind
	objectKind
)

// The simple types, with the Go type of their values.
var (
	Any      = Type{}                   // what is not known before a run
	Text     = Type{kind: textKind}     // string
	Integer  = Type{kind: integerKind}  // int64
	Number   = Type{kind: numberKind}   // float64
	Boolean  = Type{kind: booleanKind}  // bool
	DateTime = Type{kind: dateTimeKind} // time.Time in UTC
	Duration = Type{kind: durationKind} // time.Duration
)

// List is a list of values of one type, []any in Go.
func List(elem Type) Type { return Type{kind: listKind, elem: &elem} }

// Map has values of one type by keys that nobody knows before, map[string]any in
// Go.
func Map(elem Type) Type { return Type{kind: mapKind, elem: &elem} }

// Object has fields that are known: any other is refused when a playbook is
// saved. It is map[string]any in Go. Objects of one name must be the same
// wherever they are used in one scope.
func Object(name string, fields map[string]Type) Type {
	return Type{kind: objectKind, name: name, fields: fields}
}

// Word is a text that is one of some words. An expression that compares it with
// another one is refused, since it could never be true.
func Word(words ...string) Type { return Type{kind: textKind, words: words} }

// Namespace is an object that has values and is none itself.
func Namespace(name string, fields map[string]Type) Type {
	return Type{kind: objectKind, name: name, fields: fields, namespace: true}
}

// Elem returns the type of the items of a list, Any for another type.
func (t Type) Elem() Type {
	if t.kind == listKind {
		return *t.elem
	}
	return Any
}

// IsList reports whether the type is a list, or may turn out to be one.
func (t Type) IsList() bool { return t.kind == listKind || t.kind == anyKind }

// Fields returns the names of an object's fields in alphabetic order.
func (t Type) Fields() []string { return slices.Sorted(maps.Keys(t.fields)) }

// empty is what a field is that nobody filled: an empty text, list or object, so
// that expressions about a step that was skipped have a value, and null for what
// cannot be empty.
func (t Type) empty() any {
	switch t.kind {
	case textKind:
		return ""
	case listKind:
		return []any{}
	case mapKind, objectKind:
		return map[string]any{}
	}
	return nil
}

// String returns the type in the words of the notation.
func (t Type) String() string {
	switch t.kind {
	case textKind:
		return "text"
	case integerKind:
		return "integer"
	case numberKind:
		return "number"
	case booleanKind:
		return "boolean"
	case dateTimeKind:
		return "datetime"
	case durationKind:
		return "duration"
	case listKind:
		if t.elem.kind == anyKind {
			return "list"
		}
		return "list of " + t.elem.String()
	case mapKind, objectKind:
		return "object"
	}
	return "any"
}

// Fits reports whether a value of this type may be used where one of another is
// wanted: as far as that can be said without the value.
func (t Type) Fits(wanted Type) bool {
	switch {
	case t.kind == anyKind || wanted.kind == anyKind:
		return true
	case t.kind == integerKind && wanted.kind == numberKind:
		return true
	case t.kind == objectKind && wanted.kind == mapKind, t.kind == mapKind && wanted.kind == objectKind:
		return true
	case t.kind != wanted.kind:
		return false
	case t.kind == listKind || t.kind == mapKind:
		return t.elem.Fits(*wanted.elem)
	}
	return true
}

// cel returns the type as CEL knows it.
func (t Type) cel() *cel.Type {
	switch t.kind {
	case textKind:
		return cel.StringType
	case integerKind:
		return cel.IntType
	case numberKind:
		return cel.DoubleType
	case booleanKind:
		return cel.BoolType
	case dateTimeKind:
		return cel.TimestampType
	case durationKind:
		return cel.DurationType
	case listKind:
		return cel.ListType(t.elem.cel())
	case mapKind:
		return cel.MapType(cel.StringType, t.elem.cel())
	case objectKind:
		return cel.ObjectType(t.name)
	}
	return cel.DynType
}

// typeOf returns the type that CEL found out; what has no word in the notation
// is Any, and refused when it turns up as a value.
func typeOf(t *cel.Type) Type {
	switch t.Kind() {
	case cel.StringKind:
		return Text
	case cel.IntKind, cel.UintKind:
		return Integer
	case cel.DoubleKind:
		return Number
	case cel.BoolKind:
		return Boolean
	case cel.TimestampKind:
		return DateTime
	case cel.DurationKind:
		return Duration
	case cel.ListKind:
		return List(typeOf(t.Parameters()[0]))
	case cel.MapKind:
		return Map(typeOf(t.Parameters()[1]))
	case cel.StructKind:
		return Map(Any)
	}
	return Any
}
