package main

import (
	"fmt"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// findNamed returns the id of the object that an argument names by id or by name;
// what is the noun, and list the command that shows which there are.
func findNamed(text, what, list string, search func(qps.Criterion) ([]int64, error)) (int64, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		if id <= 0 {
			return 0, usagef("%s %s: use a name or a positive integer", what, quote(text))
		}
		return id, nil
	}
	if text == "" {
		return 0, usagef("the name of a %s is empty", what)
	}
	ids, err := search(qps.Criterion{Field: "name", Operator: qps.OpEquals, Value: text})
	if err != nil {
		return 0, err
	}
	switch len(ids) {
	case 0:
		return 0, fault.New(fault.NotFound, fmt.Sprintf("There is no %s %s.", what, quote(text)), fmt.Sprintf("'%s' lists the %ss there are.", list, what))
	case 1:
		return ids[0], nil
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return 0, usagef("the %ss %s are called %s: use the ID", what, strings.Join(texts, ", "), quote(text))
}
