package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAnAgentThatEndsWithThePlatformIsNotMissed has the agent end by itself, as
// with the Ctrl-C of a terminal, which both get: before the platform has seen it,
// nothing is told.
func TestAnAgentThatEndsWithThePlatformIsNotMissed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	var log bytes.Buffer
	c := &agentChild{
		command: []string{"true"}, stateDir: filepath.Join(folder, "agent"), logPath: filepath.Join(folder, "agent.log"),
		log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	ctx, stop := context.WithTimeout(t.Context(), firstRestart/2) // long after "true" has ended
	defer stop()
	c.run(ctx, nil)
	if log.Len() > 0 {
		t.Errorf("it was told: %s", &log)
	}

	ctx, stop = context.WithTimeout(t.Context(), firstRestart+firstRestart/2)
	defer stop()
	c.run(ctx, nil)
	if told := log.String(); strings.Count(told, "started again") != 1 || !strings.Contains(told, `error="it was told to end"`) || !strings.Contains(told, "pause="+time.Second.String()) {
		t.Errorf("of an agent that ended alone was told: %s", told)
	}
}
