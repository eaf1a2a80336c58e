package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shirou/gopsutil/v4/process"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// benchEngines are the databases platforms are measured on. The PostgreSQL of
// tests gives up durability: commits there cost no write barrier.
var benchEngines = []struct {
	name     string
	database func(b *testing.B) string
}{
	{"SQLite", func(*testing.B) string { return "" }},
	{"PostgreSQL", func(b *testing.B) string { return pgtest.Database(b) }},
}

// benchPlatform is a platform in a process of its own.
type benchPlatform struct {
	url     string
	admin   adminEnv
	roots   *x509.CertPool
	ca      []byte
	process *process.Process
}

// startBenchPlatform starts "vedette serve" after prepare has had the platform,
// and stops it when the benchmark ends.
func startBenchPlatform(b *testing.B, database string, prepare func(p *platform)) *benchPlatform {
	b.Helper()
	config := platformConfig{Data: b.TempDir(), Listen: "127.0.0.1:0", Database: database}
	p, err := openPlatform(b.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	if prepare != nil {
		prepare(p)
	}
	bench := &benchPlatform{url: p.url, admin: p.admin, roots: x509.NewCertPool()}
	if bench.ca, err = os.ReadFile(p.folder.caFile()); err != nil || !bench.roots.AppendCertsFromPEM(bench.ca) {
		b.Fatalf("read the platform's authority: %v", err)
	}
	if err := p.close(); err != nil {
		b.Fatal(err)
	}
	address, err := url.Parse(p.url)
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"serve", "--data", config.Data, "--listen", address.Host}
	if database != "" {
		args = append(args, "--database", database)
	}
	command := exec.CommandContext(b.Context(), "vedette", args...) // this test binary, see TestMain
	command.Stderr = os.Stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait() // says how it was ended, which is known
	})
	bench.await(b, address.Host)
	if bench.process, err = process.NewProcess(int32(command.Process.Pid)); err != nil {
		b.Fatal(err)
	}
	return bench
}

// await waits until the platform listens.
func (p *benchPlatform) await(b *testing.B, address string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		_ = sleepContext(ctx, 20*time.Millisecond)
	}
	b.Fatal("the platform does not listen")
}

// cpu is the processor time the platform has used.
func (p *benchPlatform) cpu(b *testing.B) time.Duration {
	b.Helper()
	times, err := p.process.Times()
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration((times.User + times.System) * float64(time.Second))
}

// resident is the memory of the platform in bytes.
func (p *benchPlatform) resident(b *testing.B) uint64 {
	b.Helper()
	memory, err := p.process.MemoryInfo()
	if err != nil {
		b.Fatal(err)
	}
	return memory.RSS
}

func (p *benchPlatform) tls(b *testing.B) *tls.Config {
	b.Helper()
	address, err := url.Parse(p.url)
	if err != nil {
		b.Fatal(err)
	}
	return &tls.Config{RootCAs: p.roots, ServerName: address.Hostname(), MinVersion: tls.VersionTLS12}
}

// benchAgent is one agent that checks in.
type benchAgent struct {
	sequence uint64
	signer   agentwire.RequestSigner
}

// enrolAgents makes agents without asking the platform for each.
func enrolAgents(b *testing.B, p *platform, count int) []*benchAgent {
	b.Helper()
	agents := make([]*benchAgent, count)
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
