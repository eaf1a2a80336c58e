package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
)

const (
	benchAgents      = 20_000
	benchConnections = 4000
	benchInFlight    = 64
	// mostAnswerBytes bounds the body of an unchanged answer.
	mostAnswerBytes = 100
)

// BenchmarkUnchangedCheckIns measures check-ins of 20,000 distinct agents over
// 4,000 TLS connections, 64 at a time, on a platform with SQLite in a process of
// its own. Requests are signed beforehand: the client's share of the processors is
// TLS and little else, yet it has its share.
func BenchmarkUnchangedCheckIns(b *testing.B) {
	var agents []*benchAgent
	platform := startBenchPlatform(b, "", func(p *platform) { agents = enrolAgents(b, p, benchAgents) })
	lines := newLines(b, platform)
	body, err := json.Marshal(agentwire.StatusRequest{AgentVersion: "2.0.0", Profile: 1 << 40, Manifest: 1 << 40})
	if err != nil {
		b.Fatal(err)
	}
	// The first contact loads what the platform keeps of an agent.
	checkIn(b, lines, signed(b, platform, agents, 0, benchAgents, body))
	b.Run("20000 agents, 4000 connections", func(b *testing.B) {
		requests := signed(b, platform, agents, 0, b.N, body)
		cpu, received := platform.cpu(b), lines.received.Load()
		b.ResetTimer()
		took := checkIn(b, lines, requests)
		b.StopTimer()
		slices.Sort(took)
		n := float64(b.N)
		b.ReportMetric(n/b.Elapsed().Seconds(), "check-ins/s")
		b.ReportMetric(milliseconds(took[len(took)/2]), "ms-p50")
		b.ReportMetric(milliseconds(took[len(took)*99/100]), "ms-p99")
		b.ReportMetric(float64((platform.cpu(b)-cpu).Microseconds())/n, "platform-µs/op")
		b.ReportMetric(float64(lines.received.Load()-received)/n, "answer-B/op") // with headers and TLS
		b.ReportMetric(float64(platform.resident(b))/1e6, "platform-MB")
	})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// signed returns requests of the agents in turn, beginning with the one of a
// number, as they go over the wire.
func signed(b *testing.B, p *benchPlatform, agents []*benchAgent, first, count int, body []byte) [][]byte {
	b.Helper()
	requests := make([][]byte, count)
	for i := range requests {
		request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, p.url+agentwire.PathStatus, bytes.NewReader(body))
		if err == nil {
			err = agents[(first+i)%len(agents)].signer.Sign(request, body)
		}
		var wire bytes.Buffer
		if err == nil {
			err = request.Write(&wire)
		}
		if err != nil {
			b.Fatal(err)
		}
		requests[i] = wire.Bytes()
	}
	return requests
}

// benchLines are connections, each with one request at a time.
type benchLines struct {
	lines    []*benchLine
	config   *tls.Config
	address  string
	received atomic.Int64
}

type benchLine struct {
	mu   sync.Mutex
	conn net.Conn
	in   *bufio.Reader
}

// benchSocket counts what is received.
type benchSocket struct {
	net.Conn
	received *atomic.Int64
}

func (s benchSocket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.received.Add(int64(n))
	return n, err
}

func newLines(b *testing.B, p *benchPlatform) *benchLines {
	b.Helper()
	lines := &benchLines{lines: make([]*benchLine, benchConnections), config: p.tls(b), address: strings.TrimPrefix(p.url, "https://")}
	for i := range lines.lines {
		lines.lines[i] = &benchLine{}
	}
	b.Cleanup(func() {
		for _, line := range lines.lines {
			if line.conn != nil {
				line.conn.Close()
			}
		}
	})
	return lines
}

// dial connects a line before its first request.
func (l *benchLines) dial(ctx context.Context, line *benchLine) error {
	socket, err := new(net.Dialer).DialContext(ctx, "tcp", l.address)
	if err != nil {
		return err
	}
	conn := tls.Client(benchSocket{socket, &l.received}, l.config)
	line.conn, line.in = conn, bufio.NewReaderSize(conn, 1<<10)
	return conn.HandshakeContext(ctx)
}

// checkIn sends the requests over the lines in turn, benchInFlight at a time, and
// returns how long each took. Every answer must be the unchanged one.
func checkIn(b *testing.B, lines *benchLines, requests [][]byte) []time.Duration {
	b.Helper()
	took := make([]time.Duration, len(requests))
	var next atomic.Int64
	var work sync.WaitGroup
	for range benchInFlight {
		work.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					return
				}
				begun := time.Now()
				if err := lines.send(b.Context(), lines.lines[i%benchConnections], requests[i]); err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(begun)
			}
		})
	}
	work.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return took
}

func (l *benchLines) send(ctx context.Context, line *benchLine, request []byte) error {
	line.mu.Lock()
	defer line.mu.Unlock()
	if line.conn == nil {
		if err := l.dial(ctx, line); err != nil {
			return err
		}
	}
	if _, err := line.conn.Write(request); err != nil {
		return err
	}
	response, err := http.ReadResponse(line.in, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || string(answer) != "{}" || len(answer) > mostAnswerBytes {
		return fmt.Errorf("answered %d %s", response.StatusCode, answer)
	}
	return nil
}
