package expression

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Values are what the variables of a scope stand for: nil, bool, int64, float64,
// string, time.Time, time.Duration, []any and map[string]any, and nothing else at
// any depth. Evaluation reads them and never changes them.
type Values map[string]any

// Decode reads JSON into values. Whole numbers become int64, so that ids of 64
// bits stay what they are.
func Decode(content []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more than one JSON value")
	}
	return numbers(value)
}

// numbers replaces the numbers of a decoded value in place.
func numbers(value any) (any, error) {
	var err error
	switch v := value.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(string(v), 10, 64); err == nil {
			return i, nil
		}
		return v.Float64()
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// native returns the Go form of a value of CEL. What came in as Go is returned
// as it is, not copied.
func native(v ref.Val) (any, error) {
	switch v := v.(type) {
	case types.Null:
		return nil, nil
	case types.Bool:
		return bool(v), nil
	case types.Int:
		return int64(v), nil
	case types.Uint:
		if v > math.MaxInt64 {
			return nil, fmt.Errorf("%d is too large for an integer", uint64(v))
		}
		return int64(v), nil
	case types.Double:
		return float64(v), nil
	case types.String:
		return string(v), nil
	case types.Timestamp:
		return v.UTC(), nil
	case types.Duration:
		return v.Duration, nil
	case traits.Lister:
		if list, ok := v.Value().([]any); ok {
			return list, nil
		}
		list := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			item, err := native(it.Next())
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		return list, nil
	case traits.Mapper:
		return nativeMap(v)
	}
	return nil, fmt.Errorf("a value of the type %s has no use in a playbook", v.Type().TypeName())
}

func nativeMap(v traits.Mapper) (any, error) {
	if m, ok := v.Value().(map[string]any); ok {
		return m, nil
	}
	m := map[string]any{}
	for it := v.Iterator(); it.HasNext() == types.True; {
		key := it.Next()
		name, ok := key.(types.String)
		if !ok {
			return nil, errors.New("the keys of an object must be texts")
		}
		item, err := native(v.Get(key))
		if err != nil {
			return nil, err
		}
		m[string(name)] = item
	}
	return m, nil
}

// own returns a copy of a value that shares nothing with it. left counts the
// bytes that remain of MaxResultBytes, as JSON has them, more or less.
func own(value any, left *int) (any, error) {
	*left -= 4
	if text, ok := value.(string); ok {
		*left -= len(text)
	}
	if *left < 0 {
		return nil, fmt.Errorf("the result has more than %d bytes", MaxResultBytes)
	}
	switch v := value.(type) {
	case nil, bool, int64, string, time.Time, time.Duration:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errors.New("the result has a number that is not finite")
		}
		return v, nil
	case []any:
		list := make([]any, len(v))
		for i := range v {
			item, err := own(v[i], left)
			if err != nil {
				return nil, err
			}
			list[i] = item
		}
		return list, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for name := range v {
			*left -= len(name)
			item, err := own(v[name], left)
			if err != nil {
				return nil, err
			}
			m[name] = item
		}
		return m, nil
	}
	return nil, fmt.Errorf("a value of the Go type %T is none of a playbook", value)
}

// InText returns a value as it stands within a text: times in RFC 3339, durations
// such as 1h30m0s, lists and objects as JSON, nothing for null.
func InText(value any) (string, error) {
	switch v := plain(value).(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		content, err := Encode(v)
		return string(content), err
	}
}

// Encode returns a value as JSON, with times and durations as texts. Decode reads
// it, and Type.Take makes times and durations of the texts again.
func Encode(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // texts go into messages and requests, not into pages
	if err := encoder.Encode(plain(value)); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// plain returns a value without times and durations.
func plain(value any) any {
	switch v := value.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case time.Duration:
		return v.String()
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for name := range v {
			m[name] = plain(v[name])
		}
		return m
	}
	return value
}
