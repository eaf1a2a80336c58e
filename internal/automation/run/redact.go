package run

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/automation/connection"
)

// minHidden is the length below which a secret is not looked for: it would be found
// everywhere.
const minHidden = 4

// hidden are the values that no record of a run may have.
func (b *Beginning) hidden() []string {
	values := make([]string, 0, len(b.Secrets)+len(b.Inputs)+len(b.fetched))
	for _, v := range b.Secrets {
		values = append(values, v)
	}
	for _, v := range b.Inputs {
		values = append(values, v)
	}
	for v := range b.fetched {
		values = append(values, v)
	}
	if b.Vault != nil {
		for _, v := range b.Vault.Secrets {
			values = append(values, v)
		}
	}
	users := slices.Collect(maps.Values(b.Connection.Parameters))
	users = slices.AppendSeq(users, maps.Keys(b.fetched))
	for _, v := range slices.Clone(values) {
		for _, user := range users {
			// As HTTP Basic has it.
			values = append(values, base64.StdEncoding.EncodeToString([]byte(user+":"+v)))
		}
	}
	values = slices.DeleteFunc(values, func(v string) bool { return len(v) < minHidden })
	// A longer one may hold a shorter one.
	slices.SortFunc(values, func(a, b string) int { return len(b) - len(a) })
	return values
}

// redact takes secrets out of an outcome, in case a platform repeats them.
func redact(o automation.Outcome, hidden []string) automation.Outcome {
	if len(hidden) == 0 {
		return o
	}
	clean := replacer(hidden)
	for i := range o.Errors {
		e := &o.Errors[i]
		e.Indicator, e.Message, e.Resolution = clean.Replace(e.Indicator), clean.Replace(e.Message), clean.Replace(e.Resolution)
	}
	for i := range o.Notes {
		o.Notes[i] = clean.Replace(o.Notes[i])
	}
	for _, row := range o.Result.Rows {
		for i := range row {
			row[i] = clean.Replace(row[i])
		}
	}
	o.RawData = redactJSON(o.RawData, hidden, clean)
	o.ContextData = redactJSON(o.ContextData, hidden, clean)
	o.Passdown = redactJSON(o.Passdown, hidden, clean)
	return o
}

func replacer(hidden []string) *strings.Replacer {
	pairs := make([]string, 0, 2*len(hidden))
	for _, v := range hidden {
		pairs = append(pairs, v, connection.Kept)
	}
	return strings.NewReplacer(pairs...)
}

// redactText takes secrets out of a document that is kept between two looks.
func redactText(doc json.RawMessage, hidden []string) json.RawMessage {
	if len(hidden) == 0 {
		return doc
	}
	return redactJSON(doc, hidden, replacer(hidden))
}

// redactJSON takes secrets out of the texts of a document. One without any is left
// as it is.
func redactJSON(doc json.RawMessage, hidden []string, clean *strings.Replacer) json.RawMessage {
	if !slices.ContainsFunc(hidden, func(v string) bool { return holds(doc, v) }) {
		return doc
	}
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil // never ours; better nothing than a secret
	}
	redacted, err := json.Marshal(replaceTexts(value, clean))
	if err != nil {
		return nil
	}
	return redacted
}

// holds reports whether a document has a text in one of the ways JSON may write it.
func holds(doc []byte, text string) bool {
	if bytes.Contains(doc, []byte(text)) {
		return true
	}
	var plain bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false)
	escaped, err := json.Marshal(text)
	if err != nil || encoder.Encode(text) != nil {
		return true
	}
	inner := func(quoted []byte) []byte {
		quoted = bytes.TrimSpace(quoted)
		return quoted[1 : len(quoted)-1]
	}
	return bytes.Contains(doc, inner(escaped)) || bytes.Contains(doc, inner(plain.Bytes()))
}

func replaceTexts(value any, clean *strings.Replacer) any {
	switch v := value.(type) {
	case string:
		return clean.Replace(v)
	case []any:
		for i := range v {
			v[i] = replaceTexts(v[i], clean)
		}
	case map[string]any:
		replaced := make(map[string]any, len(v))
		for name, inner := range v {
			replaced[clean.Replace(name)] = replaceTexts(inner, clean)
		}
		return replaced
	}
	return value
}
