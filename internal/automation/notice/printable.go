package notice

import (
	"net/url"
	"reflect"
	"strings"
	"time"
	"unicode"
)

// Limits in characters. What is longer is cut, with an ellipsis.
const (
	subjectLimit = 200
	valueLimit   = 500 // of one text of an event
	linkLimit    = 2000
)

// Line makes one printable line of a text: line breaks, tabs and control
// characters become spaces, runs of spaces one; characters that show nothing, or
// turn the direction of writing around, are left out. What is longer than limit, in
// characters, is cut and ends with an ellipsis.
func Line(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return ' '
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if letters := []rune(text); len(letters) > limit {
		return strings.TrimSpace(string(letters[:limit-1])) + "…"
	}
	return text
}

// usable returns a link that a reader can follow, and nothing for another.
func usable(link Link) Link {
	text := string(link)
	parsed, err := url.Parse(text)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" ||
		len(text) > linkLimit || text != Line(text, linkLimit) || strings.Contains(text, " ") {
		return ""
	}
	return link
}

// printable returns a copy of an event in which every text is one printable
// line, whoever wrote it.
func printable(event Event) Event {
	clean := reflect.New(reflect.TypeOf(event)).Elem()
	clean.Set(reflect.ValueOf(event))
	scrub(clean)
	return clean.Interface().(Event)
}

func scrub(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if link, ok := v.Interface().(Link); ok {
			v.SetString(string(usable(link)))
			return
		}
		v.SetString(Line(v.String(), valueLimit))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			scrub(v.Field(i))
		}
	case reflect.Slice:
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		for i := range v.Len() {
			scrub(v.Index(i))
		}
	}
}
