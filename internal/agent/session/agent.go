package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"vedette.dev/vedette/internal/agent/proxy"
	"vedette.dev/vedette/internal/agent/scan"
	"vedette.dev/vedette/internal/agent/session/blackout"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// Runner runs one scan and returns when it has ended. It must end soon after its
// context does.
type Runner interface {
	Scan(ctx context.Context, job scan.Job) (*scan.Result, error)
}

// Config is what an agent is made of. ActivationID, CustomerID and ServerURI are
// needed once, to provision; later ServerURI and CA replace the stored ones.
type Config struct {
	StateDir string
	Files    Files  // nil keeps them in StateDir
	KeyDir   string // folder of the host key, which shall outlive StateDir; empty keeps it with the other files
	RootDir  string // where the host's file system is mounted; "/" on the host itself
	Version  string // of the agent, as it tells the platform

	ActivationID string
	CustomerID   string
	ServerURI    string
	CA           []byte // PEM; empty trusts the host's own authorities

	Wakeup bool           // hold the wake-up poll; a legacy agent holds none
	Host   agentwire.Host // facts to provision with: name, OS and platform are enough

	// Legacy makes the agent behave as Windows agents up to 1.4 and Linux and Mac
	// agents up to 1.5 do: each event runs from a timer of its own, under the
	// parameters that the catalogue marks as legacy. Version should be one of those.
	Legacy bool

	Runner      Runner
	Upgrader    Upgrader          // nil: this agent is upgraded by other means
	Transport   http.RoundTripper // nil makes one with NewTransport and Proxies
	Proxies     *proxy.Settings   // nil for none
	Clock       Clock
	Wall        func() time.Time // time in signatures, where Clock does not run at the pace of the world; nil takes Clock's
	Random      func() float64   // evenly from [0, 1)
	Log         *slog.Logger
	SetLogLevel func(performance.LoggingLevel) // follows the profile; nil keeps the level
	Rest        func()                         // called when the agent comes to rest after activity; nil does nothing
	Health      func(Health)                   // called by the loop when it changes; nil does nothing
	OnTrial     bool                           // another version waits for this one to show that it works
}

// Agent is one resident agent. Provision and Run must not run at the same time;
// Demand may be called while Run runs. Close it when done.
type Agent struct {
	cfg      Config
	log      *slog.Logger
	clock    Clock
	spread   spread
	dir      *folder
	lock     io.Closer
	keys     keyFile
	sequence *sequence
	client   *client

	id       *identity
	runID    string // see newRun
	echo     string // what the platform wants to hear next from this run
	welcome  bool   // the platform took a status request of this run: the identity is this machine's
	state    *state
	profile  *held[agentwire.Profile]
	manifest *held[agentwire.Manifest]
	windows  blackout.Windows

	timers   [events]timer
	contacts contacts
	poll     poll
	scans    scans
	sending  sending
	upgrade  upgrade
	health   Health

	handling atomic.Pointer[Handling] // nil between events
	outcomes chan func()              // what goroutines want done by the loop
	demands  chan demandCall          // from Demand
	life     context.Context          // of the goroutines beside the loop; set by Run
	running  sync.WaitGroup
	inactive bool // was silent in a blackout; the return is spread
	active   bool // did something since it last rested
	fatal    error
}

// Open locks the state folder and loads what is in it, creating it with a fresh
// key pair where there is none. It returns *UsageError for wrong settings and
// *LockedError while another agent uses the folder.
func Open(cfg Config) (*Agent, error) {
	if cfg.Wall == nil {
		cfg.Wall = cfg.Clock.Now
	}
	if cfg.Files == nil {
		cfg.Files = diskFiles{cfg.StateDir}
	}
	// What cannot be registered leaves nothing behind.
	if _, err := cfg.Files.Read(identityFile, maxStateBytes); errors.Is(err, fs.ErrNotExist) {
		if _, err := registration(&cfg); err != nil {
			return nil, err
		}
	}
	if err := cfg.Files.Prepare(); err != nil {
		return nil, err
	}
	locked, err := cfg.Files.Lock()
	if err != nil {
		return nil, err
	}
	a := &Agent{
		cfg: cfg, log: cfg.Log, clock: cfg.Clock, spread: spread{random: cfg.Random},
		dir: &folder{files: cfg.Files, now: cfg.Clock.Now}, lock: locked,
		outcomes: make(chan func(), 8), demands: make(chan demandCall),
	}
	if err := a.load(); err != nil {
		locked.Close()
		return nil, fmt.Errorf("open agent in %s: %w", cfg.StateDir, err)
	}
	return a, nil
}

func (a *Agent) load() error {
	var err error
	a.runID = newRun()
	if a.keys, err = openKeyFile(&a.cfg); err != nil {
		return err
	}
	if a.id, err = openIdentity(a.dir, a.keys, &a.cfg); err != nil {
		return err
	}
	if a.state, err = openState(a.dir, a.id, a.log); err != nil {
		return err
	}
	if a.cfg.Transport == nil {
		if a.cfg.Transport, err = NewTransport(a.id.CA, a.cfg.Proxies); err != nil {
			return err
		}
	}
	a.sequence = openSequence(a.dir, a.clock.Now(), a.log)
	a.client = newClient(a.id, a.cfg.Transport, a.cfg.Wall, a.log, a.sequence)
	a.client.setPace(a.pace())
	if !a.id.provisioned() {
		return nil
	}
	profile, err := load[agentwire.Profile](a, profileFile, agentwire.KindProfile)
	if err != nil {
		return err
	}
	if profile != nil {
		a.applyProfile(profile)
	}
	a.manifest, err = load[agentwire.Manifest](a, manifestFile, agentwire.KindManifest)
	return err
}

