package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
)

// kind is how objects of one kind are shown.
type kind[R qps.Record] struct {
	what     string // such an object, in errors
	schema   string
	keyField string
	id       func(R) int64
	columns  []string
	times    []string // columns with times
	row      func(R) []string
	record   func(R) any // as context data
}

// outcome shows objects that were found, made or changed.
func (k kind[R]) outcome(found ...R) automation.Outcome {
	out := automation.Outcome{
		State:     automation.Successful,
		Result:    automation.Table{Columns: k.columns, TimeColumns: k.times, Rows: make([][]string, len(found))},
		KeyFields: map[string][]int64{k.keyField: make([]int64, len(found))},
	}
	records, context := make([]qps.Record, len(found)), make([]any, len(found))
	for i, object := range found {
		out.Result.Rows[i], context[i] = k.row(object), k.record(object)
		out.KeyFields[k.keyField][i], records[i] = k.id(object), object
	}
	out.RawData = qps.AppendRawData(nil, qps.NewResult(k.schema, records...))
	text, err := json.Marshal(context)
	if err != nil {
		out.Notes = append(out.Notes, "The context data cannot be shown: "+err.Error())
	}
	out.ContextData = text
	return out
}

// changed shows an object after a change. That it cannot be read does not undo the
// change.
func (k kind[R]) changed(id int64, read func() (R, error)) automation.Outcome {
	object, err := read()
	if err == nil {
		return k.outcome(object)
	}
	out := k.gone(id, "changed")
	out.Notes = append(out.Notes, fmt.Sprintf("The change was made; how the %s is now could not be read: %v.", k.what, err))
	return out
}

// gone shows what was done to an object that there is no more to be said of.
func (k kind[R]) gone(id int64, done string) automation.Outcome {
	return automation.Outcome{
		State:       automation.Successful,
		Result:      automation.Table{Columns: []string{"ID", "RESULT"}, Rows: [][]string{{strconv.FormatInt(id, 10), done}}},
		RawData:     qps.AppendRawData(nil, qps.NewCount(k.schema, 1)),
		ContextData: fmt.Appendf(nil, `[{"id":%d,"result":%q}]`, id, done),
		KeyFields:   map[string][]int64{k.keyField: {id}},
	}
}

// named returns the id of the object that a text names by id or by name.
func named[R qps.Record](ctx context.Context, k kind[R], text, list string, search func(context.Context, ...qps.Criterion) ([]R, error)) (int64, error) {
	if id, err := strconv.ParseInt(text, 10, 64); err == nil {
		if id <= 0 {
			return 0, fault.New(fault.Invalid, fmt.Sprintf("The %s %q is neither a name nor a positive integer.", k.what, automation.Echo(text)), "")
		}
		return id, nil
	}
	found, err := search(ctx, qps.Criterion{Field: "name", Operator: qps.OpEquals, Value: text})
	if err != nil {
		return 0, err
	}
	return k.only(text, list, found)
}

// only returns the id of the one object that a name means. list is the command
// that shows which there are.
func (k kind[R]) only(text, list string, found []R) (int64, error) {
	switch len(found) {
	case 0:
		return 0, fault.New(fault.NotFound, fmt.Sprintf("There is no %s %q.", k.what, automation.Echo(text)), list)
	case 1:
		return k.id(found[0]), nil
	}
	ids := make([]string, len(found))
	for i, object := range found {
		ids[i] = strconv.FormatInt(k.id(object), 10)
	}
	return 0, fault.New(fault.Conflict, fmt.Sprintf("The name %q is that of several: %s %s.", automation.Echo(text), k.what, strings.Join(ids, ", ")), "Use the ID.")
}

// nothingToChange is the error of an update that names nothing.
func nothingToChange() error {
	return fault.New(fault.Invalid, "There is nothing to change.", "Give at least one input beside the one that names the object.")
}

// optional returns a pointer to a value that was given, nil otherwise.
func optional[T any](v Values, name string) *T {
	value, given := v[name].(T)
	if !given {
		return nil
	}
	return &value
}

// said reports whether any input but these was given.
func said(v Values, but ...string) bool {
	for name := range v {
		given := true
		for _, other := range but {
			given = given && name != other
		}
		if given {
			return true
		}
	}
	return false
}

func tagNames(tags []qps.TagSimple) []string {
	names := make([]string, len(tags))
	for i, tag := range tags {
		if names[i] = tag.Name; tag.Name == "" {
			names[i] = strconv.FormatInt(tag.ID, 10)
		}
	}
	return names
}

func isTrue(value *bool) bool { return value != nil && *value }
