package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"context"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
)

const (
	benchAgents      = 5000
	benchConnections = 64
)

// benchAgent is one agent that checks in.
type benchAgent struct {
	mu       sync.Mutex
	sequence uint64
	signer   agentwire.RequestSigner
}

// BenchmarkUnchangedCheckIns measures check-ins of thousands of distinct agents
// over HTTPS, signed, on a whole platform with SQLite. Client and platform share
// the machine, so both signing and verifying are in the figure.
func BenchmarkUnchangedCheckIns(b *testing.B) {
	config := platformConfig{Data: b.TempDir(), Listen: "127.0.0.1:0"}
	p, err := openPlatform(b.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if err := p.close(); err != nil {
			b.Error(err)
		}
	})
	agents := enrolAgents(b, p)
	client := benchClient(b, p)
	body, err := json.Marshal(agentwire.StatusRequest{AgentVersion: "2.0.0", Profile: 1 << 40, Manifest: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	for _, agent := range agents { // the first contact loads what the platform keeps of an agent
		if err := agent.checkIn(client, p.url, body); err != nil {
			b.Fatal(err)
		}
	}
	var next atomic.Int64
	b.SetParallelism(benchConnections / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			agent := agents[next.Add(1)%benchAgents]
			if err := agent.checkIn(client, p.url, body); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "check-ins/s")
}

// checkIn sends one status, which must be answered unchanged.
func (a *benchAgent) checkIn(client *http.Client, url string, body []byte) error {
	a.mu.Lock() // an agent has one status request at a time
	defer a.mu.Unlock()
	request, err := http.NewRequest(http.MethodPost, url+agentwire.PathStatus, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := a.signer.Sign(request, body); err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || string(answer) != "{}" {
		return fmt.Errorf("answered %d %s", response.StatusCode, answer)
	}
	return nil
}

func enrolAgents(b *testing.B, p *platform) []*benchAgent {
	b.Helper()
	agents := make([]*benchAgent, benchAgents)
	for i := range agents {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			b.Fatal(err)
		}
		enrolled, err := p.store.EnrolAgent(b.Context(), fleet.Enrolment{
			ActivationKey: p.admin.activationKey, PublicKey: public, AgentID: uuid.NewString(), AgentVersion: "2.0.0",
			Host: agentwire.Host{Name: fmt.Sprintf("host-%05d", i), OS: "Debian GNU/Linux 12 (bookworm)", Platform: "Linux"},
			At:   time.Now(),
		})
		if err != nil {
			b.Fatal(err)
		}
		agent := &benchAgent{}
		agent.signer = agentwire.RequestSigner{
			KeyID: enrolled.AgentID, Key: private, Now: time.Now,
			Sequence: func() (uint64, error) { agent.sequence++; return agent.sequence, nil },
		}
		agents[i] = agent
	}
	return agents
}

func benchClient(b *testing.B, p *platform) *http.Client {
	b.Helper()
	ca, err := os.ReadFile(p.folder.caFile())
	if err != nil {
		b.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		b.Fatal("no certificate in the authority's file")
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: benchConnections, MaxConnsPerHost: benchConnections,
	}
	b.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
