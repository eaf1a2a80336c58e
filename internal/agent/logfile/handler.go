package logfile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// timePattern is the host's local time to the millisecond, with its difference to
// UTC: names of zones are not unique.
const timePattern = "2006-01-02 15:04:05.000 -0700"

// Handler is a slog.Handler that writes lines in the pattern of the package. Its
// attributes follow the text as slog.TextHandler writes them. Every record is one
// line, whatever is in it.
type Handler struct {
	logger string
	out    *lines
	attrs  slog.Handler // of everything behind the text
}

// lines is where the lines of a handler and those derived from it are made.
type lines struct {
	mu   sync.Mutex
	attr bytes.Buffer
	to   io.Writer
}

// NewHandler returns a handler that writes one line with each Write of to, for the
// records at level and above, in the name of a logger.
func NewHandler(to io.Writer, logger string, level slog.Leveler) *Handler {
	out := &lines{to: to}
	attrs := slog.NewTextHandler(&out.attr, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutHead})
	return &Handler{logger, out, attrs}
}

// withoutHead leaves out what the pattern has in front.
func withoutHead(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// Enabled reports whether records of a level are written.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attrs.Enabled(ctx, level)
}

// Handle writes a record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.attr.Reset()
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	line := prefix(r.Time, h.logger, levelWord(r.Level)) + oneLine(r.Message)
	if attrs := h.out.attr.String(); attrs != "\n" {
		line += " " + attrs
	} else {
		line += "\n"
	}
	_, err := io.WriteString(h.out.to, line)
	return err
}

// WithAttrs returns a handler whose records have these attributes too.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.logger, h.out, h.attrs.WithAttrs(attrs)}
}

// WithGroup returns a handler whose attributes are in a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.logger, h.out, h.attrs.WithGroup(name)}
}

func prefix(at time.Time, logger, level string) string {
	return fmt.Sprintf("%s [%s][%d]:[%s]:", at.Local().Format(timePattern), logger, os.Getpid(), level)
}

// levelWord is a level in the words of the profile's AGENT_LOGGING_LEVEL.
func levelWord(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "Error"
	case level >= slog.LevelWarn:
		return "Warn"
	case level >= slog.LevelInfo:
		return "Info"
	default:
		return "Verbose"
	}
}

// oneLine quotes a text that would be more than a line, or steer a terminal.
func oneLine(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
