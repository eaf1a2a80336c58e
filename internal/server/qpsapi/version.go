package qpsapi

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"net/http"
	"strconv"

	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/qps"
)

// portalVersion answers with two records; their count is 1 all the same.
func (a *api) portalVersion(*http.Request) (reply, error) {
	v := a.Versions
	response := qps.NewResult(qps.SchemaPortalVersion,
		&qps.PortalVersion{Application: v.Application, Modules: v.Modules},
		&qps.QWebVersion{Web: v.Web, Scanner: v.Scanner, VulnSigs: v.VulnSigs})
	response.Count = 1
	return reply{response: response}, nil
}

// aboutRoute is the classic probe of older clients: they check their
// credentials with it and read two limits from its header, whatever the answer.
func (a *api) aboutRoute(methods []string) server.Route {
	route := a.route(methods, "/msp/about.php", qps.SchemaPortalVersion, nil)
	route.Handler = a.guard().Protect(operationOf(route.Path), http.HandlerFunc(a.about))
	failure := route.WriteFailure
	route.WriteFailure = func(w http.ResponseWriter, r *http.Request, f server.Failure) {
		a.setLimits(w.Header())
		failure(w, r, f)
	}
	return route
}

func (a *api) setLimits(h http.Header) {
	calls := cmp.Or(a.Limits.Calls(), server.NoLimit)
	concurrency := cmp.Or(a.Limits.Concurrency(), a.Budget.Size(), server.NoLimit)
	h.Set("X-RateLimit-Limit", strconv.Itoa(calls))
	h.Set("X-Concurrency-Limit-Limit", strconv.Itoa(concurrency))
}

// about is XML whatever is accepted; the classic API has no other form.
func (a *api) about(w http.ResponseWriter, _ *http.Request) {
	var body bytes.Buffer
	body.WriteString(xml.Header + "<ABOUT>\n")
	for _, e := range []struct{ name, text string }{
		{"WEB-VERSION", a.Versions.Web},
		{"SCANNER-VERSION", a.Versions.Scanner},
		{"VULNSIGS-VERSION", a.Versions.VulnSigs},
	} {
		body.WriteString("  <" + e.name + ">")
		_ = xml.EscapeText(&body, []byte(e.text)) // a Buffer takes everything
		body.WriteString("</" + e.name + ">\n")
	}
	body.WriteString("</ABOUT>\n")
	a.setLimits(w.Header())
	w.Header().Set("Content-Type", qps.XML.ContentType())
	_, _ = w.Write(body.Bytes()) // a client that is gone cannot be told
}
