package expression

import (
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/decls"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/ext"
)

// nowVariable is what now() stands for. No expression can name it otherwise.
const nowVariable = "@now"

// environment is what all scopes begin with. It takes milliseconds to make, and
// nobody changes it.
var environment = sync.OnceValues(func() (*cel.Env, error) {
	borrowed, err := borrow(
		[]string{"indexOf", "lastIndexOf", "lowerAscii", "upperAscii", "split", "substring", "trim"}, ext.Strings(ext.StringsVersion(3)),
	)
	if err != nil {
		return nil, err
	}
	lists, err := borrow([]string{"slice", "flatten", "sort"}, ext.Lists(ext.ListsVersion(2)))
	if err != nil {
		return nil, err
	}
	return cel.NewEnv(
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserRecursionLimit(maxNesting),
		cel.ParserExpressionSizeLimit(MaxTextBytes),
		cel.ParserErrorRecoveryLimit(4),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegexProgram),
		cel.ASTValidators(
			cel.ValidateComprehensionNestingLimit(maxComprehensions),
			cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals(),
		),
		cel.FunctionDecls(append(borrowed, lists...)...),
		ext.Math(),
		cel.Variable(nowVariable, cel.TimestampType),
		cel.Macros(cel.GlobalMacro("now", 0, func(f cel.MacroExprFactory, _ ast.Expr, _ []ast.Expr) (ast.Expr, *cel.Error) {
			return f.NewIdent(nowVariable), nil
		})),
		ownFunctions(),
	)
})

// borrow takes functions out of a library: those whose work is bounded by what
// they are given.
func borrow(names []string, library cel.EnvOption) ([]*decls.FunctionDecl, error) {
	lender, err := cel.NewCustomEnv(library)
	if err != nil {
		return nil, err
	}
	var functions []*decls.FunctionDecl
	for _, name := range names {
		f, ok := lender.Functions()[name]
		if !ok {
			return nil, fmt.Errorf("the library of CEL has no function %s", name)
		}
		functions = append(functions, f)
	}
	return functions, nil
}

// costs counts what functions handle that the standard of CEL knows nothing of,
// and what comparisons of lists and objects do, of which it counts the surface.
type costs struct{}

// CallCost implements interpreter.ActualCostEstimator.
func (costs) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	var cost uint64
	switch function {
	case "indexOf", "lastIndexOf", "lowerAscii", "upperAscii", "split", "substring", "trim", "slice", "flatten", "replace", "join", "distinct":
		cost = 1 + handled(result)
		for _, a := range args {
			cost += handled(a)
		}
	case "sort":
		cost = 1 + 4*handled(args[0])
	case "jsonpath":
		cost = jsonPathCost(args)
	case operators.Equals, operators.NotEquals:
		if !aggregate(args[0]) || !aggregate(args[1]) {
			return nil
		}
		cost = 1 + uint64(min(weight(args[0], maxVisited), weight(args[1], maxVisited)))/visitsPerCost
	case operators.In:
		if !aggregate(args[0]) {
			return nil
		}
		cost = 1 + handled(args[1])*(1+uint64(weight(args[0], maxVisited))/visitsPerCost)
	default:
		return nil // as the standard has it
	}
	return &cost
}

// handled is the cost of going over a value once.
func handled(v ref.Val) uint64 {
	sizer, ok := v.(traits.Sizer)
	if !ok {
		return 0
	}
	size, ok := sizer.Size().(types.Int)
	if !ok {
		return 0
	}
	if v.Type() == types.StringType {
		return uint64(size+9) / 10
	}
	return uint64(size)
}

// aggregate reports whether a value is made of others.
func aggregate(v ref.Val) bool {
	switch v.(type) {
	case traits.Lister, traits.Mapper:
		return true
	}
	return false
}

// weight counts the parts of a value at all depths, until there are enough.
func weight(value any, enough int) int {
	count := 1
	add := func(v any) bool {
		count += weight(v, enough-count)
		return count < enough
	}
	switch v := value.(type) {
	case []any:
		for i := 0; i < len(v) && add(v[i]); i++ {
		}
	case map[string]any:
		for _, item := range v {
			if !add(item) {
				break
			}
		}
	case []ref.Val:
		for i := 0; i < len(v) && add(v[i]); i++ {
		}
	case map[ref.Val]ref.Val:
		for _, item := range v {
			if !add(item) {
				break
			}
		}
	case ref.Val:
		if aggregate(v) {
			return weight(v.Value(), enough)
		}
	}
	return count
}
