package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/inventory"
	"vedette.dev/vedette/internal/jobs"
	"vedette.dev/vedette/internal/ondemand"
	"vedette.dev/vedette/internal/outbound/aws"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
	"vedette.dev/vedette/internal/packages"
	"vedette.dev/vedette/internal/releases"
	"vedette.dev/vedette/internal/server"
	"vedette.dev/vedette/internal/server/agentapi"
	"vedette.dev/vedette/internal/server/failures"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres"
	"vedette.dev/vedette/internal/store/sqlite"
)

// sweepEvery is how often requests that waited too long are ended, and work that
// was cut off is finished.
const sweepEvery = time.Minute

// platformConfig is what a platform is started with.
type platformConfig struct {
	Data      string `koanf:"data"`       // data folder
	Listen    string `koanf:"listen"`     // HOST:PORT for TLS
	Plain     string `koanf:"plain"`      // HOST:PORT without TLS; empty for none
	PublicURL string `koanf:"public-url"` // how others reach it; empty: as it listens
	Database  string `koanf:"database"`   // postgres://…; empty: SQLite in the data folder
	Packages  string `koanf:"packages"`   // folder with agent packages; empty: packages beside the program
	// AuditRetention is how many days the audit log goes back; 0 for ever.
	AuditRetention *int `koanf:"audit-retention"`
	TLS            struct {
		Certificate string `koanf:"certificate"` // PEM files; empty: the platform's own authority
		Key         string `koanf:"key"`
	} `koanf:"tls"`
	Limits   limitConfig   `koanf:"limits"`
	Failures failureConfig `koanf:"failures"`
}

// platform is a platform that listens and is ready to run.
type platform struct {
	folder      *dataFolder
	packages    *packages.Folder
	store       *store.Store
	url         string // how this machine reaches it
	publicURL   string
	everywhere  bool   // listens on every address of this machine
	authority   []byte // certificate of its own authority, DER; nil with a certificate from elsewhere
	fingerprint string // of authority, empty without one
	admin       adminEnv
	shared      bool // its database may have other replicas
	server      *server.Server
	bindings    []server.Binding
	background  []func(context.Context)
	cloud       *aws.Cloud
	relays      *relay.Directory
	channels    *tunnel.Channels // to relays
	profiles    *fleet.Profiles
	limits      *server.Limits
	failures    *failures.Injector
	auditDays   int // 0 for ever
	automation  *automationLayer
	closers     []func() // of what is kept in memory
}

// openPlatform opens the data folder and the database, listens, and makes what
// a first start has to make. The caller closes the platform.
func openPlatform(ctx context.Context, config platformConfig, log *slog.Logger) (p *platform, err error) {
	p = &platform{shared: config.Database != ""}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if err := config.check(); err != nil {
		return p, err
	}
	if p.limits, err = config.Limits.open(time.Now); err != nil {
		return p, err
	}
	if p.auditDays, err = config.auditDays(); err != nil {
		return p, err
	}
	if p.failures, err = config.Failures.open(); err != nil {
		return p, err
	}
	if p.packages, err = openPackages(config.Packages); err != nil {
		return p, err
	}
	if err := checkDatabaseURL(config.Database); err != nil {
		return p, err
	}
	listening := p.listen(ctx, config)
	if _, err := os.Stat(config.Data); listening != nil && err != nil {
		return p, listening // and no folder is made
	}
	// Of a folder that is there, that it is in use says more than that a port is.
	if p.folder, err = openDataFolder(config.Data); err != nil || listening != nil {
		return p, cmp.Or(err, listening)
	}
	now := time.Now
	if p.store, err = openStore(ctx, config.Database, p.folder, now); err != nil {
		return p, err
	}
	if p.bindings[0].TLS, err = p.tls(config, p.bindings[0].Listener.Addr(), now()); err != nil {
		return p, err
	}
	if p.admin, err = bootstrap(ctx, p.store, p.folder, p.url, now()); err != nil {
		return p, fmt.Errorf("prepare database: %w", err)
	}
	return p, p.assemble(ctx, now, log)
}

func openStore(ctx context.Context, database string, folder *dataFolder, now func() time.Time) (*store.Store, error) {
	if database != "" {
		return postgres.Open(ctx, database, now)
	}
	return sqlite.Open(ctx, folder.file(databaseFile), now)
}

