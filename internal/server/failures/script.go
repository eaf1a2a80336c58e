package failures

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/server"
)

// Bounds of a script.
const (
	MaxScriptBytes = 64 << 10
	MaxRules       = 100
	maxHits        = 1_000_000 // what first, every and after may be
)

// Script is a list of rules. It counts in memory, from 1 with every start of the
// platform. It is safe for concurrent use.
type Script struct {
	mu    sync.Mutex
	rules []*rule
}

// rule says which requests fail, and how.
type rule struct {
	line     int
	endpoint endpoint
	user     string // empty for every user
	after    int    // hits that are passed over
	every    int    // every so many after these
	first    int    // at most so many of these, 0 for all
	failure  Failure
	hits     int
}

// ReadScript reads a script in YAML:
//
//	rules:
//	  - endpoint: search/am/hostasset
//	    user: scanner        # everybody when left out
//	    after: 2             # the first two pass
//	    every: 3             # then every third fails
//	    first: 6             # of the next six, and then none any more
//	    failure: delay=2s; status=503
//
// Errors are fault.Invalid and name the line.
func ReadScript(r io.Reader) (*Script, error) {
	content, err := io.ReadAll(io.LimitReader(r, MaxScriptBytes+1))
	if err != nil {
		return nil, err
	}
	if len(content) > MaxScriptBytes {
		return nil, badScript(fmt.Sprintf("it is larger than %d bytes", MaxScriptBytes), "Write fewer rules.")
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, badScript(err.Error(), "Write YAML.")
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, badScript("there is more than one document", "Write one list of rules.")
	}
	if len(document.Content) == 0 {
		return nil, badScript("it has no rules", "Write at least one rule below 'rules:'.")
	}
	var top struct {
		Rules yaml.Node `yaml:"rules"`
	}
	if err := decode(document.Content[0], &top, []string{"rules"}); err != nil {
		return nil, err
	}
	return newScript(top.Rules)
}

func newScript(list yaml.Node) (*Script, error) {
	switch {
	case list.Kind != yaml.SequenceNode || len(list.Content) == 0:
		return nil, badScript("it has no rules", "Write at least one rule below 'rules:'.")
	case len(list.Content) > MaxRules:
		return nil, badScript(fmt.Sprintf("it has %d rules", len(list.Content)), fmt.Sprintf("Write at most %d rules.", MaxRules))
	}
	s := &Script{}
	for _, node := range list.Content {
		parsed, err := readRule(node)
		if err != nil {
			return nil, err
		}
		s.rules = append(s.rules, parsed)
	}
	return s, nil
}

func readRule(node *yaml.Node) (*rule, error) {
	var text struct {
		Endpoint, User, Failure string
		First, Every, After     *int
	}
	if err := decode(node, &text, []string{"endpoint", "user", "first", "every", "after", "failure"}); err != nil {
		return nil, err
	}
	r := &rule{line: node.Line, user: text.User, every: 1}
	for _, n := range []struct {
		name  string
		given *int
		to    *int
	}{{"first", text.First, &r.first}, {"every", text.Every, &r.every}, {"after", text.After, &r.after}} {
		if n.given == nil {
			continue
		}
		if *n.given < 1 || *n.given > maxHits {
			return nil, atLine(node, fault.New(fault.Invalid, fmt.Sprintf("%s: invalid value '%d'.", n.name, *n.given),
				fmt.Sprintf("Specify %s as an integer from 1 to %d.", n.name, maxHits)))
		}
		*n.to = *n.given
	}
	var err error
	if r.endpoint, err = parseEndpoint(text.Endpoint); err != nil {
		return nil, atLine(node, err)
	}
	if text.Failure == "" {
		return nil, atLine(node, fault.New(fault.Invalid, "failure is missing.", allowed))
	}
	if r.failure, err = Parse(text.Failure); err != nil {
		return nil, atLine(node, err)
	}
	return r, nil
}

// decode reads a mapping that may have these keys only.
func decode(node *yaml.Node, into any, keys []string) error {
	if node.Kind != yaml.MappingNode {
		return badScript(fmt.Sprintf("line %d is no mapping", node.Line), "Allowed keys: "+strings.Join(keys, ", ")+".")
	}
	for i := 0; i < len(node.Content); i += 2 {
		if key := node.Content[i]; !slices.Contains(keys, key.Value) {
			return badScript(fmt.Sprintf("line %d has the unknown key '%s'", key.Line, server.Echo(key.Value)), "Allowed keys: "+strings.Join(keys, ", ")+".")
		}
	}
	if err := node.Decode(into); err != nil {
		return badScript(strings.Join(strings.Fields(err.Error()), " "), "Write text and integers as in the documentation.")
	}
	return nil
}

func badScript(what, resolution string) error {
	return fault.New(fault.Invalid, "The script of failures cannot be used: "+what+".", resolution)
}

// atLine puts the line of a rule before what is wrong with it.
func atLine(node *yaml.Node, err error) error {
	cause, _ := errors.AsType[*fault.Error](err)
	return badScript(fmt.Sprintf("rule in line %d: %s", node.Line, strings.TrimSuffix(cause.Message, ".")), cause.Resolution)
}

// check refuses a rule for none of the routes.
func (s *Script) check(routes []server.Route) error {
	for _, r := range s.rules {
		if !slices.ContainsFunc(routes, r.endpoint.reaches) {
			return badScript(fmt.Sprintf("rule in line %d: there is no such endpoint", r.line), endpointForms)
		}
	}
	return nil
}

// next counts a request as a hit of every rule it is for, and returns the failure
// of the first of them whose turn it is.
func (s *Script) next(method, path, user string) (f Failure, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.user != "" && r.user != user || !r.endpoint.matches(method, path) {
			continue
		}
		if r.hit() && !found {
			f, found = r.failure, true
		}
	}
	return f, found
}

// hit counts a request and reports whether it is one of those that fail.
func (r *rule) hit() bool {
	r.hits++
	n := r.hits - r.after
	return n > 0 && n%r.every == 0 && (r.first == 0 || n <= r.first)
}
