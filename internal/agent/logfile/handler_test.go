package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestALineHasThePatternOfThePublicAgents(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := slog.New(NewHandler(&out, "vedette-agent", slog.LevelDebug))
	log.Info("agent started", "version", "2.0.0", "state folder", "/var/lib/a b")
	log.With("agent", 7).WithGroup("scan").Warn("slow", "took", 3)
	log.Debug("woken up")
	log.Error("contact failed", "error", errors.New("answer:\nline two\x1b[0m"))
	log.Error("two\nlines")
	head := fmt.Sprintf(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d{4} \[vedette-agent\]\[%d\]:`, os.Getpid())
	want := []string{
		`\[Info\]:agent started version=2\.0\.0 "state folder"="/var/lib/a b"$`,
		`\[Warn\]:slow agent=7 scan\.took=3$`,
		`\[Verbose\]:woken up$`,
		`\[Error\]:contact failed error="answer:\\nline two\\x1b\[0m"$`,
		`\[Error\]:"two\\nlines"$`,
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), &out)
	}
	for i, line := range lines {
		if !regexp.MustCompile(head + want[i]).MatchString(line) {
			t.Errorf("line is %s, want %s%s", line, head, want[i])
		}
	}
}

func TestTheLevelMayChangeAtAnyTime(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := slog.New(NewHandler(&out, "vedette-agent", level))
	log.Debug("first")
	level.Set(slog.LevelDebug)
	log.Debug("second")
	if strings.Contains(out.String(), "first") || !strings.Contains(out.String(), "second") {
		t.Errorf("log has %q, want the second line alone", &out)
	}
}

func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	log := slog.New(NewHandler(writer, "vedette-agent", slog.LevelInfo))
	done := make(chan []byte, 1)
	go func() {
		doc, _ := io.ReadAll(reader) // ends with the writer
		done <- doc
	}()
	ends := make(chan struct{})
	for i := range 8 {
		go func() {
			for n := range 50 {
				log.Info("text", "goroutine", i, "line", n)
			}
			ends <- struct{}{}
		}()
	}
	for range 8 {
		<-ends
	}
	writer.Close()
	whole := regexp.MustCompile(`\[Info\]:text goroutine=\d line=\d+$`)
	lines := strings.Split(strings.TrimSpace(string(<-done)), "\n")
	for _, line := range lines {
		if !whole.MatchString(line) {
			t.Errorf("line is %q", line)
		}
	}
	if len(lines) != 400 {
		t.Errorf("%d lines, want 400", len(lines))
	}
}
