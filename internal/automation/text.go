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
