package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"vedette.dev/vedette/internal/access"
	"vedette.dev/vedette/internal/automation/playbook/conductor"
	automationrun "vedette.dev/vedette/internal/automation/run"
	"vedette.dev/vedette/internal/automation/schedule"
	"vedette.dev/vedette/internal/store/postgres/pgtest"
)

// faultRuns is how many runs are under way when platforms are killed; the nightly
// tests say more in VEDETTE_PLAYBOOK_RUNS.
func faultRuns() int {
	if n, err := strconv.Atoi(os.Getenv("VEDETTE_PLAYBOOK_RUNS")); err == nil {
		return n
	}
	return 30
}

func TestRunsOfPlaybooksOutliveTheKillingOfTheirPlatform(t *testing.T) {
	t.Parallel()
	outlive(t, "", 1)
}

// What the replica that is killed was at, the other one takes over when its leases are
// over: this test mostly waits.
func TestRunsOfPlaybooksOutliveTheKillingOfOneOfTwoReplicas(t *testing.T) {
	t.Parallel()
	outlive(t, pgtest.Database(t), 2)
}

// A restart, such as that of an upgrade, is no crash: each command that was sent is
// answered before, nothing is sent twice, and nobody is asked.
func TestARestartAsksNobodyWhatBecameOfCommands(t *testing.T) {
	t.Parallel()
	const runs = 20
	subscription, url := newSubscription(t)
	subscription.pause = 50 * time.Millisecond
	config := platformConfig{Data: t.TempDir(), Listen: "127.0.0.1:0"}
	p := openStage(t, config)
	playbook, admin := stage(t, p, url)
	begin(t, p, admin, playbook, 1, runs+1)
	closeStage(t, p)
	for _, asked := range []int64{runs, runs * 4, runs * 7, runs * 10} {
		serving := serveFolder(t, config.Data, "")
		awaitRequests(t, subscription, asked)
		if err := serving.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := serving.Wait(); err != nil {
			t.Errorf("the platform ended with %v", err)
		}
	}
	p = openStage(t, config)
	defer closeStage(t, p)
	judge(t, p, subscription, runs)
	if n := subscription.requests.Load(); n != runs*10 {
		t.Errorf("%d requests were made, want %d", n, runs*10)
	}
	questions, err := p.automation.playbooks.desk.Questions(t.Context(), admin, 0, false, false, 10)
	if err != nil || len(questions) != 0 {
		t.Errorf("people were asked %+v: %v", questions, err)
	}
}

// outlive starts runs of ten steps, kills platforms with kill -9 while they are under
// way, and looks at the end what was asked of the subscription, and how often.
func outlive(t *testing.T, database string, replicas int) {
	runs := faultRuns()
	subscription, url := newSubscription(t)
	folders := []string{t.TempDir(), t.TempDir(), t.TempDir()}[:replicas+1]
	config := func(i int) platformConfig {
		return platformConfig{Data: folders[i], Listen: "127.0.0.1:0", Database: database}
	}
	p := openStage(t, config(0))
	playbook, admin := stage(t, p, url)
	ticks := tick(t, p, admin)
	begin(t, p, admin, playbook, 1, runs+1)
	closeStage(t, p)
	for _, folder := range folders[1:] {
		copyTrustOf(t, folders[0], folder)
	}
	var serving []*exec.Cmd
	for i := range replicas {
		serving = append(serving, serveFolder(t, folders[i], database))
	}
	for kill := 1; kill <= 3; kill++ {
		awaitRequests(t, subscription, int64(runs*10*kill/5))
		victim := kill % replicas
		if err := serving[victim].Process.Kill(); err != nil { // SIGKILL
			t.Fatal(err)
		}
		_ = serving[victim].Wait()
		serving[victim] = serveFolder(t, folders[victim], database)
	}
	settle(t, subscription)
	for round := 0; ; round++ {
		for _, s := range serving {
			_ = s.Process.Signal(os.Interrupt)
			_ = s.Wait()
		}
		p = openStage(t, config(0))
		open := answerUnknown(t, p, admin, subscription)
		if open == 0 {
			break
		}
		if round == 30 {
			t.Fatalf("%d runs do not end", open)
		}
		closeStage(t, p)
		serving = []*exec.Cmd{serveFolder(t, folders[0], database)}
		settle(t, subscription)
	}
	defer closeStage(t, p)
	judge(t, p, subscription, runs)
	judgeTicks(t, p, ticks)
}

