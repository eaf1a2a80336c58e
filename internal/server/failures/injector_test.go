package failures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// forms are what an answer may be asked for in.
var forms = map[string]qps.Form{"application/xml": qps.XML, "application/json": qps.JSON}

// protocols runs a test on HTTP/1.1 and on HTTP/2.
func protocols(t *testing.T, test func(t *testing.T, http2 bool)) {
	t.Helper()
	for _, http2 := range []bool{false, true} {
		t.Run(map[bool]string{false: "HTTP1", true: "HTTP2"}[http2], func(t *testing.T) {
			t.Parallel()
			test(t, http2)
		})
	}
}

func TestAnswersOnDemandHaveTheFormThatIsAccepted(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		failure    string
		status     int // on QPS
		code       qps.ResponseCode
		retryAfter string
		automation int // status there
		problem    string
	}{
		{"status=400", 400, qps.CodeInvalidRequest, "", 400, "invalid"},
		{"status=401", 401, qps.CodeInvalidCredentials, "", 401, "unauthenticated"},
		{"status=403", 403, qps.CodeUnauthorized, "", 403, "forbidden"},
		{"status=404", 404, qps.CodeNotFound, "", 404, "not_found"},
		{"status=409", 409, qps.CodeInvalidRequest, "", 409, "conflict"},
		{"status=413", 413, qps.CodeInvalidRequest, "", 413, "too_large"},
		{"status=418", 418, qps.CodeInvalidRequest, "", 418, "invalid"},
		{"status=429", 429, qps.CodeOtherError, "2", 429, "busy"},
		{"status=500", 500, qps.CodeOtherError, "", 500, "internal"},
		{"status=503", 503, qps.CodeOtherError, "2", 503, "busy"},
		{"status=504", 504, qps.CodeOtherError, "", 504, "internal"},
		{"code=INVALID_REQUEST", 200, qps.CodeInvalidRequest, "", 400, "invalid"},
		{"code=NOT_FOUND", 200, qps.CodeNotFound, "", 404, "not_found"},
		{"code=INVALID_CREDENTIALS", 401, qps.CodeInvalidCredentials, "", 401, "unauthenticated"},
		{"code=UNAUTHORIZED", 401, qps.CodeUnauthorized, "", 403, "forbidden"},
		{"code=OTHER_ERROR", 200, qps.CodeOtherError, "", 500, "internal"},
		{"code=INVALID_CREDENTIALS; status=500", 500, qps.CodeInvalidCredentials, "", 500, "unauthenticated"},
		{"rate-limit=30", 409, qps.CodeOtherError, "30", 429, "busy"},
	} {
		t.Run(tc.failure, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, settings{header: true})
			for accept, form := range forms {
				a := p.must(t, request{path: search, accept: accept, failure: tc.failure})
				if a.StatusCode != tc.status || a.Header.Get("Retry-After") != tc.retryAfter || a.Header.Get(Header) != tc.failure {
					t.Errorf("%s: status %d, header %v; want %d, Retry-After %q and the failure", accept, a.StatusCode, a.Header, tc.status, tc.retryAfter)
				}
				response, err := qps.DecodeResponse(strings.NewReader(a.body), form)
				if err != nil || response.Code != tc.code || response.Error.Message == "" || response.Error.Resolution == "" {
					t.Errorf("%s: %+v, %v; want an envelope with %s and both texts\n%s", accept, response, err, tc.code, a.body)
				}
			}
			a := p.must(t, request{method: "GET", path: "/automation/v1/scans", failure: tc.failure})
			if a.StatusCode != tc.automation || !strings.Contains(a.body, `"code":"`+tc.problem+`"`) {
				t.Errorf("automation: status %d, %s; want %d, %s", a.StatusCode, a.body, tc.automation, tc.problem)
			}
			if n := p.reached(); n != 0 {
				t.Errorf("%d requests were handled, want none", n)
			}
		})
	}
}

func TestARateLimitOnDemandHasEveryField(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, settings{header: true})
	a := p.must(t, request{path: search, failure: "rate-limit=30"})
	for name, want := range map[string]string{
		"X-RateLimit-Limit": "300", "X-RateLimit-Window-Sec": "3600", "X-RateLimit-Remaining": "0", "X-RateLimit-ToWait-Sec": "30",
		"X-Concurrency-Limit-Limit": "2", "X-Concurrency-Limit-Running": "0",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(a.body, "This API cannot be run again for another 30 seconds.") {
		t.Errorf("body %s lacks the text clients look for", a.body)
	}
}

func TestDelaysGoBeforeTheEnd(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		failure string
		status  int
		handled int
	}{{"delay=3s", 200, 1}, {"status=503; delay=3s", 503, 0}} {
		t.Run(tc.failure, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, settings{header: true})
			a := p.must(t, request{path: search, failure: tc.failure, body: "<ServiceRequest/>"})
			if a.StatusCode != tc.status || p.reached() != tc.handled || !slices.Equal(p.clock.waited(), []time.Duration{3 * time.Second}) {
				t.Errorf("status %d, %d handled, waits %v; want %d, %d and 3s", a.StatusCode, p.reached(), p.clock.waited(), tc.status, tc.handled)
			}
		})
	}
}

func TestADelayEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		p := newPlatform(t, settings{header: true, http2: http2})
		p.clock.stopped, p.clock.begun, p.ended = true, make(chan struct{}), make(chan struct{}, 1)
		ctx, hangUp := context.WithCancel(t.Context())
		answered := make(chan error)
		go func() {
			_, err := p.send(ctx, t, request{path: search, failure: "delay=5m", body: "<ServiceRequest/>"})
			answered <- err
		}()
		<-p.clock.begun
		hangUp()
		if err := <-answered; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that of the client", err)
		}
		<-p.ended
		if n := len(p.injector.delayed); n != 0 || p.reached() != 0 {
			t.Errorf("%d requests wait and %d were handled, want none", n, p.reached())
		}
	})
}

func TestADelayEndsWithThePlatform(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, settings{header: true})
	p.clock.stopped, p.clock.begun = true, make(chan struct{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error)
	go func() {
		served <- server.New(server.Options{Handler: p.Config.Handler, Log: slog.New(slog.DiscardHandler)}).Serve(ctx, server.Binding{Listener: listener})
	}()
	p.URL = "http://" + listener.Addr().String()
	status := make(chan int)
	go func() {
		a, err := p.send(t.Context(), t, request{path: search, failure: "delay=5m"})
		if err != nil {
			t.Error(err)
			status <- 0
			return
		}
		status <- a.StatusCode
	}()
	<-p.clock.begun
	stop()
	if got := <-status; got != 200 {
		t.Errorf("status %d, want the answer without the rest of the delay", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestMoreDelaysThanAllowedAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, settings{header: true})
	p.clock.stopped, p.clock.begun = true, make(chan struct{}, maxDelayed)
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	for range maxDelayed {
		go func() {
			_, _ = p.send(ctx, t, request{path: search, failure: "delay=5m"})
			ended <- struct{}{}
		}()
		<-p.clock.begun
	}
	a := p.must(t, request{path: search, failure: "delay=1s"})
	if a.StatusCode != 503 || a.Header.Get("Retry-After") == "" || !strings.Contains(a.body, "16 requests are being delayed") {
		t.Errorf("status %d, %s; want 503 with the reason", a.StatusCode, a.body)
	}
	if a := p.must(t, request{path: search}); a.StatusCode != 200 {
		t.Errorf("status %d for a request without a failure, want 200", a.StatusCode)
	}
	hangUp()
	for range maxDelayed {
		<-ended
	}
}

func TestABodyThatIsTooLargeIsRefusedBeforeTheDelay(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, settings{header: true})
	a := p.must(t, request{path: search, failure: "delay=5m", body: strings.Repeat(" ", 2<<10)})
	if a.StatusCode != 413 || len(p.clock.waited()) != 0 {
		t.Errorf("status %d, waits %v; want 413 and none", a.StatusCode, p.clock.waited())
	}
}

func TestATruncatedAnswerHasTheLengthOfTheWhole(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		p := newPlatform(t, settings{header: true, http2: http2})
		for accept := range forms {
			whole := p.must(t, request{path: search, accept: accept})
			for _, keep := range []int{0, 1, 64, len(whole.body) - 1} {
				a := p.must(t, request{path: search, accept: accept, failure: fmt.Sprintf("truncate=%d", keep)})
				if a.StatusCode != 200 || a.ContentLength != int64(len(whole.body)) {
					t.Errorf("%s: status %d, Content-Length %d; want 200 and %d", accept, a.StatusCode, a.ContentLength, len(whole.body))
				}
				if a.body != whole.body[:keep] || !errors.Is(a.err, io.ErrUnexpectedEOF) {
					t.Errorf("%s: %d bytes, error %v; want the first %d and an unexpected end", accept, len(a.body), a.err, keep)
				}
			}
			if a := p.must(t, request{path: search, accept: accept, failure: fmt.Sprintf("truncate=%d", len(whole.body))}); a.err != nil || a.body != whole.body {
				t.Errorf("%s: error %v; want the whole of an answer that is not longer", accept, a.err)
			}
		}
	})
}

func TestADroppedRequestIsNotHandled(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		p := newPlatform(t, settings{header: true, http2: http2})
		if a, err := p.send(t.Context(), t, request{path: search, failure: "drop"}); err == nil {
			t.Errorf("answer %d, want none", a.StatusCode)
		}
		if n := p.reached(); n != 0 {
			t.Errorf("%d requests were handled, want none", n)
		}
		if a := p.must(t, request{path: search}); a.StatusCode != 200 {
			t.Errorf("status %d afterwards, want 200", a.StatusCode)
		}
	})
}

