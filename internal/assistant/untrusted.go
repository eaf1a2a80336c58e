package assistant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// maxTextBytes bounds one text of an answer.
const maxTextBytes = 400

// clean encodes a value as JSON for an assistant. Every text in it is one line of
// characters that people see, at most maxTextBytes long: names of hosts and the like
// are what others wrote, and could hold orders to the assistant where nobody sees them.
func clean(v any) ([]byte, error) {
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	tree, err := decode(doc)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // assistants read it as it is
	if err := encoder.Encode(cleanTree(tree)); err != nil {
		return nil, fmt.Errorf("encode an answer: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// decode reads JSON with numbers as they are written.
func decode(doc []byte) (any, error) {
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("read the JSON of an answer: %w", err)
	}
	return tree, nil
}

func cleanTree(tree any) any {
	switch v := tree.(type) {
	case string:
		return cleanText(v)
	case []any:
		for i := range v {
			v[i] = cleanTree(v[i])
		}
	case map[string]any:
		cleaned := make(map[string]any, len(v))
		for name, value := range v {
			cleaned[cleanText(name)] = cleanTree(value)
		}
		return cleaned
	}
	return tree
}

// cleanText makes a text one line that people see as the assistant does. What is not
// printed is U+FFFD: control and format characters, such as those that turn the
// direction of writing, tags (U+E0000 and on), and selectors of variants, in which
// texts can be hidden.
func cleanText(text string) string {
	if len(text) > maxTextBytes {
		text = strings.ToValidUTF8(text[:maxTextBytes], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), unicode.Is(unicode.Variation_Selector, r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// leftOut stands at the end of a list for the rest of it.
type leftOut struct {
	LeftOut int `json:"leftOut"`
}

// pruned returns JSON with at most so many items in each of its lists.
func pruned(tree any, limit int) any {
	switch v := tree.(type) {
	case []any:
		kept := make([]any, 0, min(len(v), limit)+1)
		for _, item := range v[:min(len(v), limit)] {
			kept = append(kept, pruned(item, limit))
		}
		if rest := len(v) - len(kept); rest > 0 {
			kept = append(kept, leftOut{rest})
		}
		return kept
	case map[string]any:
		kept := make(map[string]any, len(v))
		for name, value := range v {
			kept[name] = pruned(value, limit)
		}
		return kept
	}
	return tree
}
