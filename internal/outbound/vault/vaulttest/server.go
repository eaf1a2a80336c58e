// Package vaulttest gives tests a server that answers as OpenBao and HashiCorp
// Vault do.
//
// Neither product is in the package sources that "make test" installs from, so
// this server follows their published HTTP API documentation instead: reading
// key-value engines of version 2, the login of AppRole, looking up and renewing a
// token, namespaces, and the statuses and error documents of the API. What it does
// not know it answers with 404, as they do.
//
//	server := vaulttest.New(t, now)
//	server.Role("role", "secret", time.Hour)
//	server.Put("soc/qualys", map[string]any{"password": "pass"})
//	… fetch from server.URL, trusting server.CA …
package vaulttest

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Server is a vault with an engine at secret/ and the method AppRole at
// approle/, in the namespace of its field. It ends with its test.
type Server struct {
	URL string
	CA  string // the authority of its certificate, in PEM

	now  func() time.Time
	http *httptest.Server

	mu        sync.Mutex
	namespace string
	sealed    bool
	documents map[string][]version
	denied    map[string]bool
	roles     map[string]role
	tokens    map[string]*token
	requests  []string
	instead   http.HandlerFunc
}

type version struct {
	fields             map[string]any
	created            time.Time
	deleted, destroyed bool
}

type role struct {
	secretID string
	ttl      time.Duration
}

type token struct {
	ends      time.Time // zero: never
	ttl       time.Duration
	renewable bool
}

// New starts a server for a test, with a clock for the ends of tokens.
func New(t testing.TB, now func() time.Time) *Server {
	t.Helper()
	s := &Server{now: now, documents: map[string][]version{}, denied: map[string]bool{}, roles: map[string]role{}, tokens: map[string]*token{}}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // tests refuse handshakes
	s.http.StartTLS()
	t.Cleanup(s.http.Close)
	s.URL = s.http.URL
	s.CA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw}))
	return s
}

// Put stores a new version of a document.
func (s *Server) Put(path string, fields map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.documents[path] = append(s.documents[path], version{fields: fields, created: s.now()})
}

// Delete deletes the newest version of a document, for good with destroy.
func (s *Server) Delete(path string, destroy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	newest := &s.documents[path][len(s.documents[path])-1]
	newest.deleted, newest.destroyed = true, destroy
}

// Deny has the policies of every token deny a path.
func (s *Server) Deny(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[path] = true
}

// Role makes an AppRole whose tokens are valid for a time and can be renewed.
func (s *Server) Role(roleID, secretID string, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[roleID] = role{secretID, ttl}
}

// Token makes a token that is valid for a time, or without end for zero.
func (s *Server) Token(id string, ttl time.Duration, renewable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.make(id, ttl, renewable)
}

func (s *Server) make(id string, ttl time.Duration, renewable bool) *token {
	made := &token{ttl: ttl, renewable: renewable}
	if ttl > 0 {
		made.ends = s.now().Add(ttl)
	}
	s.tokens[id] = made
	return made
}

// Revoke ends all tokens.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Seal seals the vault, or unseals it.
func (s *Server) Seal(sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = sealed
}

// Namespace moves everything into a namespace.
func (s *Server) Namespace(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.namespace = name
}

// Instead answers requests in another way; nil in its own again.
func (s *Server) Instead(handler http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instead = handler
}

// Requests returns the method and the path of every request, in their order.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	instead := s.instead
	s.mu.Unlock()
	if instead != nil {
		instead(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	path, found := strings.CutPrefix(r.URL.Path, "/v1/")
	document, isRead := strings.CutPrefix(path, "secret/data/")
	switch {
	case s.sealed:
		refuse(w, http.StatusServiceUnavailable, "Vault is sealed")
	case !found || strings.Trim(r.Header.Get("X-Vault-Namespace"), "/") != s.namespace:
		refuse(w, http.StatusNotFound, `no handler for route "`+path+`". route entry not found.`)
	case path == "auth/approle/login" && r.Method != http.MethodGet:
		s.logIn(w, r)
	case s.valid(r) == nil:
		refuse(w, http.StatusForbidden, "permission denied")
	case path == "auth/token/lookup-self":
		s.lookUp(w, s.valid(r))
	case path == "auth/token/renew-self" && r.Method != http.MethodGet:
		s.renew(w, r.Header.Get("X-Vault-Token"), s.valid(r))
	case isRead && r.Method == http.MethodGet:
		s.read(w, document)
	default:
		refuse(w, http.StatusNotFound, `no handler for route "`+path+`". route entry not found.`)
	}
}

// valid returns the token of a request, nil when there is no such token any more.
func (s *Server) valid(r *http.Request) *token {
	given, ok := s.tokens[r.Header.Get("X-Vault-Token")]
	if !ok || !given.ends.IsZero() && !s.now().Before(given.ends) {
		return nil
	}
	return given
}

func (s *Server) logIn(w http.ResponseWriter, r *http.Request) {
	var given struct {
		RoleID   string `json:"role_id"`
		SecretID string `json:"secret_id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&given); err != nil {
		refuse(w, http.StatusBadRequest, "error parsing JSON")
		return
	}
	known, ok := s.roles[given.RoleID]
	if !ok || known.secretID != given.SecretID {
		refuse(w, http.StatusBadRequest, "invalid role or secret ID")
		return
	}
	id := fmt.Sprintf("hvs.login-%d", len(s.requests))
	s.grant(w, id, s.make(id, known.ttl, true))
}

func (s *Server) renew(w http.ResponseWriter, id string, given *token) {
	if !given.renewable {
		refuse(w, http.StatusBadRequest, "lease is not renewable")
		return
	}
	s.grant(w, id, s.make(id, given.ttl, true))
}

func (s *Server) grant(w http.ResponseWriter, id string, made *token) {
	answer(w, http.StatusOK, map[string]any{"auth": map[string]any{
		"client_token": id, "lease_duration": int(made.ttl.Seconds()), "renewable": made.renewable, "token_type": "service",
	}})
}

func (s *Server) lookUp(w http.ResponseWriter, given *token) {
	left := 0
	if !given.ends.IsZero() {
		left = int(given.ends.Sub(s.now()).Seconds())
	}
	answer(w, http.StatusOK, map[string]any{"data": map[string]any{"ttl": left, "renewable": given.renewable, "creation_ttl": int(given.ttl.Seconds())}})
}

func (s *Server) read(w http.ResponseWriter, path string) {
	versions := s.documents[path]
	switch {
	case s.denied[path]:
		refuse(w, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
		return
	case len(versions) == 0:
		answer(w, http.StatusNotFound, map[string]any{"errors": []string{}})
		return
	}
	newest := versions[len(versions)-1]
	about := map[string]any{
		"version": len(versions), "created_time": newest.created.UTC().Format(time.RFC3339Nano), "deletion_time": "",
		"destroyed": newest.destroyed, "custom_metadata": nil,
	}
	if newest.deleted {
		about["deletion_time"] = s.now().UTC().Format(time.RFC3339Nano)
		answer(w, http.StatusNotFound, map[string]any{"data": map[string]any{"data": nil, "metadata": about}})
		return
	}
	answer(w, http.StatusOK, map[string]any{"data": map[string]any{"data": newest.fields, "metadata": about}})
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"errors": []string{message}})
}

func answer(w http.ResponseWriter, status int, document map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}
