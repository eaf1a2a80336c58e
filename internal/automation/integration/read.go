package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

const (
	// maxTextBytes bounds a text that has no bound of its own: a description, not
	// a document.
	maxTextBytes = 4096

	// maxItems bounds a list that has no bound of its own.
	maxItems = 1000
)

// Read reads a value of the input, from JSON, YAML, an expression or a form, and
// returns it in the Go type of its type; nil when it is empty and so not given.
// The error is a *fault.Error.
func (in Input) Read(raw any, reader TimeReader) (any, error) {
	if raw == nil {
		return nil, nil
	}
	if text, ok := raw.(string); ok && strings.TrimSpace(text) == "" && !(in.Emptiable && in.Type == Text) {
		return nil, nil
	}
	switch in.Type {
	case Text, Secret, URL:
		return in.readText(raw)
	case Integer:
		return in.readInteger(raw)
	case Boolean:
		return in.readBoolean(raw)
	case DateTime:
		return in.readTime(raw, reader)
	case Choice:
		return in.readChoice(raw)
	case IDs:
		return in.readIDs(raw)
	case Texts:
		return in.readTexts(raw)
	case Duration:
		return in.readDuration(raw)
	case Object:
		return in.readObject(raw)
	}
	return nil, fmt.Errorf("input %s: unknown type %q", in.Name, in.Type)
}

// refuse is the error about an input; what goes on after "parameter".
func (in Input) refuse(what, resolution string) error {
	return fault.New(fault.Invalid, in.DisplayName+" parameter "+what+".", resolution)
}

// wrong is the error about a value that is none of the input's type.
func (in Input) wrong(raw any, want string) error {
	return in.refuse(echo(in, raw)+" is not "+want, in.hint())
}

// echo repeats a value as far as a message may.
func echo(in Input, raw any) string {
	if in.Type == Secret {
		return "value"
	}
	if text, ok := raw.(string); ok {
		return strconv.Quote(automation.Echo(text))
	}
	if text, err := json.Marshal(raw); err == nil {
		return automation.Echo(string(text))
	}
	return fmt.Sprintf("value of type %T", raw)
}

func (in Input) hint() string {
	if in.Example == "" {
		return ""
	}
	return "Example: " + in.Example
}

func (in Input) readText(raw any) (any, error) {
	text, ok := scalar(raw)
	if !ok {
		return nil, in.wrong(raw, "a text")
	}
	limit := int64(maxTextBytes)
	if in.Max != nil {
		limit = *in.Max
	}
	if int64(len(text)) > limit {
		return nil, in.refuse(fmt.Sprintf("has %d bytes, at most %d are allowed", len(text), limit), "")
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }) {
		return nil, in.refuse("has control characters, which are not allowed", "")
	}
	return text, nil
}

// scalar returns a value as a person would type it: expressions and YAML give
// numbers where digits are meant as text.
func scalar(raw any) (string, bool) {
	switch v := raw.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	if n, ok := whole(raw); ok {
		return strconv.FormatInt(n, 10), true
	}
	return "", false
}

// whole returns an integer of any form in which JSON, YAML and expressions have
// them. A fraction is none, and so is a number that a float64 cannot hold exactly.
func whole(raw any) (int64, bool) {
	switch v := raw.(type) {
	case int:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint64:
		return int64(v), v <= math.MaxInt64
	case float64:
		const exact = 1 << 53
		return int64(v), v == math.Trunc(v) && math.Abs(v) <= exact
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		return n, err == nil
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n, err == nil
	}
	return 0, false
}

func (in Input) readInteger(raw any) (any, error) {
	n, ok := whole(raw)
	if !ok {
		return nil, in.wrong(raw, "an integer"+in.bounds(""))
	}
	if in.Min != nil && n < *in.Min || in.Max != nil && n > *in.Max {
		return nil, in.refuse(fmt.Sprintf("%d is not allowed, use an integer%s", n, in.bounds("")), "")
	}
	return n, nil
}

// bounds describes Min and Max.
func (in Input) bounds(unit string) string {
	switch {
	case in.Min != nil && in.Max != nil:
		return fmt.Sprintf(" from %d to %d%s", *in.Min, *in.Max, unit)
	case in.Min != nil:
		return fmt.Sprintf(" of at least %d%s", *in.Min, unit)
	case in.Max != nil:
		return fmt.Sprintf(" of at most %d%s", *in.Max, unit)
	}
	return ""
}

func (in Input) readBoolean(raw any) (any, error) {
	switch v := raw.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return nil, in.refuse(echo(in, raw)+" is not allowed, use True or False", "")
}

func (in Input) readTime(raw any, reader TimeReader) (any, error) {
	if t, ok := raw.(time.Time); ok {
		return t.UTC(), nil
	}
	text, ok := raw.(string)
	if !ok {
		return nil, in.wrong(raw, "a time")
	}
	read := func(text string, _ bool) (time.Time, error) { return automation.ParseTime(text) }
	if reader != nil {
		read = reader.ReadTime
	}
	t, err := read(text, in.UTC)
	if err != nil {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("%s parameter: %v.", in.DisplayName, err), "")
	}
	return t.UTC(), nil
}