// judge looks whether every run has ended, and nothing was done twice.
func judge(t *testing.T, p *platform, s *subscription, runs int) {
	t.Helper()
	all, err := p.store.PlaybookRuns(t.Context(), conductor.Filter{Limit: runs + 1})
	if err != nil || len(all) != runs {
		t.Fatalf("there are %d runs: %v", len(all), err)
	}
	for _, r := range all {
		if r.State != conductor.Succeeded && r.State != conductor.Partial {
			t.Errorf("run %d is %s: %+v", r.ID, r.State, r.Error)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.launches) != runs*5 {
		t.Errorf("%d scans were launched, want %d", len(s.launches), runs*5)
	}
	repeated := 0
	for scan, keys := range s.launches {
		if len(keys) > 1 {
			repeated++
		}
		for _, key := range keys {
			if key == "" || key != keys[0] {
				t.Errorf("scan %s was launched with the keys %q", scan, keys)
			}
		}
	}
	for title, n := range s.created {
		if n != 1 {
			t.Errorf("%s was made %d times", title, n)
		}
	}
	t.Logf("%d runs, %d scans, %d of them sent again with their key, %d keys", runs, len(s.launches), repeated, len(s.created))
}

// answerUnknown tells what became of commands that were cut off, and returns how many
// runs have not ended.
func answerUnknown(t *testing.T, p *platform, admin access.Principal, s *subscription) int {
	t.Helper()
	ctx := t.Context()
	questions, err := p.automation.playbooks.desk.Questions(ctx, admin, 0, true, true, 5000)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions {
		r, err := p.store.PlaybookRun(ctx, q.RunID)
		if err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		made := s.created["key "+strconv.FormatInt(r.Inputs["n"].(int64), 10)]
		s.mu.Unlock()
		answer := "not-carried-out"
		if made > 0 {
			answer = "carried-out"
		}
		if _, err := p.automation.playbooks.desk.Answer(ctx, admin, q.ID, answer, ""); err != nil {
			t.Fatal(err)
		}
	}
	open, err := p.store.PlaybookRuns(ctx, conductor.Filter{Open: true, Limit: 5000})
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// tick makes a schedule that fires while platforms are killed.
func tick(t *testing.T, p *platform, admin access.Principal) schedule.Schedule {
	t.Helper()
	connections, err := p.store.Connections(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	made, err := p.automation.schedules.Create(t.Context(), admin, schedule.Draft{
		Name: "tick", Target: schedule.Target{Command: "search-cloud-agents", ConnectionID: connections[0].ID}, Spec: schedule.Spec{Cron: "* * * * *", CatchUp: schedule.CatchUpOne},
	})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// judgeTicks looks whether each firing had one run.
func judgeTicks(t *testing.T, p *platform, s schedule.Schedule) {
	t.Helper()
	firings, err := p.store.Firings(t.Context(), s.ID, 500)
	if err != nil {
		t.Fatal(err)
	}
	found, err := p.store.Runs(t.Context(), automationrun.Filter{ScheduleID: s.ID, Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	at := map[time.Time]int{}
	for _, r := range found {
		if at[r.Fired]++; at[r.Fired] > 1 {
			t.Errorf("the firing of %s had %d runs", r.Fired, at[r.Fired])
		}
	}
	t.Logf("the schedule has fired %d times and had %d runs", len(firings), len(found))
}

// settle waits until the subscription was asked nothing for some seconds: what is
// left waits for people, or for the end of leases.
func settle(t *testing.T, s *subscription) {
	t.Helper()
	quiet := 8 * time.Second // more than the look of the sweeper
	last, since := s.requests.Load(), time.Now()
	for time.Since(since) < quiet {
		if err := sleepContext(t.Context(), 100*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		if now := s.requests.Load(); now != last {
			last, since = now, time.Now()
		}
	}
}

func awaitRequests(t *testing.T, s *subscription, n int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	for s.requests.Load() < n {
		if err := sleepContext(ctx, 5*time.Millisecond); err != nil {
			t.Fatalf("%d requests were made, want %d: %v", s.requests.Load(), n, err)
		}
	}
}

// serveFolder starts a platform as a process of its own.
func serveFolder(t *testing.T, folder, database string) *exec.Cmd {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	args := []string{"serve", "--data", folder, "--listen", address}
	if database != "" {
		args = append(args, "--database", database)
	}
	command := exec.CommandContext(t.Context(), "vedette", args...) // this test binary, see TestMain
	var told bytes.Buffer
	command.Stderr = &told
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			text := told.String()
			t.Logf("%s said:\n%s", folder, text[max(0, len(text)-4000):])
		}
	})
	return command
}

func closeStage(t *testing.T, p *platform) {
	t.Helper()
	if err := p.close(); err != nil {
		t.Fatal(err)
	}
}

// copyTrustOf copies what replicas of one database share.
func copyTrustOf(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"trust/root.key", "trust/instruction.key", "trust/instruction.json", "trust/secrets.key", "admin.env"} {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
