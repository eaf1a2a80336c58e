package expression

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/theory/jsonpath"
	"github.com/theory/jsonpath/spec"
)

// maxVisited bounds the parts of a value that one call of jsonpath looks at.
const maxVisited = 1_000_000

// visitsPerCost is how many of them cost one: a look is much cheaper than an
// operation of CEL.
const visitsPerCost = 20

// parsePath parses a path of RFC 9535, and refuses what could take longer than
// the value is large.
func parsePath(text string) (*jsonpath.Path, error) {
	path, err := jsonpath.Parse(text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "jsonpath: "))
	}
	descents := 0
	for _, segment := range path.Query().Segments() {
		if segment.IsDescendant() {
			descents++
		}
		for _, selector := range segment.Selectors() {
			if filter, ok := selector.(*spec.FilterSelector); ok && wanders(filter.String()) {
				return nil, errors.New("a filter may look at @ and what is below it by name, without $ and without two dots")
			}
		}
	}
	if descents > 1 {
		return nil, errors.New("a path may descend with two dots once")
	}
	return path, nil
}

// wanders reports whether a filter, in its canonical form, leaves its item or
// searches all of it.
func wanders(filter string) bool {
	var quote rune
	var outside strings.Builder
	escaped := false
	for _, r := range filter {
		switch {
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case quote == 0:
			outside.WriteRune(r)
		case escaped:
			escaped = false
		case r == '\\':
			escaped = true
		case r == quote:
			quote = 0
		}
	}
	return strings.Contains(outside.String(), "$") || strings.Contains(outside.String(), "..")
}

// jsonPath implements jsonpath(value, path).
func jsonPath(value ref.Val, text string) ref.Val {
	path, err := parsePath(text)
	if err != nil {
		return types.NewErr("the path %q is no JSONPath: %v", shortened(text), err)
	}
	root, err := native(value)
	if err != nil {
		return types.NewErr("jsonpath: %v", err)
	}
	s := selection{root: root}
	found := s.query(path)
	if s.visited > maxVisited {
		return types.NewErr("jsonpath looks at more than %d parts of the value: name a narrower path", maxVisited)
	}
	return types.DefaultTypeAdapter.NativeToValue(found)
}

// jsonPathCost is what a call has cost; it selects anew, because a function has
// no way to tell.
func jsonPathCost(args []ref.Val) uint64 {
	text, ok := args[1].(types.String)
	if !ok {
		return 1
	}
	path, err := parsePath(string(text))
	if err != nil {
		return 1
	}
	root, err := native(args[0])
	if err != nil {
		return 1
	}
	s := selection{root: root}
	s.query(path)
	return 1 + uint64(s.visited/visitsPerCost)
}

// selection is one evaluation of a path. The library would do, but for two
// things: it goes over the members of an object in random order, and nothing
// stops it.
type selection struct {
	root    any
	visited int
}

func (s *selection) query(path *jsonpath.Path) []any {
	nodes := []any{s.root}
	for _, segment := range path.Query().Segments() {
		found := []any{}
		for _, node := range nodes {
			found = s.segment(found, segment, node)
		}
		nodes = found
	}
	return nodes
}

func (s *selection) segment(found []any, segment *spec.Segment, node any) []any {
	if s.visited > maxVisited {
		return found
	}
	s.visited++
	for _, selector := range segment.Selectors() {
		switch selector := selector.(type) {
		case spec.WildcardSelector:
			below := children(node)
			s.visited += len(below)
			found = append(found, below...)
		case *spec.FilterSelector:
			for _, child := range children(node) {
				s.visited += 2 + len(children(child))
				if selector.Eval(child, s.root) {
					found = append(found, child)
				}
			}
		default:
			below := selector.Select(node, s.root)
			s.visited += len(below)
			found = append(found, below...)
		}
	}
	if segment.IsDescendant() {
		for _, child := range children(node) {
			found = s.segment(found, segment, child)
		}
	}
	return found
}

// children are the items of a list, or the members of an object by their names.
func children(node any) []any {
	switch node := node.(type) {
	case []any:
		return node
	case map[string]any:
		list := make([]any, 0, len(node))
		for _, name := range slices.Sorted(maps.Keys(node)) {
			list = append(list, node[name])
		}
		return list
	}
	return nil
}

// checkPath is the error of a path that is written in an expression.
func checkPath(text string) error {
	if _, err := parsePath(text); err != nil {
		return fmt.Errorf("%q is no JSONPath: %w", shortened(text), err)
	}
	return nil
}
