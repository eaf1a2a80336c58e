package playbook

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"vedette.dev/vedette/internal/automation/playbook/expression"
)

// locate returns where the inside of the nth expression of a value begins. It
// looks for the expression in the text of the playbook, because the value has
// lost its quotes, line ends and indentation.
func locate(lines []string, v Value, nth int) Place {
	at := v.Place
	for line := v.node.Line; line >= 1 && line <= len(lines); line++ {
		rest, column := lines[line-1], 1
		if line == v.node.Line {
			skipped := min(v.node.Column-1, utf8.RuneCountInString(rest))
			rest, column = string([]rune(rest)[skipped:]), skipped+1
		}
		for {
			before, after, found := strings.Cut(rest, expression.Open)
			if !found {
				break
			}
			column += utf8.RuneCountInString(before) + len(expression.Open)
			if nth == 0 {
				at.Line, at.Column = line, column
				return at
			}
			nth--
			rest = after
		}
	}
	return at
}

// within returns the place of what is wrong in an expression that begins at a
// place: line and column count within the expression.
func within(lines []string, v Value, start Place, line, column int) Place {
	at := start
	if line == 1 {
		at.Column += column - 1
	} else if v.node.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		at.Line += line - 1
		at.Column = column + indentation(lines, v.node.Line)
	}
	if at.Line > len(lines) || at.Column > utf8.RuneCountInString(lines[at.Line-1])+1 {
		return start // the value was folded: its columns are not those of the text
	}
	return at
}

// indentation is that of a block whose header stands in a line.
func indentation(lines []string, header int) int {
	for _, line := range lines[min(header, len(lines)):] {
		if trimmed := strings.TrimLeft(line, " "); trimmed != "" {
			return len(line) - len(trimmed)
		}
	}
	return 0
}
