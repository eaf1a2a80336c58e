package jobs_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/store"
)

func TestPausesDoubleUpToFiveMinutes(t *testing.T) {
	t.Parallel()
	want := []time.Duration{4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 128 * time.Second, 256 * time.Second, 5 * time.Minute, 5 * time.Minute}
	for i, pause := range want {
		if got := jobs.PauseAfter(i + 1); got != pause {
			t.Errorf("the pause after attempt %d is %s, want %s", i+1, got, pause)
		}
	}
}

func TestAKindSaysWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	database := setup(t, "sqlite", func(tb testing.TB) string { return filepath.Join(tb.TempDir(), "vedette.db") }).database
	good := kindOf(func(context.Context, int64) error { return nil })
	for _, tt := range []struct {
		name   string
		change func(k *jobs.Kind)
		want   string
	}{
		{"no name", func(k *jobs.Kind) { k.Name = "" }, `job kind ""`},
		{"capitals", func(k *jobs.Kind) { k.Name = "Sync" }, `job kind "Sync": a name is`},
		{"no workers", func(k *jobs.Kind) { k.Workers = 0 }, "0 workers are not allowed, 1 to 100 are"},
		{"too many workers", func(k *jobs.Kind) { k.Workers = 101 }, "101 workers are not allowed, 1 to 100 are"},
		{"no timeout", func(k *jobs.Kind) { k.Timeout = 0 }, "a timeout of 0s is not allowed"},
		{"negative look", func(k *jobs.Kind) { k.Look = -1 }, "a look every -1ns is not allowed"},
		{"no handler", func(k *jobs.Kind) { k.Run = nil }, "has no handler"},
	} {
		t.Run(strings.ReplaceAll(tt.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			k := good
			tt.change(&k)
			_, err := jobs.New(database, []jobs.Kind{k}, jobs.Options{Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
	_, err := jobs.New(database, []jobs.Kind{good, good}, jobs.Options{Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "sync is there twice") {
		t.Errorf("error = %v, want that a kind is there twice", err)
	}
	_, err = jobs.New(database, []jobs.Kind{good}, jobs.Options{Log: slog.New(slog.DiscardHandler), Elsewhere: []string{kind}})
	if err == nil || !strings.Contains(err.Error(), "sync is done here and elsewhere") {
		t.Errorf("error = %v, want that a kind is done here and elsewhere", err)
	}
}

func TestAnEngineWithoutKindsDoesNotStart(t *testing.T) {
	t.Parallel()
	b := setup(t, "sqlite", func(tb testing.TB) string { return filepath.Join(tb.TempDir(), "vedette.db") })
	b.engineOf(t, b.options()).Run(t.Context())
	if n := b.count(t, "1 = 1"); n != 0 {
		t.Errorf("there are %d jobs", n)
	}
	err := b.InTx(t.Context(), func(tx *store.Tx) error { return tx.Enqueue(t.Context(), kind, 1) })
	if err == nil || !strings.Contains(err.Error(), `no job kind "sync"`) {
		t.Errorf("error = %v, want that there is no such kind", err)
	}
}
