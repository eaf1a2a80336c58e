package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/fault"
)

// Limits on files.
const (
	// MaxFileBytes bounds a file; a document has a few hundred bytes.
	MaxFileBytes = 1 << 20
	// MaxDocuments bounds the documents of one plan. It is above the tags of the
	// largest subscriptions.
	MaxDocuments = 20_000
	// maxListItems bounds a list of a document, as the API bounds the tags of a key.
	maxListItems = 1000
	// maxTextBytes bounds a text; the longest there is, a rule, has 32 KiB.
	maxTextBytes = 64 << 10
)

// Decode reads the YAML documents of one file; source is its name for people. It
// is strict: unknown keys, keys that are given twice, aliases and values of
// another type are refused as fault.Invalid with their line. Empty documents are
// passed over.
func Decode(source string, content []byte) ([]Document, error) {
	if len(content) > MaxFileBytes {
		return nil, fault.New(fault.TooLarge, fmt.Sprintf("%s: the file has more than %d bytes.", source, MaxFileBytes), "Split it into several files.")
	}
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("<")) {
		return nil, fault.New(fault.Invalid, source+": this is XML, a plan takes YAML.",
			"Give a request of the API to 'vedette tags|keys|profiles create -f' instead.")
	}
	var documents []Document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var root yaml.Node
		err := decoder.Decode(&root)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, notYAML(source, err)
		}
		if len(documents) == MaxDocuments {
			return nil, fault.New(fault.TooLarge, fmt.Sprintf("%s: there are more than %d documents.", source, MaxDocuments), "Split them into several plans.")
		}
		n := &root
		if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
			n = n.Content[0]
		}
		if n.Kind == 0 || (n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null") {
			continue
		}
		d, err := decodeDocument(source, n)
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
}

// yamlLine finds the line in an error of the YAML library.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

func notYAML(source string, err error) error {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if at := yamlLine.FindStringSubmatch(text); at[1] != "" {
		source += ":" + at[1]
	}
	return fault.New(fault.Invalid, fmt.Sprintf("%s: this is no YAML: %s.", source, printable(yamlLine.ReplaceAllString(text, ""))),
		"Mend the file. Texts that YAML could take for something else need quotes.")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// decodeDocument reads one mapping by the fields of its kind.
func decodeDocument(source string, n *yaml.Node) (Document, error) {
	d := Document{Source: fmt.Sprintf("%s:%d", source, n.Line)}
	if n.Kind != yaml.MappingNode {
		return d, d.refuse("Begin each document with kind, and separate them by ---.", "a document is not a mapping")
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == "kind" {
			d.Kind = Kind(n.Content[i+1].Value)
		}
	}
	fields, known := d.fields()
	if !known {
		return d, d.refuse("Use kind: "+kindNames()+".", "kind %s is not known", quote(string(d.Kind)))
	}
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		v := value{document: &d, source: source, key: n.Content[i].Value, node: n.Content[i+1], at: n.Content[i]}
		d.mark(source, v.key, v.node)
		if seen[v.key] {
			return d, v.refuse("Give it once.", "the key is given twice")
		}
		seen[v.key] = true
		if v.key == "kind" {
			continue
		}
		if err := d.refuseSecret(v); err != nil {
			return d, err
		}
		read, ok := fields[v.key]
		if !ok {
			return d, v.refuse("Keys of "+string(d.Kind)+": "+strings.Join(fieldNames(d.Kind), ", ")+".", "the key is not known")
		}
		if err := read(v); err != nil {
			return d, err
		}
	}
	return d, nil
}

func kindNames() string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// value is the value of one key of a document.
type value struct {
	document    *Document  // nil for one that is in none
	source, key string     // the key with those above it, such as parameters.serverUrl
	node, at    *yaml.Node // the value, and the key or the item
}

// name is the key without those above it.
func (v value) name() string { return v.at.Value }

func (v value) refuse(resolution, format string, args ...any) error {
	return fault.New(fault.Invalid, v.place()+": "+fmt.Sprintf(format, args...)+".", resolution)
}

// place is where the value is, and its key.
func (v value) place() string {
	return fmt.Sprintf("%s:%d:%d: %s", v.source, v.at.Line, v.at.Column, printable(shorten(v.key)))
}

func shorten(s string) string {
	if len(s) > maxEcho {
		return strings.ToValidUTF8(s[:maxEcho], "") + "…"
	}
	return s
}

// scalar returns a single value as it is written.
func (v value) scalar() (string, error) { return v.text(maxTextBytes) }

// text returns a single value of at most so many bytes.
func (v value) text(most int) (string, error) {
	switch v.node.Kind {
	case yaml.AliasNode:
		// Documents are flat and anchors end with theirs, so nothing is lost.
		return "", v.refuse("Write the value out.", "aliases are not supported")
	case yaml.ScalarNode:
	default:
		return "", v.refuse("Write one value.", "a single value is expected")
	}
	switch v.node.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
	case "!!null":
		return "", v.refuse(`Give one, leave the key out to keep what is there, or write "" for an empty text.`, "the value is missing")
	default:
		return "", v.refuse("Write a plain value.", "the YAML type %s is not supported", quote(v.node.ShortTag()))
	}
	switch s := v.node.Value; {
	case len(s) > most:
		return "", v.refuse(fmt.Sprintf("Use at most %d bytes.", most), "there are %d bytes", len(s))
	case !carried(s):
		return "", v.refuse("Use printable characters of UTF-8.", "%s has characters that the API cannot carry", quote(s))
	}
	return v.node.Value, nil
}

// items returns the values of a list.
func (v value) items() ([]value, error) {
	if v.node.Kind != yaml.SequenceNode {
		return nil, v.refuse("Write a list such as [a, b], or [] for none.", "a list is expected")
	}
	if len(v.node.Content) > maxListItems {
		return nil, v.refuse(fmt.Sprintf("Use at most %d.", maxListItems), "the list has %d items", len(v.node.Content))
	}
	list := make([]value, len(v.node.Content))
	for i, n := range v.node.Content {
		list[i] = value{v.document, v.source, v.key, n, n}
		v.document.mark(v.source, fmt.Sprintf("%s[%d]", v.key, i), n)
	}
	return list, nil
}

// pairs returns the entries of a mapping.
func (v value) pairs() ([]value, error) {
	if v.node.Kind != yaml.MappingNode {
		return nil, v.refuse("Write KEY: value below it.", "a mapping is expected")
	}
	if len(v.node.Content) > 2*maxListItems {
		return nil, v.refuse(fmt.Sprintf("Use at most %d.", maxListItems), "the mapping has %d keys", len(v.node.Content)/2)
	}
	var list []value
	for i := 0; i < len(v.node.Content); i += 2 {
		pair := value{v.document, v.source, v.key + "." + v.node.Content[i].Value, v.node.Content[i+1], v.node.Content[i]}
		v.document.mark(v.source, pair.key, pair.node)
		list = append(list, pair)
	}
	return list, nil
}