// assemble wires the services, the endpoints and the background work.
func (p *platform) assemble(ctx context.Context, now func() time.Time, log *slog.Logger) error {
	p.cloud = aws.New(buildVersion(), aws.Limits{})
	sessions, err := p.folder.sessionIssuer(p.admin.customerID, now)
	if err != nil {
		return err
	}
	users, err := access.NewAuthenticator(p.store, sessions, now)
	if err != nil {
		return err
	}
	signer, err := p.signer(ctx, now())
	if err != nil {
		return err
	}
	if err := openSecrets(ctx, p.store, p.folder); err != nil {
		return err
	}
	timestamp, err := p.folder.signingKey(timestampKey)
	if err != nil {
		return err
	}
	shelf := releases.NewShelf(p.folder.file(releasesFolder), timestamp, now, log)
	roster := fleet.NewRoster(p.store, now)
	pulse := fleet.NewPulse(p.store, log)
	wakeups := &fleet.Wakeups{}
	launcher := &ondemand.Launcher{Requests: p.store, Targets: p.store, Now: now}
	gateway := &agentapi.Gateway{
		Roster: roster, Pulse: pulse, Wakeups: wakeups,
		Enroller: &fleet.Enroller{Enrolments: p.store, Now: now},
		Arbiter:  &fleet.Arbiter{Holders: p.store, Roster: roster, Now: now, Log: log},
		Intake:   inventory.NewIntake(p.store, now),
		Demands:  p.store, Profiles: p.store, Orders: p.store, Signer: signer, Now: now, Log: log,
		Releases: shelf, Upgrades: p.store,
	}
	rollout := fleet.NewRollout(p.store, now, log)
	p.profiles = &fleet.Profiles{Store: p.store, Now: now, NewID: uuid.NewString, Changed: rollout.Poke, Hosts: p.store}
	tail := &fleet.Tail{Changes: p.store, Hint: p.store.Hint(), Roster: roster, Wakeups: wakeups, Log: log}

	p.openRelays(now, log)
	if p.automation, err = p.openAutomation(now, log); err != nil {
		return err
	}

	operators := server.NewBudget(server.OperatorRequests)
	routes, err := p.failures.Wrap(p.operatorRoutes(users, launcher, operators))
	if err != nil {
		return err
	}
	mux := server.NewMux(log)
	mux.Add(server.HealthRoute(p.store.Ready))
	mux.Add(gateway.Routes(server.NewBudget(server.AgentRequests))...)
	installation := &agentapi.Installation{Packages: p.packages, Admission: &fleet.Admission{Keys: p.store, Now: now}, Authority: p.authority}
	mux.Add(installation.Routes()...)
	mux.Add(routes...)
	mux.Add(server.SignInRoute(users, sessions), p.channelRoute())
	p.server = server.New(server.Options{Handler: mux, Log: log})
	p.background = []func(context.Context){
		pulse.Run, tail.Run, rollout.Run, shelf.Run, p.channels.Run,
		(&fleet.RuleEvaluator{Passes: p.store, Hint: p.store.RuleHint(), Log: log}).Run,
		func(ctx context.Context) {
			sweep(ctx, log, "on-demand requests were not swept", func(ctx context.Context) error {
				_, err := launcher.Sweep(ctx)
				return err
			})
		},
		func(ctx context.Context) {
			sweep(ctx, log, "updates of activation keys did not reach all agents", p.store.ResumeKeyPushes)
		},
		func(ctx context.Context) {
			sweep(ctx, log, "tallies of hosts were not settled", func(ctx context.Context) error {
				more, err := p.store.SettleTallies(ctx)
				for more && err == nil {
					more, err = p.store.SettleTallies(ctx)
				}
				return err
			})
		},
		func(ctx context.Context) {
			var after int64
			sweep(ctx, log, "software that no host has was not swept", func(ctx context.Context) (err error) {
				after, _, err = p.store.SweepSoftware(ctx, after)
				return err
			})
		},
	}
	p.background = append(p.background, func(ctx context.Context) {
		claims := &fleet.ClaimReporter{Instances: p.store, Log: log}
		sweep(ctx, log, "contested instances were not looked for", claims.Report)
	})
	p.background = append(p.background, accessSweeps(p.store, p.auditDays, now, log)...)
	p.background = append(p.background, func(ctx context.Context) {
		sweep(ctx, log, "old runs were not removed", p.pruneRuns(now))
	})
	kinds := []jobs.Kind{
		p.connectorRuns(now, log), p.commandRuns(p.automation, now, log), p.firings(p.automation, now, log), p.noticeDeliveries(p.automation, now, log),
	}
	engine, err := p.jobEngine(kinds, log)
	if err != nil {
		return err
	}
	p.background = append(p.background, engine.Run)
	return nil
}

