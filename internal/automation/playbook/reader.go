package playbook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// reader reads the YAML of a playbook and collects what is wrong with it.
type reader struct {
	lines []string // of the text
	found []Problem
}

func (r *reader) report(at Place, hint, format string, args ...any) {
	if len(r.found) < 4*MaxProblems { // beyond that nobody reads them
		r.found = append(r.found, Problem{at, fmt.Sprintf(format, args...), hint})
	}
}

// load parses one YAML document. It reports nothing or the reason for false.
func (r *reader) load(content []byte) (value, bool) {
	start := Place{1, 1, ""}
	switch {
	case len(content) > MaxFileBytes:
		r.report(start, "Move steps into playbooks of their own, and call them with uses: playbook/NAME.", "the text has %d bytes; there may be %d", len(content), MaxFileBytes)
		return value{}, false
	case !utf8.Valid(content):
		r.report(start, "Save it as UTF-8.", "the text is not UTF-8")
		return value{}, false
	}
	r.lines = strings.Split(string(content), "\n")
	loader, err := yaml.NewLoader(bytes.NewReader(content))
	if err != nil {
		r.report(start, "", "the text cannot be read: %v", err)
		return value{}, false
	}
	var document, another yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF):
		r.report(start, "Begin with kind: Playbook and a name.", "the text is empty")
		return value{}, false
	case err != nil:
		r.syntax(err)
		return value{}, false
	}
	switch err := loader.Load(&another); {
	case err == nil:
		r.report(Place{max(another.Line, 1), max(another.Column, 1), ""}, "Save each playbook by itself.", "a second document begins here")
		return value{}, false
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return value{}, false
	}
	root := &document
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	nodes := 0
	return value{r, root, ""}, r.plain(root, 0, &nodes)
}

// syntax reports what the YAML library says.
func (r *reader) syntax(err error) {
	at, message := Place{1, 1, ""}, err.Error()
	if e, ok := errors.AsType[*yaml.LoadError](err); ok {
		at.Line, at.Column, message = max(e.Mark.Line, 1), max(e.Mark.Column, 1), e.Message
		if e.ContextMsg != "" {
			message = e.ContextMsg + ", " + message
		}
	}
	r.report(at, "Texts that YAML could take for something else need quotes.", "this is no YAML: %s", printable(message))
}

// plain reports what makes more of YAML than a tree of values.
func (r *reader) plain(n *yaml.Node, depth int, nodes *int) bool {
	*nodes++
	at := Place{max(n.Line, 1), max(n.Column, 1), ""}
	switch {
	case depth > maxDepth:
		r.report(at, "", "values are nested more than %d deep", maxDepth)
	case *nodes > maxNodes:
		r.report(at, "Move steps into playbooks of their own.", "there are more than %d values", maxNodes)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.report(at, "Write the value out.", "anchors and aliases are not supported")
	case n.Style&yaml.TaggedStyle != 0:
		r.report(at, "Leave it out.", "tags such as %s are not supported", printable(n.Tag))
	default:
		good := true
		for _, child := range n.Content {
			if !r.plain(child, depth+1, nodes) {
				if *nodes > maxNodes || depth >= maxDepth {
					return false
				}
				good = false
			}
		}
		return good
	}
	return false
}

// value is a value of the text and where it stands.
type value struct {
	r    *reader
	node *yaml.Node
	path string
}

func (v value) place() Place { return Place{max(v.node.Line, 1), max(v.node.Column, 1), v.path} }

func (v value) report(hint, format string, args ...any) { v.r.report(v.place(), hint, format, args...) }

func (v value) null() bool { return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null" }

// shown is the value for a message.
func (v value) shown() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if v.null() {
		return "nothing"
	}
	return quoted(v.node.Value)
}

// object returns the members of a mapping. Unknown and repeated keys are
// reported; keys are what is allowed.
func (v value) object(keys ...string) map[string]value {
	if !v.null() && v.node.Kind != yaml.MappingNode {
		v.report(allowed(keys), "%s is given, and a mapping is expected", v.shown())
		return nil
	}
	members := make(map[string]value, len(v.node.Content)/2)
	for _, m := range v.members() {
		switch name := m.key; {
		case !slices.Contains(keys, name):
			hint := allowed(keys)
			if near := expression.Nearest(name, keys); near != "" {
				hint = "Did you mean " + near + "?"
			}
			v.r.report(m.at, hint, "the key %s is not known", quoted(name))
		default:
			members[name] = m.value
		}
	}
	return members
}

// allowed is the hint that names the keys of a mapping.
func allowed(keys []string) string {
	if len(keys) == 0 {
		return "There are no keys here."
	}
	return "Keys are " + strings.Join(keys, ", ") + "."
}

