package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vedette.dev/vedette/internal/agentwire"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
)

// TestPlatformScripts runs testdata/platform/*.txt: the command line against a
// whole platform with SQLite. Every script has one of its own, which the
// environment names, with one agent of asset id 1, whose last upgrade was rolled
// back, and offers the agent packages in the script's folder packages. The
// password of its administrator is in admin-password.txt as well.
func TestPlatformScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/platform",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupPlatformScript,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "mode": mode, "until": until, "opens": opens, "another": another, "hook": hook},
	})
}

func setupPlatformScript(env *testscript.Env) error {
	offered := filepath.Join(env.WorkDir, "packages")
	if err := os.MkdirAll(offered, 0o700); err != nil {
		return err
	}
	p, err := startScriptPlatform(env, platformConfig{Data: filepath.Join(env.WorkDir, "data"), Packages: offered})
	if err == nil {
		err = enrolScriptAgent(p)
	}
	if err != nil {
		return err
	}
	return p.tellScript(env)
}

// startScriptPlatform runs a platform until the script ends.
func startScriptPlatform(env *testscript.Env, config platformConfig) (*platform, error) {
	ctx, stop := context.WithCancel(context.Background())
	config.Listen = "127.0.0.1:0"
	p, err := openPlatform(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		stop()
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	env.Defer(func() {
		stop()
		if err := errors.Join(<-ended, p.close()); err != nil {
			env.T().Log(err)
			env.T().FailNow()
		}
	})
	return p, nil
}

// enrolScriptAgent gives a platform its one agent.
func enrolScriptAgent(p *platform) error {
	ctx := context.Background()
	key := sha256.Sum256([]byte("the one agent"))
	enrolled, err := p.store.EnrolAgent(ctx, fleet.Enrolment{
		ActivationKey: p.admin.activationKey, PublicKey: ed25519.NewKeyFromSeed(key[:]).Public().(ed25519.PublicKey),
		AgentID: "0f7c1c52-0000-4000-8000-000000000001", AgentVersion: "2.0.0", Host: agentwire.Host{Name: "edge-cache-01"}, At: time.Now(),
	})
	if err != nil {
		return err
	}
	return p.store.RecordUpgrade(ctx, enrolled.HostID, agentwire.UpgradeReport{
		Outcome: agentwire.UpgradeRolledBack, From: "2.0.0", To: "2.1.0", Reason: "it ended with exit status 3", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}, time.Now())
}

// tellScript has the commands of a script call the platform.
func (p *platform) tellScript(env *testscript.Env) error {
	for name, value := range map[string]string{
		"VEDETTE_URL": p.admin.url, "VEDETTE_USERNAME": p.admin.username, "VEDETTE_PASSWORD": p.admin.password, "VEDETTE_CA_FILE": p.admin.caFile,
		"VEDETTE_ACTIVATION_KEY": p.admin.activationKey, "VEDETTE_CUSTOMER_ID": p.admin.customerID,
		"HOME": filepath.Join(env.WorkDir, "home"), "XDG_CONFIG_HOME": filepath.Join(env.WorkDir, "config"),
	} {
		env.Setenv(name, value)
	}
	return os.WriteFile(filepath.Join(env.WorkDir, "admin-password.txt"), []byte(p.admin.password+"\n"), 0o600)
}

// until repeats a command until it succeeds and its standard output matches, for
// what the platform does on its own, or not twice within a second:
// until '^1,Edge,' vedette profiles list -o csv
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until pattern command [argument…]")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(20 * time.Second)
	for {
		err := ts.Exec(args[1], args[2:]...)
		output := ts.ReadFile("stdout")
		if err == nil && pattern.MatchString(output) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			ts.Fatalf("the output never matched %q, at last it was:\n%s%s", args[0], output, ts.ReadFile("stderr"))
		}
	}
}

// opens checks that a run of the one connector of a data folder would get a secret
// key, read beside the platform that may run there: opens data SECRET
func opens(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: opens folder secret")
	}
	ctx := context.Background()
	db, err := attachSecrets(ctx, &dataFolder{path: ts.MkAbs(args[0])}, "", time.Now)
	ts.Check(err)
	db.UseQueue(noQueue{})
	var id int64
	ts.Check(db.Writer().QueryRowContext(ctx, "SELECT id FROM connectors").Scan(&id))
	_, err = db.QueueRuns(ctx, []int64{id}, "script", time.Now(), func(all []connector.Connector) ([]connector.Connector, error) { return all, nil })
	ts.Check(err)
	_, _, credentials, err := db.BeginRun(ctx, id, time.Now())
	ts.Check(errors.Join(err, db.Close()))
	if credentials.SecretKey != args[1] {
		ts.Fatalf("a run of connector %d does not get its secret key", id)
	}
}

// noQueue leaves runs to whoever queued them.
type noQueue struct{}

func (noQueue) Enqueue(context.Context, *sql.Tx, string, int64) error { return nil }
func (noQueue) Cancel(context.Context, *sql.Tx, string, int64) error  { return nil }