// signer returns what signs instructions. Every replica of a database must have
// the same root: agents have pinned it and refuse another.
func (p *platform) signer(ctx context.Context, now time.Time) (*agentapi.Signer, error) {
	signer, err := p.folder.signer(now)
	if err != nil {
		return nil, err
	}
	pinned, err := p.store.EnsureInstructionRoot(ctx, signer.Root)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(pinned, signer.Root) {
		return nil, fault.New(fault.Conflict, fmt.Sprintf("The root key in %s is not the one the agents of this database trust.", p.folder.file("trust")), copyTrust)
	}
	return signer, nil
}

// run serves until ctx ends, then stops everything it started.
func (p *platform) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, task := range p.background {
		work.Go(func() { task(ctx) })
	}
	err := p.server.Serve(ctx, p.bindings...)
	p.bindings = nil // closed by the server
	cancel()
	work.Wait()
	return err
}

func (p *platform) close() error {
	var errs []error
	for _, end := range p.closers {
		end()
	}
	for _, binding := range p.bindings {
		errs = append(errs, binding.Listener.Close())
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	if p.folder != nil {
		errs = append(errs, p.folder.close())
	}
	return errors.Join(errs...)
}

// sweep runs a task at once and every minute until ctx ends.
func sweep(ctx context.Context, log *slog.Logger, failure string, task func(ctx context.Context) error) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, failure, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// listen opens the listeners, so that the addresses are known and taken before
// anything is made for them or said about them.
func (p *platform) listen(ctx context.Context, config platformConfig) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return listenFailed("listen", config.Listen, err)
	}
	p.bindings = append(p.bindings, server.Binding{Listener: listener})
	p.url = "https://" + reachable(listener.Addr())
	tcp, ok := listener.Addr().(*net.TCPAddr)
	p.everywhere = ok && tcp.IP.IsUnspecified()
	p.publicURL = strings.TrimRight(config.PublicURL, "/")
	if p.publicURL == "" {
		p.publicURL = p.url
	}
	if config.Plain == "" {
		return nil
	}
	plain, err := new(net.ListenConfig).Listen(ctx, "tcp", config.Plain)
	if err != nil {
		return listenFailed("plain", config.Plain, err)
	}
	p.bindings = append(p.bindings, server.Binding{Listener: plain})
	return nil
}

func listenFailed(option, address string, err error) error {
	return &fault.Error{Code: fault.Conflict, Message: fmt.Sprintf("Cannot listen on %s: %v.", address, errors.Unwrap(err)),
		Resolution: fmt.Sprintf("Choose another HOST:PORT with --%s.", option), Err: err}
}

func (p *platform) tls(config platformConfig, listening net.Addr, now time.Time) (*tls.Config, error) {
	if config.TLS.Certificate != "" || config.TLS.Key != "" {
		pair, err := tls.LoadX509KeyPair(config.TLS.Certificate, config.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("load tls.certificate and tls.key: %w", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
	}
	hosts, err := certificateHosts(p.publicURL, listening)
	if err != nil {
		return nil, err
	}
	config509, authority, err := p.folder.serverTLS(hosts, now)
	if err != nil {
		return nil, err
	}
	p.authority, p.fingerprint = authority.DER(), authority.Fingerprint()
	return config509, nil
}

// certificateHosts returns the names and addresses the certificate stands for.
func certificateHosts(publicURL string, listening net.Addr) ([]string, error) {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	public, err := url.Parse(publicURL)
	if err != nil || public.Hostname() == "" {
		return nil, fault.New(fault.Invalid, fmt.Sprintf("public-url %q is not a URL such as https://vedette.example.net:8443.", publicURL), "")
	}
	hosts = append(hosts, public.Hostname())
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	if tcp, ok := listening.(*net.TCPAddr); ok && !tcp.IP.IsUnspecified() {
		hosts = append(hosts, tcp.IP.String())
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}

// reachable is the listening address as this machine reaches it.
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return address.String()
	}
	if tcp.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	}
	return tcp.String()
}
