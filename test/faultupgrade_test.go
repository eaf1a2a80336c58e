package test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// stillUpgrading is how long an agent may ask for nothing in an upgrade before the
// host is started again: it and its successor start several times, and every start
// waits.
const stillUpgrading = stillFor + startSpread

// packagedVersion is the version of the agent that all others replace.
const packagedVersion = "2.0.0"

// faultyUpgrade is an upgrade on which something goes wrong.
type faultyUpgrade struct {
	works  bool // the new version does
	ended  agentwire.UpgradeOutcome
	reason string
}

// killedOften reports whether a version was given up because it was killed on each
// of its starts: by faults, and by a test that started the host again.
func (u *faultyUpgrade) killedOften() bool {
	return strings.HasPrefix(u.reason, "started 3 times: ") &&
		(strings.Contains(u.reason, "signal: killed") || strings.HasSuffix(u.reason, "it was stopped each time before it was found healthy"))
}

// releasesOf holds the archives of the two versions that runs upgrade to; both are
// called newerVersion.
type releasesOf struct{ working, broken string }

// releases makes the archives once for all runs.
var releases = sync.OnceValues(func() (r releasesOf, err error) {
	path, err := builtNewer()
	if err != nil {
		return r, err
	}
	agent, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	worker, err := os.ReadFile(filepath.Join(binaries, "vedette-agent-worker"))
	if err != nil {
		return r, err
	}
	r = releasesOf{filepath.Join(binaries, "working", releaseName(newerVersion)), filepath.Join(binaries, "broken", releaseName(newerVersion))}
	for path, agent := range map[string][]byte{r.working: agent, r.broken: scriptOf(newerVersion, "echo it is broken >&2; sleep 0.1; exit 3")} {
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			return r, err
		}
		if err := writeRelease(path, agent, worker); err != nil {
			return r, err
		}
	}
	return r, nil
})

// publish publishes a version to an agent that is to keep its own for now.
func (l *life) publish(works bool) {
	l.t.Helper()
	l.data.prevent(l.t, true)
	r, err := releases()
	if err != nil {
		l.t.Fatal(err)
	}
	path := r.working
	if !works {
		path = r.broken
	}
	l.data.publishFile(l.t, path)
}

// allowUpgrade lets the agent go to what was published.
func (l *life) allowUpgrade(works bool) {
	l.t.Helper()
	l.upgrade = &faultyUpgrade{works: works}
	eventually(l.t, "the profile allows upgrades", func() bool {
		l.tend() // a platform that was killed last
		return l.data.run(l.t, nil, preventing(false)...).code == 0
	})
}

// stillFor is how long the agent may ask for nothing now before the next nudge.
func (l *life) stillFor() time.Duration {
	if l.upgrade != nil && l.upgrade.ended == "" && !l.launchesNext() {
		return stillUpgrading
	}
	return stillFor
}

// upgradeMissing says what is missing for an upgrade to have ended, or nothing.
func (l *life) upgradeMissing(asset *qps.HostAsset) string {
	if l.upgrade == nil {
		return ""
	}
	reports, err := l.client.Upgrades(l.t.Context(), qpsclient.UpgradeQuery{})
	if err != nil {
		return err.Error()
	}
	var outcome agentwire.UpgradeOutcome
	for _, report := range reports {
		if report.To == newerVersion {
			outcome, l.upgrade.reason = agentwire.UpgradeOutcome(report.Outcome), report.Reason
		}
	}
	runs := map[agentwire.UpgradeOutcome]string{agentwire.UpgradeDone: newerVersion, agentwire.UpgradeRolledBack: packagedVersion}[outcome]
	switch {
	case runs == "": // it may have failed, and comes again
		return fmt.Sprintf("the platform knows of no upgrade that has ended, of %v", reports)
	case asset.AgentInfo.AgentVersion != runs:
		return fmt.Sprintf("the agent has version %s, %s is %s", asset.AgentInfo.AgentVersion, newerVersion, outcome)
	}
	if l.upgrade.ended == "" {
		l.t.Logf("version %s %s: %v", newerVersion, outcome, reports)
	}
	l.upgrade.ended = outcome
	return ""
}

