package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestEachAddressHasBoundsOfItsOwn(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 4, 1, 12, 0, 0, 0, time.UTC)
	limits, err := NewLimits(LimitSettings{Calls: 2, Window: time.Minute}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	h := Strangers{Limits: limits}.Admit(func(w http.ResponseWriter, _ *http.Request, address string) { _, _ = io.WriteString(w, address) })
	ask := func(from string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/x", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, step := range []struct {
		from   string
		status int
	}{
		{"192.0.2.1:1000", 200}, {"192.0.2.1:1001", 200}, {"192.0.2.1:1002", 429}, {"192.0.2.2:1000", 200},
		{"[2001:db8::1]:1000", 200}, {"[2001:db8::2]:1000", 200}, {"[2001:db8::3]:1000", 429}, {"[2001:db8:1::1]:1000", 200},
	} {
		w := ask(step.from)
		if w.Code != step.status || (w.Code == 429) != (w.Header().Get("Retry-After") == "60") {
			t.Errorf("%s is answered %d with %v, want %d", step.from, w.Code, w.Header(), step.status)
		}
	}
	now = now.Add(time.Minute)
	if w := ask("192.0.2.1:1003"); w.Code != 200 || w.Body.String() != "192.0.2.1" {
		t.Errorf("a minute later it is answered %d %s", w.Code, w.Body)
	}
}

func TestOneAddressDoesNotTakeEveryPlace(t *testing.T) {
	t.Parallel()
	var h http.Handler
	status := func(from string) int {
		r := httptest.NewRequest("POST", "/x", nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	depth, same, other := 0, 0, 0
	h = Strangers{Budget: NewBudget(4)}.Admit(func(http.ResponseWriter, *http.Request, string) {
		if depth++; depth < 3 {
			status("192.0.2.1:1000")
		} else if depth == 3 {
			same, other = status("192.0.2.1:1001"), status("192.0.2.2:1000")
		}
	})
	if first := status("192.0.2.1:1000"); first != 200 || same != 503 || other != 200 {
		t.Errorf("answered %d, beside three of the same address %d, and of another one %d", first, same, other)
	}
}