// Close releases the state folder. There is nothing to save.
func (a *Agent) Close() error { return a.lock.Close() }

// ID returns the agent id, empty while the host is not provisioned. Not while Run
// runs.
func (a *Agent) ID() string { return a.id.AgentID }

// Provision registers the host unless it is registered already. One attempt. A
// host that its platform uninstalled becomes a new asset.
func (a *Agent) Provision(ctx context.Context) error {
	if a.id.Departure != nil {
		if err := a.returnAnew(ctx); err != nil {
			return err
		}
	}
	if a.id.provisioned() {
		return nil
	}
	return a.provision(ctx)
}

// Run keeps the agent going until ctx ends, which is no error. It returns
// ErrUninstalled when the platform ordered the agent to remove itself and it has
// done so, now or earlier, and another error when the state folder cannot be
// written any more.
func (a *Agent) Run(ctx context.Context) error {
	if a.id.Departure == nil {
		if err := a.live(ctx); err != nil || a.id.Departure == nil {
			return err
		}
	}
	return a.leave(ctx)
}

// live works until ctx ends or the platform orders the agent away. Nothing runs
// beside it when it returns.
func (a *Agent) live(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer a.running.Wait()
	defer stop()
	a.life = ctx
	if err := a.start(); err != nil {
		return err
	}
	for ctx.Err() == nil && a.fatal == nil && a.id.Departure == nil {
		wait := a.step(ctx)
		if wait > 0 {
			a.rest()
		}
		a.wait(ctx, wait)
	}
	if ctx.Err() != nil {
		return nil
	}
	return a.fatal
}

// start settles what the last run left behind.
func (a *Agent) start() error {
	now := a.clock.Now()
	if resumed := a.state.takeUp(); len(resumed) > 0 {
		a.log.Info("on-demand scans begun before are taken up again", "requests", resumed)
	}
	a.state.follow(a.manifest, now)
	if err := a.saveState(); err != nil {
		return err
	}
	a.prune()
	a.startTimers(now)
	return nil
}

const (
	// longestWait bounds one wait: the host's clock or time zone may be changed, and
	// blackout windows follow them.
	longestWait = 5 * time.Minute
	// shortestWait keeps a moment that is due and cannot be acted on from spinning.
	shortestWait = 10 * time.Millisecond
)

// step does what is due and returns how long there is nothing to do.
func (a *Agent) step(ctx context.Context) time.Duration {
	now := a.clock.Now()
	a.startScan(now)
	next := a.scanDue(now)
	if change, ok := a.windows.Next(now); ok {
		next = earliest(next, change)
	}
	if a.windows.Active(now) {
		a.silence()
	} else {
		a.resume(now)
		if a.talk(ctx, now) {
			return 0
		}
		next = earliest(next, a.talkDue())
		a.feel(HealthStarted)
	}
	if a.fatal != nil {
		return 0
	}
	wait := longestWait
	if !next.IsZero() {
		wait = min(wait, next.Sub(a.clock.Now()))
	}
	return max(wait, shortestWait)
}

// silence ends what holds a connection in a blackout.
func (a *Agent) silence() {
	if !a.inactive {
		a.log.Info("blackout: neither sending nor receiving")
	}
	a.inactive = true
	a.feel(HealthSilent)
	for _, cancel := range []context.CancelFunc{a.poll.cancel, a.upgrade.cancel} {
		if cancel != nil {
			cancel()
		}
	}
}

// resume spreads the contacts that piled up in a blackout.
func (a *Agent) resume(now time.Time) {
	if !a.inactive {
		return
	}
	a.inactive = false
	at := now.Add(a.spread.below(resumeSpread))
	a.log.Info("blackout is over", "next contact", at)
	for e := range a.timers {
		a.timers[e].notBefore(at)
	}
}

// wait waits for the next moment, an outcome or a local demand, or looks once for
// the latter two when d is 0.
func (a *Agent) wait(ctx context.Context, d time.Duration) {
	if d == 0 {
		select {
		case act := <-a.outcomes:
			act()
		case call := <-a.demands:
			call.answer <- a.accept(call)
		default:
		}
		return
	}
	expired, stop := a.clock.Timer(d)
	defer stop()
	select {
	case <-ctx.Done():
	case <-expired:
	case act := <-a.outcomes:
		act()
	case call := <-a.demands:
		call.answer <- a.accept(call)
	}
}

// rest lets the process give its memory back after activity.
func (a *Agent) rest() {
	if a.active && a.cfg.Rest != nil && !a.scans.running {
		a.active = false
		a.cfg.Rest()
	}
}

// spawn runs work beside the loop; what work returns is done by the loop. Work
// that ends with the agent has no outcome: it was cut short, and has not failed.
func (a *Agent) spawn(work func(ctx context.Context) (done func())) {
	a.running.Go(func() {
		done := work(a.life)
		if a.life.Err() != nil {
			return
		}
		select {
		case a.outcomes <- done:
		case <-a.life.Done():
		}
	})
}

// saveState makes the state durable. Failing to is the one thing an agent cannot
// work around: it could no longer keep what it acknowledges.
func (a *Agent) saveState() error {
	if err := a.dir.write(stateFile, a.state); err != nil {
		a.fatal = errors.Join(a.fatal, err)
		return err
	}
	return nil
}

// earliest returns the earlier of two moments; zero stands for never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
