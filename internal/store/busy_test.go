package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/fault"
)

func TestASearchThatFindsNoConnectionInTimeIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Store{searches: make(chan struct{}, 1)}
		end := make(chan struct{})
		go s.bounded(t.Context(), func(context.Context) error { <-end; return nil }) //nolint:errcheck // it holds the connection
		synctest.Wait()
		begun := time.Now()
		err := s.bounded(t.Context(), func(context.Context) error { t.Error("it ran"); return nil })
		if !fault.Is(err, fault.Busy) || time.Since(begun) != searchTimeout || !strings.Contains(err.Error(), "Other searches") {
			t.Errorf("got %v after %s", err, time.Since(begun))
		}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.bounded(impatient, func(context.Context) error { return nil }); !errors.Is(err, context.DeadlineExceeded) || fault.Is(err, fault.Busy) {
			t.Errorf("a caller that gave up itself got %v", err)
		}
		close(end)
		synctest.Wait()
		if err := s.bounded(t.Context(), func(context.Context) error { return nil }); err != nil {
			t.Errorf("with the connection free again: %v", err)
		}
	})
}

func TestASearchIsGivenUpAfterItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &Store{searches: make(chan struct{}, 1)}
		err := s.bounded(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if !fault.Is(err, fault.Busy) || !strings.Contains(err.Error(), "The search took") {
			t.Errorf("got %v", err)
		}
	})
}
