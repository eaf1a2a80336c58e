package server

import (
	"context"
	"io"
	"net/http"
	"time"
)

// healthTimeout is below the probe time-outs of common supervisors (3 s).
const healthTimeout = 2 * time.Second

// HealthRoute returns GET /healthz: 200 "ok" when ready returns nil, else 503.
// It needs no credentials, so it gives no details; ready's error is logged.
func HealthRoute(ready func(context.Context) error) Route {
	return Route{
		Methods: []string{http.MethodGet},
		Path:    "/healthz",
		Timeout: healthTimeout,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			if err := ready(r.Context()); err != nil {
				exchangeOf(r.Context()).err = err
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, "unavailable\n")
				return
			}
			_, _ = io.WriteString(w, "ok\n")
		}),
	}
}
