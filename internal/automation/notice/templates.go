package notice

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"text/template"
	"time"

	"vedette.dev/vedette/internal/automation"
)

//go:embed templates/*.tmpl
var embedded embed.FS

// Templates makes messages of events.
type Templates struct{ parsed map[Kind]*template.Template }

// Embedded returns the templates that come with the product.
func Embedded() *Templates {
	own, err := fs.Sub(embedded, "templates")
	if err == nil {
		var t *Templates
		if t, err = ParseTemplates(own); err == nil {
			return t
		}
	}
	panic(fmt.Sprintf("the embedded templates of messages: %v", err)) // a test parses them
}

// ParseTemplates reads a template for each kind, from a file of its name and
// ".tmpl", such as run.failed.tmpl. A file defines "subject" and "text" in the
// language of package text/template, with the event as its data and the functions
// of this package: time, span, times and triad. An error names the file.
func ParseTemplates(files fs.FS) (*Templates, error) {
	t := &Templates{parsed: make(map[Kind]*template.Template)}
	for _, kind := range Kinds() {
		name := string(kind) + ".tmpl"
		parsed, err := template.New(name).Option("missingkey=error").Funcs(functions()).ParseFS(files, name)
		if err != nil {
			return nil, fmt.Errorf("template %s: %w", name, err)
		}
		for _, part := range []string{"subject", "text"} {
			if parsed.Lookup(part) == nil {
				return nil, fmt.Errorf("template %s does not define %q", name, part)
			}
		}
		t.parsed[kind] = parsed
	}
	return t, nil
}

// Message makes the message of an event for recipients. The id is that of
// Message, at when the event was. An error is one of the template, or of Check.
func (t *Templates) Message(id string, at time.Time, event Event, recipients ...Address) (Message, error) {
	m := Message{ID: id, Time: at.UTC(), Recipients: recipients, Event: event}
	parsed, ok := t.parsed[event.Kind()]
	if !ok {
		return Message{}, fmt.Errorf("there is no template for events of kind %q", event.Kind())
	}
	shown := printable(event)
	var subject, text strings.Builder
	if err := parsed.ExecuteTemplate(&subject, "subject", shown); err != nil {
		return Message{}, fmt.Errorf("subject of a message: %w", err)
	}
	if err := parsed.ExecuteTemplate(&text, "text", shown); err != nil {
		return Message{}, fmt.Errorf("text of a message: %w", err)
	}
	m.Subject = Line(subject.String(), subjectLimit)
	m.Text = strings.TrimSpace(text.String()) + "\n"
	return m, m.Check()
}

func functions() template.FuncMap {
	return template.FuncMap{"time": shownTime, "span": span, "times": times, "triad": triad}
}

// shownTime writes a time in UTC, to the minute. Readers of a mail have no
// settings of their own.
func shownTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// span writes the time between two times, such as "2 h 5 min".
func span(from, to time.Time) string {
	d := max(to.Sub(from), 0)
	days, hours, minutes := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%d min", minutes)
	}
	return fmt.Sprintf("%d s", int(d.Seconds()))
}

// times writes how often something happened in a row.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}

// triad writes an error as the Error tab has it, each line indented.
func triad(e automation.Error) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(e.Text()), "\n", "\n  ")
}