func TestAConnectionBreaksInTheMiddleOfTheAnswer(t *testing.T) {
	t.Parallel()
	protocols(t, func(t *testing.T, http2 bool) {
		p := newPlatform(t, settings{header: true, http2: http2})
		whole := p.must(t, request{path: search})
		a := p.must(t, request{path: search, failure: "drop-after=100"})
		if a.StatusCode != 200 || a.ContentLength != -1 || a.body != whole.body[:100] || a.err == nil {
			t.Errorf("status %d, Content-Length %d, %d bytes, error %v; want 200, none, 100 and an error", a.StatusCode, a.ContentLength, len(a.body), a.err)
		}
		if a := p.must(t, request{path: search, failure: "drop-after=100000"}); a.err != nil || a.body != whole.body {
			t.Errorf("error %v; want the whole of an answer that is not longer", a.err)
		}
		before := p.reached()
		if _, err := p.send(t.Context(), t, request{path: search, failure: "drop-after=0"}); err == nil {
			t.Error("there is an answer, want none")
		}
		if n := p.reached() - before; n != 1 {
			t.Errorf("%d requests were handled, want the one whose answer is lost", n)
		}
	})
}

func TestASlipInTheHeaderIsToldInTheEnvelope(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, settings{header: true})
	for accept, form := range forms {
		a := p.must(t, request{path: search, accept: accept, failure: "stauts=503"})
		response, err := qps.DecodeResponse(strings.NewReader(a.body), form)
		if err != nil || a.StatusCode != 400 || response.Code != qps.CodeInvalidRequest {
			t.Fatalf("status %d, %+v, %v; want 400 and INVALID_REQUEST", a.StatusCode, response, err)
		}
		if !strings.Contains(response.Error.Message, "stauts") || !strings.Contains(response.Error.Resolution, "status=503") {
			t.Errorf("%q, %q; want the slip and what is allowed", response.Error.Message, response.Error.Resolution)
		}
	}
	if a := p.must(t, request{method: "GET", path: "/automation/v1/scans", failure: "stauts=503"}); a.StatusCode != 400 {
		t.Errorf("automation: status %d, want 400", a.StatusCode)
	}
	if n := p.reached(); n != 0 {
		t.Errorf("%d requests were handled, want none", n)
	}
}

func TestOnlyOperatorsMeetFailures(t *testing.T) {
	t.Parallel()
	script := "rules: [{failure: status=503}]"
	for _, tc := range []struct {
		name string
		settings
		request
		status int
	}{
		{"a stranger by header", settings{header: true}, request{path: search, user: "-", failure: "delay=5m"}, 401},
		{"a stranger by script", settings{script: script}, request{path: search, user: "-"}, 401},
		{"a wrong user", settings{header: true}, request{path: search, user: "nobody", failure: "status=503"}, 401},
		{"an agent by header", settings{header: true}, request{path: "/agent/v1/status", failure: "status=503"}, 200},
		{"an agent by script", settings{script: script}, request{path: "/agent/v1/status"}, 200},
		{"a route without a guard", settings{header: true, script: script}, request{method: "GET", path: "/open", failure: "status=503"}, 200},
		{"the header without leave", settings{script: "rules: [{endpoint: count/am/hostasset, failure: drop}]"}, request{path: search, failure: "status=503"}, 200},
		{"an operator by script", settings{script: script}, request{path: search}, 503},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, tc.settings)
			if a := p.must(t, tc.request); a.StatusCode != tc.status {
				t.Errorf("status %d, want %d", a.StatusCode, tc.status)
			}
			if waits := p.clock.waited(); len(waits) != 0 {
				t.Errorf("waits %v, want none", waits)
			}
		})
	}
}

func TestARefusalByTheLimitsIsNoHit(t *testing.T) {
	t.Parallel()
	limits, err := server.NewLimits(server.LimitSettings{Calls: 1}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlatform(t, settings{header: true, limits: limits})
	for _, want := range []int{503, 409} {
		if a := p.must(t, request{path: search, failure: "status=503"}); a.StatusCode != want {
			t.Errorf("status %d, want %d", a.StatusCode, want)
		}
	}
}

func TestAScriptWithARuleForNothingIsRefused(t *testing.T) {
	t.Parallel()
	script, err := ReadScript(strings.NewReader("rules:\n- endpoint: search/am/hostasset\n  failure: drop\n- endpoint: serch/am/hostasset\n  failure: drop\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(false, script, time.After).Wrap((&platform{}).routes(nil))
	if err == nil || !strings.Contains(err.Error(), "rule in line 4: there is no such endpoint") {
		t.Errorf("error %v, want one that names the line", err)
	}
}

func TestAnAnswerInPartsIsCutLikeOne(t *testing.T) {
	t.Parallel()
	p := &partialWriter{keep: 5}
	for _, part := range []string{"abc", "", "def", "ghi"} {
		if n, err := io.WriteString(p, part); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v; want %d", n, err, len(part))
		}
	}
	if string(p.held) != "abcde" || p.total != 9 {
		t.Errorf("held %q of %d bytes, want abcde of 9", p.held, p.total)
	}
}