// checkUpgrade looks at the end of a life at what an upgrade has left on the host.
func (l *life) checkUpgrade() {
	l.t.Helper()
	if l.upgrade == nil {
		return
	}
	current := newerVersion
	switch u := l.upgrade; {
	case u.works && u.ended == agentwire.UpgradeDone:
	case u.ended == agentwire.UpgradeRolledBack && u.reason != "" && (!u.works || u.killedOften()):
		current = ""
	default:
		l.t.Errorf("a version that works, %t, is %s: %s", u.works, u.ended, u.reason)
	}
	link, _ := os.Readlink(l.versions("current")) // there is none after the roll back
	if record := l.upgradeRecord(); link != current || record.Trial != nil {
		l.t.Errorf("the current version is %q, want %q, and its trial is %v", link, current, record.Trial)
	}
	if current != "" && !slices.Equal(contentOf(l.t, l.versions(current, "vedette-agent")), newerAgent(l.t)) {
		l.t.Error("the installed agent is not the one that was published")
	}
}

func (l *life) versions(elements ...string) string {
	return filepath.Join(append([]string{l.agent.seen(), "versions"}, elements...)...)
}

// upgradeRecord is what the agent notes of its upgrade.
type upgradeRecord struct {
	Trial   any                      `json:"trial"`
	GivenUp map[string]string        `json:"givenUp"`
	Report  *agentwire.UpgradeReport `json:"report"`
}

func (l *life) upgradeRecord() (r upgradeRecord) {
	doc, err := os.ReadFile(l.versions("upgrade.json"))
	if err != nil || json.Unmarshal(doc, &r) != nil {
		return upgradeRecord{} // not there yet
	}
	return r
}

// armSight makes a fault strike once its step is seen in the folder of versions.
func (l *life) armSight(ctx context.Context, f fault) {
	exists := func(elements ...string) bool {
		_, err := os.Stat(l.versions(elements...))
		return err == nil
	}
	seen := map[step]func() bool{
		stepInstall: func() bool { return exists("incoming", "vedette-agent") },
		stepPlace:   func() bool { return exists(newerVersion) },
		stepHealthy: func() bool {
			doc, err := os.ReadFile(l.versions("health.json"))
			return err == nil && strings.Contains(string(doc), `"reached"`)
		},
		stepPassed: func() bool {
			r := l.upgradeRecord()
			return r.Report != nil && r.Report.Outcome == agentwire.UpgradeDone
		},
		stepRollBack: func() bool { return l.upgradeRecord().GivenUp[newerVersion] != "" },
	}[f.step]
	onSight(ctx, l.t, func() bool {
		if seen() {
			l.sight(f)
			return true
		}
		return false
	})
}

// onTrial tells the command of a version on trial: of a program, or of a script
// with its shell in front.
func onTrial(command []string) bool {
	i := slices.IndexFunc(command, func(argument string) bool {
		return strings.HasSuffix(argument, filepath.Join("versions", newerVersion, "vedette-agent"))
	})
	return i >= 0 && slices.Equal(command[i+1:][:min(1, len(command)-i-1)], []string{"run"})
}

// TestEveryFaultOfAnUpgradeTakesItsTurn keeps the plan from passing over a fault,
// as it does where the number of faults has a divisor in common with the stride.
func TestEveryFaultOfAnUpgradeTakesItsTurn(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string][]step{"first": firstSteps, "later": laterSteps, "upgrade": upgradeSteps, "back": backSteps} {
		seen := make(map[string]bool)
		want := 0
		for _, at := range steps {
			want += len(faultsAt(at))
		}
		for turn := range want {
			f := choose(steps, turn, randomOf(turn))[0]
			f.delay = 0
			seen[f.String()] = true
		}
		if len(seen) != want {
			t.Errorf("%d of %d faults of %s steps take their turn", len(seen), want, name)
		}
	}
}
