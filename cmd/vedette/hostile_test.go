package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/server/agentapi"
	"vedette.dev/vedette/internal/server/automationapi"
	"vedette.dev/vedette/internal/server/qpsapi"
	"vedette.dev/vedette/qps"
)

// endless is a body that goes on for ever, or for a number of bytes, and counts
// what is taken of it.
type endless struct {
	left  int64
	taken atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, bytes.Repeat([]byte("<a>"), 1+min(len(p), 32<<10)/3))
	n = int(min(int64(n), e.left))
	e.left -= int64(n)
	e.taken.Add(int64(n))
	return n, nil
}

// TestAGigabyteIsRefusedWithoutBeingTaken sends a gigabyte to every route, in one
// of four ways: with and without saying so beforehand, as a manager and as a
// stranger.
func TestAGigabyteIsRefusedWithoutBeingTaken(t *testing.T) {
	t.Parallel()
	const gigabyte = 1 << 30
	const most = 24 << 20 // twice what the largest route allows, and what is under way in buffers
	p := startOperatorPlatform(t, platformConfig{})
	p.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	routes := append(qpsapi.Routes(qpsapi.Config{}), automationapi.Routes(automationapi.Config{})...)
	routes = append(routes, (&agentapi.Gateway{}).Routes(nil)...)
	ways := []struct {
		length int64 // as it is announced, -1 for not at all
		user   string
	}{{gigabyte, "boss"}, {-1, "boss"}, {gigabyte, ""}, {-1, ""}}
	for i, route := range routes {
		way := ways[i%len(ways)]
		method, path, _ := harmless(route)
		if method == http.MethodGet || method == http.MethodDelete {
			method = http.MethodPost
		}
		body := &endless{left: gigabyte}
		r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = way.length
		if way.user != "" {
			r.SetBasicAuth(way.user, operatorPassword)
		}
		answered := "connection closed"
		response, err := p.client.Do(r)
		if err == nil {
			answered = response.Status
			_, _ = io.Copy(io.Discard, response.Body) // may be cut with the connection
			response.Body.Close()
		}
		if body.taken.Load() > most || err == nil && (response.StatusCode < 200 || response.StatusCode >= 500) {
			t.Errorf("%s %s by %q: %d bytes were taken, answered %s", method, path, way.user, body.taken.Load(), answered)
		}
	}
}

// hostileValues are what criteria and ids must bear.
var hostileValues = []string{
	"'; DROP TABLE hosts; --", `%_\%`, `" OR ""="`, "x' OR '1'='1", "*", "(a+)+$", strings.Repeat("a", 1024), strings.Repeat("a", 1025),
	"9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e309", "NaN", "2031-02-30", "0000-00-00", "9999-12-31T23:59:59Z",
	"\u202e\ufeff\U0001F600", "]]>", "&amp;", strings.Repeat("7,", 3000),
}

var namesOfFields = regexp.MustCompile(`Criteria expected: ([^<]*)\.<`)

// TestHostileCriteriaAreAnsweredInTheEnvelope asks the search of every object
// for every field with hostile values: the answer is a result or a
// clear refusal, and always well-formed.
func TestHostileCriteriaAreAnsweredInTheEnvelope(t *testing.T) {
	t.Parallel()
	p := startOperatorPlatform(t, platformConfig{})
	p.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	for _, path := range []string{"2.0/search/am/hostasset", "2.0/search/am/tag", "1.0/search/ca/agentactkey", "1.0/search/ca/agentconfig"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			_, answer := p.call(t, "boss", http.MethodPost, "/qps/rest/"+path, requestXML("", "nothing EQUALS: x"))
			found := namesOfFields.FindStringSubmatch(answer)
			if found == nil {
				t.Fatalf("the fields are not named:\n%s", answer)
			}
			for field := range strings.SplitSeq(found[1], ", ") {
				for _, operator := range []qps.Operator{qps.OpEquals, qps.OpGreater, qps.OpContains} {
					for _, value := range hostileValues {
						status, answer := p.call(t, "boss", http.MethodPost, "/qps/rest/"+path, requestXML("", fmt.Sprintf("%s %s: %s", field, operator, escaped(value))))
						if _, err := qps.DecodeResponse(strings.NewReader(answer), qps.XML); status != http.StatusOK || err != nil || !wellFormed(answer) {
							t.Errorf("%s %s %.60q is answered %d, %v:\n%.500s", field, operator, value, status, err, answer)
						}
					}
				}
			}
		})
	}
}

// TestIdsAtTheEdgesAreAnsweredInTheEnvelope asks every route that takes an id for
// ids that are none.
func TestIdsAtTheEdgesAreAnsweredInTheEnvelope(t *testing.T) {
	t.Parallel()
	p := startOperatorPlatform(t, platformConfig{})
	p.addUser(t, hashOf(t, operatorPassword), caller{name: "boss", manager: true}, access.Scope{})
	for _, route := range qpsapi.Routes(qpsapi.Config{}) {
		if !strings.Contains(route.Path, "{id}") {
			continue
		}
		method, path, body := harmless(route)
		for _, id := range []string{"0", "-1", fmt.Sprint(int64(math.MaxInt64)), fmt.Sprint(int64(math.MinInt64)), "9223372036854775808", "1.5", "0x10", "%00", "a%2Fb", "%FF"} {
			status, answer := p.call(t, "boss", method, strings.Replace(path, "999999", id, 1), body)
			if status != http.StatusOK && status != http.StatusNotFound || !wellFormed(answer) || strings.Contains(answer, ">SUCCESS<") {
				t.Errorf("%s %s with id %s is answered %d:\n%.300s", method, path, id, status, answer)
			}
		}
	}
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

func wellFormed(document string) bool {
	decoder := xml.NewDecoder(strings.NewReader(document))
	for {
		if _, err := decoder.Token(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}
