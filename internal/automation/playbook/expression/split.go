package expression

import "strings"

// Open and Close stand around an expression in a text.
const (
	Open  = "${{"
	Close = "}}"
)

// piece is a stretch of a text: literal, or the inside of an expression.
type piece struct {
	text       string
	expression bool
}

// split takes a text apart. An expression ends at the first }} that is neither
// within a text of CEL nor closes an object of it.
func split(text string) ([]piece, *Issue) {
	var pieces []piece
	rest := text
	for nth := 0; ; nth++ {
		literal, after, found := strings.Cut(rest, Open)
		if literal != "" || (!found && len(pieces) == 0) {
			pieces = append(pieces, piece{literal, false})
		}
		if !found {
			return pieces, nil
		}
		end := closing(after)
		if end < 0 {
			return nil, &Issue{nth, 1, 1, "the expression does not end", "Close it with }}. A literal ${{ is written ${{ '${{' }}."}
		}
		pieces = append(pieces, piece{after[:end], true})
		rest = after[end+len(Close):]
	}
}

// closing returns where the }} is that ends an expression, or -1.
func closing(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				if strings.HasPrefix(s[i:], Close) {
					return i
				}
				continue // a mistake that CEL says better
			}
			depth--
		case '"', '\'':
			i = quoteEnd(s, i)
		case '/':
			if strings.HasPrefix(s[i:], "//") { // a comment, to the end of the line
				line := strings.IndexByte(s[i:], '\n')
				if line < 0 {
					return strings.LastIndex(s, Close)
				}
				i += line
			}
		}
	}
	return -1
}

// quoteEnd returns the place of the last byte of the text of CEL that begins at
// i. It ends with its line unless it has three quotes.
func quoteEnd(s string, i int) int {
	raw := i > 0 && (s[i-1] == 'r' || s[i-1] == 'R')
	quote := s[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(s[i:], triple) {
		quote = triple
	}
	for j := i + len(quote); j < len(s); j++ {
		switch {
		case s[j] == '\\' && !raw:
			j++
		case s[j] == '\n' && len(quote) == 1:
			return j
		case strings.HasPrefix(s[j:], quote):
			return j + len(quote) - 1
		}
	}
	return len(s)
}
