// Package expression holds the expressions of playbooks: ${{ … }} in CEL, the
// Common Expression Language, with types that are checked when a playbook is
// saved. Template is the main type: a text with expressions within.
//
// A [Scope] says what expressions of one place may name and of which types; it
// compiles texts into templates, and reports what is wrong with them as [Issue]s
// with their place in the text. A template is evaluated against [Values], which
// it never changes, and gives a value of its own that shares nothing with them.
//
// A text that is one expression and nothing else keeps the type of its value;
// with anything around it, the value becomes text.
//
// # Limits
//
// Expressions have no side effects and reach nothing but the values they are
// given. Each evaluation may cost MaxCost, in the measure of CEL: about one for an
// operation, an item that is visited, or ten characters that are handled. Texts
// that functions make, and results, have MaxResultBytes at most. What could cost
// more than its measure says is left out: sets, ranges, sorting by a key, formats.
//
// Everything here is safe for concurrent use once it is made.
package expression

// Limits of expressions.
const (
	// MaxTextBytes bounds a text with the expressions in it.
	MaxTextBytes = 64 << 10
	// MaxCost bounds one evaluation. A pass over a list of 10,000 hosts costs about
	// half of it and takes some milliseconds.
	MaxCost = 100_000
	// MaxResultBytes bounds a result, counted as JSON, and each text that a
	// function makes on the way.
	MaxResultBytes = 1 << 20
	// maxNodes bounds the parts of an expression, with those that macros add.
	maxNodes = 20_000
	// maxNesting bounds how deep the parts of an expression are nested.
	maxNesting = 60
	// maxComprehensions bounds how deep loops over lists are nested in each other.
	maxComprehensions = 3
	// maxRegexProgram bounds the compiled size of a regular expression.
	maxRegexProgram = 2000
	// interruptEvery is how many items a loop handles before it looks whether it
	// was cancelled.
	interruptEvery = 64
)
