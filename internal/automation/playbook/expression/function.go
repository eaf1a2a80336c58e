package expression

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// ownFunctions are those that CEL does not have, or not with a bound.
func ownFunctions() cel.EnvOption {
	anyList := cel.ListType(cel.TypeParamType("T"))
	options := []cel.EnvOption{
		cel.Function("replace", cel.MemberOverload("text_replace", []*cel.Type{cel.StringType, cel.StringType, cel.StringType}, cel.StringType,
			cel.FunctionBinding(func(args ...ref.Val) ref.Val {
				return replaced(string(args[0].(types.String)), string(args[1].(types.String)), string(args[2].(types.String)))
			}))),
		cel.Function("join",
			cel.MemberOverload("texts_join", []*cel.Type{cel.ListType(cel.StringType)}, cel.StringType,
				cel.UnaryBinding(func(list ref.Val) ref.Val { return joined(list.(traits.Lister), "") })),
			cel.MemberOverload("texts_join_with", []*cel.Type{cel.ListType(cel.StringType), cel.StringType}, cel.StringType,
				cel.BinaryBinding(func(list, separator ref.Val) ref.Val {
					return joined(list.(traits.Lister), string(separator.(types.String)))
				}))),
		cel.Function("distinct", cel.MemberOverload("list_distinct_values", []*cel.Type{anyList}, anyList,
			cel.UnaryBinding(func(list ref.Val) ref.Val { return distinct(list.(traits.Lister)) }))),
		cel.Function("jsonpath", cel.Overload("jsonpath_any_text", []*cel.Type{cel.DynType, cel.StringType}, cel.ListType(cel.DynType),
			cel.BinaryBinding(func(value, path ref.Val) ref.Val { return jsonPath(value, string(path.(types.String))) }))),
	}
	return func(e *cel.Env) (*cel.Env, error) {
		var err error
		for _, option := range options {
			if e, err = option(e); err != nil {
				return nil, err
			}
		}
		return e, nil
	}
}

func replaced(s, old, replacement string) ref.Val {
	count := strings.Count(s, old)
	if len(s)+count*(len(replacement)-len(old)) > MaxResultBytes {
		return types.NewErr("replace makes a text of more than %d bytes", MaxResultBytes)
	}
	return types.String(strings.ReplaceAll(s, old, replacement))
}

func joined(list traits.Lister, separator string) ref.Val {
	var text strings.Builder
	for it := list.Iterator(); it.HasNext() == types.True; {
		item, ok := it.Next().(types.String)
		if !ok {
			return types.NewErr("join takes a list of texts, and one item is none")
		}
		if text.Len()+len(item)+len(separator) > MaxResultBytes {
			return types.NewErr("join makes a text of more than %d bytes", MaxResultBytes)
		}
		text.WriteString(string(item))
		if it.HasNext() == types.True {
			text.WriteString(separator)
		}
	}
	return types.String(text.String())
}

// distinct keeps the first of equal items. It compares numbers, texts and
// booleans alone: for lists and objects it would have to look at each with each.
func distinct(list traits.Lister) ref.Val {
	seen := map[ref.Val]bool{}
	kept := []ref.Val{}
	for it := list.Iterator(); it.HasNext() == types.True; {
		item := it.Next()
		switch item.(type) {
		case types.String, types.Int, types.Uint, types.Double, types.Bool:
		default:
			return types.NewErr("distinct takes a list of texts, numbers or booleans, and one item is none")
		}
		if !seen[item] {
			seen[item] = true
			kept = append(kept, item)
		}
	}
	return types.DefaultTypeAdapter.NativeToValue(slices.Clip(kept))
}

// shortened is a text for a message, with 80 characters at most.
func shortened(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
