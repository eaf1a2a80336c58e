package run_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"vedette.dev/vedette/internal/automation/integration"
	"vedette.dev/vedette/internal/automation/run"
)

var errBusy = errors.New("database is busy")

// carrier is a transport without a network.
type carrier func(r *http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// answers is what a platform says.
func answers(text string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(bytes.NewBufferString(text))}
}

func runnerOf(d *desk) *run.Runner {
	return &run.Runner{Work: d, Opener: d, Vaults: d, Rights: d, Journal: d, Now: func() time.Time { return start }, Log: slog.New(slog.DiscardHandler)}
}

func TestWhatARunCameToIsStoredOnceTheDatabaseIsBack(t *testing.T) {
	t.Parallel()
	d := newDesk(t, nil)
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		d.failing = 5
		d.transport = carrier(func(*http.Request) (*http.Response, error) { calls++; return answers(counted), nil })
		if d.carry(t); d.ended == nil || d.ended.State != run.Succeeded || calls != 1 {
			t.Errorf("after %d calls it ended as %+v", calls, d.ended)
		}
		d.failing, d.ended = 1000, nil
		begun := time.Now()
		if _, err := runnerOf(d).Run(t.Context(), 7); !errors.Is(err, errBusy) || d.ended != nil {
			t.Errorf("it returned %v and ended as %+v", err, d.ended)
		}
		if took := time.Since(begun); took > 31*time.Second {
			t.Errorf("it was tried for %s", took)
		}
	})
}

func TestAnAnswerThatComesWithTheStopOfThePlatformIsStored(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"the platform stops": false, "the lease is lost": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			d := newDesk(t, nil)
			d.transport = carrier(func(*http.Request) (*http.Response, error) { defer cancel(); return answers(counted), nil })
			r := runnerOf(d)
			r.Lost = func(of context.Context) bool { return lost && of.Err() != nil }
			if _, err := r.Run(ctx, 7); lost != (err != nil) || lost != (d.ended == nil) {
				t.Errorf("it returned %v and ended as %+v", err, d.ended)
			}
		})
	}
}

// A connection with a pace may hold a call back for half a minute: what it has not let
// go may be called by the next platform, whatever command it is.
func TestARunThatHasSentNothingWhenThePlatformStopsGoesOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	d := newDesk(t, nil)
	d.begin.Run.Command, d.begin.Run.Inputs = "create-activation-key", integration.Values{"title": "lab"}
	d.transport = carrier(func(r *http.Request) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	if again, err := runnerOf(d).Run(ctx, 7); err != nil || again != 0 || d.ended != nil || d.paused == nil || d.paused.State != run.Waiting || !d.paused.Resume.Equal(start) {
		t.Errorf("it returned %v and ended as %+v; it waits as %+v", err, d.ended, d.paused)
	}
}
