package notice

import (
	"encoding/json"
	"flag"
	"net/mail"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"vedette.dev/vedette/internal/automation"
	"vedette.dev/vedette/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	since  = time.Date(2025, 1, 22, 7, 55, 0, 0, time.UTC)
	refuse = automation.Error{
		Indicator: "Test Connection failed. Failed to check the connector.", StatusCode: 401, Message: "Authentication failed.",
		Resolution: "Check the user name and password of the connection.",
	}
)

// events returns one of each kind, with every field set.
func events() []Event {
	subject := Subject{Connection: "qualys-prod", Integration: "Qualys Cloud Agent", Site: "Berlin"}
	return []Event{
		HealthCheckFailed{subject, 3, since, refuse, "https://vedette.example.org/connections/7"},
		HealthCheckRecovered{subject, 41, since, since.Add(26*time.Hour + 4*time.Minute), "https://vedette.example.org/connections/7"},
		SchedulePaused{"nightly", "Search Cloud Agents", "qualys-prod", "Berlin", 5, refuse, "https://vedette.example.org/schedules/3"},
		ApprovalAsked{31, "approval", "rescan-stale-windows", 1204, "gate", "Berlin", "Rescan 412 hosts?", []string{"approved", "rejected"}, "schedule nightly", since.Add(4 * time.Hour), "reject", since.Add(time.Hour), "https://vedette.example.org/runs/1204#gate"},
		RunFailed{"rescan-stale-windows", 1204, "scan", "qualys-prod", "Berlin", "schedule nightly", since, since.Add(95 * time.Second), refuse, "https://vedette.example.org/runs/1204#scan"},
		Test{"ada", "https://vedette.example.org/"},
	}
}

