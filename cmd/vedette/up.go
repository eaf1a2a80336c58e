package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vedette.dev/vedette/internal/fleet"
	"vedette.dev/vedette/qps"
)

const (
	// firstInventory is how long up waits for this host before it says so.
	firstInventory = 60 * time.Second
	// askEvery is how often it looks.
	askEvery = 100 * time.Millisecond
)

type upOptions struct {
	platformConfig
	noAgent   bool
	agentRoot string
	verbose   bool
}

func newUpCommand(a *app) *cobra.Command {
	var o upOptions
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run a platform and an agent for this host, everything on this machine",
		Long: `Run a platform and an agent for this host.

The first start makes what is missing in the data folder: a SQLite database, a
certificate authority and a TLS certificate, an administrator, an activation key,
three system profiles. Then the agent provisions and takes its first inventory.
A later start on the same folder continues where the last one stopped.

What is needed to sign in is written to admin.env in the data folder, readable by
you alone. Client commands that run beside the default data folder find it there.

With --only automation there is neither agent nor fleet, but the automation layer
alone, for fleets that other platforms keep, such as a Qualys subscription.

up stays in the foreground until Ctrl-C; the agent ends with it.`,
		Example: `  vedette up
  vedette up --data /var/lib/vedette --listen 0.0.0.0:8443 --public-url https://vedette.example.net:8443
  vedette up --no-agent --plain 127.0.0.1:8080
  vedette up --only automation
  vedette up --failures --failures-file failures.yaml --limit-requests 300 --limit-concurrency 2`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd.Context(), a, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Data, "data", defaultDataFolder, "folder that keeps everything")
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8443", "HOST:PORT to serve TLS on")
	flags.StringVar(&o.Plain, "plain", "", "HOST:PORT to serve without TLS on, besides; none by default")
	flags.StringVar(&o.PublicURL, "public-url", "", "URL by which other hosts reach this platform; as it listens by default")
	flags.StringVar(&o.Only, "only", "", onlyUsage)
	flags.StringVar(&o.Packages, "packages", "", packagesUsage)
	flags.BoolVar(&o.noAgent, "no-agent", false, "run no agent for this host")
	flags.StringVar(&o.agentRoot, "agent-root", "/", "folder where the file system of the agent's host is mounted")
	addOperatorFlags(flags, &o.Limits, &o.Failures)
	flags.BoolVar(&o.verbose, "verbose", false, "log every request")
	return cmd
}

func up(ctx context.Context, a *app, o upOptions) error {
	o.noAgent = o.noAgent || o.alone()
	if !o.noAgent {
		if err := checkAgentRoot(o.agentRoot); err != nil {
			return err
		}
	}
	log := newLog(a.stderr, o.verbose)
	show := &progress{out: a.stderr, started: time.Now()}
	p, err := openPlatform(ctx, o.platformConfig, log)
	if err != nil {
		return err
	}
	show.done("platform", "%s, data folder %s", p.url, p.folder.path)
	o.announce(show)

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var work sync.WaitGroup
	served := make(chan error, 1)
	work.Go(func() { served <- p.run(ctx); stop() })
	if o.noAgent {
		p.describe(ctx, a.stdout, nil)
	} else if err := upAgent(ctx, a, p, o.agentRoot, show, log, &work); err != nil && ctx.Err() == nil {
		stop()
		work.Wait()
		return errors.Join(err, <-served, p.close())
	}
	<-ctx.Done()
	show.note("stopping")
	work.Wait()
	return errors.Join(<-served, p.close())
}

// upAgent starts this host's agent and waits until its inventory is searchable.
func upAgent(ctx context.Context, a *app, p *platform, root string, show *progress, log *slog.Logger, work *sync.WaitGroup) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return fmt.Errorf("agent root: %w", err)
	}
	child, err := newAgentChild(p, root, log)
	if err != nil {
		return err
	}
	work.Go(func() { child.run(ctx, show) })
	host, err := p.awaitInventory(ctx, child, show)
	if err != nil {
		return err
	}
	if host == nil { // uninstalled, which its runner has said
		p.describe(ctx, a.stdout, nil)
		return nil
	}
	show.done("inventory", "%s is asset %d: %s, %s, %s, %s",
		host.Name, host.ID, host.OS, counted(len(host.Software), "package"), counted(len(host.OpenPorts), "open port"), counted(len(host.Accounts), "account"))
	p.describe(ctx, a.stdout, host)
	return nil
}

// awaitInventory follows the agent's first steps until its host is found by a
// search, or returns nil for an agent that was uninstalled. It waits as long as it
// takes and says so when that is long.
func (p *platform) awaitInventory(ctx context.Context, child *agentChild, show *progress) (*qps.HostAsset, error) {
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	late := time.After(firstInventory)
	event := ""
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late:
			show.note("this takes longer than it should; the agent's log is %s", child.logPath)
		case <-ticker.C:
		}
		report, err := child.report()
		if err != nil || report == nil || report.AgentID == "" {
			continue // not written yet, or just being replaced
		}
		if report.Uninstalled != nil {
			return nil, nil
		}
		if report.Event != event && report.Event != "" {
			event = report.Event
			show.done("agent", "%s", event)
		}
		if report.Confirmed == "" {
			continue
		}
		host, err := p.findAgent(ctx, report.AgentID)
		if host != nil || err != nil {
			return host, err
		}
	}
}

// findAgent finds a host asset by its agent id, as anybody would.
func (p *platform) findAgent(ctx context.Context, agentID string) (*qps.HostAsset, error) {
	conditions, err := fleet.ParseConditions([]qps.Criterion{{Field: "agentUuid", Operator: qps.OpEquals, Value: agentID}})
	if err != nil {
		return nil, err
	}
	page, err := p.store.SearchHosts(ctx, fleet.Query{Scope: fleet.WholeFleet(), Conditions: conditions, Limit: 1})
	if err != nil || len(page.Hosts) == 0 {
		return nil, err
	}
	return &page.Hosts[0], nil
}

// osWord is the first word of an operating system's name, as a search term.
func osWord(host *qps.HostAsset) string {
	word, _, _ := strings.Cut(host.OS, " ")
	return word
}
