package automation

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxEcho bounds how much of an input a message repeats, in bytes.
const maxEcho = 80

// shorten cuts a text that a message repeats.
func shorten(s string) string {
	if len(s) <= maxEcho {
		return s
	}
	return strings.ToValidUTF8(s[:maxEcho], "") + "…"
}

// Echo makes a text of a user fit to be repeated in a message: one printable line of
// at most 80 bytes and, where more was left out, an ellipsis.
func Echo(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, shorten(text))
}

// sentence gives text the full stop that a message ends with, and makes it one
// line.
func sentence(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" || strings.ContainsAny(text[len(text)-1:], ".!?") {
		return text
	}
	return text + "."
}

// upperFirst makes a sentence of the text of a Go error.
func upperFirst(text string) string {
	if text == "" {
		return ""
	}
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:]
}
