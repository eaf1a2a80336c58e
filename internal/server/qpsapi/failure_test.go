package qpsapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

func criteria(field, operator, value string) string {
	return fmt.Sprintf(`<ServiceRequest><filters><Criteria field="%s" operator="%s">%s</Criteria></filters></ServiceRequest>`, field, operator, value)
}

func preference(name, value string) string {
	return fmt.Sprintf("<ServiceRequest><preferences><%[1]s>%[2]s</%[1]s></preferences></ServiceRequest>", name, value)
}

// TestBadInputIsAnsweredClearly sends what is wrong, hostile or too large, asks
// for both forms, and wants an envelope with both parts of the explanation.
func TestBadInputIsAnsweredClearly(t *testing.T) {
	t.Parallel()
	const get = "/qps/rest/2.0/get/am/hostasset/"
	deep := strings.Repeat("<a>", 10_000) + strings.Repeat("</a>", 10_000)
	for _, tc := range []struct {
		name string
		request
		status int
		code   qps.ResponseCode
		says   string // of message and resolution together
	}{
		{"no credentials", request{path: "/qps/rest/portal/version", user: "-"}, 401, qps.CodeAuthCredentialsNeeded, "Login and password are required Make sure to pass 'user' and 'password' as request headers."},
		{"wrong password", request{path: "/qps/rest/portal/version", user: "admin", password: "wrong"}, 401, qps.CodeInvalidCredentials, "Authentication failed Verify both, user and password credentials."},
		{"unknown user", request{method: "POST", path: searchPath, user: "nobody", password: "right"}, 401, qps.CodeInvalidCredentials, "Authentication failed"},
		{"token instead of a password", request{path: "/qps/rest/portal/version", user: "-", header: map[string]string{"Authorization": "Bearer x"}}, 401, qps.CodeInvalidCredentials, "Authentication failed"},
		{"no permission", request{method: "POST", path: searchPath, user: "visitor", password: "right"}, 401, qps.CodeUnauthorized, "permission"},

		{"cut off XML", request{method: "POST", path: searchPath, body: "<ServiceRequest><filters>"}, 200, qps.CodeInvalidXML, "XML"},
		{"text where XML is announced", request{method: "POST", path: searchPath, contentType: "text/xml", body: "hello"}, 200, qps.CodeInvalidXML, "XML"},
		{"cut off JSON", request{method: "POST", path: searchPath, body: `{"ServiceRequest":`}, 200, qps.CodeInvalidRequest, "JSON"},
		{"document type", request{method: "POST", path: searchPath, body: `<!DOCTYPE ServiceRequest><ServiceRequest/>`}, 200, qps.CodeInvalidXML, "document type"},
		{"external entity", request{method: "POST", path: searchPath, body: `<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>` + criteria("name", "EQUALS", "&x;")}, 200, qps.CodeInvalidXML, "document type"},
		{"undeclared entity", request{method: "POST", path: searchPath, body: criteria("name", "EQUALS", "&x;")}, 200, qps.CodeInvalidXML, "XML"},
		{"second root", request{method: "POST", path: searchPath, body: "<ServiceRequest/><ServiceRequest/>"}, 200, qps.CodeInvalidXML, "second"},
		{"another root", request{method: "POST", path: searchPath, body: "<html/>"}, 200, qps.CodeInvalidXML, "ServiceRequest"},
		{"depth of 10,000 in XML", request{method: "POST", path: searchPath, body: "<ServiceRequest>" + deep + "</ServiceRequest>"}, 200, qps.CodeInvalidXML, strconv.Itoa(qps.MaxDepth)},
		{"depth of 10,000 in JSON", request{method: "POST", path: searchPath, body: `{"ServiceRequest":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_001)}, 200, qps.CodeInvalidRequest, strconv.Itoa(qps.MaxDepth)},
		{"10 MB", request{method: "POST", path: searchPath, body: criteria("name", "EQUALS", strings.Repeat("x", 10<<20))}, 413, qps.CodeInvalidRequest, strconv.Itoa(qps.MaxRequestBytes)},

		{"unknown criterion", request{method: "POST", path: searchPath, body: criteria("color", "EQUALS", "red")}, 200, qps.CodeInvalidRequest, "lastCheckedIn"},
		{"unknown operator", request{method: "POST", path: searchPath, body: criteria("name", "LIKE", "x")}, 200, qps.CodeInvalidRequest, "NOT EQUALS"},
		{"operator of another type", request{method: "POST", path: searchPath, body: criteria("qwebHostId", "CONTAINS", "1")}, 200, qps.CodeInvalidRequest, "qwebHostId"},
		{"text for a number", request{method: "POST", path: searchPath, body: criteria("qwebHostId", "EQUALS", "abc123")}, 200, qps.CodeInvalidRequest, "Criteria: Invalid value format for criteria 'qwebHostId' (abc123). Specify criteria value(s) as Long."},
		{"text for a date", request{method: "POST", path: searchPath, body: criteria("lastCheckedIn", "GREATER", "yesterday")}, 200, qps.CodeInvalidRequest, "YYYY-MM-DD"},
		{"no rows", request{method: "POST", path: searchPath, body: preference("limitResults", "0")}, 200, qps.CodeInvalidRequest, "from 1 to 1000"},
		{"too many rows", request{method: "POST", path: searchPath, body: preference("limitResults", "5000")}, 200, qps.CodeInvalidRequest, "from 1 to 1000"},
		{"offset that is no number", request{method: "POST", path: searchPath, body: preference("startFromOffset", "x")}, 200, qps.CodeInvalidRequest, "startFromOffset"},
		{"count with a wrong criterion", request{method: "POST", path: "/qps/rest/2.0/count/am/hostasset", body: criteria("color", "EQUALS", "red")}, 200, qps.CodeInvalidRequest, "color"},
		{"field path that is none", request{method: "POST", path: searchPath + "?fields=a..b"}, 200, qps.CodeInvalidRequest, "a..b"},

		{"unknown asset", request{path: get + "1"}, 200, qps.CodeNotFound, "1"},
		{"negative asset id", request{path: get + "-1"}, 200, qps.CodeNotFound, "-1"},
		{"asset id that is no number", request{path: get + "abc"}, 200, qps.CodeInvalidRequest, "'abc'"},
		{"asset id beyond 64 bits", request{path: get + "9223372036854775808"}, 200, qps.CodeInvalidRequest, "9223372036854775808"},
		{"scan of an unknown asset", request{method: "POST", path: odsPath + "/1?scan=Inventory_Scan"}, 200, qps.CodeNotFound, "1"},
		{"no scan type", request{method: "POST", path: odsPath + "/7003001"}, 200, qps.CodeInvalidRequest, "Inventory_Scan, Vulnerability_Scan, PolicyCompliance_Scan, UDC_Scan, SCA_Scan, SWCA_Scan"},
		{"wrong scan type", request{method: "POST", path: odsPath + "?scan=Full_Scan"}, 200, qps.CodeInvalidRequest, "'Full_Scan'"},
		{"wrong override", request{method: "POST", path: odsPath + "/7003001?scan=Inventory_Scan&overrideConfigCpu=yes"}, 200, qps.CodeInvalidRequest, "overrideConfigCpu: invalid value 'yes'. Values expected: true, false."},
		{"bulk scan without a body", request{method: "POST", path: odsPath + "?scan=Inventory_Scan"}, 200, qps.CodeInvalidRequest, "at least one criterion"},
		{"bulk scan with empty filters", request{method: "POST", path: odsPath + "?scan=Inventory_Scan", body: "<ServiceRequest><filters/></ServiceRequest>"}, 200, qps.CodeInvalidRequest, "at least one criterion"},
		{"bulk scan by another field", request{method: "POST", path: odsPath + "?scan=Inventory_Scan", body: criteria("os", "CONTAINS", "Rocky")}, 200, qps.CodeInvalidRequest, "id, name, tagName"},

		{"version of another object", request{method: "POST", path: "/qps/rest/2.0/ods/ca/agentasset/7003001?scan=Inventory_Scan"}, 200, qps.CodeInvalidAPIVersion, "1.0"},
		{"version nobody has", request{method: "POST", path: "/qps/rest/9.9/search/am/hostasset"}, 200, qps.CodeInvalidAPIVersion, "2.0, 1.0"},
		{"other case of a path", request{method: "POST", path: "/qps/rest/2.0/search/am/HostAsset"}, 404, qps.CodeInvalidURL, "case-sensitive"},
		{"get without an id", request{path: "/qps/rest/2.0/get/am/hostasset"}, 404, qps.CodeInvalidURL, "/get/am/hostasset"},
		{"root of the API", request{path: "/qps/"}, 404, qps.CodeInvalidURL, "/qps"},
		{"search by GET", request{path: searchPath}, 405, qps.CodeOperationNotSupported, "POST"},
		{"scan by GET", request{path: odsPath + "/7003001?scan=Inventory_Scan"}, 405, qps.CodeOperationNotSupported, "POST"},
	} {
		for _, accept := range []string{"application/xml", "application/json"} {
			t.Run(tc.name+" as "+accept, func(t *testing.T) {
				t.Parallel()
				p := newPlatform()
				q := tc.request
				q.accept = accept
				w := p.do(t, q)
				if got := w.Header().Get("Content-Type"); got != accept {
					t.Fatalf("Content-Type %q, want %q", got, accept)
				}
				response := envelope(t, w)
				if w.Code != tc.status || response.Code != tc.code {
					t.Fatalf("status %d with %v, want %d with %s", w.Code, response.Err(0), tc.status, tc.code)
				}
				if response.Error == nil || response.Error.Message == "" || response.Error.Resolution == "" {
					t.Fatalf("explanation %+v lacks a part", response.Error)
				}
				if text := response.Error.Message + " " + response.Error.Resolution; !strings.Contains(text, tc.says) {
					t.Errorf("explanation %q lacks %q", text, tc.says)
				}
				if response.HasCount || response.HasMore != nil || len(response.Records) > 0 {
					t.Errorf("failure carries results: %+v", response)
				}
				if (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
					t.Errorf("status %d with challenge %q", w.Code, w.Header().Get("WWW-Authenticate"))
				}
				if len(p.scans.launched) > 0 {
					t.Errorf("a refused call launched %+v", p.scans.launched)
				}
			})
		}
	}
}

func TestFailuresOfThePlatformGiveNoDetails(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		damage func(*hosts)
	}{
		{"error", func(h *hosts) { h.failure = errors.New("dial database: secret refused") }},
		{"panic", func(h *hosts) { h.panics = true }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform()
			tc.damage(p.hosts)
			w := p.do(t, request{method: "POST", path: searchPath})
			if strings.Contains(w.Body.String(), "secret") {
				t.Error("the answer gives details away")
			}
			response := envelope(t, w)
			const message = "An error occurred during request processing. Please contact your account manager."
			if w.Code != 500 || response.Code != qps.CodeOtherError || response.Error.Message != message {
				t.Errorf("status %d with %v", w.Code, response.Err(0))
			}
			if after := p.do(t, request{path: "/qps/rest/portal/version"}); after.Code != 200 {
				t.Errorf("the next call is answered %d", after.Code)
			}
		})
	}
}

// held are hosts that let one request in and keep it.
type held struct {
	fleet.Hosts
	inside, leave chan struct{}
}

func (h held) CountHosts(context.Context, fleet.Scope, []fleet.Condition) (int64, error) {
	h.inside <- struct{}{}
	<-h.leave
	return 1, nil
}

func TestRequestsBeyondTheBudgetAreToldToWait(t *testing.T) {
	t.Parallel()
	h := held{inside: make(chan struct{}), leave: make(chan struct{})}
	p := newPlatform(func(c *qpsapi.Config) { c.Hosts, c.Budget = h, server.NewBudget(1) })
	done := make(chan int)
	go func() { done <- p.do(t, request{path: "/qps/rest/2.0/count/am/hostasset"}).Code }()
	<-h.inside
	for _, accept := range []string{"application/xml", "application/json"} {
		w := p.do(t, request{method: "POST", path: searchPath, accept: accept})
		response := envelope(t, w)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" || response.Code != qps.CodeOtherError {
			t.Errorf("status %d, Retry-After %q, %v", w.Code, w.Header().Get("Retry-After"), response.Err(0))
		}
	}
	stranger := p.do(t, request{method: "POST", path: searchPath, user: "admin", password: "wrong"})
	if stranger.Code != 401 {
		t.Errorf("a stranger got %d, want no place at all", stranger.Code)
	}
	close(h.leave)
	if code := <-done; code != 200 {
		t.Errorf("the request in progress got %d", code)
	}
}

func TestRefusalsOfTheDomainKeepTheirWords(t *testing.T) {
	t.Parallel()
	p := newPlatform()
	p.hosts.failure = fault.New(fault.Busy, "The database is busy.", "Wait.")
	w := p.do(t, request{path: "/qps/rest/2.0/count/am/hostasset"})
	response := envelope(t, w)
	if w.Code != http.StatusServiceUnavailable || response.Error.Message != "The database is busy." || response.Error.Resolution != "Wait." {
		t.Errorf("status %d with %v", w.Code, response.Err(0))
	}
}
