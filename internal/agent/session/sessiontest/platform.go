// Package sessiontest is a small platform for tests of the resident agent. It
// speaks the agent protocol with agentwire, verifies every signature, applies
// every upload for real, and can be told to fail. Platform is the main type.
//
// Limits: agents live in memory, and there is one profile and one manifest for
// all of them.
package sessiontest

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

// The ids every test provisions with.
const (
	ActivationID = "11111111-2222-4333-8444-555555555555"
	CustomerID   = "99999999-8888-4777-a666-555555555555"
)

// Agent is what the platform knows of one agent.
type Agent struct {
	ID        string
	Key       ed25519.PublicKey
	Confirmed string
	Snapshot  *agentwire.Snapshot
	Baselines int
	Deltas    int
	Statuses  []time.Time
	Last      agentwire.StatusRequest
	Requests  []*Request
	Ordered   bool   // to uninstall itself
	Left      int    // confirmations that it did
	Echo      string // what a status shall say before it is answered without one
	Upgrades  []agentwire.UpgradeReport

	window  agentwire.SequenceWindow
	uploads map[string]*upload
	wake    chan struct{}
}

// Request is one on-demand request.
type Request struct {
	agentwire.Demand
	State    string // queued, running, rejected, failed or complete
	Reason   string
	Answered int // uploads that answered it
}

type upload struct {
	start agentwire.UploadStart
	data  []byte
	state agentwire.UploadState
}

// Platform is an http.Handler. Its methods are safe for concurrent use; its
// fields are set before the first request, or under Edit.
type Platform struct {
	Now          func() time.Time
	Profile      agentwire.Profile
	ProfileV     int64
	Manifest     agentwire.Manifest
	ManifestV    int64
	ReleaseV     int64                                                    // of the release metadata; 0 for none
	Life         time.Duration                                            // of instructions
	MaxFragment  int                                                      // answers 413 above
	TakesWhole   bool                                                     // takes small uploads with their start; otherwise only in steps, as when one is cut off
	WithoutHold  bool                                                     // answers polls at once
	Intercept    func(w http.ResponseWriter, r *http.Request) (done bool) // first, under no lock
	Root, Online ed25519.PrivateKey

	mu     sync.Mutex
	agents []*Agent
	calls  []string
	lastID int64
}

// New returns a platform with fresh keys, the Low settings and an inventory
// manifest.
func New(now func() time.Time) *Platform {
	_, root, _ := ed25519.GenerateKey(rand.Reader)
	_, online, _ := ed25519.GenerateKey(rand.Reader)
	return &Platform{
		Now:     now,
		Profile: agentwire.Profile{ID: 1, Name: "Low"}, ProfileV: 1,
		Manifest: agentwire.Manifest{Name: "INVENTORY-1.0.0", Modules: map[agentwire.Module]agentwire.Recipe{
			agentwire.ModuleInventory: {Collectors: []string{"host", "packages"}},
		}},
		ManifestV: 1, Life: 30 * 24 * time.Hour,
		MaxFragment: agentwire.MaxFragmentBytes, Root: root, Online: online,
	}
}

// Edit changes the platform between requests.
func (p *Platform) Edit(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// Agents returns the agents in the order they were provisioned.
func (p *Platform) Agents() []*Agent {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.agents)
}

// Calls returns the requests so far, as "METHOD path" with digests left out.
func (p *Platform) Calls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// Launch queues an on-demand scan for every agent and wakes them up.
func (p *Platform) Launch(scan agentwire.ScanType, override bool) *Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastID++
	r := &Request{Demand: agentwire.Demand{ID: p.lastID, Type: scan, OverrideCPU: override}, State: "queued"}
	for _, a := range p.agents {
		a.Requests = append(a.Requests, r)
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
	return r
}

// Uninstall orders every agent to uninstall itself and wakes them up.
func (p *Platform) Uninstall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.agents {
		a.Ordered = true
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// Forget removes every agent.
func (p *Platform) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agents = nil
}

