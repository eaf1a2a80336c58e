package upgrade

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"vedette.dev/vedette/internal/agent/session"
)

const (
	// DefaultPatience is how long a version on trial has to reach the platform. An
	// agent that cannot tries again within seconds, later within minutes.
	DefaultPatience = 10 * time.Minute
	// maxTrialStarts is how often a version on trial is started: it may be ended by
	// something else, such as the host, twice.
	maxTrialStarts = 3
	// maxStarts is how often a version that passed its trial may be started in a row
	// without lasting.
	maxStarts = 5
	// Lasting is how long a version runs before its starts are no loop.
	Lasting = 2 * time.Minute
	// watchEvery is how often the watcher looks, probeTimeout bounds its own attempt
	// to reach the platform.
	watchEvery   = time.Second
	probeTimeout = time.Minute
	// stopGrace is how long after the end of a child it shows that this process was
	// to stop, too: a service manager tells both.
	stopGrace = time.Second
)

// Child is a running agent on trial.
type Child interface {
	// Done is closed when it has ended.
	Done() <-chan struct{}
	// Ended says how it ended, once Done is closed; empty for well.
	Ended() string
	// Stop ends it and waits until it has.
	Stop()
}

// Launcher runs the current version of the agent. Its fields are set before Run.
type Launcher struct {
	Versions *Versions
	Self     string // path of this program
	Version  string // of this program
	Packaged string // path of the packaged agent; Self where this is it
	Patience time.Duration
	Log      *slog.Logger

	Start func(path string) (Child, error) // an agent on trial
	Exec  func(path string) error          // takes the place of this process
	Probe func(ctx context.Context) error  // nil when this program reaches the platform
	// Departed reports whether the agent ended because it removed itself, or is to end
	// with its parent.
	Departed func() bool
}

// Run returns true when this program is the one to run, and false when the agent
// ended as it was to. Otherwise the current version runs, and Run returns only
// when there is another one.
func (l *Launcher) Run(ctx context.Context) (here bool, err error) {
	packaged := ""
	if l.Packaged == l.Self {
		packaged = l.Version
	}
	for {
		current, on, err := l.Versions.settle(packaged)
		if err != nil {
			return true, err
		}
		path := l.Packaged
		if current != "" {
			path = l.Versions.program(current)
		}
		switch {
		case path == l.Self:
			return true, nil
		case on != nil:
			end, err := l.watch(ctx, current, path)
			if end || err != nil {
				return false, err
			}
		default:
			if err := l.become(current, path); err != nil {
				return true, err
			}
		}
	}
}

// become runs a version in the place of this process. It returns nil when the
// version was given up instead.
func (l *Launcher) become(version, path string) error {
	if version == "" {
		return fmt.Errorf("run the packaged agent: %w", l.Exec(path))
	}
	_, starts, err := l.Versions.started(version)
	if err != nil {
		return err
	}
	if starts > maxStarts {
		return l.rollBack(version, fmt.Sprintf("it ended within %s of its start, %d times in a row", Lasting, maxStarts))
	}
	return l.rollBack(version, fmt.Sprintf("it cannot be run: %v", l.Exec(path)))
}

func (l *Launcher) rollBack(version, reason string) error {
	from, to, err := l.Versions.rollBack(version, reason, time.Now())
	if errors.Is(err, ErrPackaged) {
		return nil
	}
	if err == nil && from != "" {
		l.Log.Error("version of the agent rolled back", "version", from, "reason", reason, "back to", orPackaged(to))
	}
	return err
}

func orPackaged(version string) string {
	if version == "" {
		return "the packaged agent"
	}
	return version
}

// watch runs a version on trial until it is found healthy or not. end is true when
// the agent is to end.
func (l *Launcher) watch(ctx context.Context, version, path string) (end bool, err error) {
	if err := l.Versions.forgetHealth(); err != nil {
		return false, err
	}
	on, _, err := l.Versions.started(version)
	if err != nil {
		return false, err
	}
	if on.Starts > maxTrialStarts {
		if on.Reason == "" {
			on.Reason = "it was stopped each time before it was found healthy"
		}
		return false, l.rollBack(version, fmt.Sprintf("started %d times: %s", maxTrialStarts, on.Reason))
	}
	l.Log.Info("new version of the agent on trial", "version", version, "start", on.Starts, "patience", l.Patience)
	child, err := l.Start(path)
	if err != nil {
		return false, l.rollBack(version, fmt.Sprintf("it cannot be run: %v", err))
	}
	verdict, reason := l.judge(ctx, child, version)
	child.Stop()
	switch verdict {
	case healthy:
		l.Log.Info("new version of the agent is healthy", "version", version)
		return false, l.Versions.passed(version, time.Now())
	case sick:
		return false, l.rollBack(version, reason)
	case crashed:
		l.Log.Error("new version of the agent ended on trial", "version", version, "reason", reason)
		return false, l.Versions.ended(version, reason)
	case stopped:
		return true, l.Versions.stopped(version)
	default: // revoked: the next round sees what took its place
		return false, nil
	}
}

// verdict on a version on trial.
type verdict int

const (
	healthy verdict = iota
	sick            // it runs, and does not do what it is for
	crashed         // it ended by itself
	stopped         // the agent is to end
	revoked         // an administrator went back
)

// judge watches a version on trial. Its criterion is its own: that the new version
// says it reached the platform. One that has not by the end of its time is sick
// only if this program reaches the platform, so that an outage, and a network that
// is down, are no fault of it; nor is a blackout, in which it is to be silent.
func (l *Launcher) judge(ctx context.Context, child Child, version string) (verdict, string) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	deadline := time.Now().Add(l.Patience)
	for {
		select {
		case <-ctx.Done():
			return stopped, ""
		case <-child.Done():
			return l.afterEnd(ctx, child)
		case <-ticker.C:
		}
		if !l.Versions.trialOf(version) {
			return revoked, ""
		}
		health := l.Versions.health(version)
		switch {
		case health == session.HealthReached:
			return healthy, ""
		case health == session.HealthSilent:
			deadline = time.Now().Add(l.Patience)
		case time.Now().Before(deadline):
		case health == "":
			return sick, fmt.Sprintf("it did not begin to work within %s", l.Patience)
		default:
			if err := l.probe(ctx); err == nil {
				return sick, fmt.Sprintf("it did not reach the platform within %s, which version %s reaches", l.Patience, l.Version)
			} else if ctx.Err() == nil {
				l.Log.Warn("the platform is out of reach, also to the version that watches: the trial goes on", "version", version, "error", err)
			}
			deadline = time.Now().Add(l.Patience)
		}
	}
}

func (l *Launcher) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return l.Probe(ctx)
}

// afterEnd judges a version that ended.
func (l *Launcher) afterEnd(ctx context.Context, child Child) (verdict, string) {
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	select {
	case <-ctx.Done():
		return stopped, ""
	case <-grace.C:
	}
	how := child.Ended()
	if how == "" && l.Departed() {
		return stopped, ""
	}
	if how == "" {
		how = "it ended by itself, without an error"
	}
	return crashed, how
}
