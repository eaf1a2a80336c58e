package main

import (
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

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/relay"
	"vedette.dev/vedette/internal/fault"
	tunnel "vedette.dev/vedette/internal/outbound/relay"
	"vedette.dev/vedette/internal/packages"
	"vedette.dev/vedette/internal/server"
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
	Only      string `koanf:"only"`       // the one layer to run; empty: all of them
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
	store       *store.Store
	url         string // how this machine reaches it
	publicURL   string
	everywhere  bool   // listens on every address of this machine
	authority   []byte // certificate of its own authority, DER; nil with a certificate from elsewhere
	fingerprint string // of authority, empty without one
	admin       adminEnv
	shared      bool // its database may have other replicas
	alone       bool // has only the automation layer
	server      *server.Server
	bindings    []server.Binding
	background  []func(context.Context)
	relays      *relay.Directory
	channels    *tunnel.Channels // to relays
	limits      *server.Limits
	failures    *failures.Injector
	auditDays   int         // 0 for ever
	fleet       *fleetLayer // nil alone
	automation  *automationLayer
	closers     []func() // of what is kept in memory
}

// openPlatform opens the data folder and the database, listens, and makes what
// a first start has to make. The caller closes the platform.
func openPlatform(ctx context.Context, config platformConfig, log *slog.Logger) (p *platform, err error) {
	p = &platform{alone: config.alone(), shared: config.Database != ""}
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
	var offered *packages.Folder
	if !p.alone {
		if offered, err = openPackages(config.Packages); err != nil {
			return p, err
		}
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
	if p.admin, err = p.bootstrap(ctx, now()); err != nil {
		return p, fmt.Errorf("prepare database: %w", err)
	}
	return p, p.assemble(ctx, offered, now, log)
}

func openStore(ctx context.Context, database string, folder *dataFolder, now func() time.Time) (*store.Store, error) {
	if database != "" {
		return postgres.Open(ctx, database, now)
	}
	return sqlite.Open(ctx, folder.file(databaseFile), now)
}

// assemble wires the services, the endpoints and the background work.
func (p *platform) assemble(ctx context.Context, offered *packages.Folder, now func() time.Time, log *slog.Logger) error {
	sessions, err := p.folder.sessionIssuer(p.admin.customerID, now)
	if err != nil {
		return err
	}
	users, err := access.NewAuthenticator(p.store, sessions, now)
	if err != nil {
		return err
	}
	if !p.alone {
		if p.fleet, err = p.openFleet(ctx, offered, now, log); err != nil {
			return err
		}
	}
	if err := openSecrets(ctx, p.store, p.folder); err != nil {
		return err
	}
	p.openRelays(now, log)
	if p.automation, err = p.openAutomation(now, log); err != nil {
		return err
	}
	routes, err := p.failures.Wrap(p.operatorRoutes(users, server.NewBudget(server.OperatorRequests)))
	if err != nil {
		return err
	}
	hooks, err := p.hookRoute(now, log)
	if err != nil {
		return err
	}
	mux := server.NewMux(log)
	mux.Add(server.HealthRoute(p.store.Ready))
	mux.Add(routes...)
	mux.Add(p.agentRoutes()...)
	mux.Add(server.SignInRoute(users, sessions), p.channelRoute(), hooks)
	p.server = server.New(server.Options{Handler: mux, Log: log})
	kinds, elsewhere := p.jobKinds(now, log)
	engine, err := p.jobEngine(kinds, elsewhere, log)
	if err != nil {
		return err
	}
	p.background = append(accessSweeps(p.store, p.auditDays, now, log), engine.Run, p.channels.Run, func(ctx context.Context) {
		sweep(ctx, log, "old runs were not removed", p.pruneRuns(now))
	})
	if !p.alone {
		p.background = append(p.background, p.fleet.background...)
	}
	return nil
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
