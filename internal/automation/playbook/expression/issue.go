package expression

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
)

// What the checker of CEL says, for those messages that have names of its own in
// them.
var (
	undeclared = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	undefined  = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload = regexp.MustCompile(`^found no matching overload for '([^']*)' applied to '(.*)'$`)
	operator   = regexp.MustCompile(`^_?([^_a-zA-Z@]+)_?$`)
)

// issues turns what CEL found into issues, with its sentences in a person's words.
// CEL says -1 where it knows no place.
func (s *Scope) issues(found *cel.Issues) []Issue {
	var issues []Issue
	for _, e := range found.Errors() {
		message, hint := s.explain(e.Message)
		issues = append(issues, Issue{Line: max(e.Location.Line(), 1), Column: max(e.Location.Column(), 0) + 1, Message: message, Hint: hint})
	}
	return issues
}

func (s *Scope) explain(message string) (text, hint string) {
	if m := undeclared.FindStringSubmatch(message); m != nil {
		known := slices.Concat(slices.Collect(maps.Keys(s.variables)), s.functionNames())
		if hint = didYouMean(m[1], known); hint == "" {
			hint = "There are " + strings.Join(slices.Sorted(maps.Keys(s.variables)), ", ") + "."
		}
		return "nothing is called " + shortened(m[1]), hint
	}
	if m := undefined.FindStringSubmatch(message); m != nil {
		return "there is no field " + shortened(m[1]), ""
	}
	if m := noOverload.FindStringSubmatch(message); m != nil {
		name := m[1]
		if op := operator.FindStringSubmatch(name); op != nil {
			name = op[1]
		}
		return strings.TrimPrefix(name, "@") + " does not take " + inWords(m[2]), ""
	}
	return strings.TrimSpace(shortened(strings.ReplaceAll(strings.TrimPrefix(message, "Syntax error: "), "\n", " "))), ""
}

// inWords names types of CEL in the words of the notation.
func inWords(text string) string {
	return strings.NewReplacer(
		"google.protobuf.Timestamp", "datetime", "google.protobuf.Duration", "duration", "timestamp", "datetime",
		"string", "text", "bool", "boolean", "double", "number", "int", "integer", "map(", "object(", "dyn", "any",
	).Replace(text)
}

// didYouMean returns a hint with the name that is nearest, if one is near.
func didYouMean(given string, names []string) string {
	if near := Nearest(given, names); near != "" {
		return "Did you mean " + near + "?"
	}
	return ""
}

// Nearest returns the name that was probably meant, or none: the one with the
// fewest letters to change, at most a third of them.
func Nearest(given string, names []string) string {
	best, least := "", len([]rune(given))/3+1
	for _, name := range slices.Sorted(slices.Values(names)) {
		if d := distance(strings.ToLower(given), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, replace or swap (Damerau and
// Levenshtein, adjacent swaps only).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x) > 64 || len(y) > 64 {
		return 64
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}
