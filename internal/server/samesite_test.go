package server_test

import (
	"net/http"
	"testing"

	"vedette.dev/vedette/internal/server"
)

func TestAPageFromElsewhereDoesNothingWithWhatABrowserRemembers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		set    func(*http.Request)
		status int
	}{
		{"a program", header("User-Agent", "soar"), 200},
		{"a page from elsewhere", header("Sec-Fetch-Site", "cross-site"), 403},
		{"a page of another host of the domain", header("Sec-Fetch-Site", "same-site"), 403},
		{"an older browser, a page from elsewhere", header("Origin", "https://evil.example"), 403},
		{"a page without an origin", header("Origin", "null"), 403},
		{"a page of the platform", header("Sec-Fetch-Site", "same-origin"), 200},
		{"an older browser, a page of the platform", header("Origin", "https://example.com"), 200},
		{"somebody at the address bar", header("Sec-Fetch-Site", "none"), 200},
		{"a link elsewhere, which only reads", both(header("Sec-Fetch-Site", "cross-site"), func(r *http.Request) { r.Method = http.MethodGet }), 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			called := false
			w := guarded{
				guard: server.Guard{Journal: &journal{}}, operation: server.Operation{Name: "look"},
				handler: func(http.ResponseWriter, *http.Request) { called = true },
			}.do(both(basic("admin", "right"), tc.set))
			if w.Code != tc.status || called != (tc.status == 200) {
				t.Errorf("status %d, handled %t, want %d: %s", w.Code, called, tc.status, w.Body)
			}
		})
	}
}
