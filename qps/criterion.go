package qps

import (
	"fmt"
	"slices"
	"strings"
)

// Operator compares a field of an object with the value of a criterion.
// OpGreater and OpLesser are strict.
type Operator string

// The operators. OpIn takes a comma-separated list.
const (
	OpEquals    Operator = "EQUALS"
	OpNotEquals Operator = "NOT EQUALS"
	OpGreater   Operator = "GREATER"
	OpLesser    Operator = "LESSER"
	OpIn        Operator = "IN"
	OpContains  Operator = "CONTAINS"
)

var operators = []Operator{OpEquals, OpNotEquals, OpGreater, OpLesser, OpIn, OpContains}

// Criterion is one condition of a search, a count or a bulk action; several are
// combined with AND. All parts are trimmed and the operator is a known one, but
// whether the object has the field, and whether operator and value suit it, is
// for the server to judge.
type Criterion struct {
	Field    string
	Operator Operator
	Value    string
}

const criteriaElement = "Criteria"

func readCriteria(filters *Node) ([]Criterion, error) {
	if filters == nil {
		return nil, nil
	}
	if text := strings.TrimSpace(filters.Text); text != "" {
		return nil, invalidRequest(
			fmt.Sprintf("Filters: unexpected text '%s'.", shorten(text)), "Use only Criteria elements inside filters.")
	}
	if len(filters.Children) > MaxCriteria {
		return nil, invalidRequest(
			fmt.Sprintf("Filters: there are %d criteria.", len(filters.Children)),
			fmt.Sprintf("Send at most %d criteria; use the IN operator for many values of one field.", MaxCriteria))
	}
	var criteria []Criterion
	for _, n := range filters.Children {
		// Ignoring a misspelled criterion would widen the selection.
		if n.Name != criteriaElement {
			return nil, invalidRequest(
				fmt.Sprintf("Filters: unknown element '%s'.", shorten(n.Name)), "Use only Criteria elements inside filters.")
		}
		c, err := readCriterion(n)
		if err != nil {
			return nil, err
		}
		criteria = append(criteria, c)
	}
	return criteria, nil
}

func readCriterion(n *Node) (Criterion, error) {
	for i, c := range n.Children {
		if slices.ContainsFunc(n.Children[:i], func(o *Node) bool { return o.Name == c.Name }) {
			return Criterion{}, invalidRequest(
				fmt.Sprintf("Criteria: '%s' is given more than once.", shorten(c.Name)),
				"Give each criterion one field, one operator and one value; use the IN operator with a comma-separated value for many.")
		}
	}
	field, _ := n.parameter("field")
	if field = strings.TrimSpace(field); field == "" {
		return Criterion{}, invalidRequest("Criteria: the field is missing.", "Name the field to compare in the field attribute of Criteria.")
	}
	name, _ := n.parameter("operator")
	operator, ok := parseOperator(name)
	if !ok {
		return Criterion{}, invalidRequest(
			fmt.Sprintf("Criteria: unknown operator '%s' for criteria '%s'.", shorten(strings.TrimSpace(name)), shorten(field)),
			"Operators expected: "+operatorList()+".")
	}
	value := n.Text
	if v, found := n.parameter("value"); found {
		value = v
	}
	return Criterion{Field: field, Operator: operator, Value: strings.TrimSpace(value)}, nil
}

// parseOperator accepts any case and any white space between the words.
func parseOperator(s string) (Operator, bool) {
	op := Operator(strings.ToUpper(strings.Join(strings.Fields(s), " ")))
	return op, slices.Contains(operators, op)
}

func operatorList() string {
	names := make([]string, len(operators))
	for i, op := range operators {
		names[i] = string(op)
	}
	return strings.Join(names, ", ")
}
