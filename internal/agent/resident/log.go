package resident

import (
	"fmt"
	"io"
	"log/slog"

	"vedette.dev/vedette/internal/agent/logfile"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/performance"
)

// Destinations of the log.
const (
	logToFile   = "file"
	logToStderr = "stderr"
)

// newLog returns the log in the name of a logger, and what is to be closed after it.
func newLog(o *options, sys System, logger string, level slog.Leveler) (*slog.Logger, io.Closer, error) {
	if o.logDestination == logToStderr || o.logDestination == "" && o.logFileDir == "" {
		handler := slog.NewTextHandler(sys.Stderr, &slog.HandlerOptions{Level: level})
		return slog.New(handler), io.NopCloser(nil), nil
	}
	dir := o.logFileDir
	if dir == "" {
		dir = defaultLogDir
	}
	file, err := logfile.Open(dir, o.logCompression)
	if err != nil {
		return nil, nil, &session.UsageError{Message: fmt.Sprintf("LogFileDir: %v", err)}
	}
	return slog.New(logfile.NewHandler(file, logger, level)), file, nil
}

// levelNone is above every level that is logged.
const levelNone = slog.LevelError + 100

func slogLevel(l performance.LoggingLevel) slog.Level {
	switch l {
	case performance.LogInfo:
		return slog.LevelInfo
	case performance.LogWarn:
		return slog.LevelWarn
	case performance.LogError:
		return slog.LevelError
	case performance.LogNone:
		return levelNone
	default:
		return slog.LevelDebug
	}
}
