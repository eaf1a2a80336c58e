package qpsapi_test

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"vedette.dev/vedette/qps"
)

// FuzzSearch sends the search call any body and any header and wants an envelope
// in the form that Accept asks for, whatever comes.
func FuzzSearch(f *testing.F) {
	f.Add(agentsXML, "text/xml", "application/xml", "fields=id,name")
	f.Add(agentsJSON, "application/json", "application/json", "fields=id%2Cname&fields=tags.list.*")
	f.Add(`<!DOCTYPE r [<!ENTITY x "y">]><ServiceRequest>&x;</ServiceRequest>`, "", "*/*", "")
	f.Add("<ServiceRequest/><ServiceRequest/>", "text/xml", "text/html", "=&;")
	f.Add(strings.Repeat("<a>", 100), "", "application/json;q=0", "fields=%zz")
	f.Add(`{"ServiceRequest":{"preferences":{"limitResults":-1,"startFromOffset":1e9}}}`, "x", "application/json", "fields=..")
	f.Add("12345", "application/json", "", "fields=a.b.c.d.e.f")
	p := newPlatform()
	f.Fuzz(func(t *testing.T, body, contentType, accept, query string) {
		r := httptest.NewRequest(http.MethodPost, base+searchPath, strings.NewReader(body))
		r.URL.RawQuery = query
		r.Header["Content-Type"] = []string{contentType}
		r.Header["Accept"] = []string{accept}
		r.SetBasicAuth("admin", "right")
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != http.StatusOK && w.Code != http.StatusRequestEntityTooLarge {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		if want := qps.AcceptForm(accept).ContentType(); w.Header().Get("Content-Type") != want {
			t.Fatalf("Content-Type %q, want %q", w.Header().Get("Content-Type"), want)
		}
		answer, err := readAnswer(w)
		switch {
		case err != nil:
			t.Fatalf("answer is no envelope: %v\n%s", err, w.Body)
		case answer.Code != qps.CodeSuccess && (answer.Error.Message == "" || answer.Error.Resolution == ""):
			t.Fatalf("failure without explanation: %+v", answer)
		case answer.Code == qps.CodeSuccess && answer.Count == nil:
			t.Fatalf("success without count: %+v", answer)
		}
	})
}

// answer is what every envelope has. Records may lack any element under fields.
type answer struct {
	XMLName xml.Name         `xml:"ServiceResponse" json:"-"`
	Code    qps.ResponseCode `xml:"responseCode" json:"responseCode"`
	Count   *int64           `xml:"count" json:"count"`
	Error   struct {
		Message    string `xml:"errorMessage" json:"errorMessage"`
		Resolution string `xml:"errorResolution" json:"errorResolution"`
	} `xml:"responseErrorDetails" json:"responseErrorDetails"`
}

// readAnswer uses the standard library's decoders, so that the answer is judged
// by somebody else than its writer.
func readAnswer(w *httptest.ResponseRecorder) (answer, error) {
	if w.Header().Get("Content-Type") == qps.XML.ContentType() {
		var a answer
		err := xml.Unmarshal(w.Body.Bytes(), &a)
		return a, err
	}
	var whole struct{ ServiceResponse answer }
	err := json.Unmarshal(w.Body.Bytes(), &whole)
	return whole.ServiceResponse, err
}
