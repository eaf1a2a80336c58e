package playbook

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vedette.dev/vedette/internal/fault"
)

// Place is where something stands in the text of a playbook.
type Place struct {
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // in characters, from 1
	Path   string `json:"path"`   // steps[2].with.os; empty for the text as a whole
}

// Problem is one thing that is wrong with a playbook.
type Problem struct {
	Place
	Message string `json:"message"`        // names the value and what is allowed; no full stop
	Hint    string `json:"hint,omitempty"` // the next step; may be empty
}

// String returns the problem on one line: 12:9: steps[2].with.os: ….
func (p Problem) String() string {
	text := fmt.Sprintf("%d:%d: ", p.Line, p.Column)
	if p.Path != "" {
		text += p.Path + ": "
	}
	text += p.Message
	if !strings.HasSuffix(text, "?") {
		text += "."
	}
	if p.Hint != "" {
		text += " " + p.Hint
	}
	return text
}

// Problems is everything that is wrong with a playbook, in the order of the text.
// Nothing more is wrong with what is not mentioned than these keep from being
// seen. Not more than MaxProblems are kept.
type Problems []Problem

// Error returns the problems, one on each line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// Fault returns the problems as an error of the platform, which has them as its
// cause, and nil when there are none.
func (p Problems) Fault() error {
	if len(p) == 0 {
		return nil
	}
	message := p[0].String()
	if len(p) > 1 {
		message += fmt.Sprintf(" (and %d more)", len(p)-1)
	}
	return &fault.Error{Code: fault.Invalid, Message: message, Resolution: "Mend the playbook: docs/playbooks.md has the notation.", Err: p}
}

// inOrder sorts problems by place, and drops repeated and surplus ones. Places
// behind the last line, where YAML notices that something is missing, are put on
// that line.
func inOrder(found []Problem, lines int) Problems {
	if len(found) == 0 {
		return nil
	}
	for i := range found {
		found[i].Line = max(min(found[i].Line, lines), 1)
	}
	slices.SortStableFunc(found, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	found = slices.Compact(found)
	if len(found) > MaxProblems {
		last := found[MaxProblems-1].Place
		last.Path = ""
		found = append(found[:MaxProblems-1:MaxProblems-1], Problem{last, fmt.Sprintf("there are %d more problems", len(found)-MaxProblems+1), "Mend the first ones."})
	}
	return found
}