func (p *Platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", p.Now().UTC().Format(http.TimeFormat))
	p.note(r)
	if p.Intercept != nil && p.Intercept(w, r) {
		return
	}
	if r.URL.Path == agentwire.PathProvision {
		p.provision(w, r)
		return
	}
	a, body := p.authenticate(w, r)
	if a == nil {
		return
	}
	if p.uninstall(w, r, a) {
		return
	}
	if r.URL.Path == agentwire.PathWakeup {
		p.hold(w, r, a)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve(w, r, a, body)
}

func (p *Platform) note(r *http.Request) {
	path := r.URL.Path
	if rest, ok := strings.CutPrefix(path, agentwire.PathUploads); ok {
		_, action, _ := strings.Cut(rest, "/")
		path = strings.TrimSuffix(agentwire.PathUploads+action, "/")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r.Method+" "+strings.TrimPrefix(path, "/agent/v1"))
}

func (p *Platform) provision(w http.ResponseWriter, r *http.Request) {
	signature, err := agentwire.ParseSignature(r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, agentwire.ProblemBadSignature, err.Error())
		return
	}
	body, err := signature.ReadBody(r.Body, agentwire.MaxMessageBytes)
	var request agentwire.ProvisionRequest
	if err == nil {
		err = json.Unmarshal(body, &request)
	}
	if err == nil {
		err = signature.Verify(r, request.PublicKey, p.Now())
	}
	switch {
	case errors.Is(err, agentwire.ErrClockSkew):
		refuse(w, http.StatusUnauthorized, agentwire.ProblemClockSkew, err.Error())
		return
	case err != nil:
		refuse(w, http.StatusUnauthorized, agentwire.ProblemBadSignature, err.Error())
		return
	case request.ActivationID != ActivationID || signature.KeyID != ActivationID || request.CustomerID != CustomerID:
		refuse(w, http.StatusForbidden, agentwire.ProblemKeyRefused, "activation key is not known")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.find(func(a *Agent) bool { return a.Key.Equal(ed25519.PublicKey(request.PublicKey)) })
	if a == nil {
		a = &Agent{Key: request.PublicKey, ID: rand.Text(), uploads: map[string]*upload{}, wake: make(chan struct{}, 1)}
		a.ID = fmt.Sprintf("00000000-0000-4000-8000-%012x", len(p.agents)+1)
		p.agents = append(p.agents, a)
	}
	answer(w, agentwire.ProvisionAnswer{AgentID: a.ID, Root: p.Root.Public().(ed25519.PublicKey), Time: p.Now()})
}

func (p *Platform) find(match func(*Agent) bool) *Agent {
	if i := slices.IndexFunc(p.agents, match); i >= 0 {
		return p.agents[i]
	}
	return nil
}

func (p *Platform) authenticate(w http.ResponseWriter, r *http.Request) (*Agent, []byte) {
	signature, err := agentwire.ParseSignature(r)
	if err != nil {
		refuse(w, http.StatusUnauthorized, agentwire.ProblemBadSignature, err.Error())
		return nil, nil
	}
	p.mu.Lock()
	a := p.find(func(a *Agent) bool { return a.ID == signature.KeyID })
	p.mu.Unlock()
	if a == nil {
		p.Unknown(w, r)
		return nil, nil
	}
	body, err := signature.ReadBody(r.Body, agentwire.MaxFragmentBytes)
	if err == nil {
		err = signature.Verify(r, a.Key, p.Now())
	}
	switch {
	case errors.Is(err, agentwire.ErrClockSkew):
		refuse(w, http.StatusUnauthorized, agentwire.ProblemClockSkew, err.Error())
		return nil, nil
	case err != nil:
		refuse(w, http.StatusUnauthorized, agentwire.ProblemBadSignature, err.Error())
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !a.window.Accept(signature.Sequence) {
		refuse(w, http.StatusUnauthorized, agentwire.ProblemReplayed, "sequence number was seen before")
		return nil, nil
	}
	return a, body
}

func (p *Platform) hold(w http.ResponseWriter, r *http.Request, a *Agent) {
	if p.news(r, a) {
		w.WriteHeader(http.StatusOK)
		return
	}
	if !p.WithoutHold {
		timer := time.NewTimer(agentwire.WakeupWait)
		defer timer.Stop()
		select {
		case <-a.wake:
			w.Header().Set("Date", p.Now().UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusOK)
			return
		case <-timer.C:
		case <-r.Context().Done():
		}
		w.Header().Set("Date", p.Now().UTC().Format(http.TimeFormat)) // of the answer
	}
	w.WriteHeader(http.StatusNoContent)
}

// news reports whether the versions in a poll's query are not the latest.
func (p *Platform) news(r *http.Request, a *Agent) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := func(name string) int64 {
		version, err := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
		if err != nil {
			return 0
		}
		return version
	}
	return held("p") != p.ProfileV || held("m") != p.ManifestV || held("d") < a.highest()
}

// Sign signs an instruction for an agent.
func (p *Platform) Sign(agentID string, kind agentwire.InstructionKind, version int64, body any) *agentwire.SignedInstruction {
	doc, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	now := p.Now().UTC().Truncate(agentwire.IssuedEvery)
	certificate := agentwire.CertifyInstructionKey(p.Root, p.Online.Public().(ed25519.PublicKey), now.Add(365*24*time.Hour))
	signed, err := agentwire.SignInstruction(agentwire.Instruction{
		Audience: agentID, Kind: kind, Version: version, Issued: now, Expires: now.Add(p.Life), Body: doc,
	}, p.Online, certificate)
	if err != nil {
		panic(err)
	}
	return signed
}

// instruct answers with an instruction, or the part of it that is asked for.
func instruct(w http.ResponseWriter, r *http.Request, signed *agentwire.SignedInstruction) {
	doc, err := json.Marshal(signed)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(doc)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(doc))
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		panic(err)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	answer(w, agentwire.Problem{Code: code, Message: message})
}
