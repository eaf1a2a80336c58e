package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"vedette.dev/vedette/internal/automation/plan"
	"vedette.dev/vedette/internal/fault"
	"vedette.dev/vedette/qps"
	"vedette.dev/vedette/qps/qpsclient"
)

// startPlatform runs a platform of the test's own, with SQLite, and returns a
// client of it and the environment of its commands.
func startPlatform(t *testing.T) (*qpsclient.Client, map[string]string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	p, err := openPlatform(ctx, platformConfig{Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, p.close()); err != nil {
			t.Error(err)
		}
	})
	client, err := qpsclient.New(qpsclient.Config{BaseURL: p.admin.url, Username: p.admin.username, Password: p.admin.password, CAFile: p.admin.caFile})
	if err != nil {
		t.Fatal(err)
	}
	return client, map[string]string{
		"VEDETTE_URL": p.admin.url, "VEDETTE_USERNAME": p.admin.username, "VEDETTE_PASSWORD": p.admin.password, "VEDETTE_CA_FILE": p.admin.caFile,
	}
}

func decode(t interface{ Fatal(...any) }, text string) []plan.Document {
	documents, err := plan.Decode("test", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return documents
}

func applyTo(r plan.Reader, w plan.Writer, documents []plan.Document, o plan.Options) (plan.Progress, error) {
	made, err := plan.Make(context.Background(), r, documents, o)
	if err != nil {
		return plan.Progress{}, err
	}
	return made.Apply(context.Background(), w, func(plan.Change) {})
}

const smallFleet = `{kind: Tag, name: North}
---
{kind: Tag, name: Inner, parent: North}
---
{kind: ActivationKey, title: Key, tags: [Inner]}
---
{kind: ActivationKey, title: Second key}
---
{kind: ConfigurationProfile, name: One, priority: 1, includeTags: [North]}
---
{kind: ConfigurationProfile, name: Two, priority: 2, default: true}
`

func TestTwoAppliesAtOnceMakeEverythingOnce(t *testing.T) {
	t.Parallel()
	// The first tag stops all applies but one; keys, of which a platform would make
	// several, are stopped by the applies themselves.
	for name, text := range map[string]string{
		"all_kinds": smallFleet,
		"keys":      "{kind: ActivationKey, title: Key}\n---\n{kind: ActivationKey, title: Second key}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := startPlatform(t)
			documents := decode(t, text)
			applyAtOnce(t, client, documents)
			// Whoever lost goes on where the others left off.
			if _, err := applyTo(client, client, documents, plan.Options{}); err != nil {
				t.Fatal(err)
			}
			keys, err := client.ActivationKeys(t.Context())
			if err != nil || len(keys) != 3 {
				t.Errorf("there are %d activation keys, want those two and the first (%v)", len(keys), err)
			}
			again, err := plan.Make(t.Context(), client, documents, plan.Options{})
			if err != nil || !again.Empty() {
				t.Errorf("the plan is %+v, %v, want none", again, err)
			}
		})
	}
}

