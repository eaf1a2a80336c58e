package test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agent/session/sessiontest"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/inventory"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/agentapi"
	"vedette.dev/vedette/internal/server/certificate"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/sqlite"
	"vedette.dev/vedette/performance"
	"vedette.dev/vedette/qps"
)

const (
	cloneCustomer = "0f7c1c52-0000-4000-8000-00000000c001"
	cloneKey      = "5d2f0000-0000-4000-8000-00000000b001"
	cloneHost     = "platform.test"
)

// pipes is a listener whose connections are in memory. Unlike sockets they work
// in a synctest bubble, where hours pass in seconds.
type pipes struct {
	arriving chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{arriving: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.arriving:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.arriving <- theirs:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// yard is a platform's gateway over TLS, on SQLite, and the machines of a test.
type yard struct {
	t     *testing.T
	store *store.Store
	ca    []byte
	pipes *pipes
	log   *slog.Logger

	agents  sync.WaitGroup
	machine context.Context // ends with all machines
	stop    context.CancelFunc
	serving chan error
	end     context.CancelFunc // of the platform
	beside  sync.WaitGroup
}

func newYard(t *testing.T) *yard {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "vedette.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	y := &yard{t: t, store: db, pipes: newPipes(), log: slog.New(slog.DiscardHandler), serving: make(chan error, 1)}
	y.machine, y.stop = context.WithCancel(context.Background())
	y.bootstrap()
	platform, end := context.WithCancel(context.Background())
	y.end = end
	y.serve(platform)
	return y
}

func (y *yard) bootstrap() {
	y.t.Helper()
	ctx, now := y.t.Context(), time.Now()
	_, err := y.store.EnsureSubscription(ctx, cloneCustomer, now)
	if err == nil {
		_, err = y.store.EnsureSystemTag(ctx, now)
	}
	if err == nil {
		err = y.store.EnsureSystemProfiles(ctx, []fleet.Profile{{
			Name: "Normal", System: true, Default: true, Priority: 1, Performance: performance.Recommended(performance.Normal),
			Created: now,
		}})
	}
	if err == nil {
		_, err = y.store.CreateActivationKey(ctx, fleet.ActivationKey{Key: cloneKey, Title: "Image", Type: fleet.KeyUnlimited, Created: now})
	}
	if err != nil {
		y.t.Fatal(err)
	}
}

// serve runs the gateway as vedette serve wires it.
func (y *yard) serve(ctx context.Context) {
	y.t.Helper()
	now := time.Now
	authority, err := certificate.NewAuthority("clones", now())
	if err != nil {
		y.t.Fatal(err)
	}
	y.ca, _, err = authority.PEM()
	if err != nil {
		y.t.Fatal(err)
	}
	certificatePEM, keyPEM, err := authority.Issue([]string{cloneHost}, now())
	if err != nil {
		y.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificatePEM, keyPEM)
	if err != nil {
		y.t.Fatal(err)
	}
	rootPublic, root, err := ed25519.GenerateKey(nil)
	if err != nil {
		y.t.Fatal(err)
	}
	onlinePublic, online, err := ed25519.GenerateKey(nil)
	if err != nil {
		y.t.Fatal(err)
	}
	roster, pulse := fleet.NewRoster(y.store, now), fleet.NewPulse(y.store, y.log)
	gateway := &agentapi.Gateway{
		Roster: roster, Pulse: pulse, Wakeups: &fleet.Wakeups{},
		Enroller: &fleet.Enroller{Enrolments: y.store, Now: now},
		Arbiter:  &fleet.Arbiter{Holders: y.store, Roster: roster, Now: now, Log: y.log},
		Intake:   inventory.NewIntake(y.store, now),
		Demands:  y.store, Profiles: y.store, Orders: y.store, Now: now, Log: y.log,
		Signer: &agentapi.Signer{Root: rootPublic, Key: online, Certificate: agentwire.CertifyInstructionKey(root, onlinePublic, now().Add(365*24*time.Hour))},
	}
	mux := server.NewMux(y.log)
	mux.Add(gateway.Routes(server.NewBudget(server.AgentRequests))...)
	web := server.New(server.Options{Handler: mux, Log: y.log})
	y.beside.Go(func() { pulse.Run(ctx) })
	go func() {
		y.serving <- web.Serve(ctx, server.Binding{Listener: y.pipes, TLS: &tls.Config{Certificates: []tls.Certificate{pair}}})
	}()
}

// close ends the machines, then the platform.
func (y *yard) close() {
	y.stop()
	y.agents.Wait()
	y.end()
	y.beside.Wait()
	if err := <-y.serving; err != nil {
		y.t.Errorf("the platform ended: %v", err)
	}
	if err := y.store.Close(); err != nil {
		y.t.Error(err)
	}
}

// copied is one machine with an agent on it.
type copied struct {
	name, fingerprint, state string
}

// boot starts the agent of a machine. It runs until the returned function is
// called, or the test ends.
func (y *yard) boot(m *copied) (off func()) {
	y.t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(y.ca) {
		y.t.Fatal("the authority of the platform is no PEM")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, DialContext: y.pipes.dial}
	seed := sha256.Sum256([]byte(m.name))
	agent, err := session.Open(session.Config{
		StateDir: m.state, RootDir: "/", Version: "2.0.0",
		ActivationID: cloneKey, CustomerID: cloneCustomer, ServerURI: "https://" + cloneHost + "/", CA: y.ca,
		Host:   agentwire.Host{Name: m.name, Platform: "Linux", Fingerprint: m.fingerprint},
		Runner: packing{&sessiontest.Runner{Takes: time.Second, Host: m.facts}}, Transport: transport,
		Clock: session.SystemClock{}, Random: rand.New(rand.NewChaCha8(seed)).Float64, Log: y.log,
	})
	if err != nil {
		y.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(y.machine)
	ended := make(chan struct{})
	y.agents.Go(func() {
		defer close(ended)
		defer transport.CloseIdleConnections()
		defer agent.Close()
		if err := agent.Run(ctx); err != nil {
			y.t.Errorf("the agent of %s ended: %v", m.name, err)
		}
	})
	return func() {
		cancel()
		<-ended
	}
}

func (m *copied) facts() *agentwire.Snapshot {
	return &agentwire.Snapshot{
		Host:     agentwire.Host{Name: m.name, Platform: "Linux", Fingerprint: m.fingerprint},
		Software: []agentwire.Software{{Kind: "deb", Name: "package-of-" + m.name, Version: "1.0"}},
	}
}

// clone copies the machine's disk to a new one.
func (m *copied) clone(t *testing.T, name, fingerprint string) *copied {
	t.Helper()
	next := &copied{name: name, fingerprint: fingerprint, state: t.TempDir()}
	if err := os.CopyFS(next.state, os.DirFS(m.state)); err != nil {
		t.Fatal(err)
	}
	return next
}

// agentID is who the machine believes to be.
func (m *copied) agentID(t *testing.T) string {
	t.Helper()
	report, err := session.ReadReport(m.state)
	if err != nil {
		t.Fatal(err)
	}
	return report.AgentID
}

// packing compresses what a runner spools, as the worker does.
type packing struct{ session.Runner }

func (p packing) Scan(ctx context.Context, job scan.Job) (*scan.Result, error) {
	result, err := p.Runner.Scan(ctx, job)
	if err != nil {
		return nil, err
	}
	doc, err := os.ReadFile(scan.SpoolPath(job.StateDir, result.Upload))
	if err != nil {
		return nil, err
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	packed := encoder.EncodeAll(doc, nil)
	sum := sha256.Sum256(packed)
	result.Upload, result.UploadSize = hex.EncodeToString(sum[:]), int64(len(packed))
	return result, errors.Join(encoder.Close(), os.WriteFile(scan.SpoolPath(job.StateDir, result.Upload), packed, 0o600))
}

// TestFiftyClonesOfOneInstalledImage starts fifty copies of one installed and
// provisioned machine at once.
func TestFiftyClonesOfOneInstalledImage(t *testing.T) {
	t.Parallel()
	const clones = 50
	// Three status intervals and a retry; one more where two drew the same number at
	// the same moment and one of them had to come again.
	const settled = 4 * time.Hour
	own := func(i int) string { return fmt.Sprintf("hardware %d", i) }
	for _, test := range []struct {
		name        string
		shut        time.Duration // between the last life of the original and the first of the clones
		lives       bool          // the original goes on beside them
		fingerprint func(i int) string
		assets      int
	}{
		{"of a machine that was shut down a day ago", 24 * time.Hour, false, own, clones},
		{"of a machine that was shut down just now", time.Second, false, own, clones},
		{"of a machine that goes on", time.Second, true, own, clones + 1},
		{"that cannot be told apart by hardware", time.Second, false, func(int) string { return "the same" }, clones},
		{"of which no hardware is known", time.Hour, true, func(int) string { return "" }, clones + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				y := newYard(t)
				defer y.close()
				original := &copied{name: "original", fingerprint: test.fingerprint(0), state: t.TempDir()}
				off := y.boot(original)
				time.Sleep(time.Hour)
				history := y.mark(original)
				if !test.lives {
					off()
				}
				time.Sleep(test.shut)

				machines := make([]*copied, 0, clones+1)
				for i := range clones {
					machines = append(machines, original.clone(t, fmt.Sprintf("clone-%02d", i+1), test.fingerprint(i+1)))
				}
				for _, m := range machines {
					y.boot(m)
				}
				if test.lives {
					machines = append(machines, original)
				}
				time.Sleep(settled)
				ids := y.identities(machines)
				y.wantAssets(test.assets, ids, history, test.lives)

				time.Sleep(8 * time.Hour) // no ping-pong, and two scans of every machine
				if later := y.identities(machines); !slices.Equal(later, ids) {
					t.Errorf("identities still change: %v became %v", ids, later)
				}
				y.wantAssets(test.assets, ids, history, test.lives)
				y.wantInventories(machines, ids)
			})
		})
	}
}

// past is what an asset has that no clone of its machine may take along.
type past struct {
	agentID string
	hostID  int64
	tagID   int64
}

// mark gives the asset of a machine a history: a tag that somebody put on it.
func (y *yard) mark(m *copied) past {
	y.t.Helper()
	p := past{agentID: m.agentID(y.t)}
	state, err := y.store.AgentState(y.t.Context(), p.agentID)
	if err != nil {
		y.t.Fatal(err)
	}
	p.hostID = state.HostID
	name := "Crown jewels"
	if p.tagID, err = y.store.CreateTag(y.t.Context(), qps.TagChange{Name: &name}); err != nil {
		y.t.Fatal(err)
	}
	if _, err := y.store.AssignTags(y.t.Context(), []int64{p.hostID}, qps.TagAssignment{Add: []int64{p.tagID}}); err != nil {
		y.t.Fatal(err)
	}
	return p
}

func (y *yard) identities(machines []*copied) []string {
	ids := make([]string, 0, len(machines))
	for _, m := range machines {
		ids = append(ids, m.agentID(y.t))
	}
	return ids
}

// wantAssets checks that every machine is an asset of its own and one of them the
// former: the original, where it lives.
func (y *yard) wantAssets(want int, ids []string, history past, lives bool) {
	y.t.Helper()
	ctx := y.t.Context()
	assets, err := y.store.CountHosts(ctx, fleet.WholeFleet(), nil)
	if err != nil {
		y.t.Fatal(err)
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(ids)))
	if assets != int64(want) || len(distinct) != want {
		y.t.Fatalf("%d assets and %d identities, want %d each", assets, len(distinct), want)
	}
	keeper := slices.Index(ids, history.agentID)
	if keeper < 0 || lives && keeper != len(ids)-1 {
		y.t.Errorf("machine %d has the history", keeper)
	}
	keys, err := y.store.ActivationKeys(ctx)
	if err != nil || keys[0].CountUsed != want {
		y.t.Errorf("%d units of the activation key are used (%v), want %d", keys[0].CountUsed, err, want)
	}
}

// wantInventories checks that every asset is what its machine is, and that only
// the former one has the tag.
func (y *yard) wantInventories(machines []*copied, ids []string) {
	y.t.Helper()
	tagged := 0
	for i, m := range machines {
		state, err := y.store.AgentState(y.t.Context(), ids[i])
		if err != nil {
			y.t.Fatal(err)
		}
		asset, err := y.store.Host(y.t.Context(), fleet.WholeFleet(), state.HostID)
		if err != nil {
			y.t.Fatal(err)
		}
		if asset.Name != m.name || len(asset.Software) != 1 || asset.Software[0].Name != "package-of-"+m.name {
			y.t.Errorf("the asset of %s is %s with %v", m.name, asset.Name, asset.Software)
		}
		if slices.ContainsFunc(asset.Tags, func(tag qps.TagSimple) bool { return tag.Name == "Crown jewels" }) {
			tagged++
		}
	}
	if tagged != 1 {
		y.t.Errorf("%d assets have the tag of the former one", tagged)
	}
}
