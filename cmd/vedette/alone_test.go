package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"vedette.dev/vedette/internal/access"
	links "vedette.dev/vedette/internal/automation/connection"
	runs "vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/connector"
	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/internal/store"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// TestAloneScripts runs testdata/alone/*.txt: the command line against a platform
// with only the automation layer. Every script has one of its own, and beside it a
// whole one in the folder subscription, with one agent of asset id 1, for which the
// environment has SUBSCRIPTION_URL. The passwords of their administrators are in
// admin-password.txt and subscription-password.txt.
func TestAloneScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/alone",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setupAloneScript,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

func setupAloneScript(env *testscript.Env) error {
	subscription, err := startScriptPlatform(env, platformConfig{Data: filepath.Join(env.WorkDir, "subscription")})
	if err != nil {
		return err
	}
	if err := enrolScriptAgent(subscription); err != nil {
		return err
	}
	env.Setenv("SUBSCRIPTION_URL", subscription.admin.url)
	if err := os.WriteFile(filepath.Join(env.WorkDir, "subscription-password.txt"), []byte(subscription.admin.password+"\n"), 0o600); err != nil {
		return err
	}
	alone, err := startScriptPlatform(env, platformConfig{Data: filepath.Join(env.WorkDir, "data"), Only: onlyAutomation})
	if err != nil {
		return err
	}
	return alone.tellScript(env)
}

