package qpsapi_test

import (
	"encoding/xml"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestClassicProbe checks what older clients need of about.php: 200 for good
// credentials only, and two limits that are integers on every answer.
func TestClassicProbe(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		request
		status int
	}{
		{"good credentials", request{path: "/msp/about.php"}, 200},
		{"trailing slash and POST", request{method: "POST", path: "/msp/about.php/"}, 200},
		{"JSON accepted", request{path: "/msp/about.php", accept: "application/json"}, 200},
		{"wrong password", request{path: "/msp/about.php", user: "admin", password: "wrong"}, 401},
		{"no credentials", request{path: "/msp/about.php", user: "-"}, 401},
		{"wrong method", request{method: "PUT", path: "/msp/about.php"}, 405},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newPlatform().do(t, tc.request)
			if w.Code != tc.status {
				t.Fatalf("status %d, want %d", w.Code, tc.status)
			}
			for _, name := range []string{"X-RateLimit-Limit", "X-Concurrency-Limit-Limit"} {
				if n, err := strconv.ParseInt(w.Header().Get(name), 10, 32); err != nil || n < 1 {
					t.Errorf("%s is %q, want a positive integer of 32 bits", name, w.Header().Get(name))
				}
			}
			if tc.status != 200 {
				return
			}
			type about struct {
				XMLName  xml.Name `xml:"ABOUT"`
				Web      string   `xml:"WEB-VERSION"`
				Scanner  string   `xml:"SCANNER-VERSION"`
				VulnSigs string   `xml:"VULNSIGS-VERSION"`
			}
			var got about
			if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			want := about{XMLName: xml.Name{Local: "ABOUT"}, Web: "1.2.3", Scanner: "1.2.3-1", VulnSigs: "2031.4 <beta>"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if got := w.Header().Get("Content-Type"); got != "application/xml" {
				t.Errorf("Content-Type %q", got)
			}
		})
	}
}