// member is an entry of a mapping.
type member struct {
	key   string
	at    Place // of the key
	value value
}

// members returns the entries of a mapping in their order, none of nothing.
// Repeated keys and those that are no words are reported.
func (v value) members() []member {
	if v.node.Kind != yaml.MappingNode {
		if !v.null() {
			v.report("Write NAME: value below it.", "%s is given, and a mapping is expected", v.shown())
		}
		return nil
	}
	var list []member
	seen := map[string]bool{}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		key := v.node.Content[i]
		path := join(v.path, key.Value)
		at := Place{max(key.Line, 1), max(key.Column, 1), path}
		switch {
		case key.Kind != yaml.ScalarNode:
			at.Path = v.path
			v.r.report(at, "", "a key must be a word")
		case seen[key.Value]:
			v.r.report(at, "Give it once.", "the key is given twice")
		default:
			seen[key.Value] = true
			list = append(list, member{key.Value, at, value{v.r, v.node.Content[i+1], path}})
		}
	}
	return list
}

// join extends a path by a key.
func join(path, key string) string {
	if path == "" {
		return printable(shorten(key))
	}
	return path + "." + printable(shorten(key))
}

// list returns the items of a list; a single value counts as a list of one where
// single says so.
func (v value) list(most int, single bool) []value {
	if v.node.Kind != yaml.SequenceNode {
		if single && !v.null() {
			return []value{v}
		}
		v.report("Write a list such as [a, b].", "%s is given, and a list is expected", v.shown())
		return nil
	}
	if len(v.node.Content) > most {
		v.report("", "the list has %d items; there may be %d", len(v.node.Content), most)
		return nil
	}
	items := make([]value, len(v.node.Content))
	for i, n := range v.node.Content {
		items[i] = value{v.r, n, fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return items
}

// text returns a text of at most so many characters.
func (v value) text(most int) string {
	if v.node.Kind != yaml.ScalarNode || v.null() {
		v.report("", "%s is given, and a text is expected", v.shown())
		return ""
	}
	if n := utf8.RuneCountInString(v.node.Value); n > most {
		v.report("", "the text has %d characters; there may be %d", n, most)
		return ""
	}
	return v.node.Value
}

// matching returns a text of a form; what says what it is and what it looks like.
func (v value) matching(form *regexp.Regexp, what string) string {
	if v.node.Kind != yaml.ScalarNode || !form.MatchString(v.node.Value) {
		v.report("", "%s is no %s", v.shown(), what)
		return ""
	}
	return v.node.Value
}

// word returns one of some words.
func (v value) word(words ...string) string {
	if v.node.Kind == yaml.ScalarNode && slices.Contains(words, v.node.Value) {
		return v.node.Value
	}
	hint := ""
	if near := expression.Nearest(v.node.Value, words); v.node.Kind == yaml.ScalarNode && near != "" {
		hint = "Did you mean " + near + "?"
	}
	v.report(hint, "%s is given, and one of %s is expected", v.shown(), strings.Join(words, ", "))
	return ""
}

func (v value) boolean() bool {
	if v.node.Kind != yaml.ScalarNode || v.node.ShortTag() != "!!bool" {
		v.report("", "%s is given, and true or false is expected", v.shown())
		return false
	}
	b, _ := strconv.ParseBool(strings.ToLower(v.node.Value))
	return b
}

func (v value) integer(least, most int) int {
	n, err := strconv.Atoi(v.node.Value)
	if v.node.Kind != yaml.ScalarNode || err != nil || n < least || n > most {
		v.report("", "%s is given, and a whole number from %d to %d is expected", v.shown(), least, most)
		return least
	}
	return n
}

// duration returns a duration such as 90s, 10m or 24h.
func (v value) duration(least, most time.Duration) time.Duration {
	d, err := time.ParseDuration(v.node.Value)
	if v.node.Kind != yaml.ScalarNode || err != nil || d < least || d > most {
		v.report("Write it such as 90s, 10m or 24h.", "%s is given, and a duration from %s to %s is expected", v.shown(), short(least), short(most))
		return least
	}
	return d
}

// short writes a duration without parts that are zero.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

const maxEcho = 60 // characters of a value that a message repeats

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxEcho {
		return s
	}
	return string([]rune(s)[:maxEcho]) + "…"
}

func quoted(s string) string { return strconv.Quote(shorten(s)) }

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// hasKey reports whether the value is a mapping with a key.
func (v value) hasKey(key string) bool {
	for i := 0; v.node.Kind == yaml.MappingNode && i < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value == key {
			return true
		}
	}
	return false
}
