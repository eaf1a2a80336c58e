package resident

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vedette.dev/vedette/internal/agent/machine"
	"vedette.dev/vedette/internal/agent/metadata"
	"vedette.dev/vedette/internal/agent/session"
	"vedette.dev/vedette/internal/agent/upgrade"
	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/performance"
)

// Version of the agent, which a build may set. The public agents' legacy rules go
// by this number and end with 1.5, so it starts above.
var Version = "2.0.0" //nolint:gochecknoglobals // set by the linker

// legacyVersion returns the last version of the legacy agents on this system: what
// an agent in the compatibility mode says it is.
func legacyVersion() string {
	if runtime.GOOS == "windows" {
		return "1.4.0"
	}
	return "1.5.0"
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// System is the process Main runs in.
type System struct {
	Stdin  io.Reader
	Stdout io.Writer // what a command was asked for
	Stderr io.Writer // the log and errors
	Worker []string  // command that runs one scan; empty takes vedette-agent-worker beside this program
	// Getenv reads the environment, for the two ids that others on the host should
	// not see in the process list; nil reads nothing.
	Getenv func(string) string
	// Installed says that this program is the agent and nothing else, as on a host that
	// it was installed on: it goes to the versions that its platform publishes, and for
	// root works as the user whom the state folder belongs to.
	Installed bool
}

const usage = `vedette-agent is the resident agent of a Vedette platform.

Usage: vedette-agent COMMAND [Name=Value ...]

  provision   register this host once: ActivationId= CustomerId= ServerUri= [CaFile=]
  run         stay and work; registers first when the three above are given
  status      what the agent knows, does next, and what was refused or put off: [-o json]
  doctor      look for what keeps the agent from working, before or after it is registered:
              [ServerUri=] [CaFile=] [-o json]; exit code 1 when a check failed
  demand      scan now: action=demand type=inv|vm|pc|udc|sca|swca|vmpc [cputhrottle=0..1000]
  rollback    go back to the version before this one, or to the packaged agent
  retry       let versions be tried again that were rolled back
  uninstall   remove everything local but the identity: Confirm=yes
  version     print the version
  help        print this

Options:
  ActivationId=UUID     activation key, by default VEDETTE_ACTIVATION_KEY
  CustomerId=UUID       subscription, by default VEDETTE_CUSTOMER_ID
  ServerUri=URL         https address of the platform
  CaFile=PATH           PEM file of the authority to trust, instead of the host's own
  StateDir=PATH         state folder, by default ` + defaultStateDir + `
  KeyDir=PATH           folder of the host key, by default ` + defaultKeyDir + `, or StateDir where that is given
  RootDir=PATH          where the host's file system is mounted, by default /
  WorkerPath=PATH       scan worker, by default vedette-agent-worker beside this program
  LogLevel=0..5         fatal, error, warning, info, debug, trace; by default the profile's
  LogFileDir=PATH       log to vedette-agent.log in this folder, which is made; it rotates at
                        10 MB and keeps 5 archives, .1 being the latest
  LogDestType=TYPE      file or stderr; by default file with LogFileDir, stderr without.
                        file without LogFileDir is in ` + defaultLogDir + `
  LogCompression=0|1    pack archives of the log with gzip, by default 0
  Wakeup=0|1            hold the wake-up poll, by default 1
  Legacy=0|1            compatibility mode: say to be a legacy agent and act as one, with
                        a timer for each event and no wake-up poll; by default 0
  ProxyOrder=ORDER      sequential or random, in which proxies are tried; by default sequential
  ProxyFailOpen=0|1     go without a proxy when all of them fail, by default 0
  TrialMinutes=1..1440  how long a new version has to reach the platform, by default 10
  ExitWithParent=0|1    end when standard input ends, by default 0

Environment:
  vedette_https_proxy   proxies of the agent, at most 5 with a semicolon in between:
                        http://user:password@host:port; wins over https_proxy
  no_proxy              hosts that are reached without a proxy

Examples:
  vedette-agent provision ServerUri=https://vedette.example.com:8443 CaFile=ca.pem \
    ActivationId=UUID CustomerId=UUID
  vedette-agent run LogFileDir=/var/log/vedette-agent
  vedette-agent status -o json
  vedette-agent doctor
`

// Main runs the command in args (without the program's name) and returns the exit
// code: 0 done, 1 failed, 2 wrong usage. It ends early when ctx does.
func Main(ctx context.Context, args []string, sys System) int {
	command, o, err := parse(args)
	if err == nil {
		o.fromEnvironment(sys.Getenv)
		if sys.Installed && slices.Contains(commands[command], "StateDir") {
			err = becomeOwner(o.stateDir, args)
		}
	}
	if err == nil {
		switch command {
		case "help":
			fmt.Fprint(sys.Stdout, usage)
		case "version":
			fmt.Fprintln(sys.Stdout, Version)
		case "provision":
			err = provision(ctx, o, sys)
		case "run":
			err = run(ctx, args, o, sys)
		case "rollback":
			err = rollBack(ctx, o, sys)
		case "retry":
			err = retry(o, sys)
		case "status":
			err = status(ctx, o, sys)
		case "doctor":
			err = examine(ctx, o, sys)
		case "demand":
			err = demand(ctx, o, sys)
		case "uninstall":
			err = uninstall(o, sys)
		}
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(sys.Stderr, "vedette-agent: %v\n", err)
	if session.DiskFull(err) {
		fmt.Fprintln(sys.Stderr, session.Advice(err))
	}
	if _, ok := errors.AsType[*session.UsageError](err); ok {
		fmt.Fprintln(sys.Stderr, "Run vedette-agent help for the commands and options.")
		return exitUsage
	}
	return exitFailed
}

func provision(ctx context.Context, o *options, sys System) error {
	log, err := openLog(o, sys, "vedette-agent.provision")
	if err != nil {
		return err
	}
	defer log.file.Close()
	agent, err := open(o, sys, log, &versions{}, nil)
	if err != nil {
		return err
	}
	defer agent.Close()
	if err := agent.Provision(ctx); session.DiskFull(err) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w\n%s", err, session.Advice(err))
	}
	fmt.Fprintln(sys.Stdout, agent.ID())
	return nil
}

// run runs the current version of the agent: in this process, or in others while
// they are on trial.
func run(ctx context.Context, args []string, o *options, sys System) error {
	frugal()
	log, err := openLog(o, sys, "vedette-agent")
	if err != nil {
		return err
	}
	defer log.file.Close()
	v, err := openVersions(o, sys)
	if err != nil {
		return err
	}
	launched := v.onTrial || v.packaged != v.self
	for {
		if v.Versions != nil && !launched {
			here, err := v.launcher(args, o, sys, log.Logger).Run(ctx)
			if !here {
				return err
			}
			if err != nil { // rather this version than none
				log.Error("the current version of the agent could not be run: this one runs", "version", Version, "error", err)
			}
		}
		launched = false
		again, err := work(ctx, o, sys, log, v)
		if !again {
			return err
		}
	}
}

// work runs the agent in this process. again is true when another version is to
// run now.
func work(ctx context.Context, o *options, sys System, log *leveledLog, v *versions) (again bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	var restart atomic.Bool
	agent, err := open(o, sys, log, v, func() {
		restart.Store(true)
		cancel()
	})
	if err != nil {
		return false, err
	}
	defer agent.Close()
	if o.exitWithParent {
		go func() { // ends with standard input or the process
			_, _ = io.Copy(io.Discard, sys.Stdin)
			cancel()
		}()
	}
	if v.Versions != nil && !v.onTrial {
		beside.Go(func() { v.noteLasting(ctx, log.Logger) })
	}
	control, err := listen(ctx, o.stateDir, agent, log.Logger, func() {
		restart.Store(v.Versions != nil)
		cancel()
	})
	if err != nil {
		return false, err
	}
	defer control.close()
	log.Info("agent started", "version", Version, "state", o.stateDir, "legacy", o.legacy)
	err = agent.Run(ctx)
	if errors.Is(err, session.ErrUninstalled) {
		// Done, not failed: a service manager need not start it again.
		log.Warn("agent ended: "+err.Error(), "next step", "vedette-agent provision registers this host again, as a new asset")
		return false, nil
	}
	log.Info("agent ended", "version", Version)
	return err == nil && restart.Load() && !v.onTrial, err
}

// noteLasting notes that this version has run for a while.
func (v *versions) noteLasting(ctx context.Context, log *slog.Logger) {
	lasting := time.NewTimer(upgrade.Lasting)
	defer lasting.Stop()
	select {
	case <-ctx.Done():
	case <-lasting.C:
		if err := v.Lasted(Version); err != nil {
			log.Warn("it was not noted that this version of the agent lasts", "error", err)
		}
	}
}

// frugal trades time this process has for memory the host needs: it rests nearly
// always. The heap is collected early, and on a large host the runtime does not
// keep caches for every processor.
func frugal() {
	const (
		gcPercent = 20
		heapLimit = 64 << 20 // above it, collect harder; the largest fragment is 10 MB
		threads   = 2
	)
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(heapLimit)
	runtime.GOMAXPROCS(min(threads, runtime.NumCPU()))
}

// leveledLog is the log, its level, and what is to be closed after it.
type leveledLog struct {
	*slog.Logger
	level *slog.LevelVar
	file  io.Closer
}

// openLog opens the log in the name of a logger.
func openLog(o *options, sys System, logger string) (*leveledLog, error) {
	log := &leveledLog{level: new(slog.LevelVar)}
	if o.logLevel != nil {
		log.level.Set(*o.logLevel)
	}
	var err error
	log.Logger, log.file, err = newLog(o, sys, logger, log.level)
	return log, err
}

// open makes the agent of a state folder.
func open(o *options, sys System, log *leveledLog, v *versions, restart func()) (*session.Agent, error) {
	cfg := session.Config{
		StateDir: o.stateDir, KeyDir: o.keyDir, RootDir: o.rootDir, Version: Version,
		ActivationID: o.activationID, CustomerID: o.customerID, ServerURI: o.serverURI,
		Wakeup: o.wakeup, Host: hostFacts(o.rootDir, metadata.New(sys.Getenv), log.Logger),
		Clock: session.SystemClock{}, Random: rand.Float64,
		Log: log.Logger, Rest: debug.FreeOSMemory,
	}
	if o.legacy {
		cfg.Legacy, cfg.Version = true, legacyVersion()
	}
	if o.logLevel == nil {
		cfg.SetLogLevel = func(l performance.LoggingLevel) { log.level.Set(slogLevel(l)) }
	}
	var err error
	if o.caFile != "" {
		if cfg.CA, err = os.ReadFile(o.caFile); err != nil {
			return nil, &session.UsageError{Message: fmt.Sprintf("CaFile: %v", err)}
		}
	}
	if cfg.Proxies, err = o.proxies(sys.Getenv); err != nil {
		return nil, err
	}
	command := sys.Worker
	if o.workerPath != "" {
		command = []string{o.workerPath}
	}
	worker, err := newWorker(command)
	if err != nil {
		return nil, err
	}
	cfg.Runner = worker
	if up := v.upgrader(worker, log.Logger, restart); up != nil {
		cfg.Upgrader = up
	}
	if v.onTrial {
		cfg.OnTrial = true
		cfg.Health = func(h session.Health) {
			if err := v.Healthy(Version, h); err != nil {
				log.Error("the version that watches this one was not told how it is", "error", err)
			}
		}
	}
	return session.Open(cfg)
}

// hostFacts are the few facts an agent is registered with; its first inventory
// brings the others. Which instance of a cloud it is belongs to them: a connector
// may have made an asset of it.
func hostFacts(rootDir string, cloud *metadata.Service, log *slog.Logger) agentwire.Host {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "unknown"
	}
	short, _, qualified := cutName(name)
	host := agentwire.Host{Name: short, Platform: platform()}
	if qualified {
		host.FQDN = name
	}
	host.Fingerprint = machine.Fingerprint(machine.InstallationID(rootDir))
	host.OS, host.OSID, host.OSVersion = osRelease(rootDir)
	if host.Cloud, err = cloud.Instance(context.Background()); err != nil { // bounded by the service
		log.Warn("the instance this host is was not learnt", "error", err)
	}
	return host
}

func uninstall(o *options, sys System) error {
	if !o.confirm {
		return &session.UsageError{Message: fmt.Sprintf(
			"uninstall removes the state of the agent in %s, all but its identity: repeat with Confirm=yes", o.stateDir)}
	}
	if err := session.Uninstall(o.stateDir); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("there is no agent in %s: give the folder with StateDir=", o.stateDir)
		}
		return err
	}
	fmt.Fprintf(sys.Stdout, "Removed. The identity stays in %s, so that this host is the same agent when it is installed again.\n", o.stateDir)
	return nil
}