// applyAtOnce applies the same plan several times at once; all but the first to
// make an object are told.
func applyAtOnce(t *testing.T, client *qpsclient.Client, documents []plan.Document) {
	t.Helper()
	plans := make([]*plan.Plan, 4)
	failures := make([]error, len(plans))
	for i := range plans {
		var err error
		if plans[i], err = plan.Make(t.Context(), client, documents, plan.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	var group sync.WaitGroup
	for i := range plans {
		group.Go(func() { _, failures[i] = plans[i].Apply(t.Context(), client, func(plan.Change) {}) })
	}
	group.Wait()
	for _, err := range failures {
		refused, byPlatform := errors.AsType[*qps.ResponseError](err)
		if err != nil && !byPlatform && !fault.Is(err, fault.Conflict) {
			t.Errorf("an apply failed otherwise than by another: %v", err)
		}
		if byPlatform && refused.Code != qps.CodeInvalidRequest {
			t.Errorf("an apply was refused with %v", refused)
		}
	}
}

// brokenLine is a platform that answers only so many writes.
type brokenLine struct {
	*qpsclient.Client
	left int
}

var errBroken = errors.New("the line is broken")

func (b *brokenLine) take() error {
	if b.left == 0 {
		return errBroken
	}
	b.left--
	return nil
}

func (b *brokenLine) CreateTag(ctx context.Context, c qps.TagChange) (*qps.Tag, error) {
	if err := b.take(); err != nil {
		return nil, err
	}
	return b.Client.CreateTag(ctx, c)
}

func (b *brokenLine) CreateActivationKey(ctx context.Context, c qps.AgentActKeyChange) (*qps.AgentActKey, error) {
	if err := b.take(); err != nil {
		return nil, err
	}
	return b.Client.CreateActivationKey(ctx, c)
}

func (b *brokenLine) CreateAgentConfig(ctx context.Context, c qps.AgentConfigChange) (*qps.AgentConfig, error) {
	if err := b.take(); err != nil {
		return nil, err
	}
	return b.Client.CreateAgentConfig(ctx, c)
}

func (b *brokenLine) UpdateAgentConfig(ctx context.Context, id int64, c qps.AgentConfigChange) error {
	if err := b.take(); err != nil {
		return err
	}
	return b.Client.UpdateAgentConfig(ctx, id, c)
}

func TestAnApplyThatIsCutOffGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	// Of the eight writes, profiles are made with one and moved with another.
	for _, left := range []int{0, 1, 3, 5, 6} {
		t.Run(fmt.Sprintf("after_%d_writes", left), func(t *testing.T) {
			t.Parallel()
			client, _ := startPlatform(t)
			documents := decode(t, smallFleet)
			progress, err := applyTo(client, &brokenLine{client, left}, documents, plan.Options{})
			if !errors.Is(err, errBroken) {
				t.Fatalf("error %v, want the broken line", err)
			}
			done := left
			if left >= 4 { // a profile needs two
				done = 4 + (left-4)/2
			}
			if len(progress.Done) != done || len(progress.Pending) != 6-done || progress.Partial != (left > 4 && left%2 == 1) {
				t.Errorf("done %d, pending %d, partial %v", len(progress.Done), len(progress.Pending), progress.Partial)
			}
			state := applyOutcome(progress, err).State
			if want := map[bool]string{true: "Failed", false: "Partially Successful"}[left == 0]; string(state) != want {
				t.Errorf("state %q, want %q", state, want)
			}
			if _, err := applyTo(client, client, documents, plan.Options{}); err != nil {
				t.Fatal(err)
			}
			again, err := plan.Make(t.Context(), client, documents, plan.Options{})
			if err != nil || !again.Empty() {
				t.Errorf("the plan is %+v, %v, want none", again, err)
			}
		})
	}
}

func TestTheExampleOfTheManualIsAppliedOnce(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile("../../docs/as-code.md")
	if err != nil {
		t.Fatal(err)
	}
	_, env := startPlatform(t)
	folder := t.TempDir()
	examples := regexp.MustCompile("(?s)`fleet/([a-z]+\\.yaml)`\n\n```yaml\n(.*?)```").FindAllSubmatch(manual, -1)
	if len(examples) != 3 {
		t.Fatalf("the manual has %d files, want 3", len(examples))
	}
	for _, file := range examples {
		if err := os.WriteFile(filepath.Join(folder, string(file[1])), file[2], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var first []byte
	for _, step := range []struct {
		args []string
		want string
	}{
		{[]string{"plan", "-f", folder}, "Plan: 5 to create, 0 to change, 0 to delete."},
		{[]string{"apply", "-f", folder, "--yes"}, "Applied: 5 of 5 changes."},
		{[]string{"plan", "-f", folder}, "Nothing to change."},
	} {
		term := newTerminal(t, env)
		if code := term.run(t.Context(), step.args); code != exitDone || !strings.Contains(term.out.String(), step.want) {
			t.Fatalf("vedette %s: exit code %d\n%s%s", step.args, code, term.out, term.err)
		}
		if first == nil {
			first = bytes.Clone(term.out.Bytes())
		}
	}
	shown := regexp.MustCompile("(?s)```\n(\\+ Tag .*?)…").FindSubmatch(manual)
	if len(shown) != 2 || !bytes.HasPrefix(first, shown[1]) {
		t.Errorf("the manual shows\n%s\nand the plan is\n%s", shown, first)
	}
}

func TestWhatWasAgreedToIsWhatWasShown(t *testing.T) {
	t.Parallel()
	client, env := startPlatform(t)
	in := planInput{client: client, documents: decode(t, smallFleet)}
	shown, err := in.plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	term := newTerminal(t, env)
	if _, err := term.askToApply(t.Context(), strings.NewReader("no\n"), in, shown); err == nil || err.Error() != "nothing was changed" {
		t.Errorf("after no: %v", err)
	}
	if again, err := term.askToApply(t.Context(), strings.NewReader("yes\n"), in, shown); err != nil || !samePlan(shown, again) {
		t.Errorf("after yes: %v, %v", again, err)
	}
	if _, err := client.CreateTag(t.Context(), qps.TagChange{Name: new("North")}); err != nil {
		t.Fatal(err)
	}
	if _, err := term.askToApply(t.Context(), strings.NewReader("yes\n"), in, shown); err == nil || !strings.Contains(err.Error(), "has changed since the plan was shown") {
		t.Errorf("after yes, too late: %v", err)
	}
}

func TestOnlyYesAgrees(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"yes\n": true, " yes \r\n": true, "y\n": false, "\n": false, "": false, "yes, please\n": false} {
		term := newTerminal(t, nil)
		got, err := term.confirm(t.Context(), strings.NewReader(answer), "Sure? ")
		if got != want || err != nil || term.err.String() != "Sure? " {
			t.Errorf("%q: %v, %v after %q", answer, got, err, term.err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	silent, _, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	term := newTerminal(t, nil)
	if got, err := term.confirm(stopped, silent, "Sure? "); got || !errors.Is(err, context.Canceled) {
		t.Errorf("a question that is interrupted: %v, %v", got, err)
	}
}