func TestAPlatformAloneMakesNoKeysThatNobodyNeeds(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	p := openAlone(t, path, "")
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, folder := range []string{".", "tls", "trust"} {
		entries, err := os.ReadDir(filepath.Join(path, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			files = append(files, filepath.Join(folder, entry.Name()))
		}
	}
	want := []string{
		"admin.env", "lock", "tls", "trust", "vedette.db",
		"tls/ca.key", "tls/ca.pem", "tls/server.key", "tls/server.pem", "trust/secrets.key", "trust/token.key",
	}
	if !slices.Equal(files, want) {
		t.Errorf("the data folder has %v, want %v", files, want)
	}
	if p.admin.activationKey != "" {
		t.Error("there is an activation key, and no agent could use it")
	}
}

// openAlone opens a platform with only the automation layer.
func openAlone(t *testing.T, path, database string) *platform {
	t.Helper()
	config := platformConfig{Data: path, Listen: "127.0.0.1:0", Database: database, Only: onlyAutomation}
	p, err := openPlatform(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestADataFolderIsServedWholeAndAloneInTurn has what was made one way found the
// other way.
func TestADataFolderIsServedWholeAndAloneInTurn(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		only []string // of each start
	}{
		{"alone first", []string{onlyAutomation, "", onlyAutomation, ""}},
		{"whole first", []string{"", onlyAutomation, ""}},
	} {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			path := t.TempDir()
			var sites []string
			var before adminEnv
			enrolled := false
			for i, only := range test.only {
				p, err := openPlatform(t.Context(), platformConfig{Data: path, Listen: "127.0.0.1:0", Only: only}, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatalf("start %d, only %q: %v", i+1, only, err)
				}
				checkKept(t, p, sites, before, enrolled)
				sites = append(sites, fmt.Sprintf("Site %d", i+1))
				if _, err := p.store.CreateSite(t.Context(), links.Site{Name: sites[i], Kind: links.Internal, Created: time.Now()}); err != nil {
					t.Fatal(err)
				}
				if only == "" && !enrolled {
					if err := enrolScriptAgent(p); err != nil {
						t.Fatal(err)
					}
					enrolled = true
				}
				before = p.admin
				if err := p.close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// checkKept looks for what earlier starts on a data folder have left.
func checkKept(t *testing.T, p *platform, sites []string, before adminEnv, enrolled bool) {
	t.Helper()
	found, err := p.store.Sites(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sites {
		if !slices.ContainsFunc(found, func(s links.Site) bool { return s.Name == name }) {
			t.Errorf("%s was lost", name)
		}
	}
	if before.password != "" && p.admin.password != before.password {
		t.Error("the password of the administrator is another one")
	}
	if before.activationKey != "" && p.admin.activationKey != before.activationKey {
		t.Errorf("the activation key is %q, was %q", p.admin.activationKey, before.activationKey)
	}
	if before.customerID != "" && p.admin.customerID != before.customerID {
		t.Error("it is another subscription")
	}
	hosts, err := p.store.CountHosts(t.Context(), fleet.WholeFleet(), nil)
	if err != nil || enrolled && hosts != 1 {
		t.Errorf("%d hosts, %v, want that an agent that was enrolled is there: %t", hosts, err, enrolled)
	}
}

// TestOneDatabaseIsServedWholeAndAloneAtOnce has two replicas of which one has only
// the automation layer: what it does not do waits for the other.
func TestOneDatabaseIsServedWholeAndAloneAtOnce(t *testing.T) {
	t.Parallel()
	database := pgtest.Database(t)
	alone := startOperatorPlatform(t, platformConfig{Database: database, Only: onlyAutomation})
	boss, err := alone.store.UserByName(t.Context(), adminUsername)
	if err != nil {
		t.Fatal(err)
	}
	by := access.NewPrincipal(boss)
	connection := alone.connectNowhere(t, by)

	// Of a connector that is not there, whose job is over as soon as it runs.
	err = alone.store.InTx(t.Context(), func(tx *store.Tx) error { return tx.Enqueue(t.Context(), connector.RunJob, 4711) })
	if err != nil {
		t.Fatal(err)
	}
	alone.awaitRun(t, by, alone.askTest(t, by, connection))
	if state := alone.stateOfJob(t, connector.RunJob); state != "available" {
		t.Fatalf("the job of a connector is %s where only the automation layer runs, want that it waits", state)
	}

	data := t.TempDir()
	if err := os.CopyFS(filepath.Join(data, "trust"), os.DirFS(alone.folder.file("trust"))); err != nil {
		t.Fatal(err)
	}
	whole := startOperatorPlatform(t, platformConfig{Data: data, Database: database})
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(time.Minute); whole.stateOfJob(t, connector.RunJob) != "completed"; <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("the job of a connector is %s after a minute of the whole platform", whole.stateOfJob(t, connector.RunJob))
		}
	}
	// What is asked for at one is seen at the other, whoever does it.
	alone.awaitRun(t, by, whole.askTest(t, by, connection))
	whole.awaitRun(t, by, alone.askTest(t, by, connection))
}

// connectNowhere makes a connection to a platform that does not answer.
func (p *operatorPlatform) connectNowhere(t *testing.T, by access.Principal) int64 {
	t.Helper()
	sites, err := p.store.Sites(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := p.automation.connections.Create(t.Context(), by, links.Draft{
		Integration: "qualys-cloud-agent", Name: "nowhere", SiteID: sites[0].ID, Limits: links.Limits{Concurrency: 2},
		Parameters: map[string]string{"serverUrl": "https://127.0.0.1:1", "username": "a", "password": "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made.ID
}

func (p *operatorPlatform) askTest(t *testing.T, by access.Principal, connectionID int64) (run int64) {
	t.Helper()
	asked, _, err := p.automation.desk.Ask(t.Context(), by, runs.Request{ConnectionID: connectionID, Command: "test-connection", Origin: runs.ByTest})
	if err != nil {
		t.Fatal(err)
	}
	return asked.ID
}

func (p *operatorPlatform) awaitRun(t *testing.T, by access.Principal, id int64) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-again.C {
		r, err := p.automation.desk.Get(t.Context(), by, id)
		switch {
		case err != nil:
			t.Fatal(err)
		case !r.Ended.IsZero():
			return
		case time.Now().After(deadline):
			t.Fatalf("after a minute, run %d is %s", id, r.State)
		}
	}
}

// stateOfJob returns the state of the one job of a kind.
func (p *operatorPlatform) stateOfJob(t *testing.T, kind string) (state string) {
	t.Helper()
	if err := p.store.Writer().QueryRowContext(t.Context(), "SELECT state FROM river_job WHERE kind = $1", kind).Scan(&state); err != nil {
		t.Fatal(err)
	}
	return state
}
