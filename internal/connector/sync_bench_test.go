package connector_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/outbound/aws"
	"vedette.dev/vedette/internal/outbound/aws/mototest"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// BenchmarkSync lists 20,000 instances of one region, which are recorded, with the
// real client and the real storage: a first time, and with nothing changed. Beside
// it heartbeats are stored, as they are all the time. The answering side is in
// the same process: its work is in the time, and what it holds in the heap.
func BenchmarkSync(b *testing.B) {
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		b.Run(engine+"/first", func(b *testing.B) { benchmarkSync(b, engine == "PostgreSQL", false) })
		b.Run(engine+"/unchanged", func(b *testing.B) { benchmarkSync(b, engine == "PostgreSQL", true) })
	}
}

const benchInstances = 20_000

func benchmarkSync(b *testing.B, onPostgres, again bool) {
	var most, beat time.Duration
	var heap uint64
	var rows, statements int64
	for range b.N {
		b.StopTimer()
		s := newSite(b, aws.Limits{}, onPostgres)
		account := s.Account(connector.Commercial)
		s.Break(mototest.Breakage{Action: "DescribeInstances", Fault: mototest.Replay(benchInstances)})
		id := s.withKeys(account.Keys(), connector.Commercial, "us-east-1").ID
		if again {
			s.sync(id)
		}
		runtime.GC()
		written, sent := s.rowsWritten(), s.statements()
		stop := s.beside(b, &beat, &heap)
		begun := time.Now()
		b.StartTimer()
		_, run := s.sync(id)
		b.StopTimer()
		most = max(most, time.Since(begun))
		stop()
		rows, statements = s.rowsWritten()-written, s.statements()-sent
		r := run.Regions[0]
		if again && r.Created+r.Updated != 0 || !again && r.Created != benchInstances {
			b.Fatalf("the run: %+v", r)
		}
		b.StartTimer()
	}
	b.ReportMetric(benchInstances/most.Seconds(), "instances/s")
	b.ReportMetric(float64(heap)/1e6, "heap-MB")
	b.ReportMetric(beat.Seconds()*1000, "heartbeats-ms")
	if onPostgres {
		b.ReportMetric(float64(statements), "statements")
	} else {
		b.ReportMetric(float64(rows), "rows")
	}
}

// beside stores a batch of heartbeats every 50 ms until stop is called, and notes
// the longest that one took and the largest heap.
func (s *site) beside(b *testing.B, beat *time.Duration, heap *uint64) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(50 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			begun := time.Now()
			if err := s.store.SaveHeartbeats(b.Context(), []fleet.Heartbeat{{HostID: 1, At: begun, Sequence: 1}}); err != nil {
				b.Error(err)
			}
			*beat = max(*beat, time.Since(begun))
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			*heap = max(*heap, memory.HeapAlloc)
		}
	}()
	return func() { cancel(); <-ended }
}

// rowsWritten is how many rows were written so far, also by triggers and for
// heartbeats; SQLite only.
func (s *site) rowsWritten() (n int64) {
	s.tb.Helper()
	if s.database == "" {
		return 0
	}
	if err := s.store.Writer().QueryRowContext(s.tb.Context(), "SELECT total_changes()").Scan(&n); err != nil {
		s.tb.Fatal(err)
	}
	return n
}

// counted is a way to a PostgreSQL database that counts the statements sent.
type counted struct {
	net.Listener
	sent atomic.Int64
}

// newCounted returns the way and the connection string to use.
func newCounted(tb testing.TB, dsn string) (*counted, string) {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = listener.Close() })
	c := &counted{Listener: listener}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("unix", filepath.Join(config.Host, fmt.Sprintf(".s.PGSQL.%d", config.Port)))
			if err != nil {
				_ = client.Close()
				continue
			}
			go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
			go func() { c.forward(server, client); _ = server.Close() }()
		}
	}()
	return c, fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", config.User, listener.Addr(), config.Database)
}

// forward copies what a client sends, message by message (PostgreSQL protocol
// 3.0: the first has no type). Execute and Query are statements.
func (c *counted) forward(server io.Writer, client io.Reader) {
	head := make([]byte, 5)
	for typed := 0; ; typed = 1 {
		if _, err := io.ReadFull(client, head[1-typed:][:4+typed]); err != nil {
			return
		}
		if kind := head[0]; typed == 1 && (kind == 'E' || kind == 'Q') {
			c.sent.Add(1)
		}
		if _, err := server.Write(head[1-typed:][:4+typed]); err != nil {
			return
		}
		if _, err := io.CopyN(server, client, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return
		}
	}
}