func (in Input) readChoice(raw any) (any, error) {
	if text, ok := scalar(raw); ok {
		for _, choice := range in.Choices {
			if letters(choice) == letters(text) {
				return choice, nil
			}
		}
	}
	return nil, in.refuse(echo(in, raw)+" is not allowed, use one of: "+strings.Join(in.Choices, ", "), "")
}

// letters is what of a choice has to agree: "Inventory Scan", "inventory scan"
// and "Inventory_Scan" are one.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// items returns the items of a list: a JSON array, or a text that holds one, or
// texts or numbers separated by commas, or a single one.
func items(raw any) ([]any, bool) {
	switch v := raw.(type) {
	case []any:
		return v, true
	case []string:
		return anys(v), true
	case []int64:
		return anys(v), true
	case []int:
		return anys(v), true
	case map[string]any:
		return nil, false
	case string:
		text := strings.TrimSpace(v)
		if strings.HasPrefix(text, "[") {
			decoder := json.NewDecoder(strings.NewReader(text))
			decoder.UseNumber()
			var list []any
			err := decoder.Decode(&list)
			return list, err == nil && !decoder.More()
		}
		var list []any
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		return list, true
	}
	return []any{raw}, true
}

func anys[T any](values []T) []any {
	list := make([]any, len(values))
	for i, v := range values {
		list[i] = v
	}
	return list
}

// counted checks the number of items of a list.
func (in Input) counted(n int) error {
	limit := int64(maxItems)
	if in.Max != nil {
		limit = *in.Max
	}
	if int64(n) > limit {
		return in.refuse(fmt.Sprintf("holds %d items, at most %d are allowed", n, limit), "Do it in several steps.")
	}
	if in.Min != nil && int64(n) < *in.Min {
		return in.refuse(fmt.Sprintf("holds %d items, at least %d are needed", n, *in.Min), "")
	}
	return nil
}

func (in Input) readIDs(raw any) (any, error) {
	list, ok := items(raw)
	if !ok {
		return nil, in.wrong(raw, "a list of IDs")
	}
	if len(list) == 0 && !in.Emptiable {
		return nil, nil
	}
	ids := make([]int64, 0, len(list))
	seen := make(map[int64]bool, len(list))
	for _, item := range list {
		id, ok := whole(item)
		if !ok || id <= 0 {
			return nil, fault.New(fault.Invalid, fmt.Sprintf("%s parameter: %s is not a positive integer.", in.DisplayName, echo(in, item)), in.idHint())
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, in.counted(len(ids))
}

// idHint says which ids are meant; agents have two kinds.
func (in Input) idHint() string {
	if strings.HasPrefix(in.DisplayName, "Cloud Agent ID") {
		return "A Cloud Agent ID is the id of the host asset that Search Cloud Agents returns, not the UUID of the agent."
	}
	return in.hint()
}

func (in Input) readTexts(raw any) (any, error) {
	list, ok := items(raw)
	if !ok {
		return nil, in.wrong(raw, "a list of texts")
	}
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := scalar(item)
		switch text = strings.TrimSpace(text); {
		case !ok:
			return nil, in.wrong(item, "a text")
		case len(text) > maxTextBytes:
			return nil, in.refuse(fmt.Sprintf("has an item of %d bytes, at most %d are allowed", len(text), maxTextBytes), "")
		case text != "" && !slices.Contains(texts, text):
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 && !in.Emptiable {
		return nil, nil
	}
	return texts, in.counted(len(texts))
}

func (in Input) readDuration(raw any) (any, error) {
	d, ok := raw.(time.Duration)
	if text, isText := raw.(string); isText {
		var err error
		d, err = time.ParseDuration(strings.TrimSpace(text))
		ok = err == nil
	}
	if !ok {
		return nil, in.wrong(raw, "a duration such as 90s, 30m or 4h")
	}
	seconds := int64(d / time.Second)
	if d < 0 || in.Min != nil && seconds < *in.Min || in.Max != nil && d > time.Duration(*in.Max)*time.Second {
		return nil, in.refuse(fmt.Sprintf("%s is not allowed, use a duration%s", d, in.bounds(" seconds")), in.hint())
	}
	return d, nil
}

func (in Input) readObject(raw any) (any, error) {
	switch v := raw.(type) {
	case map[string]any:
		return v, nil
	case map[string]string:
		object := make(map[string]any, len(v))
		for key, value := range v {
			object[key] = value
		}
		return object, nil
	case string:
		decoder := json.NewDecoder(bytes.NewReader([]byte(v)))
		decoder.UseNumber()
		var object map[string]any
		if err := decoder.Decode(&object); err == nil && object != nil && !decoder.More() {
			return object, nil
		}
	}
	return nil, in.wrong(raw, "a JSON object")
}