func message(t *testing.T, event Event) Message {
	t.Helper()
	m, err := Embedded().Message("msg_1", since, event)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestEveryEventIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for _, event := range events() {
		data, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseEvent(event.Kind(), data)
		if diff := cmp.Diff(event, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

func TestEveryKindReadsAsItsGoldenFile(t *testing.T) {
	t.Parallel()
	seen := make(map[Kind]bool)
	for _, event := range events() {
		seen[event.Kind()] = true
		m := message(t, event)
		got := "Subject: " + m.Subject + "\n\n" + m.Text
		file := filepath.Join("testdata", string(event.Kind())+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", event.Kind(), diff)
		}
	}
	for _, kind := range Kinds() {
		if !seen[kind] {
			t.Errorf("kind %s has no golden file", kind)
		}
	}
}

func TestWhatIsNotKnownLeavesNoGap(t *testing.T) {
	t.Parallel()
	m := message(t, RunFailed{Runs: "Search Cloud Agents", Run: 9, Site: "Berlin", Starter: "ada", Started: since, Ended: since, Error: refuse})
	want := `Search Cloud Agents failed.

Run:        9
Site:       Berlin
Started by: ada
Started:    2025-01-22 07:55 UTC, ended after 0 s

The error:

  Test Connection failed. Failed to check the connector.
  Status Code: 401.
  Message: Authentication failed.
  Check the user name and password of the connection.
`
	if diff := cmp.Diff(want, m.Text); diff != "" || m.Subject != "[Vedette] Search Cloud Agents failed" {
		t.Errorf("subject %q, text (-want +got):\n%s", m.Subject, diff)
	}
	if once := message(t, HealthCheckFailed{Failures: 1}).Subject; !strings.HasSuffix(once, "health check failed once") {
		t.Errorf("subject %q", once)
	}
}

// hostile is what an attacker would call a connection: it tries to end the line,
// to add a header and a body, to hide and to turn letters around.
const hostile = "a\r\nBcc: all@example.org\r\n\r\nSend\u2028me\x00\x1b[31m \u202egnp\u200b.exe \xff now"

// plant sets every text below a value.
func plant(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			plant(v.Field(i), text)
		}
	}
}

func TestNoValueEndsItsLineOrHidesLetters(t *testing.T) {
	t.Parallel()
	for _, event := range events() {
		planted := reflect.New(reflect.TypeOf(event)).Elem()
		planted.Set(reflect.ValueOf(event))
		plant(planted, hostile)
		evil := planted.Interface().(Event)
		m := message(t, evil)
		if strings.ContainsFunc(m.Subject, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%s: subject %q", event.Kind(), m.Subject)
		}
		if strings.ContainsFunc(m.Text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%s: text %q", event.Kind(), m.Text)
		}
		clean, want := strings.Count(m.Text, "\n"), strings.Count(message(t, event).Text, "\n")
		if clean > want {
			t.Errorf("%s: %d lines instead of %d:\n%s", event.Kind(), clean, want, m.Text)
		}
		if reflect.DeepEqual(m.Event, event) || !reflect.DeepEqual(m.Event, evil) {
			t.Errorf("%s: the event of the message is not the one it was made of", event.Kind())
		}
	}
}

func TestLinesAreCutAtWholeCharacters(t *testing.T) {
	t.Parallel()
	for give, want := range map[string]string{
		strings.Repeat("é", 20): strings.Repeat("é", 9) + "…",
		"123456789 more":        "123456789…",
		"ten letter":            "ten letter",
		" \t a \u00a0 b \n ":    "a b",
		"👩\u200d🔬":              "👩🔬",
		"\x01\x02":              "",
	} {
		if got := Line(give, 10); got != want {
			t.Errorf("Line(%q) = %q, want %q", give, got, want)
		}
	}
	long := message(t, Test{By: strings.Repeat("x", 600)})
	if strings.Count(long.Text, "x") != valueLimit-1 {
		t.Errorf("a text of 600 characters shows %d", strings.Count(long.Text, "x"))
	}
	subject := message(t, SchedulePaused{Schedule: strings.Repeat("x", 600)}).Subject
	if len([]rune(subject)) != subjectLimit || !strings.HasSuffix(subject, "…") {
		t.Errorf("subject of %d characters: %q", len([]rune(subject)), subject)
	}
}

func TestOnlyLinksToWebPagesAreShown(t *testing.T) {
	t.Parallel()
	for link, shown := range map[Link]bool{
		"https://vedette.example.org/runs/1?step=2#a": true,
		"http://127.0.0.1:8080/":                      true,
		"javascript:alert(1)":                         false,
		"https:///runs":                               false,
		"/runs/1":                                     false,
		"https://vedette.example.org/ https://evil.example.org/":        false,
		"https://vedette.example.org/\nhttps://evil.example.org/":       false,
		Link("https://vedette.example.org/" + strings.Repeat("a", 2e3)): false,
		"": false,
	} {
		if got := strings.Contains(message(t, Test{"ada", link}).Text, "Platform:"); got != shown {
			t.Errorf("link %q is shown: %v", link, got)
		}
	}
}

func TestAddressesAreTakenInTheirSafeFormOnly(t *testing.T) {
	t.Parallel()
	for give, want := range map[string]string{
		"soc@example.org":                     "soc@example.org",
		"  Soc.Team+x@EXAMPLE.org ":           "Soc.Team+x@EXAMPLE.org",
		"Security <soc@example.org>":          `"Security" <soc@example.org>`,
		`"Doe, J" <j@example.org>`:            `"Doe, J" <j@example.org>`,
		"Jürgen <j@example.org>":              "=?utf-8?q?J=C3=BCrgen?= <j@example.org>",
		"root@localhost":                      "root@localhost",
		"soc@xn--bcher-kva.example":           "soc@xn--bcher-kva.example",
		"=?utf-8?q?a=0D=0ABcc=3A?= <j@x.org>": `"a Bcc:" <j@x.org>`,
	} {
		a, err := ParseAddress(give)
		if err != nil || a.String() != want {
			t.Errorf("ParseAddress(%q) = %s, %v, want %s", give, a, err, want)
			continue
		}
		if _, err := mail.ParseAddress(a.String()); err != nil {
			t.Errorf("%s cannot be read again: %v", a, err)
		}
	}
	for _, give := range []string{
		"", "soc", "@example.org", "soc@", "a@b, c@d", "soc@example.org\r\nBcc: x@y", "soc@example.org\n", `"a b"@example.org`, `"a>"@example.org`,
		"soc@[127.0.0.1]", "soc@-a.org", "soc@a..org", "söc@example.org", "soc@bücher.example", "a@b\x00.org", "<a@b> SIZE=1",
		strings.Repeat("a", 65) + "@example.org", "a@" + strings.Repeat("b.", 130) + "org", "a@" + strings.Repeat("b", 64),
	} {
		if a, err := ParseAddress(give); !fault.Is(err, fault.Invalid) {
			t.Errorf("ParseAddress(%q) = %s, %v", give, a, err)
		}
	}
}

func TestAMessageThatCouldBreakAHeaderIsRefused(t *testing.T) {
	t.Parallel()
	good := Message{ID: "msg_1", Subject: "s", Event: Test{}, Recipients: []Address{{"Soc", "soc@example.org"}}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Message){
		"no id":             func(m *Message) { m.ID = "" },
		"id with a stop":    func(m *Message) { m.ID = "msg.1" },
		"id of two lines":   func(m *Message) { m.ID = "msg\n1" },
		"no subject":        func(m *Message) { m.Subject = "" },
		"subject of lines":  func(m *Message) { m.Subject = "a\r\nBcc: b" },
		"long subject":      func(m *Message) { m.Subject = strings.Repeat("a", 201) },
		"no event":          func(m *Message) { m.Event = nil },
		"mailbox of lines":  func(m *Message) { m.Recipients = []Address{{"", "a@b\r\nDATA"}} },
		"mailbox with args": func(m *Message) { m.Recipients = []Address{{"", "a@b> SIZE=1"}} },
		"name of lines":     func(m *Message) { m.Recipients = []Address{{"a\nb", "a@b"}} },
	} {
		m := good
		spoil(&m)
		if err := m.Check(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTemplatesOfOthersAreReadOrRefusedByName(t *testing.T) {
	t.Parallel()
	files := make(fstest.MapFS)
	for _, kind := range Kinds() {
		files[string(kind)+".tmpl"] = &fstest.MapFile{Data: []byte(`{{define "subject"}}` + string(kind) + `{{end}}{{define "text"}}t{{end}}`)}
	}
	own, err := ParseTemplates(files)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := own.Message("1", since, Test{}); err != nil || m.Subject != "test" || m.Text != "t\n" {
		t.Errorf("%+v, %v", m, err)
	}
	for name, text := range map[string]string{
		"missing text":  `{{define "subject"}}s{{end}}`,
		"broken":        `{{define "subject"}}`,
		"unknown func":  `{{define "subject"}}{{now}}{{end}}{{define "text"}}t{{end}}`,
		"unknown field": `{{define "subject"}}{{.Nobody}}{{end}}{{define "text"}}t{{end}}`,
	} {
		files["test.tmpl"] = &fstest.MapFile{Data: []byte(text)}
		broken, err := ParseTemplates(files)
		if err == nil {
			_, err = broken.Message("1", since, Test{})
		}
		if err == nil || !strings.Contains(err.Error(), "test.tmpl") {
			t.Errorf("%s: %v", name, err)
		}
	}
	delete(files, "run.failed.tmpl")
	if _, err := ParseTemplates(files); err == nil || !strings.Contains(err.Error(), "run.failed.tmpl") {
		t.Errorf("without a file: %v", err)
	}
}
