package playbook

import (
	"fmt"
	"slices"
	"strings"
)

// IsAssignee reports whether a text names somebody who can be asked: user:NAME,
// group:NAME or role:NAME.
func IsAssignee(text string) bool { return assignee.MatchString(text) }

// Take returns a value as the input has it: of its type, and one of its choices.
// The error is without a full stop.
func (in Input) Take(value any) (any, error) {
	taken, err := in.Type.Expression().Take(value)
	if err != nil {
		return nil, err
	}
	if text, ok := taken.(string); ok && in.Type == TypeChoice && !slices.Contains(in.Choices, text) {
		return nil, fmt.Errorf("%s is given, and one of %s is expected", quoted(text), strings.Join(in.Choices, ", "))
	}
	return taken, nil
}
